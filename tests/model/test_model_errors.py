"""`pose3d evaluate`: the errors of any model on any data, as an honest person would measure them."""

import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pose3d_lib.cli.evaluate import data_for
from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.card import TrainedModel, check_fit
from pose3d_lib.model.evaluate import METRICS, ROOT_ERROR, choose_clips, errors_by
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.models import open_model, save_model
from pose3d_lib.runs.run import Run
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers import detection_files
from tests.helpers.console import Called
from tests.helpers.made_up_models import made_up_model
from tests.helpers.published_network import published_network, write_checkpoint

SETTINGS = {"scale": "tiny", "preset": "tiny", "channels": 8, "unit_epochs": 0.1, "evaluate_at": "", "device": "cpu"}

ROWS = [
    ("S1", "Eating", "0", 0, 9), ("S9", "Eating", "0", 0, 6), ("S9", "Eating", "0", 1, 4),
    ("S9", "Sitting", "0", 0, 10), ("S9", "Sitting", "1", 0, 20), ("S9", "Walking", "0", 1, 5),
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with a trajectory, not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        return execute_run(plan_run(make_config(RunConfig, {**SETTINGS, "trajectory": True}), tiny_data)).folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path, tiny_outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run among the outputs of a test, beside the prepared tiny dataset."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "data").symlink_to(tiny_outputs / "data")
    return Path(shutil.copytree(trained, tmp_path / "outputs" / "runs" / trained.name))


@pytest.fixture
def model(trained: Path) -> TrainedModel:
    return open_model(trained)


@pytest.fixture
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS, test_subjects=("S9",))


