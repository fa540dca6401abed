"""Mappings of BVH joints to the 17: what is shipped, what a user's may say, and how a skeleton's kind is recognised."""

import re
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.bvh.joints import find_mapping, plain_name, read_mapping, shipped_mappings, weight_matrix

ARMS_AND_LEGS = [
    side + joint
    for side in ("Left", "Right")
    for joint in ("UpLeg", "Leg", "Foot", "Shoulder", "Arm", "ForeArm", "Hand")
]
SKELETONS = {
    "cmu": [
        "Hips", "LHipJoint", "RHipJoint", "LeftToeBase", "RightToeBase", "LowerBack", "Spine", "Spine1", "Neck", "Neck1",
        "Head", "Head.end", *ARMS_AND_LEGS,
    ],
    "bandai-namco": [
        "joint_Root", "Hips", "Spine", "Chest", "Neck", "Head", "Head.end",
        *(f"{joint}_{side}" for side in "LR" for joint in (
            "Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot", "Toes"
        )),
    ],
    "lafan1": [
        "Hips", "LeftToe", "RightToe", "Spine", "Spine1", "Spine2", "Neck", "Head", "Head.end", *ARMS_AND_LEGS
    ],
    "mixamo": [
        "Hips", "LeftToeBase", "RightToeBase", "Spine", "Spine1", "Spine2", "Neck", "Head", "HeadTop_End", *ARMS_AND_LEGS
    ],
    "100style": [
        "Hips", "Chest", "Chest2", "Chest3", "Chest4", "Neck", "Head", "Head.end",
        *(side + joint for side in ("Left", "Right") for joint in (
            "Collar", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Toe"
        )),
    ],
}  # fmt: skip

MINE = dict.fromkeys(H36M_17.joints, '"only"')


def write(folder: Path, table: dict[str, str] | str) -> Path:
    path = folder / "mine.toml"
    lines = table if isinstance(table, str) else "\n".join(f"{key} = {value}" for key, value in table.items())
    path.write_text(f"{lines}\n", encoding="utf-8")
    return path


def test_each_kind_of_skeleton_is_recognised_by_its_names() -> None:
    assert {find_mapping("", names, "a.bvh").name: names for names in SKELETONS.values()} == SKELETONS
    assert set(shipped_mappings()) == {*SKELETONS, H36M_17.name}


def test_the_17_joints_themselves_need_no_other() -> None:
    mapping = find_mapping("", ["World", *H36M_17.joints, "Head.end"], "a.bvh")
    used, weights = weight_matrix(mapping, H36M_17.joints, "a.bvh")
    assert (mapping.name, used) == ("h36m_17", list(range(17)))
    np.testing.assert_array_equal(weights, np.eye(17))


@pytest.mark.parametrize("prefix", ["mixamorig1:", "mixamorig_", "mixamorig", "ann:"])
def test_a_prefix_that_programs_put_before_names_is_dropped(prefix) -> None:
    names = [prefix + name for name in SKELETONS["mixamo"]]
    assert [plain_name(name) for name in names] == SKELETONS["mixamo"]
    mapping = find_mapping("", names, "a.bvh")
    assert mapping.name == "mixamo"
    assert weight_matrix(mapping, names, "a.bvh")[0][0] == SKELETONS["mixamo"].index(mapping.needed[0])


@pytest.mark.parametrize("kind", SKELETONS)
def test_left_and_right_are_mirror_images_in_every_shipped_mapping(kind) -> None:
    mapping = shipped_mappings()[kind]

    swap = {"Left": "Right", "Right": "Left", "_L": "_R", "_R": "_L"}
    for joint, other in enumerate(H36M_17.mirror):
        mirrored = {
            re.sub("^(Left|Right)|_[LR]$", lambda side: swap[side[0]], name): weight
            for name, weight in mapping.weights[joint].items()
        }
        assert mirrored == mapping.weights[other]
    for joint in (*H36M_17.left, *H36M_17.right):
        side = "L" if joint in H36M_17.left else "R"
        assert all(name.startswith(side) or name.endswith(f"_{side}") for name in mapping.weights[joint])


@pytest.mark.parametrize("kind", SKELETONS)
def test_the_joints_of_a_leg_and_an_arm_follow_each_other(kind) -> None:
    """In every naming hip, knee, ankle are three joints in turn, and shoulder, elbow, wrist too."""
    order = {
        "100style": "Hip Knee Ankle Shoulder Elbow Wrist",
        "bandai-namco": "UpperLeg LowerLeg Foot UpperArm LowerArm Hand",
    }.get(kind, "UpLeg Leg Foot Arm ForeArm Hand")
    found = [next(iter(shipped_mappings()[kind].weights[joint])) for joint in H36M_17.left]
    assert [name.removeprefix("Left").removesuffix("_L") for name in found] == order.split()


