"""What 02_train shows of a run besides its curve: which run it is, and its errors by subject and of the root."""

from pathlib import Path

import numpy as np
import pytest

from pose3d_lib import report
from pose3d_lib.assignment import check_run
from pose3d_lib.config import RunConfig
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.evaluation import METRICS, named
from pose3d_lib.lifecycle import execute_run
from pose3d_lib.runs import Run


def described(data: PoseDataset, **changes: object) -> str:
    settings = {"filter_widths": (3,), "channels": 4, "batch_size": 16, "scale": "tiny", "evaluate_at": ()}
    config = RunConfig(**{**settings, **changes})
    return report.describe_run(config, data, check_run(config, data))


def test_a_plain_run_is_described_in_three_lines(tiny_data: PoseDataset) -> None:
    lines = described(tiny_data, action="Sitting", seed=3).splitlines()
    assert len(lines) == 3
    assert lines[0] == "Sitting of synthetic-tiny, keypoints 'simulated', seed 3, on the cpu"
    budget = check_run(RunConfig(action="Sitting", scale="tiny"), tiny_data)
    assert f"{budget.per_epoch:,} windows per epoch" in lines[1]
    assert lines[1].endswith(f"t = {budget.t:.2f}")


def test_whose_poses_are_known_and_who_is_only_seen_is_said(tiny_data: PoseDataset) -> None:
    semi = {"labelled_subjects": ("S1",), "train_share": 0.25, "unlabelled_subjects": ("S5", "S9")}
    text = described(tiny_data, **semi, unlabelled_actions=("Photo",), without_terms=("bones",))
    assert "All of synthetic-tiny by S1, 25 % of every clip" in text
    assert "from epoch 1 on, as many windows of 16 clips without their 3D poses: Photo by S5, S9" in text
    assert "video of S9, on whom the run is tested, is among them" in text
    assert "left out of the loss: bones" in text
    plain = described(tiny_data, labelled_subjects=("S1",), unlabelled_subjects=("S5",))
    assert "on whom the run is tested" not in plain
    assert "left out" not in plain


@pytest.fixture(scope="module")
def finished(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = {"filter_widths": (3,), "channels": 4, "batch_size": 64, "evaluate_at": (), "unit_epochs": 0.05}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("report")))
        return execute_run(RunConfig(**settings, trajectory=True, scale="tiny", threads=1), tiny_data)


def test_errors_by_subject_are_frame_weighted_means_of_their_clips(finished: Run) -> None:
    table = report.subjects_errors_table(finished.clips).set_index("Subject")
    assert list(table.index) == ["S9", "S11"]
    for subject, clips in finished.clips.groupby("subject"):
        assert table.Frames[subject] == clips.frames.sum()
        for metric in METRICS:
            assert table[named(metric)][subject] == pytest.approx(np.average(clips[metric], weights=clips.frames))


def test_the_root_s_errors_stand_beside_their_actions(finished: Run, tmp_path: Path) -> None:
    table = report.root_errors_table(finished, ["Sitting", "Eating"])
    assert table.Action.tolist() == ["Sitting", "Eating"]
    assert table["MRPE [mm]"].tolist() == [finished.root_errors["Sitting"], finished.root_errors["Eating"]]
