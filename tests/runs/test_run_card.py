"""A run's card is made when the run is finished: with the terms of what it was trained on, and whom it saw."""

import json
from pathlib import Path

import pytest
import torch

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.report.export import export_model
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.models import open_model
from pose3d_lib.runs.run import Run
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.source_files import WRITERS

SMALL = {"channels": 4, "batch_size": 16, "unit_epochs": 0.5, "evaluate_at": "end", "device": "cpu", "threads": 1}
WALK = {"filter_widths": "3", **SMALL}


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, tiny_outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))
    (tmp_path / "data").symlink_to(tiny_outputs / "data")  # the tiny dataset is prepared there
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "nowhere"))


def trained(parameters: dict) -> Run:
    config = make_config(RunConfig, {**WALK, **parameters})
    return execute_run(plan_run(config, open_dataset(config.data)))


@pytest.mark.parametrize(
    ("kind", "name", "terms"),
    [
        ("Human3.6M originals", "h36m", "Human3.6M is given out for academic use only (http://vision.imar.ro/human3.6m), "
         "and weights that were trained on it are for academic use too."),
        ("HumanEva", "humaneva15", "HumanEva-I is given out by agreement, for research"),
    ],
)  # fmt: skip
def test_a_model_of_data_with_terms_says_them_wherever_it_goes(kind, name, terms, h36m_data, tmp_path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    run = trained(WRITERS[kind](folder, h36m_data))
    written = json.loads((run.folder / "card.json").read_text(encoding="utf-8"))
    assert written["training"]["dataset"] == name
    assert terms in written["licence"]
    model = open_model(run.folder)
    for file in ("ours.bin", "ours.safetensors"):
        _, card = export_model(model, tmp_path / file)
        assert terms in card.read_text(encoding="utf-8").partition("\n## Licence\n")[2].partition("\n## ")[0]
    assert terms in open_model(str(tmp_path / "ours.safetensors")).card.licence


def test_whom_a_run_saw_without_poses_is_in_its_card(tiny_data: PoseDataset) -> None:
    few = {"scale": "tiny", "action": "Eating", "labelled_subjects": "S5", "batch_size": 128, "unit_epochs": 0.1}
    semi = trained({**few, "unlabelled_subjects": "S9,S1", "unlabelled_actions": "Eating,Sitting"})
    training = open_model(semi.folder).card.training
    assert (training.subjects, training.unlabelled_subjects) == (("S5",), ("S1", "S9"))
    assert training.unlabelled_clips == len(tiny_data.select(["S1", "S9"], ["Eating", "Sitting"]))
    assert open_model(trained(few).folder).card.training.unlabelled_subjects == ()


def test_an_exported_checkpoint_has_the_learning_rate_of_the_next_epoch(tiny_data: PoseDataset, tmp_path: Path) -> None:
    """As VideoPose3D's own has, which continues with what it finds there."""
    decays = {"lr": 0.001, "lr_decay": 0.5, "unit_epochs": 2, "batch_size": 1024}
    run = trained({"scale": "tiny", "keypoints": "gt", **decays})
    assert run.history.lr.iloc[-1] == pytest.approx(0.0005)
    for export in ("ours.bin", "again.bin"):  # the second from the import of the first
        export_model(open_model(run.folder if export == "ours.bin" else tmp_path / "ours.bin"), tmp_path / export)
        content = torch.load(tmp_path / export, weights_only=True)
        assert (content["epoch"], content["lr"]) == (2, pytest.approx(0.00025))
