"""Detections as a dataset: unlabelled clips, one person of each video, the image's size, gaps, and notes on all that."""

from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset, load_dataset, save_dataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.data.sources import detections
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.spec import DataSpec
from tests.helpers import detection_files as files
from tests.helpers.detection_files import read_detections

WALK = files.walk(30)


def write(folder: Path, content: object, name: str = "walk.json") -> Path:
    return files.write_json(folder / name, content)


def read(path: Path, **changes) -> PoseDataset:
    return read_detections(path, **{"image_size": files.SIZE, **changes})


def without(frames: list[int], walk: np.ndarray = WALK) -> list[dict]:
    return [item for frame, item in enumerate(files.alphapose(walk)) if frame not in frames]


def note_with(data: PoseDataset, text: str) -> str:
    (note,) = [note for note in data.notes if text in note]
    return note


def test_the_dataset_has_one_unlabelled_clip_that_nobody_is_trained_or_tested_on(tmp_path: Path) -> None:
    data = read(write(tmp_path, files.alphapose(WALK)))
    assert data.clips.to_dict("records") == [
        {"subject": "walk", "action": "custom", "take": "0", "camera": 0, "fps": 50.0, "start": 0, "stop": 30, "labelled": False}
    ]  # fmt: skip
    assert (data.name, data.synthetic, data.skeleton) == ("walk", False, H36M_17)
    assert (data.train_subjects, data.test_subjects) == ((), ())
    assert (data.positions.shape, data.trajectory.shape) == ((0, 17, 3), (0, 3))
    (camera,) = data.cameras
    assert (camera.name, camera.width, camera.height, camera.intrinsics) == ("walk", *files.SIZE, None)
    assert note_with(data, "50 frames per second")


def test_the_dataset_survives_its_file(tmp_path: Path) -> None:
    name = "gäng 歩く"
    data = read(files.write_openpose(tmp_path / name, WALK, video=name), scores=True)
    save_dataset(data, tmp_path / "out.safetensors")
    again = load_dataset(tmp_path / "out.safetensors")
    assert again.fingerprint == data.fingerprint
    assert again.layouts == data.layouts == {name: LAYOUTS[name] for name in ("h36m", "coco", "body_25")}
    assert again.notes == data.notes
    assert again.clips.equals(data.clips)
    for source in data.keypoints:
        np.testing.assert_array_equal(again.keypoints[source], data.keypoints[source])
        np.testing.assert_array_equal(again.scores[source], data.scores[source])
    assert again.declarations()
    assert len(again.test_clips()) == 0


def test_the_frame_rate_may_be_given(tmp_path: Path) -> None:
    data = read(write(tmp_path, files.alphapose(WALK)), fps=29.97)
    assert data.clips.fps.tolist() == [29.97]
    assert not [note for note in data.notes if "per second" in note]


def test_the_size_of_the_image_is_the_file_s_or_must_be_given(tmp_path: Path) -> None:
    path = write(tmp_path, files.alphapose(WALK))
    with pytest.raises(InputError, match=r'walk\.json: does not hold the size .* image_size, for instance "1920x1080"'):
        read(path, image_size=None)
    path = write(tmp_path, files.coco_annotations(WALK))
    assert read(path, image_size=None).cameras[0].width == 1000
    assert read(path, image_size=files.SIZE).cameras[0].height == 800
    with pytest.raises(InputError, match="images are 1000x800, but the parameter image_size says 640x480"):
        read(path, image_size=(640, 480))


def test_a_size_is_read_from_text() -> None:
    for text in ("1920x1080", " 1920 X 1080", "1920×1080", "1920,1080"):
        assert detections.parse_size(text) == (1920, 1080)
    for text in ("1920", "x", "0x100", "1920x-5", "1e3x5", "99999x2", "1920x1080x3"):
        with pytest.raises(InputError, match="parameter image_size"):
            detections.parse_size(text)


