"""`pose3d detect`: a video in, a file of keypoints out."""

import json
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.console import Called
from tests.helpers.videos import BLOBS, blobs, write_video


@pytest.fixture
def call(console: Called) -> Called:
    return partial(console, "detect")


@pytest.fixture
def video(tmp_path: Path) -> str:
    return str(write_video(tmp_path / "walk.mp4", blobs([(20 + n, 30) for n in range(8)]), fps=30))


def test_keypoints_are_written_and_not_overwritten_unasked(call: Called, video: str, tmp_path: Path) -> None:
    file = tmp_path / "keypoints.json"
    code, out, err = call(video, str(file), "--detector", BLOBS, "--fps", "10")
    assert (code, err) == (0, "")
    assert out.endswith(f"written: {file}\n")
    content = json.loads(file.read_text())
    assert content["meta_info"]["fps"] == 10
    assert [frame["frame_id"] for frame in content["instance_info"]] == [0, 1, 2]
    code, _, err = call(video, str(file), "--detector", BLOBS)
    assert (code, "is already there" in err) == (2, True)
    assert json.loads(file.read_text()) == content
    assert call(video, str(file), "--detector", BLOBS, "--overwrite")[0] == 0
    assert len(json.loads(file.read_text())["instance_info"]) == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("VIDEO", "keypoints.npz"), "ends in .json"),
        (("nothing.mp4", "keypoints.json"), "nothing.mp4: there is no such file"),
        (("VIDEO", "keypoints.json", "--fps", "-3"), "Invalid value for '--fps'"),
        (("VIDEO", "keypoints.json", "--fps", "60", "--detector", BLOBS), "fps: found 60, but walk.mp4 has 30"),
        (("VIDEO", "nowhere/keypoints.json", "--detector", BLOBS), "cannot be written"),
    ],
)
def test_what_is_wrong_is_said(call: Called, video: str, arguments, said: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(*(video if argument == "VIDEO" else argument for argument in arguments))
    assert code == 2
    assert said in err


def test_hostile_names_are_shown_as_text(call: Called, video: str, tmp_path: Path) -> None:
    name = tmp_path / "\x1b[31m<b>red\n.mp4"
    Path(video).rename(name)
    code, out, err = call(str(name), str(tmp_path / "keypoints.json"), "--detector", BLOBS)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert r"\x1b[31m<b>red\n.mp4: 8 frames" in out
