"""Videos as data: keypoints by a detector, kept, and read as those of any detector."""

import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.open import detected_keypoints, open_dataset
from pose3d_lib.data.sources.video import detect
from pose3d_lib.data.sources.video.detectors import open_detector
from pose3d_lib.data.spec import DataSpec
from tests.helpers import videos
from tests.helpers.videos import BLOBS, Blobs, blobs, grey, write_video

PATH = [(20 + 2 * n, 30 + n / 2) for n in range(24)]


@pytest.fixture(autouse=True)
def _outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))


def spec(path: Path, **given: object) -> DataSpec:
    return DataSpec(dataset=str(path), **{"keypoints": "coco", "detector": BLOBS, **given})


def middles(data, clip: int = 0) -> np.ndarray:
    """(frames, 2): where the person is, from every joint."""
    start, stop = data.clips.iloc[clip][["start", "stop"]]
    return (data.keypoints["coco"][start:stop] - Blobs.offsets).mean(axis=1)


def test_a_video_becomes_the_keypoints_that_are_in_it(tmp_path):
    said: list[str] = []
    path = write_video(tmp_path / "walk.mp4", blobs(PATH), fps=25)
    data = open_dataset(spec(path, scores=True), progress=said.append)
    assert middles(data) == pytest.approx(np.rint(PATH), abs=0.6)
    (clip,) = data.clips.itertuples()
    assert (clip.subject, clip.action, clip.fps, clip.stop) == ("walk", "custom", 25, 24)
    assert (data.cameras[0].width, data.cameras[0].height) == videos.SIZE
    assert data.scores["coco"] == pytest.approx(0.9)
    assert f"walk.mp4: 24 frames of 96x64 pixels, 25 per second; detector {BLOBS}" in said


def test_a_phone_held_upright_is_an_upright_image(tmp_path):
    turned = [np.ascontiguousarray(np.rot90(image, -1)) for image in blobs(PATH[:8])]
    path = write_video(tmp_path / "upright.mov", turned, rotation=90)
    data = open_dataset(spec(path))
    assert (data.cameras[0].width, data.cameras[0].height) == videos.SIZE
    assert middles(data) == pytest.approx(np.rint(PATH[:8]), abs=0.6)


def test_detection_is_done_once_for_a_video_and_again_when_it_changes(tmp_path):
    path = write_video(tmp_path / "walk.mp4", blobs(PATH))
    assert detected_keypoints(spec(path)) is None
    open_dataset(spec(path))
    file = detected_keypoints(spec(path))
    assert json.loads(file.read_text())["meta_info"]["width"] == 96
    for other in ({"keypoints": "h36m"}, {"max_gap": 3}, {"person": "1"}, {"scores": True}):
        said: list[str] = []
        open_dataset(spec(path, **other), progress=said.append)
        assert not any("detector" in line for line in said)
        assert detected_keypoints(spec(path, **other)) == file
    assert detected_keypoints(spec(path, fps=10)) is None
    os.utime(path, (1, 1))
    assert detected_keypoints(spec(path)) is None


def test_the_file_of_keypoints_stands_for_the_video(tmp_path):
    path = write_video(tmp_path / "walk.mp4", blobs(PATH), fps=25)
    (tmp_path / "kept").mkdir()
    detect(path, tmp_path / "kept" / "walk.json", detector=BLOBS)
    own, kept = open_dataset(spec(path)), open_dataset(DataSpec(dataset=str(tmp_path / "kept"), keypoints="coco"))
    assert kept.clips.fps.tolist() == [25]
    assert kept.cameras == own.cameras
    assert np.array_equal(kept.keypoints["coco"], own.keypoints["coco"])


def test_missing_joints_and_absent_people_are_no_pixels(tmp_path):
    path = write_video(tmp_path / "dim.mp4", blobs([*PATH[:5], None, *PATH[6:12]], bright=150))
    detect(path, tmp_path / "dim.json", detector=BLOBS)
    frames = json.loads((tmp_path / "dim.json").read_text())["instance_info"]
    assert [len(frame["instances"]) for frame in frames] == [1] * 5 + [0] + [1] * 6
    wrists = frames[0]["instances"][0]["keypoints"][9:11]
    assert wrists == [[None, None]] * 2
    with pytest.raises(InputError, match=r"no frame with all joints of 'coco'.*LWrist is missing in 12 frames"):
        open_dataset(spec(path))


