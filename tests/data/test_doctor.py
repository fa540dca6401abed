"""The data doctor: each flaw, put into clean motion, is found in the right take at the right frame, and nothing else is."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import (
    Checkup,
    Finding,
    check_dataset,
    exit_code,
    findings_table,
    leave_out_line,
    summary_table,
)
from pose3d_lib.data.doctor.checks import CHECKS, ERROR, NOTE, WARNING
from pose3d_lib.data.doctor.keypoints import shared_joints
from pose3d_lib.data.doctor.motion import side_exchanges, step_rate
from pose3d_lib.data.open import COMMON
from pose3d_lib.data.skeleton import COCO_17, H36M_17, Skeleton
from pose3d_lib.data.sources import bvh, detections, human36m, plain_motion, synthetic, videopose3d
from pose3d_lib.data.sources.filming import Take, film
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.sources.synthetic.motion import make_motion, mirror
from pose3d_lib.data.sources.takes import thin
from pose3d_lib.data.spec import DataSpec
from tests.helpers.source_files import without_3d

FPS, FRAMES = 50.0, 120
KEYS = [
    ("S1", "Walking", "0"), ("S1", "Greeting", "0"),
    ("S5", "Walking", "0"), ("S5", "Greeting", "0"), ("S5", "Greeting", "1"),
    ("S9", "Walking", "0"), ("S9", "Greeting", "0"), ("S9", "Greeting", "1"),
]  # fmt: skip
BAD = ("S5", "Greeting", "1")  # the take that flaws are put into
LEAVE_OUT = ("leave_out",)  # the parameters of a source that takes no other
WRIST = H36M_17.index("RWrist")
Flaw = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def worlds() -> dict[tuple[str, str, str], np.ndarray]:
    bodies = {subject: make_body(subject, 0) for subject in ("S1", "S5", "S9")}
    motions = {}
    for number, (subject, action, take) in enumerate(KEYS):
        motion = make_motion(action, body=bodies[subject], frames=FRAMES, fps=FPS, seed=[0, number])
        motion[..., :2] -= motion[:, :1, :2].mean(axis=0)
        motions[subject, action, take] = motion
    return motions


def filmed(worlds: dict, fps: float = FPS) -> PoseDataset:
    takes = [Take(key, motion) for key, motion in worlds.items()]
    cameras = dict.fromkeys(("S1", "S5", "S9"), h36m_cameras()["S1"][:2])
    known = {"name": "made", "synthetic": True, "train_subjects": ("S1", "S5"), "test_subjects": ("S9",)}
    return film(takes, cameras, fps=fps, seed=0, **known)


@pytest.fixture(scope="module")
def clean(worlds) -> PoseDataset:
    return filmed(worlds)


def with_flaw(worlds: dict, flaw: Flaw, key: tuple[str, str, str] = BAD) -> Checkup:
    """A checkup of the takes of two subjects, one of them with a flaw."""
    few = {other: motion for other, motion in worlds.items() if other[0] in ("S1", key[0])}
    return check_dataset(filmed({**few, key: flaw(worlds[key].copy())}))


def rows_of(data: PoseDataset, key: tuple[str, str, str] = BAD, camera: int = 0) -> slice:
    clips = data.clips
    clip = clips[(clips[["subject", "action", "take"]] == list(key)).all(axis=1)].iloc[camera]
    return slice(clip.start, clip.stop)


def with_pixels(data: PoseDataset, source: str, flaw: Flaw, camera: int = 0) -> Checkup:
    """The data with other keypoints in one camera's view of the bad take."""
    pixels = data.keypoints[source].copy()
    rows = rows_of(data, camera=camera)
    pixels[rows] = flaw(pixels[rows])
    return check_dataset(replace(data, keypoints={**data.keypoints, source: pixels}))


def found(checkup: Checkup, check: str) -> list[Finding]:
    return [finding for finding in checkup.findings if finding.check == check]


def only(checkup: Checkup, check: str) -> Finding:
    """The check's one finding; all findings of the checkup must be of the bad take."""
    assert {finding.where for finding in checkup.findings} == {"/".join(BAD)}
    (finding,) = found(checkup, check)
    return finding