def test_joints_outside_the_image_or_in_shares_of_it_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, files.alphapose(WALK))
    with pytest.raises(InputError, match="100% of the joints lie outside the image of 100x80 pixels"):
        read(path, image_size=(100, 80))
    shares = write(tmp_path, files.alphapose(WALK / files.SIZE), "shares.json")
    with pytest.raises(InputError, match=r"shares\.json: every coordinate lies .*; expected pixels"):
        read(shares)


def test_missing_frames_are_filled_in_and_reported(tmp_path: Path) -> None:
    data = read(write(tmp_path, without([4, 5, 9])))
    np.testing.assert_allclose(data.keypoints["coco"], WALK, atol=1e-3)
    np.testing.assert_allclose(data.keypoints["h36m"], files.expected_h36m(WALK), atol=1e-3)
    assert (
        "in 3 frames missing joints are interpolated, in 3 of them all joints; the longest gap is 2 frames"
        in note_with(data, "interpolated")
    )
    assert "one person; detected in 27 of 30 frames" in note_with(data, "detected")


def test_a_long_gap_cuts_the_video_into_takes_that_are_named(tmp_path: Path) -> None:
    data = read(write(tmp_path, without([*range(5, 12), 20])), max_gap=6)
    assert data.clips["take"].tolist() == ["0", "1"]
    assert (data.clips.stop - data.clips.start).tolist() == [5, 18]
    np.testing.assert_allclose(data.keypoints["coco"], np.concatenate([WALK[:5], WALK[12:]]), atol=1e-3)
    note = note_with(data, "left out")
    assert "7 frames are left out" in note
    assert "take 0 is frames 0-4, take 1 is frames 12-29" in note
    assert len(read(write(tmp_path, without([*range(5, 12), 20])), max_gap=7).clips) == 1


def test_frames_keep_the_numbers_that_they_have_in_their_video(tmp_path: Path) -> None:
    items = files.alphapose(WALK, first=100)
    data = read(write(tmp_path, [*items[8:15], *items[22:]]), max_gap=6)
    save_dataset(data, tmp_path / "out.safetensors")
    for opened in (data, load_dataset(tmp_path / "out.safetensors")):
        numbers = [opened.frame_numbers(clip).tolist() for _, clip in opened.clips.iterrows()]
        assert numbers == [list(range(108, 115)), list(range(122, 130))]


def hide(folder: Path, joint: str, frames: range) -> Path:
    """OpenPose's files in which a joint is not found in some frames."""
    walk = files.scored(files.in_layout(WALK, "body_25"))
    walk[frames.start : frames.stop, LAYOUTS["body_25"].index(joint)] = 0
    for frame, joints in enumerate(walk):
        files.write_json(
            folder / f"walk_{frame:012d}_keypoints.json", {"people": [{"pose_keypoints_2d": files.flat(joints)}]}
        )
    return folder


def test_a_joint_that_is_missing_for_long_cuts_and_is_named(tmp_path: Path) -> None:
    data = read(hide(tmp_path / "walk", "LAnkle", range(8, 20)))
    assert (data.clips.stop - data.clips.start).tolist() == [8, 10]
    assert "LFoot is missing in 12 frames" in note_with(data, "left out")


def test_a_joint_that_the_wanted_keypoints_do_not_need_does_not_cut(tmp_path: Path) -> None:
    path = hide(tmp_path / "walk", "LEar", range(30))
    data = read(path)
    assert len(data.clips) == 1
    assert list(data.keypoints) == ["h36m"]
    assert "LEar is missing in 30 frames" in note_with(data, "no keypoints 'coco'")
    assert note_with(data, "no keypoints 'body_25'")
    with pytest.raises(InputError, match="no frame with all joints of 'coco': LEar is missing in 30 frames"):
        read(path, keypoints="coco")