def test_who_leaves_and_comes_back_is_two_takes(tmp_path):
    path = write_video(tmp_path / "gone.mp4", blobs([*PATH[:6], *[None] * 12, *PATH[18:]]))
    data = open_dataset(spec(path))
    assert data.first_frames == (0, 18)
    assert data.clips["take"].tolist() == ["0", "1"]
    assert middles(data, 1) == pytest.approx(np.rint(PATH[18:]), abs=0.6)
    assert any("12 frames are left out" in note for note in data.notes)


def test_one_of_several_people_is_taken_or_each(tmp_path):
    other = [(70 - n, 50) for n in range(24)]
    path = write_video(tmp_path / "two.mp4", blobs(PATH, [None, *other[1:20], *[None] * 4]))
    one = open_dataset(spec(path, person="2"))
    assert one.clips.subject.tolist() == ["two"]
    assert middles(one)[1:20] == pytest.approx(np.array(other[1:20]), abs=0.6)
    each = open_dataset(spec(path, person="all"))
    assert each.clips.subject.tolist() == ["two-1", "two-2"]
    assert middles(each) == pytest.approx(np.rint(PATH), abs=0.6)
    assert len(each.cameras) == 1


def test_who_is_seen_too_shortly_is_left_out_of_all(tmp_path):
    path = write_video(tmp_path / "two.mp4", blobs(PATH, [None] * 20 + [(70, 50)] * 4))
    each = open_dataset(spec(path, person="all"))
    assert each.clips.subject.tolist() == ["two-1"]
    assert any("left out: 2 (seen in 4 frames only" in note for note in each.notes)


def test_gaps_of_a_variable_rate_are_filled_in_where_the_person_was_between(tmp_path):
    times = np.delete(np.arange(24), [10, 11, 12]) / 25
    images = [image for number, image in enumerate(blobs(PATH)) if number not in (10, 11, 12)]
    path = write_video(tmp_path / "gaps.mkv", images, times=times, codec="mpeg4")
    data = open_dataset(spec(path))
    assert middles(data) == pytest.approx(np.array(PATH), abs=1)
    assert any("do not come at a steady rate" in note for note in data.notes)


def test_a_video_without_anybody_is_said_and_leaves_no_file(tmp_path):
    path = write_video(tmp_path / "empty.mp4", grey([0] * 5))
    with pytest.raises(InputError, match="finds nobody in any of its 5 frames"):
        detect(path, tmp_path / "empty.json", detector=BLOBS)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty.mp4"]


def test_a_video_too_long_to_be_read_back_is_refused_before_detection(tmp_path, monkeypatch):
    monkeypatch.setitem(detect.__globals__, "MAX_VALUES", 17 * 4 * 10)
    path = write_video(tmp_path / "long.mp4", blobs(PATH), fps=5)
    with pytest.raises(InputError, match=r"24 frames; keypoints of at most 10 .* first 2 seconds: ffmpeg -t 2 "):
        detect(path, tmp_path / "long.json", detector=BLOBS)


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ("mediapip", "did you mean mediapipe"),
        ("no.such.module:Detector", "cannot be imported"),
        ("tests.helpers.videos:Nothing", "cannot be imported"),
        ("tests.helpers.videos:grey2", "cannot be imported"),
        ("collections:Counter", "layout of detector"),
    ],
)
def test_detectors_that_are_none(detector, said):
    with pytest.raises(InputError, match=said):
        open_detector(detector)


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    path = write_video(tmp_path / "walk.mp4", blobs(PATH[:3]))
    for name in ("mediapipe", "av"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(InputError, match=rf"need {name}, which cannot be imported.*pip install -e '\.\[video\]'"):
            open_dataset(spec(path, detector="mediapipe"))


@pytest.mark.slow
def test_mediapipe_finds_a_person_who_walks(tmp_path):
    """In the demonstration video of Sports2D (BSD-3), which its wheel holds."""
    pytest.importorskip("mediapipe", reason="no MediaPipe for this Python")
    get = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path), "sports2d==0.8.34"]
    if (got := subprocess.run(get, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"the video cannot be downloaded: {got.stderr.strip()[-200:]}")
    with ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        path = Path(wheel.extract("Sports2D/Demo/demo.mp4", tmp_path))
    data = open_dataset(DataSpec(dataset=str(path), keypoints="h36m", scores=True))
    (clip,) = data.clips.itertuples()
    assert (clip.fps, clip.stop) == (30, 230)
    hip, head, foot = (data.keypoints["h36m"][10:200, joint] for joint in (0, 10, 3))
    assert ((head[:, 1] < hip[:, 1]) & (hip[:, 1] < foot[:, 1])).mean() > 0.98
    assert np.ptp(hip[:, 0]) > 500  # pixels: he crosses the picture
    assert data.scores["h36m"].mean() > 0.7