def flaw(change: Callable[..., np.ndarray]) -> Callable[..., Flaw]:
    """Makes flaws of everything but the points, which are changed later."""
    return lambda *given: lambda points: change(points, *given)


@flaw
def moved(points: np.ndarray, joint: int | slice, frames: slice, length: float) -> np.ndarray:
    """A joint, or all, in some frames, to the right, by metres or pixels."""
    points[frames, joint, 0] += length
    return points


@flaw
def scaled_bone(motion: np.ndarray, joint: int, frames: slice, factor: float) -> np.ndarray:
    parent = motion[frames, H36M_17.parents[joint]]
    motion[frames, joint] = parent + factor * (motion[frames, joint] - parent)
    return motion


@flaw
def exchanged(points: np.ndarray, joints: tuple[str, ...], frames: slice) -> np.ndarray:
    left, right = ([H36M_17.index(side + joint) for joint in joints] for side in "LR")
    points[frames, left + right] = points[frames, right + left]
    return points


@flaw
def frozen(points: np.ndarray, start: int, frames: int) -> np.ndarray:
    points[start : start + frames + 1] = points[start]
    return points


@flaw
def corner(points: np.ndarray, frames: slice, x: float, y: float) -> np.ndarray:
    points[frames, WRIST] = x, y
    return points


def test_nothing_is_found_in_clean_motion(clean) -> None:
    checkup = check_dataset(clean)
    assert checkup.findings == ()
    assert exit_code(checkup) == 0
    assert leave_out_line(checkup) == ""
    assert set(checkup.measures.check) == CHECKS.keys()  # none is clean because nothing was looked at


def test_the_built_in_data_have_neither_errors_nor_warnings(tiny_data) -> None:
    checkup = check_dataset(tiny_data, keypoints="simulated")
    assert [(finding.level, finding.check) for finding in checkup.findings] == [(NOTE, "short clips")]
    assert exit_code(checkup) == 0


LEG, ARM = ("Hip", "Knee", "Foot"), ("Shoulder", "Elbow", "Wrist")


@pytest.mark.parametrize(
    ("flaw", "check", "level", "frames", "named"),
    [
        (moved(WRIST, slice(60, None), 0.16), "joint acceleration", WARNING, (59, 61), "RWrist"),
        (moved(WRIST, slice(60, None), 0.35), "joint speed", WARNING, (60, 60), "RWrist"),
        (moved(WRIST, slice(60, None), 0.45), "joint speed", ERROR, (60, 60), "RWrist"),
        (moved(WRIST, slice(60, 61), 0.25), "joint acceleration", ERROR, (60, 60), "RWrist"),
        (moved(slice(None), slice(40, None), 0.3), "root speed", ERROR, (40, 40), "the whole body"),
        (scaled_bone(WRIST, slice(30, 50), 0.87), "bone length", WARNING, (30, 49), "RWrist"),
        (scaled_bone(WRIST, slice(30, 50), 1.3), "bone length", ERROR, (30, 49), "RWrist"),
        (lambda motion: motion * 1.08, "bones of a subject", WARNING, None, ""),
        (scaled_bone(WRIST, slice(None), 1.15), "symmetry", WARNING, None, "LWrist and RWrist"),
        (exchanged(LEG, slice(50, 70)), "exchanged joints", ERROR, (50, 70), "LHip and RHip"),
        (exchanged(ARM, slice(50, 70)), "exchanged joints", ERROR, (50, 70), "LWrist and RWrist"),
        (exchanged(LEG + ARM, slice(None)), "exchanged sides", ERROR, None, "bend backward"),
        (lambda motion: motion * (-1, 1, 1), "exchanged sides", ERROR, None, "bend backward"),
        (exchanged(LEG, slice(None)), "opposed shoulders", ERROR, (0, 0), "opposite ways"),
        (exchanged(ARM, slice(None)), "opposed shoulders", ERROR, (0, 0), "opposite ways"),
        (frozen(30, 27), "frozen", WARNING, (30, 30), "no joint moves"),
    ],
)
def test_a_flaw_of_the_motion_is_found_in_its_take_at_its_frame(worlds, flaw, check, level, frames, named) -> None:
    checkup = with_flaw(worlds, flaw)
    (finding,) = found(checkup, check)
    assert {f.where for f in checkup.findings} == {"/".join(BAD)}
    assert finding.level == level
    assert named in finding.what
    first, last = frames or (-1, -1)
    assert first <= finding.frame <= last
    assert exit_code(checkup) == (2 if ERROR in {f.level for f in checkup.findings} else 1)


