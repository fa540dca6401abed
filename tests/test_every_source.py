"""Every kind of data, by parameters alone: opened, shown by 01_data_prep, checked, and given on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from IPython.display import Markdown
from matplotlib.figure import Figure
from source_files import WRITERS, Parameters

from pose3d_lib import data_report, report
from pose3d_lib.config import check_data, make_config
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.doctor import check_dataset
from pose3d_lib.execution import execute_notebook
from pose3d_lib.export import export_videopose3d
from pose3d_lib.sources import open_dataset
from pose3d_lib.sources.spec import DataSpec

EVERY_KIND = pytest.mark.parametrize("kind", WRITERS)
EVERY_FILE = pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "synthetic"])


@pytest.fixture
def parameters(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_data, tiny_outputs) -> Parameters:
    """Of a dataset of that kind, its files written into a folder of the test."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "nowhere"))
    if kind == "synthetic":
        shutil.copytree(tiny_outputs / "data", tmp_path / "outputs" / "data")
    folder = tmp_path / "files"
    folder.mkdir()
    return WRITERS[kind](folder, tiny_data)


@pytest.fixture
def spec(parameters: Parameters) -> DataSpec:
    spec = make_config(DataSpec, parameters)
    check_data(spec)
    return spec


@pytest.fixture
def data(spec: DataSpec) -> PoseDataset:
    return open_dataset(spec)


@EVERY_KIND
def test_the_dataset_opens_with_the_keypoints_it_takes_by_itself(kind: str, spec: DataSpec, data: PoseDataset) -> None:
    assert spec.keypoints in data.keypoints
    assert (len(data.positions) == 0) == (kind == "detections")
    assert data.synthetic == (
        kind == "synthetic" or kind == "VideoPose3D's files"
    )  # an export says what it was made of


@EVERY_KIND
def test_prepared_once_it_opens_as_the_same(spec: DataSpec, data: PoseDataset) -> None:
    said: list[str] = []
    assert open_dataset(spec, progress=said.append).fingerprint == data.fingerprint
    assert said == []


@EVERY_FILE
def test_every_section_of_01_data_prep_can_be_shown(kind, spec: DataSpec, data: PoseDataset, monkeypatch) -> None:
    shown: list = []
    monkeypatch.setattr(report, "display", shown.append)
    report.show_table(data_report.subjects_table(data))
    data_report.show_cameras(data, spec.keypoints)
    data_report.show_actions(data)
    data_report.show_motion(data)
    data_report.show_keypoint_errors(data, spec.keypoints)
    data_report.show_checkup(data, spec.keypoints)
    data_report.show_shares(data)
    data_report.show_training(data)
    figures = sum(isinstance(output, Figure) for output in shown)
    assert figures >= (2 if kind == "detections" else 5)
    assert all(isinstance(output, Figure | Markdown) for output in shown)


@EVERY_FILE
def test_the_doctor_looks_at_it(kind: str, data: PoseDataset) -> None:
    checkup = check_dataset(data)
    wrong = {finding.check for finding in checkup.findings if finding.level == "error"}
    assert (wrong == set()) == (kind != "HumanEva"), wrong  # whose motion is made of random numbers here


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind not in ("synthetic", "detections")])
def test_given_on_as_videopose3d_s_files_it_comes_back(kind: str, data: PoseDataset, tmp_path: Path) -> None:
    name = "humaneva15" if kind == "HumanEva" else "given"
    export_videopose3d(data, tmp_path / "export", name=name)
    source = next(iter(data.keypoints))
    back = open_dataset(make_config(DataSpec, {"dataset": str(tmp_path / "export"), "keypoints": source}))
    key = ["subject", "action", "take", "camera"]
    both = data.clips.merge(back.clips, on=key, suffixes=("", "_back"), how="outer")
    assert len(both) == len(data.clips) == len(back.clips)
    for clip in both.itertuples():
        here, there = slice(clip.start, clip.stop), slice(clip.start_back, clip.stop_back)
        assert (clip.fps, clip.labelled) == (clip.fps_back, clip.labelled_back)
        np.testing.assert_array_equal(back.keypoints[source][there], data.keypoints[source][here])
        np.testing.assert_allclose(back.positions[there], data.positions[here], atol=2e-6)
        np.testing.assert_allclose(back.trajectory[there], data.trajectory[here], atol=2e-6)


def test_detections_given_on_as_videopose3d_s_videos_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    data = open_dataset(make_config(DataSpec, WRITERS["detections"](tmp_path, None)))
    files = export_videopose3d(data, tmp_path / "export", name="given")
    (coco,) = [file for file in files if "coco" in file.stem]
    back = open_dataset(make_config(DataSpec, {"dataset": str(coco)}))
    np.testing.assert_array_equal(back.keypoints["coco"], data.keypoints["coco"])


@pytest.mark.slow
@EVERY_KIND
def test_01_data_prep_runs_by_parameters_alone(parameters: Parameters, tmp_path: Path) -> None:
    execute_notebook("01_data_prep", tmp_path / "executed.ipynb", parameters)
