"""`pose3d predict`: a model and keypoints in, files out; what is wrong is refused before anything is made."""

import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.runs.models import save_model
from tests.helpers import detection_files, videos
from tests.helpers.console import Called
from tests.helpers.made_up_models import made_up_model


@pytest.fixture
def outputs(tmp_path: Path, tiny_outputs: Path, tiny_data, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "nowhere"))
    shutil.copytree(tiny_outputs / "data", tmp_path / "outputs" / "data")
    return tmp_path / "outputs"


@pytest.fixture
def call(console: Called, outputs: Path) -> Called:
    """`pose3d predict ...` within this process: exit code, what it printed, what it printed as errors."""
    return partial(console, "predict")


@pytest.fixture
def model(tmp_path: Path) -> str:
    save_model(made_up_model(3, 3, 3), tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


def test_a_video_becomes_files_and_where_they_are_is_said(call: Called, model: str, tmp_path: Path) -> None:
    video = detection_files.write_json(tmp_path / "phone.json", detection_files.mediapipe(detection_files.walk(12)))
    given = ("-p", "image_size", "1000x800", "-p", "fps", "30")
    code, out, err = call(model, str(video), *given, "--format", "csv,npz,bvh,trc", "--output", str(tmp_path / "out"))
    assert (code, err) == (0, "")
    files = [Path(file) for file in re.findall(r"^written: (.*)$", out, re.MULTILINE)]
    assert [file.name for file in files] == [
        *("poses.csv", "poses.npz", "poses.bvh", "poses.trc"), "sheet.png", "player.html"
    ]  # fmt: skip
    assert re.search(
        r"^BVH: its bones keep their lengths, .* \d+\.\d mm on average, \d+ mm at most\.$", out, re.MULTILINE
    )
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    assert "Lifting 12 frames in 1 clip of phone, keypoints 'h36m'." in out
    assert out.count("\nWarning: ") == 3
    assert "\nWarning: interpolated keypoints: " in out  # the made-up walk goes along straight lines
    table = pd.read_csv(files[0])
    assert table.frame.tolist() == list(range(12))
    np.testing.assert_allclose(table.time, np.arange(12) / 30, atol=1e-5)
    with np.load(files[1], allow_pickle=False) as poses:
        np.testing.assert_allclose(table.LWrist_y, poses["positions"][:, 13, 1], atol=1e-5)


def test_files_are_kept_unless_they_may_be_overwritten(call: Called, model: str, outputs: Path, tmp_path: Path) -> None:
    video = detection_files.write_json(tmp_path / "phone.json", detection_files.mediapipe(detection_files.walk(3)))
    given = (model, str(video), "-p", "image_size", "1000x800", "-p", "fps", "30")
    assert call(*given)[0] == 0
    (folder,) = (outputs / "predictions").iterdir()
    times = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    code, out, err = call(*given)
    assert code == 2
    assert f"error: {folder / 'poses.npz'}: is already there; give another name or folder, or say overwrite" in err
    assert "written" not in out
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == times
    assert call(*given, "--overwrite")[0] == 0
    assert all(file.stat().st_mtime_ns > times[file] for file in folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing.safetensors", "synthetic"), "nothing.safetensors: there is no such file"),
        (("no-such-run", "synthetic"), "there is no run with 'no-such-run' in the name"),
        (("newest", "synthetic", "-p", "scale", "tiny"), "no finished run of action All on synthetic"),
        (("MODEL", "synthetic", "-p", "colour", "red"), "unknown parameter 'colour'"),
        (("MODEL", "synthetic", "-p", "output", "here"), "parameter output: give it as an argument or an option"),
        (("MODEL", "synthetic", "--format", "xlsx"), "unknown format 'xlsx'"),
        (
            ("MODEL", "synthetic", "-p", "scale", "tiny", "-p", "subjects", "S2"),
            "unknown subject of synthetic-tiny 'S2'",
        ),
        (("MODEL", "synthetic", "-p", "scale", "tiny", "-p", "keypoints", "cpn"), "unknown keypoints"),
        (("MODEL",), "Missing argument 'DATASET'"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_made(arguments, said, call, model, outputs) -> None:
    code, out, err = call(*(model if word == "MODEL" else word for word in arguments))
    assert code == 2
    assert said in err
    assert "Lifting" not in out
    assert sorted(path.name for path in outputs.iterdir()) == ["data"]


def test_a_video_becomes_poses_and_its_keypoints_are_kept(call: Called, model: str, tmp_path: Path) -> None:
    video = videos.write_video(tmp_path / "walk.mp4", videos.blobs([(20 + n, 30) for n in range(12)]), fps=25)
    given = ("-p", "detector", videos.BLOBS, "--output", str(tmp_path / "out"))
    code, out, err = call(model, str(video), *given)
    assert (code, err) == (0, "")
    assert f"written: {tmp_path / 'out' / 'keypoints.json'}" in out
    assert "12 frames of 96x64 pixels, 25 per second" in out
    with np.load(tmp_path / "out" / "poses.npz", allow_pickle=False) as poses:
        assert poses["positions"].shape == (12, 17, 3)
    again = ("--output", str(tmp_path / "again"), "-p", "person", "1")
    code, out, _ = call(model, str(video), *given[:3], *again)
    assert code == 0
    assert "frames of 96x64" not in out  # nothing is detected again
    code, out, _ = call(model, str(tmp_path / "out" / "keypoints.json"), "--output", str(tmp_path / "kept"))
    assert code == 0
    for name in ("again", "kept"):
        with (
            np.load(tmp_path / name / "poses.npz", allow_pickle=False) as same,
            np.load(tmp_path / "out" / "poses.npz") as own,
        ):
            np.testing.assert_array_equal(same["positions"], own["positions"])