@pytest.mark.parametrize(
    "flaw",
    [
        moved(WRIST, slice(60, None), 0.04), moved(slice(None), slice(40, None), 0.2),
        scaled_bone(WRIST, slice(30, 50), 1.07), lambda motion: motion * 1.03, frozen(30, 24),
        mirror,  # left and right set right
    ],
    ids=["jump", "whole jump", "bone", "size", "frozen", "mirror"],
)  # fmt: skip
def test_what_people_and_markers_do_is_no_flaw(worlds, flaw) -> None:
    assert not [f for f in with_flaw(worlds, flaw).findings if f.level == ERROR or f.check != "joint acceleration"]


def test_a_joint_that_jumps_alone_changes_no_places() -> None:
    rng = np.random.default_rng(0)
    points = np.repeat(rng.normal(size=(1, 2, 2)), 400, axis=0)
    points[1::2, 1] += rng.normal(0, 3, (200, 2))
    assert not side_exchanges(points, (0,), (1,)).any()
    points[1::2] = points[::2]
    points[50:60] = points[50:60, ::-1]
    assert np.flatnonzero(side_exchanges(points, (0,), (1,))).tolist() == [49, 59]


def test_feet_that_pass_each_other_change_no_places() -> None:
    """At 30 frames per second and 5 m/s each: every third frame they are where the other one just was."""
    time = np.arange(60) / 30
    ahead = 0.4 * np.sin(2 * np.pi * 2 * time)
    points = np.stack([np.stack([ahead, 0 * time], -1), np.stack([-ahead, 0 * time + 0.02], -1)], axis=1)
    assert np.abs(np.diff(points[:, 0, 0])).max() > 4 / 30
    assert not side_exchanges(points, (0,), (1,)).any()


def test_somebody_who_sways_by_a_fraction_of_a_millimetre_or_is_carried_is_not_frozen(worlds) -> None:
    sway = 1e-4 * np.random.default_rng(0).standard_normal((FRAMES, 17, 3))
    carried = np.linspace(0, 1, FRAMES)[:, None, None] * (1.0, 0.0, 0.0)
    assert not found(with_flaw(worlds, lambda motion: motion[:1] + sway), "frozen")
    assert not found(with_flaw(worlds, lambda motion: motion[:1] + carried), "frozen")


@pytest.mark.parametrize(("array", "value"), [("positions", np.nan), ("trajectory", np.inf), ("gt", -np.inf)])
def test_numbers_that_are_not_finite_are_found_and_stop_nothing(clean, array, value) -> None:
    arrays = {"positions": clean.positions, "trajectory": clean.trajectory, "gt": clean.keypoints["gt"]}
    broken = arrays[array].copy()
    broken[rows_of(clean)][17:20, ..., 0] = value
    changed = {"keypoints": {**clean.keypoints, "gt": broken}} if array == "gt" else {array: broken}
    checkup = check_dataset(replace(clean, **changed))
    finding = only(checkup, "numbers")
    assert (finding.level, finding.frame, finding.count) == (ERROR, 17, 3)
    assert array in finding.what
    assert leave_out_line(replace(checkup, parameters=LEAVE_OUT)) == "-p leave_out S5/Greeting/1"


def test_numbers_of_another_camera_are_looked_at_too(clean) -> None:
    broken = clean.positions.copy()
    broken[rows_of(clean, KEYS[-1], camera=1)][-1] = np.nan  # of the last clip
    (finding,) = check_dataset(replace(clean, positions=broken)).findings
    assert (finding.check, finding.where, finding.frame) == ("numbers", "/".join(KEYS[-1]), FRAMES - 1)
    assert finding.camera == clean.cameras[1].name


