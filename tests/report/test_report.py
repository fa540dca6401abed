"""What 02_train shows of a run besides its curve: which run it is, and its errors by subject and of the root."""

from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS, named
from pose3d_lib.report import training as report
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import Run, run_folder
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import plan_run


def described(data: PoseDataset, **changes: object) -> str:
    settings = {"filter_widths": (3,), "channels": 4, "batch_size": 16, "scale": "tiny", "evaluate_at": ()}
    config = RunConfig(**{**settings, **changes})
    return report.describe_run(plan_run(config, data))


def test_a_plain_run_is_described_in_four_lines(tiny_data: PoseDataset) -> None:
    whose, windows, _, settings = described(tiny_data, action="Sitting", seed=3).splitlines()
    assert whose == "Sitting of synthetic-tiny, keypoints 'simulated', on the cpu"
    budget = plan_run(RunConfig(action="Sitting", scale="tiny"), tiny_data).budget
    assert f"{budget.per_epoch:,} windows per epoch" in windows
    assert windows.endswith(f"t = {budget.t:.2f}")
    assert settings.startswith("settings: action: Sitting; seed: 3; ")
    assert "counts here as often as it has output frames" in described(tiny_data, chunk=2)


def test_whose_poses_are_known_and_who_is_only_seen_is_said(tiny_data: PoseDataset) -> None:
    semi = {"labelled_subjects": ("S1",), "train_share": 0.25, "unlabelled_subjects": ("S5", "S9")}
    text = described(tiny_data, **semi, unlabelled_actions=("Photo",), without_terms=("bones",))
    for setting in ("labelled_subjects: S1", "train_share: 0.25", "without_terms: bones"):
        assert f"; {setting}; " in text
    assert "from epoch 1 on, as many windows of 8 clips without their 3D poses: Photo by S5, S9" in text
    assert "video of S9, on whom the run is tested, is among them" in text
    plain = described(tiny_data, labelled_subjects=("S1",), unlabelled_subjects=("S5",))
    assert "on whom the run is tested" not in plain


def test_the_mean_pose_is_that_of_what_the_run_knows(tiny_data: PoseDataset) -> None:
    config = RunConfig(labelled_subjects=("S1",), train_share=0.5, scale="tiny")
    known = np.concatenate([
        tiny_data.positions[clip.start : clip.start + round(0.5 * (clip.stop - clip.start))]
        for clip in tiny_data.select(["S1"], ["Sitting"]).itertuples()
    ])  # fmt: skip
    test = np.concatenate([
        tiny_data.positions[clip.start : clip.stop] for clip in tiny_data.select(["S9", "S11"], ["Sitting"]).itertuples()
    ])  # fmt: skip
    expected = 1000 * np.linalg.norm(test - known.mean(axis=0), axis=-1).mean()
    assert report.mean_pose_error(plan_run(config, tiny_data), ["Sitting"]) == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope="module")
def finished(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = {"filter_widths": (3,), "channels": 4, "batch_size": 64, "evaluate_at": (), "unit_epochs": 0.05}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("report")))
        return execute_run(plan_run(RunConfig(**settings, trajectory=True, scale="tiny", threads=1), tiny_data))


def test_a_run_shows_its_errors(finished: Run) -> None:
    shown = finished._repr_html_()
    for text in (finished.folder.name, "All", f"{finished.frame_wise['mpjpe']:.1f}", "recomputed"):
        assert f">{text}</td>" in shown


def test_errors_by_subject_are_frame_weighted_means_of_their_clips(finished: Run) -> None:
    table = report.subjects_errors_table(finished.clips).set_index("Subject")
    assert list(table.index) == ["S9", "S11"]
    for subject, clips in finished.clips.groupby("subject"):
        assert table.Frames[subject] == clips.frames.sum()
        for metric in METRICS:
            assert table[named(metric)][subject] == pytest.approx(np.average(clips[metric], weights=clips.frames))


def test_a_run_that_was_stopped_or_is_of_other_parameters_is_not_shown(tiny_data: PoseDataset, tmp_path: Path) -> None:
    plan = plan_run(RunConfig(scale="tiny"), tiny_data)
    for run, last in (
        (None, "this run is not finished"),
        (Run(tmp_path / "All-other"), "the last training was All-other"),
    ):
        with pytest.raises(InputError, match=f"{last}; execute the training cell, which makes All-27f") as refused:
            report.check_current(run, plan)
        assert refused.value._render_traceback_() == [f"InputError: {refused.value}"], "in a notebook"
    report.check_current(Run(run_folder(plan.config, tiny_data)), plan)