def test_the_wanted_keypoints_decide_where_the_video_is_cut(tmp_path: Path) -> None:
    path = hide(tmp_path / "walk", "LEar", range(8, 20))
    assert (read(path).clips.stop - read(path).clips.start).tolist() == [30]
    data = read(path, keypoints="coco")
    assert (data.clips.stop - data.clips.start).tolist() == [8, 10]
    kept = [*range(8), *range(20, 30)]
    np.testing.assert_allclose(data.keypoints["coco"], WALK[kept], atol=1e-3)
    np.testing.assert_allclose(data.keypoints["h36m"], files.expected_h36m(WALK)[kept], atol=1e-3)
    assert set(data.keypoints) == {"h36m", "coco", "body_25"}


def test_several_people_are_told_apart_and_the_chosen_one_is_named(tmp_path: Path) -> None:
    near, far = files.walk(30, at=(600, 150), scale=1.3), files.walk(30, at=(100, 200), scale=0.6)
    path = write(tmp_path, files.alphapose(near, score=1.0) + files.alphapose(far, score=3.0))
    data = read(path)
    np.testing.assert_allclose(data.keypoints["coco"], far, atol=1e-3)
    note = note_with(data, "highest score")
    assert "of 2 people (told apart by where they are from frame to frame), '2' was taken" in note
    data = read(path, person="size")
    np.testing.assert_allclose(data.keypoints["coco"], near, atol=1e-3)
    assert "has the largest box" in note_with(data, "'1' was taken")
    np.testing.assert_allclose(read(path, person="1").keypoints["coco"], near, atol=1e-3)
    tracked = write(tmp_path, files.alphapose(near, idx=4) + files.alphapose(far, idx=9), "tracked.json")
    data = read(tracked, person="9")
    np.testing.assert_allclose(data.keypoints["coco"], far, atol=1e-3)
    assert "of 2 people, '9' was taken, who `person` names" in note_with(data, "'9'")
    with pytest.raises(InputError, match=r"unknown person in .*tracked\.json '3': Valid: 4, 9"):
        read(tracked, person="3")


def test_every_video_of_a_folder_is_a_subject_with_its_own_camera_and_the_rest_is_named(tmp_path: Path) -> None:
    other = files.walk(12, at=(500, 250))
    write(tmp_path, files.coco_annotations(WALK), "A.JSON")
    files.write_custom(tmp_path / "data_2d_custom_mine.npz", {"b.mp4": other, "c.mp4": WALK}, size=(900, 700))
    write(tmp_path, {"nothing": 1}, "settings.json")
    write(tmp_path / "more", files.alphapose(WALK), "carl.json")
    data = read_detections(tmp_path)
    assert data.clips.subject.tolist() == ["A", "b.mp4", "c.mp4"]
    assert [(camera.name, camera.width) for camera in data.cameras] == [("A", 1000), ("b.mp4", 900), ("c.mp4", 900)]
    assert data.clips.camera.tolist() == [0, 1, 2]
    np.testing.assert_allclose(data.keypoints["coco"], np.concatenate([WALK, other, WALK]), atol=1e-3)
    assert note_with(data, "Passed over").endswith(": more, settings.json.")
    files.write_openpose(tmp_path / "d", WALK)
    (tmp_path / "A.JSON").unlink()
    assert set(read_detections(tmp_path, image_size=(900, 700)).keypoints) == {"h36m", "coco"}
    files.write_custom(tmp_path / "data_2d_custom_two.npz", {"b.mp4": WALK})
    with pytest.raises(InputError, match=r"two videos are called 'b\.mp4'"):
        read_detections(tmp_path, image_size=(900, 700))