@pytest.mark.parametrize(("factor", "level"), [(0.6, WARNING), (1.4, WARNING), (1000, ERROR)])
def test_bodies_of_another_size_are_found(clean, factor, level) -> None:
    data = replace(clean, positions=clean.positions * np.float32(factor))
    assert {f.level for f in found(check_dataset(data), "leg")} == {level}


@pytest.mark.parametrize(("metres", "checks"), [(0.1, []), (-0.5, ["floor"]), (0.6, ["floor"])])
def test_people_above_or_below_the_floor_are_found(worlds, metres, checks) -> None:
    checkup = check_dataset(filmed({key: motion + np.array([0, 0, metres]) for key, motion in worlds.items()}))
    assert [f.check for f in checkup.findings if f.check != "outside the image"] == checks


@pytest.mark.parametrize("degrees", [85, 95, 180])
def test_data_of_another_up_axis_are_found_whichever_end_is_higher(worlds, degrees) -> None:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    turned = {key: np.add(motion @ turn, (0, 0, 1)) for key, motion in worlds.items()}
    checkup = check_dataset(filmed(turned), parameters=("up",))
    (finding,) = found(checkup, "upright")
    assert (finding.level, finding.what[:6]) == (ERROR, "in 100")
    assert "-p up " in finding.advice


@pytest.mark.parametrize(("fps", "level"), [(50, None), (25, WARNING), (100, WARNING)])
def test_a_wrong_frame_rate_shows_in_the_steps_of_people_who_walk(worlds, fps, level) -> None:
    long = {key: make_motion("Walking", body=make_body(key[0], 0), frames=400, fps=FPS, seed=[1]) for key in KEYS[:1]}
    (key,) = long
    long[key][..., :2] -= long[key][:, :1, :2].mean(axis=0)
    findings = found(check_dataset(filmed(long, fps)), "step rate")
    assert [f.level for f in findings] == ([level] if level else [])
    assert all(40 < fps * float(re.search(r"about ([\d.]+) times", f.advice)[1]) < 62 for f in findings)


@pytest.mark.parametrize(("fps", "level"), [(12.0, WARNING), (300.0, WARNING), (-1.0, ERROR), (np.nan, ERROR)])
def test_an_absurd_frame_rate_is_found(clean, fps, level) -> None:
    data = replace(clean, clips=clean.clips.assign(fps=fps))
    assert {f.level for f in found(check_dataset(data), "frame rate")} == {level}


def test_a_foot_that_drifts_away_does_not_hide_the_steps() -> None:
    drift = 4 * np.linspace(0, 1, 400) ** 2
    walk = make_motion("Walking", body=make_body("S1", 0), frames=400, fps=FPS, seed=[1])
    walk[..., :2] -= walk[:, :1, :2].mean(axis=0)
    data = filmed({KEYS[0]: walk})
    clip = data.clips.iloc[0]
    steady = step_rate(data, clip)
    assert 1.2 < steady < 2.6
    # Along the line of both feet, which turns the drift neither into steps nor out of sight.
    positions = data.positions.copy()
    feet = positions[:400, [H36M_17.index("RFoot"), H36M_17.index("LFoot")]]
    apart = feet[:, 0] - feet[:, 1]
    positions[:400, H36M_17.index("RFoot")] += drift[:, None] * apart / np.linalg.norm(apart, axis=-1, keepdims=True)
    assert step_rate(replace(data, positions=positions), clip) == pytest.approx(steady, abs=0.15)


def test_clips_of_different_frame_rates_are_found(clean) -> None:
    rates = np.where(clean.clips.subject == "S9", 60.0, 50.0)
    (finding,) = check_dataset(replace(clean, clips=clean.clips.assign(fps=rates))).findings
    assert (finding.level, finding.check) == (WARNING, "frame rates")
    assert "10 clips at 50" in finding.what
    assert "6 clips at 60" in finding.what


@pytest.mark.parametrize(("source", "check"), [("gt", "projection"), ("simulated", "detections")])
def test_exchanged_cameras_are_found(clean, source, check) -> None:
    other = clean.keypoints[source][rows_of(clean, camera=1)].copy()
    checkup = with_pixels(clean, source, lambda points: other)
    (finding,) = found(checkup, check)
    assert (finding.level, finding.camera) == (ERROR, clean.cameras[0].name)


