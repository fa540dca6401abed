"""A run without `mirror_testing` is tested at its end as it says: on its own predictions alone."""

import json
from pathlib import Path

import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS, evaluate_lifters, summarise
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run

TINY = {"scale": "tiny", "preset": "tiny", "channels": 8, "unit_epochs": 0.1, "evaluate_at": "", "device": "cpu"}


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_errors_of_a_run_are_those_with_or_without_the_mirror_image(
    mirrored: bool, tiny_data: PoseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))
    run = execute_run(plan_run(make_config(RunConfig, {**TINY, "mirror_testing": mirrored}), tiny_data))
    written = json.loads((run.folder / "metrics.json").read_text())["action_wise"]
    lifters = run.load_lifters(tiny_data)
    for mirror in (False, True):
        clips = evaluate_lifters(lifters, tiny_data, tiny_data.test_clips(), "simulated", mirror=mirror)
        expected = summarise(clips)["action_wise"]
        for metric in METRICS:
            assert (written[metric] == pytest.approx(expected[metric], rel=1e-9)) == (mirror == mirrored)
    assert json.loads((run.folder / "card.json").read_text())["errors"]["mirrored"] == mirrored