def test_a_dataset_is_found_by_its_name_and_keypoints(tmp_path: Path) -> None:
    path = write(tmp_path, files.alphapose(WALK))
    spec = DataSpec(dataset=str(path), keypoints="coco", image_size="1000x800", joints="coco")
    assert detections.find(spec, path) == ("walk-coco", [path])
    assert detections.list_actions(spec, path) == ("custom",)
    assert set(detections.PARAMETERS) <= set(DataSpec.model_fields)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"keypoints": "simulated"}, "keypoints of detections"),
        ({"joints": "mpii"}, "joints of detections"),
        ({"image_size": "big"}, "image_size"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_read(wrong, message, tmp_path: Path) -> None:
    path = write(tmp_path, files.alphapose(WALK))
    with pytest.raises(InputError, match=message):
        detections.find(DataSpec(**{"dataset": str(path), "keypoints": "h36m", **wrong}), path)
    with pytest.raises(InputError, match=r"unknown keypoints of .* 'body_25'.*Valid: .*coco"):
        read(path, keypoints="body_25")


# Scores


def with_scores(scores: np.ndarray, frames: list[int]) -> list[dict]:
    """AlphaPose's results of the walk without some frames, with these scores: (30, 17)."""
    joints = np.concatenate([WALK, scores[..., None]], axis=-1)
    return [
        {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": files.flat(joints[frame]), "score": 2.5}
        for frame in range(30)
        if frame not in frames
    ]


def test_scores_are_the_detector_s_and_0_of_what_is_interpolated(tmp_path: Path) -> None:
    sure = np.random.default_rng(0).uniform(size=(30, 17))
    path = write(tmp_path, with_scores(sure, [4, 5, 9]))
    data = read(path, scores=True)
    expected = sure.copy()
    expected[[4, 5, 9]] = 0
    np.testing.assert_allclose(data.scores["coco"], expected, atol=1e-6)
    hips = [COCO_17.index("LHip"), COCO_17.index("RHip")]
    np.testing.assert_allclose(data.scores["h36m"][:, 0], expected[:, hips].mean(axis=1), atol=1e-6)
    assert (data.scores["h36m"][[4, 5, 9]] == 0).all()
    assert note_with(data, "The scores are the detector's")


def test_scores_change_neither_keypoints_nor_takes(tmp_path: Path) -> None:
    path = write(tmp_path, without([*range(5, 12), 20]))
    plain, scored = read(path, max_gap=6), read(path, max_gap=6, scores=True)
    assert plain.scores == {}
    assert scored.scores.keys() == scored.keypoints.keys() == plain.keypoints.keys()
    assert scored.clips.equals(plain.clips)
    for source, pixels in plain.keypoints.items():
        np.testing.assert_array_equal(scored.keypoints[source], pixels)
    assert [note for note in scored.notes if "scores" not in note] == list(plain.notes)


def test_a_few_scores_above_1_are_1_and_counted_and_logits_are_refused(tmp_path: Path) -> None:
    sure = np.full((30, 17), 0.7)
    sure[3, :4] = 1.05
    data = read(write(tmp_path, with_scores(sure, [])), scores=True)
    assert (data.scores["coco"][3, :4] == 1).all()
    assert note_with(data, "walk: 4 of 510 scores lie beyond 0 to 1")
    logits = write(tmp_path, with_scores(10 * sure, []), "logits.json")
    with pytest.raises(InputError, match=r"logits\.json: scores go from 7 to 10\.5, and 100% of them"):
        read(logits, scores=True)
    assert len(read(logits).keypoints["coco"]) == 30


def test_joints_of_files_without_scores_count_as_sure_where_they_were_found(tmp_path: Path) -> None:
    lost = WALK.copy()
    lost[5:7, 9] = np.nan
    paths = [write(tmp_path / "a", files.coco_annotations(WALK)), tmp_path / "data_2d_custom_mine.npz"]
    files.write_custom(paths[1], {"walk": lost})
    for path, missing in zip(paths, (0, 2), strict=True):
        data = read(path, scores=True)
        scores = data.scores["coco"]
        assert set(np.unique(scores)) <= {0.0, 1.0}
        assert (scores[:, 9] == 0).sum() == missing == (scores == 0).sum()
        assert any("has no scores of its joints" in note for note in data.notes)