@pytest.mark.parametrize(("share", "checks"), [(0.07, []), (0.15, ["detections"])])
def test_detections_that_are_off_are_found(clean, share, checks) -> None:
    def shift(points: np.ndarray) -> np.ndarray:
        return points + np.array([share * np.median(np.hypot(*np.ptp(points, axis=1).T)), 0])

    checkup = with_pixels(clean, "simulated", shift)
    assert [(f.check, f.level, f.where) for f in checkup.findings] == [(c, WARNING, "/".join(BAD)) for c in checks]


def test_the_joints_that_two_layouts_share_are_compared(clean) -> None:
    pairs = [(H36M_17.joints[a], COCO_17.joints[b]) for a, b in shared_joints(H36M_17, COCO_17)]
    assert len(pairs) == 12
    assert ("LFoot", "LAnkle") in pairs
    assert all(a[0] == b[0] for a, b in pairs)
    coco = np.repeat(clean.keypoints["gt"][:, :1], 17, axis=1)
    for a, b in shared_joints(H36M_17, COCO_17):
        coco[:, b] = clean.keypoints["gt"][:, a]
    data = replace(clean, keypoints={"detected": coco}, layouts={"detected": COCO_17})
    assert not check_dataset(data).findings
    wrong = with_pixels(data, "detected", lambda points: points + np.array([150, 0]))
    assert "/".join(BAD) in {f.where for f in found(wrong, "detections")}


def every_second_frame(points: np.ndarray) -> np.ndarray:
    """The frames between them on straight lines."""
    points[1:-1:2] = (points[:-2:2] + points[2::2])[: len(points[1:-1:2])] / 2
    return points


EVERY = slice(None)


@pytest.mark.parametrize(
    ("source", "flaw", "check", "level", "frames"),
    [
        ("gt", moved(EVERY, slice(33, 34), 0.02), "projection", ERROR, (33, 33)),
        ("gt", moved(EVERY, slice(33, 34), 0.005), "projection", None, None),
        ("simulated", moved(slice(0, 3), EVERY, 2000), "outside the image", WARNING, (0, FRAMES)),
        ("simulated", moved(slice(0, 1), EVERY, 2000), "outside the image", None, None),
        ("simulated", exchanged(LEG + ARM, slice(50, 60)), "exchanged keypoints", WARNING, (50, 60)),
        ("simulated", moved(EVERY, slice(70, None), 300), "jumping person", WARNING, (70, 71)),
        ("simulated", moved(EVERY, slice(70, None), 40), "jumping person", None, None),
        ("simulated", corner(slice(30, 31), 0.5, 0.5), "jumping keypoint", WARNING, (28, 33)),
        ("simulated", corner(slice(0, 10), 999.5, 1001.5), "jumping keypoint", WARNING, (8, 12)),
        ("simulated", corner(slice(100, None), 0.5, 1001.5), "jumping keypoint", WARNING, (98, 102)),
        ("simulated", frozen(20, 27), "frozen keypoints", WARNING, (20, 20)),
        ("simulated", frozen(20, 24), "frozen keypoints", None, None),
        ("simulated", lambda points: 500 + 0.05 * (points - 500), "person size", WARNING, None),
        ("simulated", lambda points: 500 + 0.5 * (points - 500), "person size", None, None),
        ("simulated", lambda points: 500 + 6 * (points - 500), "person size", WARNING, None),
        ("simulated", every_second_frame, "interpolated keypoints", WARNING, (0, FRAMES)),
    ],
)
def test_a_flaw_of_the_keypoints_is_found_in_its_take_and_camera(clean, source, flaw, check, level, frames) -> None:
    checkup = with_pixels(clean, source, flaw)
    findings = found(checkup, check)
    camera = clean.cameras[0].name
    assert [(f.level, f.where, f.camera) for f in findings] == ([(level, "/".join(BAD), camera)] if level else [])
    assert all(frames[0] <= f.frame <= frames[1] for f in findings if frames)
    assert all("RWrist" in f.what for f in findings if check == "jumping keypoint")


