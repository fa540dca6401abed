"""Skeletons are trees whose sides match by name; actions are matched letter for letter."""

import itertools
import re

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import ALL, H36M_ACTIONS, check_name, nearest, split_take
from pose3d_lib.data.skeleton import COCO_17, H36M_17, HUMANEVA_15, HUMANEVA_20, MPII_16, Skeleton

COUNTS = {H36M_17: 17, HUMANEVA_15: 15, HUMANEVA_20: 20, MPII_16: 16, COCO_17: 17}
LAYOUTS = pytest.mark.parametrize("layout", COUNTS, ids=lambda layout: layout.name)
TREES = pytest.mark.parametrize("layout", [own for own in COUNTS if own is not COCO_17], ids=lambda own: own.name)


def refusal(name: str, valid=H36M_ACTIONS) -> str:
    """The message with which a name is refused."""
    with pytest.raises(InputError) as refused:
        check_name(name, valid, "action")
    return str(refused.value)


def suggestions(name: str) -> list[str]:
    found = re.search(r"did you mean (.*?)\?", refusal(name))
    return found[1].split(", ") if found else []


@LAYOUTS
def test_joints_have_names_of_their_own_which_tell_their_side_and_their_mirror(layout) -> None:
    assert len(set(layout.joints)) == layout.num_joints == COUNTS[layout]
    opposite = {"L": "R", "R": "L"}
    for joint, other in zip(layout.joints, layout.mirror, strict=True):
        paired = joint[0] in opposite and joint[1].isupper()
        assert layout.joints[other] == (opposite[joint[0]] + joint[1:] if paired else joint)
    for side, joints in (("L", layout.left), ("R", layout.right)):
        named = [i for i, name in enumerate(layout.joints) if re.match(side + "[A-Z]", name)]
        assert sorted(joints) == named


@TREES
def test_the_parents_form_a_tree_under_the_pelvis_that_is_its_own_mirror(layout) -> None:
    for joint in range(layout.num_joints):
        path = [joint]
        while layout.parents[path[-1]] != -1:
            path.append(layout.parents[path[-1]])
            assert len(path) <= layout.num_joints, f"a ring through {layout.joints[joint]}"
        assert layout.joints[path[-1]] in ("Hip", "Pelvis")
    assert {(layout.mirror[a], layout.mirror[b]) for a, b in layout.bones} == set(layout.bones)


def test_a_bone_is_of_the_side_where_it_ends_unless_it_crosses_the_body() -> None:
    sides = dict(zip(COCO_17.bones, COCO_17.bone_sides, strict=True))
    index = COCO_17.index
    expected = {("LShoulder", "LElbow"): "left", ("RKnee", "RAnkle"): "right", ("LHip", "RHip"): "middle"}
    for ends, side in {**expected, ("Nose", "LEye"): "left"}.items():
        assert sides[index(ends[0]), index(ends[1])] == side
    assert H36M_17.sides.count("left") == H36M_17.sides.count("right") == 6
    assert H36M_17.sides[H36M_17.index("Head")] == "middle"


def test_the_limbs_hang_together_by_name() -> None:
    chains = [
        ("Hip", "RHip", "RKnee", "RFoot"), ("Hip", "LHip", "LKnee", "LFoot"),
        ("Hip", "Spine", "Thorax", "Neck", "Head"), ("Thorax", "LShoulder", "LElbow", "LWrist"),
        ("Thorax", "RShoulder", "RElbow", "RWrist"),
    ]  # fmt: skip
    bones = {(a, b) for chain in chains for a, b in itertools.pairwise(chain)}
    assert {(H36M_17.joints[parent], H36M_17.joints[joint]) for parent, joint in H36M_17.bones} == bones
    assert len(H36M_17.bones) == 16


def test_humaneva_and_mpii_have_the_published_numbers() -> None:
    assert HUMANEVA_15.parents == (-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1)
    ends = ("Pelvis", "LWrist", "RWrist", "LAnkle", "RAnkle", "Head")
    assert [HUMANEVA_20.index(joint) for joint in ends] == [0, 6, 10, 14, 18, 19]
    assert MPII_16.mirror == (5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10)


def test_a_detector_s_layout_has_no_tree_but_lines_to_draw() -> None:
    assert COCO_17.parents == ()
    named = {frozenset((COCO_17.joints[a], COCO_17.joints[b])) for a, b in COCO_17.bones}
    assert {*map(frozenset, (("LHip", "LKnee"), ("RElbow", "RWrist"), ("LShoulder", "RShoulder")))} < named
    mirrored = {frozenset((COCO_17.mirror[a], COCO_17.mirror[b])) for a, b in COCO_17.bones}
    assert mirrored == {frozenset(bone) for bone in COCO_17.bones}
    assert {joint for bone in COCO_17.bones for joint in bone} == set(range(17))
    assert Skeleton("coco_17", ("a", "b"), (), (), ()).bones == ()


@pytest.mark.parametrize(
    ("parents", "left", "right"),
    [
        pytest.param((-1, 0, 0), (1,), (), id="a left without a right"),
        pytest.param((-1, 0, 0), (1,), (1,), id="a joint of both sides"),
        pytest.param((-1, 0), (1,), (2,), id="a parent missing"),
        pytest.param((-1, -1, 0), (1,), (2,), id="two roots"),
        pytest.param((1, 2, 0), (), (), id="no root"),
        pytest.param((-1, 0, 0), (1,), (3,), id="a right that is no joint"),
        pytest.param((-1, 0, 3), (), (), id="a parent that is no joint"),
    ],
)
def test_a_skeleton_that_is_not_one_is_refused_by_name(parents, left, right) -> None:
    with pytest.raises(ValueError, match="'stick'"):
        Skeleton("stick", ("a", "b", "c"), parents, left, right)


def test_an_exact_name_of_the_fifteen_actions_is_taken_as_it_is() -> None:
    assert len(H36M_ACTIONS) == 15
    assert ALL not in H36M_ACTIONS
    assert [check_name(action, H36M_ACTIONS, "action") for action in H36M_ACTIONS] == list(H36M_ACTIONS)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Sit", ["Sitting", "SittingDown"]),
        ("Walk", ["WalkDog", "Walking", "WalkTogether"]),
        ("sitting", ["Sitting", "SittingDown"]),
        ("Sitting Down", ["SittingDown"]),
        ("walk_dog", ["WalkDog"]), ("Fotos", ["Photo"]), ("TakingPhoto", ["Photo"]), ("", []), ("Xylophone", []),
    ],
)  # fmt: skip
def test_any_other_name_is_refused_and_the_likeliest_suggested_first(name, meant) -> None:
    found = suggestions(name)
    assert sorted(found[: len(meant)]) == sorted(meant)
    assert bool(found) == bool(meant)


def test_a_refusal_quotes_the_name_and_lists_what_is_valid_in_order() -> None:
    assert refusal("Swim", ("Run", "Jump")) == "unknown action 'Swim': Valid: Run, Jump"
    assert len(nearest("a", ["aa", "ab", "ac", "ad"])) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Walking", ("Walking", "0")),
        ("WalkTogether 12", ("WalkTogether", "12")),
        ("WalkingDog 2", ("WalkDog", "2")),
        ("TakingPhoto", ("Photo", "0")),
        ("WalkingTogether 1", ("WalkTogether", "1")),
        ("Walking 1 chunk0", ("Walking", "1 chunk0")),
    ],
)
def test_a_file_s_name_is_split_into_action_and_take(name, expected) -> None:
    assert split_take(name) == expected