def test_a_mapping_s_weights_make_the_joints(tmp_path: Path) -> None:
    table = {**MINE, "Hip": '["a", "b"]', "Spine": "{ a = 0.25, only = 0.75 }", "Head": "{ b = -1, only = 2.0 }"}
    mapping = read_mapping(write(tmp_path, table))
    assert mapping.name == "mine"
    used, weights = weight_matrix(mapping, ["x", "b", "only", "y:a"], "a.bvh")
    points = np.array([[0.0, 0, 0], [2, 0, 0], [0, 4, 0], [0, 0, 8]])  # x, b, only, a
    made = weights @ points[used]
    index = H36M_17.index
    np.testing.assert_allclose(made[index("Hip")], [1, 0, 4])
    np.testing.assert_allclose(made[index("Spine")], [0, 3, 2])
    np.testing.assert_allclose(made[index("Head")], [-2, 8, 0])
    np.testing.assert_allclose(made[index("LWrist")], [0, 4, 0])


def test_a_mapping_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    assert find_mapping(str(write(tmp_path, MINE)), ["only"], "a.bvh").needed == ("only",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Hips": '"only"'}, "unknown joint in mapping 'mine'.*'Hips'.*Hip"),
        ({"Spine": "{ a = 0.5, b = 0.4 }"}, "Spine.*add up to 1"),
        ({"Spine": "{ a = nan }"}, "Spine.*add up to 1"),
        ({"Spine": "{ a = 1" + "0" * 400 + " }"}, "Spine.*add up to 1"),
        *(
            ({"Spine": value}, "Spine of mapping 'mine' is")
            for value in ("{}", "[]", "1", "{ a = true }", '["a", "a"]')
        ),
        ({"RElbow": None}, "lacks RElbow;"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_by_its_joint(change, said, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        read_mapping(write(tmp_path, {key: text for key, text in {**MINE, **change}.items() if text}))
    assert "mine.toml" in str(refusal.value)


@pytest.mark.parametrize("text", ["[a]\n[b]\n", "[a\n", "x = 1\n", "", "a = " + "[" * 5000, "é = 1", "a" * 2**20])
def test_a_file_that_is_no_mapping_is_refused_by_its_path(text, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"mine\.toml"):
        read_mapping(path)


def test_missing_joints_are_named_with_those_there_are() -> None:
    names = [name for name in SKELETONS["lafan1"] if name not in ("LeftHand", "Neck")]
    with pytest.raises(InputError, match=r"a\.bvh: the joints Neck, LeftHand.*There are: Hips, LeftToe"):
        find_mapping("lafan1", names, "a.bvh")
    with pytest.raises(InputError, match=r"no kind that is known.*Hips, LeftToe.*cmu, bandai-namco"):
        find_mapping("", names, "a.bvh")


def test_a_skeleton_of_no_kind_or_of_two_is_refused_with_the_mappings_that_its_joints_allow() -> None:
    names = [name for name in SKELETONS["mixamo"] if name != "HeadTop_End"]
    with pytest.raises(InputError, match="These mappings could be given: lafan1"):
        find_mapping("", names, "a.bvh")
    assert find_mapping("lafan1", names, "a.bvh").name == "lafan1"
    both = [*SKELETONS["mixamo"], *SKELETONS["100style"]]
    with pytest.raises(InputError, match=r"These mappings could be given: .*mixamo, 100style"):
        find_mapping("", both, "a.bvh")


def test_two_joints_of_one_plain_name_are_refused_if_the_mapping_needs_them() -> None:
    names = [*SKELETONS["lafan1"], "other:Neck"]
    with pytest.raises(InputError, match="'Neck' and 'other:Neck'"):
        weight_matrix(shipped_mappings()["lafan1"], names, "a.bvh")
    weight_matrix(shipped_mappings()["lafan1"], [*SKELETONS["lafan1"], "a:Finger", "b:Finger"], "a.bvh")


def test_head_bones_are_about_as_long_as_in_human36m() -> None:
    """Positions along the neck, metres, of real skeletons' rest poses."""
    heights = {
        "bandai-namco": {"Neck": 0, "Head": 0.0646}, "cmu": {"Neck": 0, "Neck1": 0.0986, "Head": 0.198, "Head.end": 0.298},
        "lafan1": {"Spine2": -0.257, "Neck": 0, "Head": 0.1177},
        "100style": {"Chest4": -0.139, "Neck": 0, "Head": 0.092, "Head.end": 0.264},
        "mixamo": {"Spine2": -0.167, "Neck": 0, "Head": 0.105, "HeadTop_End": 0.295},
    }  # fmt: skip
    for kind, height in heights.items():
        weights = [shipped_mappings()[kind].weights[H36M_17.index(joint)] for joint in ("Thorax", "Neck", "Head")]
        thorax, nose, top = (sum(weight * height[name] for name, weight in each.items()) for each in weights)
        assert 0.10 < nose - thorax < 0.14, kind
        assert 0.09 < top - nose < 0.14, kind