def with_camera(data: PoseDataset, flaw: Flaw, frames: slice = slice(None)) -> Checkup:
    """The data without 3D, with other keypoints in the first camera's view of every take, in some of the frames."""
    pixels = data.keypoints["simulated"].copy()
    for key in KEYS:
        rows = rows_of(data, key)
        pixels[rows][frames] = flaw(pixels[rows])[frames]
    return check_dataset(without_3d(replace(data, keypoints={"simulated": pixels})))


def turn_by_90(pixels: np.ndarray) -> np.ndarray:
    return np.stack([1000 - pixels[..., 1], pixels[..., 0]], axis=-1)


def turn_by_180(pixels: np.ndarray) -> np.ndarray:
    return 1000 - pixels


@pytest.mark.parametrize(
    ("turn", "check", "frames", "share"),
    [
        (turn_by_90, "sideways", slice(None), 1.0),
        (turn_by_180, "upside down", slice(0, 80), 2 / 3),
        (turn_by_180, "upside down", slice(0, 40), None),
    ],
)
def test_a_camera_that_is_turned_is_found_unless_people_lie_or_stand_on_their_heads(clean, turn, check, frames, share):
    checkup = with_camera(clean, turn, frames)
    views = [f for f in checkup.findings if f.check in ("sideways", "upside down")]
    assert [(f.level, f.check, f.camera) for f in views] == ([(WARNING, check, clean.cameras[0].name)] if share else [])
    assert all(f" {100 * share:.3g} %" in f.what for f in views)


def test_people_may_lie_in_some_clips(clean) -> None:
    assert not found(with_pixels(without_3d(clean), "simulated", turn_by_90), "sideways")


def test_people_behind_a_camera_are_found_with_the_camera_and_how_to_leave_them_out(clean) -> None:
    path = clean.trajectory.copy()
    path[rows_of(clean, camera=1)][10:15, 2] *= -1
    for source in ("gt", "simulated"):
        checkup = check_dataset(replace(clean, trajectory=path), source, parameters=LEAVE_OUT)
        (finding,) = found(checkup, "behind the camera")
        assert (finding.level, finding.where, finding.camera) == (ERROR, "/".join(BAD), clean.cameras[1].name)
        assert (finding.frame, finding.count) == (10, 5)
        assert finding.advice.endswith("-p leave_out S5/Greeting/1")
        assert not found(checkup, "projection")
        assert leave_out_line(checkup) == "-p leave_out S5/Greeting/1"


ORIGINS = (synthetic, plain_motion, videopose3d, human36m, bvh, detections)


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: origin.__name__.rpartition(".")[2])
def test_advice_names_parameters_that_the_source_takes_and_no_others(origin) -> None:
    taken = {*origin.PARAMETERS, *COMMON}
    for check in CHECKS.values():
        assert set(re.findall(r"-p (\w+)", check.advise("1", taken))) <= taken
        assert not re.findall(r"-p (\w+)", check.advise("1", ()))
        assert "fps" not in re.findall(r"\w+", check.advise("1", ()))
        assert {name for name, _ in check.mends} <= DataSpec.model_fields.keys()
    advice = CHECKS["step rate"].advise("2", origin.PARAMETERS)
    expected = {bvh: ["recorded_fps"], plain_motion: ["fps"], detections: ["fps"]}.get(origin, [])
    assert re.findall(r"-p (\w+)", advice) == expected


def test_the_same_motion_backward_is_another_motion(worlds) -> None:
    """Its joints are as far from the root on average, but not frame by frame."""
    checkup = with_flaw({**worlds, BAD: worlds["S5", "Greeting", "0"]}, lambda motion: motion[::-1].copy())
    assert not found(checkup, "duplicates")


def test_a_motion_that_is_there_many_times_is_told_of_once_each(worlds) -> None:
    motion = worlds[BAD][:5]
    copies = {("S1", "Greeting", f"{n:02d}"): motion for n in range(30)}
    findings = found(check_dataset(filmed(copies), keypoints="gt", parameters=LEAVE_OUT), "duplicates")
    assert [f.what for f in findings] == 29 * ["the same motion as S1/Greeting/00"]
    assert findings[0].advice == f"use one of them only: -p leave_out {findings[0].where}"


