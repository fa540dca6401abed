"""Layouts of 2D detectors: the joints' order that each detector documents, and the 17 joints that follow from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.data.sources.detections.layouts import (
    HEAD_REACH,
    LAYOUTS,
    OF_COUNT,
    choose_layout,
    convert,
    match_names,
    to_h36m,
)
from pose3d_lib.data.sources.synthetic.body import make_body
from tests.helpers import detection_files as files

WALK = files.walk(3)
DETECTORS = [name for name in LAYOUTS if name != "h36m"]


@pytest.mark.parametrize(
    ("layout", "count", "joints"),
    [
        ("body_25", 25, {0: "Nose", 1: "Neck", 7: "LWrist", 8: "MidHip", 14: "LAnkle", 15: "REye", 19: "LBigToe", 24: "RHeel"}),
        ("openpose_18", 18, {0: "Nose", 1: "Neck", 7: "LWrist", 8: "RHip", 13: "LAnkle", 14: "REye", 17: "LEar"}),
        ("halpe_26", 26, {0: "Nose", 1: "LEye", 16: "RAnkle", 17: "Head", 18: "Neck", 19: "MidHip", 21: "RBigToe", 25: "RHeel"}),
        ("mediapipe_33", 33, {0: "Nose", 2: "LEye", 7: "LEar", 9: "LMouth", 11: "LShoulder", 16: "RWrist", 23: "LHip",
                              29: "LHeel", 32: "RFootIndex"}),
    ],
)  # fmt: skip
def test_joints_stand_where_the_detector_puts_them(layout, count, joints) -> None:
    assert {number: LAYOUTS[layout].joints[number] for number in joints} == joints
    assert LAYOUTS[layout].num_joints == len(set(LAYOUTS[layout].joints)) == count
    assert OF_COUNT[count] == layout


@pytest.mark.parametrize("layout", LAYOUTS)
def test_left_and_right_change_places_in_the_mirror_and_nothing_else_does(layout) -> None:
    skeleton = LAYOUTS[layout]
    for joint, other in zip(skeleton.joints, skeleton.mirror, strict=True):
        sided = {"L": "R", "R": "L"}.get(joint[0])
        assert skeleton.joints[other] == (sided + joint[1:] if sided else joint)


@pytest.mark.parametrize("layout", DETECTORS)
def test_coco_s_and_human36m_s_joints_follow_from_every_layout(layout) -> None:
    points = files.in_layout(WALK, layout)
    sources = convert(points, layout)
    assert set(sources) == {"h36m", "coco", layout}
    np.testing.assert_allclose(sources["h36m"], files.expected_h36m(WALK), atol=1e-9)
    np.testing.assert_array_equal(sources["coco"], WALK)
    np.testing.assert_array_equal(sources[layout], points)
    assert list(convert(sources["h36m"], "h36m")) == ["h36m"]


def test_the_detector_s_own_neck_and_middle_of_the_hips_are_preferred() -> None:
    points = files.in_layout(WALK, "body_25")
    body = LAYOUTS["body_25"]
    points[:, body.index("Neck")] += [5, 3]
    points[:, body.index("MidHip")] += [-4, 2]
    moved = to_h36m(points, "body_25") - files.expected_h36m(WALK)
    np.testing.assert_allclose(moved[:, H36M_17.index("Thorax")], [[5, 3]] * 3)
    np.testing.assert_allclose(moved[:, 0], [[-4, 2]] * 3)
    np.testing.assert_allclose(moved[:, H36M_17.index("Spine")], [[0.5, 2.5]] * 3)
    np.testing.assert_allclose(moved[:, H36M_17.index("Head")], 0, atol=1e-9)  # follows the shoulders


def hidden(layout: str, *joints: str) -> np.ndarray:
    points = files.in_layout(WALK, layout)
    points[:, [LAYOUTS[layout].index(joint) for joint in joints]] = np.nan
    return to_h36m(points, layout)


def of(joint: str) -> np.ndarray:
    return WALK[:, COCO_17.index(joint)]


def test_what_is_not_seen_follows_from_the_next_best_part_of_the_face_or_both_sides() -> None:
    thorax, eyes = (of("LShoulder") + of("RShoulder")) / 2, (of("LEye") + of("REye")) / 2
    head, neck = H36M_17.index("Head"), H36M_17.index("Neck")
    ears = ["LEar", "REar"]
    for unseen, centre in (
        (["LEar"], of("REar")),
        (ears, eyes),
        ([*ears, "LEye"], of("REye")),
        ([*ears, "LEye", "REye"], of("Nose")),
    ):
        np.testing.assert_allclose(hidden("coco", *unseen)[:, head], thorax + 1.3 * (centre - thorax), atol=1e-9)
    np.testing.assert_allclose(hidden("coco", "LEye")[:, neck], of("Nose"))
    np.testing.assert_allclose(hidden("coco", "Nose")[:, neck], eyes)
    np.testing.assert_allclose(hidden("coco", "Nose", "LEye", "REye")[:, neck], (of("LEar") + of("REar")) / 2)
    np.testing.assert_allclose(hidden("body_25", "Neck", "MidHip"), files.expected_h36m(WALK), atol=1e-9)


@pytest.mark.parametrize("subject", ["S1", "S11"])
def test_the_head_is_as_high_as_on_a_body_of_human36m_s_proportions(subject) -> None:
    """Whose ears are 0.12 of the stature above the middle of the shoulders."""
    body = make_body(subject, 0)
    shoulders = body.clavicle[1]  # above Thorax
    forward, up = body.neck[0] + body.head[0], body.neck[1] + body.head[1] - shoulders
    assert HEAD_REACH * 0.12 * body.stature == pytest.approx(np.hypot(forward, up), rel=0.06)


@pytest.mark.parametrize(
    ("unseen", "missing"),
    [("LKnee", {"LKnee"}), ("RAnkle", {"RFoot"}), ("LHip", {"Hip", "LHip", "Spine"}),
     ("RShoulder", {"RShoulder", "Thorax", "Spine", "Head"})],
)  # fmt: skip
def test_what_follows_from_a_missing_joint_is_missing_and_nothing_else(unseen, missing) -> None:
    gone = np.isnan(hidden("coco", unseen)).all(axis=(0, 2))
    assert {joint for joint, absent in zip(H36M_17.joints, gone, strict=True) if absent} == missing


@settings(max_examples=50, deadline=None, derandomize=True)
@given(layout=st.sampled_from(DETECTORS), seed=st.integers(0, 10**6), missing=st.floats(0, 1))
def test_the_17_joints_move_and_mirror_with_the_detections(layout, seed, missing) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 500, (4, LAYOUTS[layout].num_joints, 2))
    points[rng.random(points.shape[:2]) < missing] = np.nan
    shift = np.array([30, -8])
    np.testing.assert_allclose(to_h36m(points + shift, layout), to_h36m(points, layout) + shift, atol=1e-9)
    mirrored = to_h36m((points * [-1, 1])[:, LAYOUTS[layout].mirror], layout)
    np.testing.assert_allclose(mirrored, (to_h36m(points, layout) * [-1, 1])[:, H36M_17.mirror], atol=1e-9)


def test_a_derived_joint_is_as_sure_as_those_it_follows_from_in_the_mean() -> None:
    sure = dict(zip(COCO_17.joints, np.linspace(0.1, 0.9, 17), strict=True))
    points = np.concatenate([WALK, np.broadcast_to(np.array(list(sure.values()))[:, None], (3, 17, 1))], axis=2)
    points[2, COCO_17.index("LEar")] = np.nan
    found = to_h36m(points, "coco")
    np.testing.assert_array_equal(found[..., :2], to_h36m(points[..., :2], "coco"))
    hip, thorax = (sure["LHip"] + sure["RHip"]) / 2, (sure["LShoulder"] + sure["RShoulder"]) / 2
    expected = {
        "Hip": hip, "Thorax": thorax, "Spine": (hip + thorax) / 2, "Neck": sure["Nose"], "RFoot": sure["RAnkle"],
        "LFoot": sure["LAnkle"], "Head": (sure["LEar"] + sure["REar"]) / 2,
    }  # fmt: skip
    for joint, score in {**sure, **expected}.items():
        if joint in H36M_17.joints:
            np.testing.assert_allclose(found[:2, H36M_17.index(joint), 2], score, err_msg=joint)
    assert found[2, H36M_17.index("Head"), 2] == pytest.approx(sure["REar"])


def test_the_number_of_joints_tells_the_layout_unless_somebody_says_otherwise() -> None:
    assert choose_layout(17, "", "x") == "coco"
    assert choose_layout(17, "h36m", "x") == "h36m"
    assert choose_layout(133, "", "x") == "coco"
    assert choose_layout(136, "", "x") == "halpe_26"
    with pytest.raises(InputError, match=r"mine\.json: 16 joints per person; known are 17 \(h36m\), 17 \(coco\)"):
        choose_layout(16, "", "mine.json")
    with pytest.raises(InputError, match=r"mine\.json: 25 joints per person; layout 'coco' has 17"):
        choose_layout(25, "coco", "mine.json")


def test_names_of_joints_tell_the_largest_layout_that_they_fill() -> None:
    names = [*LAYOUTS["body_25"].joints[::-1], "Tail"]
    for asked, expected in (("", "body_25"), ("openpose_18", "openpose_18")):
        layout, order = match_names(names, asked, "x")
        assert layout == expected
        assert order == list(LAYOUTS[expected].joints)
    with pytest.raises(InputError, match=r"mine\.csv: joints Nose, LEye.*nearest, coco, also needs RAnkle"):
        match_names(list(COCO_17.joints[:-1]), "", "mine.csv")
