"""The data of the ready models: people are in the picture, detectors err by chance, and a seed draws the same again."""

from pathlib import Path

import numpy as np
import pytest
import ready_data as ready

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import view
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.sources.synthetic.motion import make_motion
from pose3d_lib.model.card import licence_of

AT = {name: H36M_17.index(name) for name in H36M_17.joints}


def walk(seconds: float = 3, fps: float = 50.0) -> np.ndarray:
    return make_motion("Walking", body=make_body("S1", 0), frames=round(seconds * fps), fps=fps, seed=4)


def unlike(motion: np.ndarray) -> np.ndarray:
    """The walk with a foot that jumps through the room in one frame."""
    moved = motion.copy()
    moved[20, AT["LFoot"], 0] += 1
    return moved


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "data").mkdir()
    motion = {"train/Walking/a": walk(), "train/Jumping/b": unlike(walk()), "test/Walking/c": walk(2)}
    path = tmp_path / "data" / ready.FILE
    np.savez(path, **{key: own.astype(np.float32) for key, own in motion.items()})
    return path


def test_a_camera_has_the_whole_motion_in_its_picture_and_is_another_for_another_seed() -> None:
    motion = walk(6)
    cameras = [ready.place_camera(motion, np.random.default_rng(seed), "x") for seed in range(40)]
    assert cameras[3] == ready.place_camera(motion, np.random.default_rng(3), "x")
    for camera in cameras:
        in_camera, pixels = view(motion, camera)
        assert in_camera[..., 2].min() >= 0.5
        inside = ((pixels > 0) & (pixels < (camera.width, camera.height))).all(axis=-1)
        assert inside.mean() >= ready.IN_VIEW
        assert (pixels[:, AT["Head"], 1] < pixels[:, AT["RFoot"], 1]).all(), "upright"
    heights = [camera.position[2] for camera in cameras]
    assert max(heights) - min(heights) > 1.5
    assert {camera.width > camera.height for camera in cameras} == {True, False}


def test_another_body_moves_alike_on_the_same_floor() -> None:
    motion = walk()
    other = ready.resize(motion, np.random.default_rng(1))
    parents = [max(parent, 0) for parent in H36M_17.parents]
    before, after = (np.linalg.norm(own - own[:, parents], axis=-1)[:, 1:] for own in (motion, other))
    np.testing.assert_allclose(after / before, np.broadcast_to((after / before)[0], after.shape), atol=1e-9)
    assert 0.7 < (after / before).min() < (after / before).max() < 1.3
    factors = np.append(1, (after / before)[0])
    np.testing.assert_allclose(factors[list(H36M_17.mirror)], factors)
    assert abs(other[..., 2].min() - motion[..., 2].min()) < 0.05


def test_a_detector_marks_the_nose_in_front_and_makes_the_middles_of_what_it_marks() -> None:
    motion = walk()
    marked = ready.mark(motion, np.random.default_rng(0))
    way = motion[-1, 0] - motion[0, 0]
    nose = marked[:, AT["Neck"]] - motion[:, AT["Neck"]]
    assert (nose @ way / np.linalg.norm(way)).mean() > 0.02
    np.testing.assert_allclose(marked[:, 0], (marked[:, AT["RHip"]] + marked[:, AT["LHip"]]) / 2)
    np.testing.assert_allclose(marked[:, AT["Spine"]], (marked[:, 0] + marked[:, AT["Thorax"]]) / 2)
    assert np.linalg.norm(marked - motion, axis=-1).max() < 0.3


def test_lost_joints_lie_between_what_was_found_and_have_no_score() -> None:
    motion, lost = walk(), 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        camera = ready.place_camera(motion, rng, "x")
        points = ready.detect(motion, camera, fps=50.0, rng=rng)
        found, scores = points[..., :2], points[..., 2]
        assert np.isfinite(found).all()
        assert scores.min() >= 0
        assert scores.max() <= 1
        middle = (scores[1:-1] == 0) & (scores[:-2] == 0) & (scores[2:] == 0)
        bent = found[2:] - 2 * found[1:-1] + found[:-2]
        # at both ends of a clip what is lost stays where it is, which bends no line either
        np.testing.assert_allclose(bent[middle], 0, atol=1e-6)
        lost += int((scores == 0).sum())
    assert lost > 50


def test_a_dataset_follows_from_its_file_and_seed(source: Path) -> None:
    data = ready.open_data("tiny")
    assert data.train_subjects == ("made-up", "cmu")
    assert set(data.clips.subject) == {"made-up", "cmu", "made-up-test", "cmu-test"}
    assert set(data.clips.fps) <= set(ready.RATES)
    assert "Jumping" not in data.actions, "a joint jumps in its only take"
    assert len(data.cameras) == len(data.clips)
    assert data.fingerprint == ready.make_data(source, "tiny").fingerprint
    assert data.fingerprint != ready.make_data(source, "tiny", seed=1).fingerprint
    assert "not to resell" in licence_of(data)
    source.unlink()
    assert ready.open_data("tiny").fingerprint == data.fingerprint, "it was made before"
    with pytest.raises(InputError, match=ready.FILE):
        ready.open_data("small")