@pytest.mark.parametrize(("key", "level"), [(("S1", "Greeting", "0"), WARNING), (("S9", "Greeting", "0"), ERROR)])
def test_the_same_motion_twice_is_found_wherever_it_was_filmed(worlds, key, level) -> None:
    turned = worlds[BAD] @ np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    findings = found(check_dataset(filmed({**worlds, key: turned})), "duplicates")
    assert [f.level for f in findings] == [level]
    names = {findings[0].where, findings[0].what.split(";")[0].split()[-1]}
    assert names == {"/".join(key), "/".join(BAD)}


def test_clips_without_3d_are_checked_in_2d_only(clean) -> None:
    checkup = check_dataset(without_3d(clean))
    assert [(f.level, f.check) for f in checkup.findings] == [(NOTE, "not checked")]
    assert "16 of 16 clips have no 3D poses" in checkup.findings[0].what
    found_frozen = with_pixels(without_3d(clean), "simulated", frozen(20, 40))
    assert [f.where for f in found(found_frozen, "frozen keypoints")] == ["/".join(BAD)]


def test_cameras_of_which_nothing_is_known_are_said_to_be_unchecked(clean) -> None:
    cameras = tuple(replace(c, intrinsics=None, orientation=None, position=None) for c in clean.cameras)
    checkup = check_dataset(replace(clean, cameras=cameras))
    assert [(f.level, f.check) for f in checkup.findings] == 2 * [(NOTE, "not checked")]
    for finding in checkup.findings:
        assert [finding.what.count(camera.name) for camera in clean.cameras[:2]] == [1, 1]
    assert not {"projection", "detections", "floor", "upright"} & set(checkup.measures.check)
    assert exit_code(checkup) == 0


def test_a_skeleton_without_knees_is_checked_by_its_bones(clean) -> None:
    kept = [0, 1, 4, 7, 8, 10, 11, 12, 13, 14, 15, 16]
    parents = (-1, 0, 0, 0, 3, 4, 4, 6, 7, 4, 9, 10)
    names = tuple(H36M_17.joints[joint] for joint in kept)
    skeleton = Skeleton("twelve", names, parents, left=(2, 6, 7, 8), right=(1, 9, 10, 11))
    positions = clean.positions[:, kept].copy()
    positions[rows_of(clean)][60:, 11] += np.float32(0.4)
    checkup = check_dataset(replace(clean, skeleton=skeleton, positions=positions), keypoints="simulated")
    assert [(f.where, f.frame) for f in found(checkup, "joint speed")] == [("/".join(BAD), 60)]
    assert found(checkup, "bone length")[0].what.startswith("the bone to RWrist")
    assert not {"leg", "exchanged sides"} & set(checkup.measures.check)


def test_the_table_of_clips_is_read(clean, worlds) -> None:
    few = {key: motion[:20] if key == BAD else motion for key, motion in worlds.items() if key[:2] != ("S9", "Walking")}
    data = filmed(few)
    checkup = check_dataset(thin(data, data.clips.iloc[:-1], 1))  # without the last take's second camera
    assert [(f.level, f.check, f.where) for f in checkup.findings] == [
        (WARNING, "cameras", "S9/Greeting/1"),
        (NOTE, "missing", ""),
        (NOTE, "short clips", ""),
    ]
    said = " ".join(f.what for f in checkup.findings)
    assert "1 of 2 cameras saw this take" in said
    assert "Walking is missing from S9; S1, S5 have it" in said
    assert "2 of 13 clips are shorter than the 27 frames" in said


def test_cameras_of_one_take_give_one_row(clean, worlds) -> None:
    pixels = clean.keypoints["gt"].copy()
    for camera in (0, 1):
        pixels[rows_of(clean, camera=camera)] += 3
    checkup = check_dataset(replace(clean, keypoints={"gt": pixels}))
    table = findings_table(checkup)
    assert len(found(checkup, "projection")) == 2
    (row,) = table[table.Check == "projection"].itertuples(index=False)
    assert sorted(row.Cameras.split(", ")) == sorted(camera.name for camera in clean.cameras)
    assert row.Take == "/".join(BAD)