@pytest.fixture
def call(console: Called, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Called:
    """`pose3d evaluate ...` within this process: exit code, what it printed, what it printed as errors."""
    monkeypatch.chdir(tmp_path)
    return partial(console, "evaluate")


def rows_of(text: str) -> dict[str, list[str]]:
    """First cell of each row of a Markdown table -> the others."""
    rows = (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|"))
    return {first.strip(): [cell.strip() for cell in others] for first, *others in rows}


# Which data, which clips


def test_without_a_dataset_it_is_what_the_model_was_trained_on(model: TrainedModel) -> None:
    assert data_for(model.card, {}) == DataSpec(scale="tiny")
    assert data_for(model.card, {"keypoints": "gt"}) == DataSpec(scale="tiny", keypoints="gt")
    assert data_for(model.card, {"data_seed": "4"}) == DataSpec(scale="tiny", data_seed=4)


def test_the_keypoints_are_the_model_s_own_if_none_are_given(model: TrainedModel) -> None:
    other = model.card.model_copy(update={"keypoints": "gt"})
    assert data_for(other, {"dataset": "synthetic"}) == DataSpec(keypoints="gt")
    unknown = model.card.model_copy(update={"keypoints": "cpn"})
    with pytest.raises(InputError, match=r"'cpn'.*Valid: gt, simulated.* trained on the keypoints 'cpn'"):
        data_for(unknown, {"dataset": "synthetic"})
    assert data_for(unknown, {"dataset": "synthetic", "keypoints": "gt"}) == DataSpec(keypoints="gt")


def test_a_model_that_sees_scores_is_given_them(model: TrainedModel, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path))
    walk = detection_files.walk(3)
    detection_files.write_json(tmp_path / "phone.json", detection_files.mediapipe(walk))
    given = {"dataset": str(tmp_path / "phone.json"), "keypoints": "h36m", "fps": 25, "image_size": "100x100"}
    scored = model.card.model_copy(update={"network": model.card.network.model_copy(update={"in_features": 3})})
    assert data_for(scored, given).scores
    assert not data_for(scored, {**given, "scores": False}).scores
    assert not data_for(model.card, given).scores
    del given["keypoints"]
    with pytest.raises(InputError, match=r"phone\.json holds no 3D poses"):
        data_for(model.card, given)


def test_data_that_nobody_names_or_that_is_not_there_are_refused(model: TrainedModel, tmp_path: Path) -> None:
    foreign = model.card.model_copy(update={"training": None})
    for card in (foreign, open_model("ready").card):
        with pytest.raises(InputError, match="what it was trained on is not at hand; give the data to measure it on"):
            data_for(card, {})
    with pytest.raises(InputError, match="there is no such file or folder"):
        data_for(model.card, {"dataset": str(tmp_path / "nowhere.npz")})
    with pytest.raises(InputError, match="unknown parameter 'datset': did you mean dataset"):
        data_for(model.card, {"datset": "synthetic"})


def test_clips_are_those_of_the_test_subjects_or_of_whom_somebody_names(data: PoseDataset) -> None:
    assert choose_clips(data).index.tolist() == [1, 2, 3, 4, 5]
    assert choose_clips(data, subjects=["S1"]).index.tolist() == [0]
    assert choose_clips(data, subjects=["S1", "S9"], actions=["Eating"]).index.tolist() == [0, 1, 2]
    assert choose_clips(data, actions=["Walking", "Sitting"]).index.tolist() == [3, 4, 5]


def test_clips_that_are_not_there_are_refused(data: PoseDataset, hand_made) -> None:
    with pytest.raises(InputError, match="unknown subject of hand-made with 3D poses 's9': did you mean S9"):
        choose_clips(data, subjects=["s9"])
    with pytest.raises(InputError, match="unknown action 'Walk': did you mean Walking"):
        choose_clips(data, actions=["Walk"])
    with pytest.raises(InputError, match="has no 3D poses of S1 doing Walking; --subjects names others"):
        choose_clips(data, subjects=["S1"], actions=["Walking"])
    with pytest.raises(InputError, match="nobody, as no test subjects are named"):
        choose_clips(replace(data, test_subjects=()))
    blind = hand_made(
        ROWS, clips=data.clips.assign(labelled=False), positions=data.positions[:0], trajectory=data.trajectory[:0]
    )
    with pytest.raises(InputError, match="holds no 3D poses, only keypoints"):
        choose_clips(blind)


def test_what_was_trained_on_is_said(model: TrainedModel, tiny_data: PoseDataset) -> None:
    def said(**chosen) -> list[str]:
        return check_fit(model.card, tiny_data, "simulated", choose_clips(tiny_data, **chosen))

    assert said() == []
    (warning,) = said(subjects=["S9", "S5", "S1"])
    assert warning == "The model was trained on S1, S5: errors there say nothing about other people."
    (warning,) = check_fit(
        model.card, replace(tiny_data, notes=("new",)), "simulated", choose_clips(tiny_data, subjects=["S5"])
    )
    assert warning.startswith("The model was trained on S5 of a dataset by the same name, synthetic-tiny: errors there")
    others = replace(tiny_data, name="other")
    assert check_fit(model.card, others, "simulated", choose_clips(others, subjects=["S1"])) == []
    others = replace(tiny_data, name="synthetic-tiny-every2")  # other settings make no other people
    (warning,) = check_fit(model.card, others, "simulated", choose_clips(others, subjects=["S1"]))
    assert warning.startswith("The model was trained on S1 of a dataset by the same name, synthetic-tiny: errors there")


def test_whoever_was_only_seen_is_said_too(model: TrainedModel, tiny_data: PoseDataset) -> None:
    training = model.card.training.model_copy(
        update={"subjects": ("S1",), "unlabelled_subjects": ("S1", "S9"), "unlabelled_clips": 120}
    )
    card = model.card.model_copy(update={"training": training})
    warnings = check_fit(card, tiny_data, "simulated", choose_clips(tiny_data, subjects=["S1", "S9", "S11"]))
    assert [warning.split(":")[0] for warning in warnings] == [
        "The model was trained on S1", "The model saw video of S9 in its training, without poses",
    ]  # fmt: skip


# What is measured


def made_up(data: PoseDataset, trajectory: bool = True) -> pd.DataFrame:
    """Errors as `measure` gives them, of the first clip 10 mm, of the second 20, and so on; of S1 too."""
    clips = data.clips
    errors = pd.DataFrame({key: clips[key] for key in ("subject", "action", "take")})
    errors["camera"], errors["frames"] = "wide", clips.stop - clips.start
    for number, metric in enumerate(METRICS):
        errors[metric] = 10.0 * np.arange(1, len(clips) + 1) + number
    return errors.assign(**{ROOT_ERROR: 100.0 * np.arange(1, len(clips) + 1)}) if trajectory else errors


def test_errors_of_actions_end_in_both_means(data: PoseDataset) -> None:
    own = made_up(data).query("subject == 'S9'")
    table = errors_by(own).set_index("Action")
    assert table.index.tolist() == ["Eating", "Sitting", "Walking", "Action-wise mean", "Frame-wise mean"]
    assert table["Frames"].tolist() == [10, 30, 5, 45, 45]
    eating, sitting, walking = (6 * 20 + 4 * 30) / 10, (10 * 40 + 20 * 50) / 30, 60
    means = [(eating + sitting + walking) / 3, (10 * eating + 30 * sitting + 5 * walking) / 45]
    expected = np.array([eating, sitting, walking, *means])
    for number, column in enumerate(["MPJPE [mm]", "P-MPJPE [mm]", "N-MPJPE [mm]", "MPJVE [mm/frame]"]):
        np.testing.assert_allclose(table[column], expected + number, rtol=1e-12)
    np.testing.assert_allclose(table["MRPE [mm]"], 10 * expected, rtol=1e-12)
    assert "MRPE [mm]" not in errors_by(made_up(data, trajectory=False))


def test_errors_of_subjects_are_those_of_each_one_s_actions(data: PoseDataset) -> None:
    everything = made_up(data)
    table = errors_by(everything, "subject")
    assert table["Subject"].tolist() == ["S1"] + ["S9"] * 5
    for subject, own in table.groupby("Subject"):
        alone = errors_by(everything[everything.subject == subject])
        pd.testing.assert_frame_equal(own.drop(columns="Subject").reset_index(drop=True), alone)
    assert table.iloc[0].tolist() == ["S1", "Eating", 9, 10, 11, 12, 13, 100]


# The command


def test_the_command_shows_the_table_and_writes_it(call: Called, folder: Path, tmp_path: Path) -> None:
    code, out, err = call(folder.name[-10:], "--output", "there")
    assert (code, err) == (0, "")
    rows, run = rows_of(out), Run(folder)
    assert rows["Action"] == ["Frames", "MPJPE [mm]", "P-MPJPE [mm]", "N-MPJPE [mm]", "MPJVE [mm/frame]", "MRPE [mm]"]
    for action, errors in run.actions.iterrows():
        assert rows[action][1:] == [*(f"{errors[metric]:.2f}" for metric in METRICS), f"{run.root_errors[action]:.2f}"]
    assert rows["Action-wise mean"][1] == f"{run.action_wise['mpjpe']:.2f}"
    assert rows["Frame-wise mean"][1] == f"{run.frame_wise['mpjpe']:.2f}"
    assert "warning" not in out
    assert f"Errors of {folder.name} on synthetic-tiny, which is synthetic: nobody was filmed; keypoints simul" in out
    assert "averaged with the mirror image" in out
    for name in ("errors.csv", "errors.md", "errors.tex", "clips.csv"):
        assert f"written: there/{name}" in out
        assert (tmp_path / "there" / name).is_file()
    written = pd.read_csv(tmp_path / "there" / "errors.csv", index_col="Action")
    assert written["MPJPE [mm]"]["Eating"] == pytest.approx(run.actions.mpjpe["Eating"], rel=1e-9)
    assert rows_of((tmp_path / "there" / "errors.md").read_text()) == rows
    np.testing.assert_allclose(pd.read_csv(tmp_path / "there" / "clips.csv").mpjpe, run.clips.mpjpe, rtol=1e-9)
    code, _, err = call(folder.name[-10:], "--output", "there")
    assert code == 2
    assert "there/errors.csv: is already there; give another name or folder, or say overwrite" in err
    assert call(folder.name[-10:], "--output", "there", "--overwrite", "--actions", "Eating")[0] == 0
    assert len(pd.read_csv(tmp_path / "there" / "errors.csv")) == 1


def test_the_command_measures_with_the_statistics_that_are_named(call: Called, folder: Path) -> None:
    run = Run(folder)
    for statistics, own in (("recomputed", run), ("published", run.as_published)):
        code, out, _ = call(folder.name, "--statistics", statistics, "--actions", "Eating")
        assert code == 0
        assert rows_of(out)["Eating"][1] == f"{own.actions.mpjpe['Eating']:.2f}"


def test_a_prediction_that_is_not_finite_is_refused(call: Called, folder: Path, tmp_path: Path) -> None:
    broken = made_up_model()
    with torch.no_grad():
        broken.lifters.pose.shrink.weight.fill_(3e38)
    save_model(broken, tmp_path / "broken.safetensors")
    code, _, err = call("broken.safetensors", "-p", "dataset", "synthetic", "-p", "scale", "tiny")
    assert (code, "model made-up: synthetic-tiny: the prediction for clip S9/" in err) == (2, True)


def test_the_command_chooses_and_warns(call: Called, folder: Path) -> None:
    chosen = ("--subjects", "S9,S1", "--actions", "Eating,Sitting", "--by", "subject", "--no-mirror")
    code, out, err = call(folder.name, "-p", "keypoints", "gt", *chosen)
    assert (code, err) == (0, "")
    assert "warning: The keypoints are 'gt', and the model was trained on 'simulated'" in out
    assert "warning: The model was trained on S1" in out
    assert "| S1 " in out
    assert "| S9 " in out
    assert "without the mirror image" in out
    assert "Walking" not in out


def test_a_run_is_measured_with_or_without_the_mirror_as_it_tests_itself(call: Called, folder: Path, tiny_data) -> None:
    plain = execute_run(plan_run(make_config(RunConfig, {**SETTINGS, "mirror_testing": False}), tiny_data))
    assert not open_model(plain.folder).card.mirrored
    for given, mirrored in (((), False), (("--mirror",), True), (("--no-mirror",), False)):
        code, out, err = call(plain.folder.name, *given)
        assert (code, err) == (0, "")
        assert ("averaged with the mirror image" in out) == mirrored
        same = rows_of(out)["Action-wise mean"][1] == f"{plain.action_wise['mpjpe']:.2f}"
        assert same != mirrored


def test_the_command_takes_a_checkpoint_as_it_is_and_says_what_it_assumes(call: Called, folder: Path, tmp_path) -> None:
    write_checkpoint(tmp_path / "theirs.bin", published_network((3, 3)), published_network((3, 3), joints_out=1))
    given = ("-p", "dataset", "synthetic", "-p", "scale", "tiny", "-p", "keypoints", "gt", "--actions", "Eating")
    code, out, err = call("theirs.bin", *given)
    assert (code, err) == (0, "")
    assert (
        "assumed, as theirs.bin does not say; options are those of `pose3d checkpoint import`: Causality: taken to be"
        in out
    )
    assert "warning: The keypoints are 'gt', and the model was trained on 'cpn_ft_h36m_dbb'" in out
    assert len(rows_of(out)["Eating"]) == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody",), "there is no run with 'nobody' in the name"),
        (("x" * 300,), "there is no run with 'xxx"),
        (("nobody.safetensors",), "nobody.safetensors: there is no such file"),
        (("RUN", "-p", "datset", "a"), "unknown parameter 'datset': did you mean dataset"),
        (("RUN", "-p", "scale", "huge"), "unknown scale 'huge'"),
        (("RUN", "--actions", "Sit"), "unknown action 'Sit': did you mean Sitting"),
        (("RUN", "--subjects", "S2"), "unknown subject of synthetic-tiny with 3D poses 'S2'"),
        (("RUN", "-p", "keypoints", "cpn"), "unknown keypoints of the synthetic dataset 'cpn'"),
    ],
    ids=lambda value: "",
)
def test_the_command_refuses_with_the_reason(arguments: tuple, said: str, call: Called, folder: Path) -> None:
    code, out, err = call(*(folder.name if part == "RUN" else part for part in arguments))
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(call: Called, folder: Path) -> None:
    code, _, err = call(folder.name, "--device", "cuda")
    assert code == 2
    assert "this machine has no CUDA device" in err


def test_neither_measuring_nor_training_waits_for_a_library_that_draws_or_for_pytorch_s_compiler() -> None:
    code = (
        "import sys, torch; from pose3d_lib.cli import evaluate, main; from pose3d_lib import open_dataset, open_model; "
        "from pose3d_lib.model import evaluate; from pose3d_lib.training.steps import AmsGrad; "
        "x = torch.ones(3, requires_grad=True); x.grad = torch.ones(3); AmsGrad([x], 0.1).step(); "
        "print(x.tolist() == [1, 1, 1], *{'matplotlib', 'IPython', 'scipy', 'torch._dynamo'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
