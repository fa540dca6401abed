"""People seen by cameras that are tilted by known angles stand upright again, or are left alone where nothing tells how."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose3d_lib.data.cameras import Camera, h36m_cameras
from pose3d_lib.data.skeleton import COCO_17, H36M_17, HUMANEVA_15, Skeleton
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.sources.synthetic.motion import make_motion
from pose3d_lib.model.predict import Lifted, LiftedClip
from pose3d_lib.model.upright import level, standing_ups

FPS = 50.0
PHONE = Camera("phone", 1080, 1920)
TO_CAMERA = Rotation.from_euler(
    "x", 90, degrees=True
)  # world, z up, to a level camera's space, y down: it looks along y


def motion(action: str, frames: int = 150, seed: int = 4) -> np.ndarray:
    """(frames, 17, 3), metres, z up."""
    return make_motion(action, body=make_body("S6", 0), frames=frames, fps=FPS, seed=seed)


def filmed(world: np.ndarray, *tilt: float, camera: Camera = PHONE) -> LiftedClip:
    """The known poses in the space of a camera that is pitched and rolled by these degrees."""
    turn = Rotation.from_euler("xz", tilt or (0, 0), degrees=True) * TO_CAMERA
    seen = np.stack([turn.apply(pose) for pose in world]).astype(np.float32)
    poses, root = seen - seen[:, :1], seen[:, 0] + np.float32([0, 0, 5])
    return LiftedClip("S1", "Walking", "0", camera, FPS, np.arange(len(world)), poses[..., :2], poses, root, poses)


def lifted_of(*clips: LiftedClip, skeleton: Skeleton = H36M_17) -> Lifted:
    return Lifted("made-up", "phone", True, "gt", H36M_17, skeleton, clips, ("A note.",))


def heights(clip: LiftedClip) -> np.ndarray:
    return -clip.positions[..., 1]


@pytest.mark.parametrize("action", ["Walking", "Discussion", "WalkDog"])
@pytest.mark.parametrize("tilt", [(0, 0), (15, 0), (-25, 10), (10, -25)], ids=str)
def test_people_stand_however_the_camera_is_held(action: str, tilt: tuple[int, int]) -> None:
    world = motion(action)
    before = filmed(world, *tilt)
    lifted = level(lifted_of(before))
    (clip,) = lifted.clips
    true = np.linalg.norm(tilt) if 0 in tilt else None
    turn = Rotation.align_vectors(clip.positions[0], before.positions[0])[0]
    up = turn.inv().apply([0, -1, 0])
    known = (Rotation.from_euler("xz", tilt, degrees=True) * TO_CAMERA).apply([0, 0, 1])
    assert np.degrees(np.arccos(up @ known)) < 4
    assert np.abs(heights(clip) - (world[..., 2] - world[:, :1, 2])).max() < 0.07
    np.testing.assert_allclose(turn.apply(before.root), clip.root, atol=1e-4)
    np.testing.assert_allclose(clip.truth, clip.positions, atol=1e-6)
    assert (clip.upright, lifted.notes[0]) == (True, "A note.")
    said = re.fullmatch(
        r"Turned upright: somebody stands in (\d+) of 150 frames of phone, tilted by (\d+) degrees, with \d\.\d .*",
        lifted.notes[1],
    )
    assert int(said[1]) >= 25
    assert true is None or abs(int(said[2]) - true) < 4


@pytest.mark.parametrize(
    ("world", "tilt", "said"),
    [
        (motion("Sitting"), (10, 0), "Not turned upright: somebody stands in 0 of 150 frames of phone, too few"),
        (motion("Walking", 5), (10, 0), "stands in [345] of 5 frames of phone, too few"),
        (motion("Walking"), (80, 0), r"tilted by (7|8)\d degrees, .* too much to be sure"),
        (motion("Walking"), (0, -90), r"tilted by (8|9)\d degrees, .* too much to be sure"),
    ],
    ids=["sits", "short", "lies", "on its side"],
)
def test_where_nothing_tells_poses_stay_as_they_are(world: np.ndarray, tilt: tuple[int, int], said: str) -> None:
    clip = filmed(world, *tilt)
    lifted = level(lifted_of(clip))
    assert lifted.clips == (clip,)
    assert not clip.upright
    assert re.search(said, lifted.notes[1])


def test_frames_that_contradict_each_other_are_not_trusted() -> None:
    """A camera that is turned all the time."""
    clips = [filmed(motion("Walking", 30), 0, roll) for roll in (-40, -20, 0, 20, 40)]
    lifted = level(lifted_of(*clips))
    assert lifted.clips == tuple(clips)
    assert re.search(r"Not turned upright: .* too much", lifted.notes[1])


def test_all_clips_of_a_camera_tell_and_each_camera_for_itself() -> None:
    other = Camera("other", 1080, 1920)
    clips = [
        filmed(motion("Sitting"), 20, 0),
        filmed(motion("Walking"), 20, 0),
        filmed(motion("Sitting"), 20, 0, camera=other),
    ]
    lifted = level(lifted_of(*clips))
    assert [clip.upright for clip in lifted.clips] == [True, True, False]
    assert [re.findall("^Not|phone|other", note) for note in lifted.notes[1:]] == [["phone"], ["Not", "other"]]


def test_a_camera_whose_place_is_known_needs_no_guess() -> None:
    clip = filmed(motion("Walking"), 20, 0, camera=h36m_cameras()["S1"][0])
    lifted = lifted_of(clip)
    assert level(lifted) == lifted


def test_other_skeletons_stand_too_if_they_have_legs() -> None:
    clip = filmed(motion("Walking"), 20, 0)
    names = [joint.replace("Ankle", "Foot").replace("Pelvis", "Hip") for joint in HUMANEVA_15.joints]
    poses = clip.positions[:, [H36M_17.index(name) for name in names]]
    np.testing.assert_allclose(standing_ups(poses, HUMANEVA_15), standing_ups(clip.positions, H36M_17), atol=1e-6)
    assert len(standing_ups(poses, HUMANEVA_15)) > 60
    assert len(standing_ups(clip.positions, COCO_17)) == 0