def test_findings_are_ordered_and_the_many_are_counted(worlds) -> None:
    flawed = {key: moved(WRIST, slice(60, None), 0.5 + 0.1 * n)(m.copy()) for n, (key, m) in enumerate(worlds.items())}
    checkup = check_dataset(filmed({**flawed, BAD: frozen(10, 60)(worlds[BAD].copy())}))
    levels = [f.level for f in checkup.findings]
    assert levels == sorted(levels, key=[ERROR, WARNING].index)
    speeds = [f.share for f in found(checkup, "joint speed")]
    assert speeds == sorted(speeds, reverse=True)
    assert len(speeds) == 7
    table = findings_table(checkup, most=3)
    assert list(table.Level).index(WARNING) == (table.Level == ERROR).sum()
    assert list(table[table.Check == "joint speed"].What)[-1] == "and 4 more"
    assert len(findings_table(checkup)) == len({(f.check, f.where) for f in checkup.findings})
    assert leave_out_line(checkup) == ""  # nearly all takes: leaving them out is no advice


def test_the_summary_names_the_worst_of_every_check(worlds, clean) -> None:
    checkup = with_flaw(worlds, moved(WRIST, slice(60, None), 0.6))
    table = summary_table(checkup).set_index("Check")
    assert table.loc["joint speed", ["Looked at", "Warnings", "Errors", "Where"]].tolist() == [5, 0, 1, "/".join(BAD)]
    assert table.loc["exchanged sides", "Errors"] == 0
    assert list(table.index) == list(CHECKS)
    assert set(table.index[table.Errors == 1]) == {"joint speed", "joint acceleration", "bone length"}
    assert not found(checkup, "joint acceleration")  # the jump explains it


def test_only_the_keypoints_that_were_asked_for_are_looked_at(clean) -> None:
    checkup = check_dataset(clean, keypoints="gt")
    assert "simulated" not in set(checkup.measures.source)
    with pytest.raises(InputError, match="unknown keypoints 'gtt': did you mean gt"):
        check_dataset(clean, keypoints="gtt")


def test_a_finding_says_how_to_leave_its_take_out(worlds, clean) -> None:
    jump = moved(WRIST, slice(60, None), 0.6)
    strange = ("S5", "Greeting", "take 7")
    comma = ("S5", "Greeting", "1,2")  # a comma parts names: such a take is not offered to be left out
    bad = jump(worlds[BAD].copy())
    checkup = check_dataset(filmed({**worlds, strange: bad, comma: bad}), parameters=LEAVE_OUT)
    advice = {finding.where: finding.advice for finding in found(checkup, "joint speed")}
    assert advice["/".join(strange)].endswith("; to leave it out: -p leave_out 'S5/Greeting/take 7'")
    assert "leave_out" not in advice["/".join(comma)]
    assert leave_out_line(checkup) == ""
    small = check_dataset(replace(clean, positions=clean.positions * np.float32(0.6)), parameters=LEAVE_OUT)
    assert {"leave_out" in f.advice for f in found(small, "leg")} == {False}  # all takes are too small
    unlabelled = with_pixels(without_3d(clean), "simulated", frozen(20, 40))
    assert ["leave_out" in f.advice for f in found(unlabelled, "frozen keypoints")] == [False]


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_clips_are_measured(worlds, frames) -> None:
    checkup = check_dataset(filmed({key: motion[:frames] for key, motion in list(worlds.items())[:2]}))
    assert {f.check for f in checkup.findings} <= {"short clips"}


@pytest.mark.parametrize("factor", [0.0, 1e20])
def test_arrays_without_any_sense_are_reported_not_refused(clean, factor) -> None:
    keypoints = {name: array * np.float32(factor) for name, array in clean.keypoints.items()}
    checkup = check_dataset(replace(clean, positions=clean.positions * np.float32(factor), keypoints=keypoints))
    assert exit_code(checkup) == 2
    assert len(found(checkup, "leg")) == 8
    assert isinstance(summary_table(checkup), pd.DataFrame)
