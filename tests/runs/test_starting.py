"""A run that starts with another run's weights: with every number of them and nothing else, or refused before it starts."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs import execute
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.layout import RESULT_FORMAT
from pose3d_lib.runs.run import Run
from pose3d_lib.runs.start import load_start
from pose3d_lib.training import loop
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import plan_run
from tests.helpers.run_folders import finish
from tests.helpers.short_runs import short_config, train_short


def specialised(baseline: Run, action: str = "Sitting", **changes) -> RunConfig:
    return short_config(action, **{"start_from": baseline.folder.name, "unit_epochs": 0.25, "lr": 0.01, **changes})


def tensors(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "model.safetensors")


@pytest.fixture
def first_weights(monkeypatch) -> list[dict[str, torch.Tensor]]:
    """Fills with the state of every network before its first step."""
    states = []
    steps = loop.TrainingSteps

    def remember(objective, **named):
        states.append({name: value.clone() for name, value in objective.lifters.state_dict().items()})
        return steps(objective, **named)

    monkeypatch.setattr(loop, "TrainingSteps", remember)
    return states


def test_a_run_starts_with_every_number_of_the_other_run_s_network(baseline, data, first_weights) -> None:
    execute_run(plan_run(specialised(baseline), data))
    (found,), expected = first_weights, tensors(baseline)
    assert found.keys() == expected.keys()
    assert any("running_var" in name for name in expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_order_and_schedules_are_those_of_the_run_s_own_settings(baseline, data, gathered) -> None:
    history = execute_run(plan_run(specialised(baseline, seed=3), data)).history
    started = gathered[: history.steps.iloc[-1]]  # then the statistics of the batch norms are recomputed
    gathered.clear()
    _, rows = train_short(specialised(baseline, seed=3, start_from=""), data)
    assert started == gathered
    for name in ("epoch", "unit_epochs", "windows", "steps", "lr", "bn_momentum"):
        assert history[name].tolist() == [getattr(row, name) for row in rows], name


def test_dropout_is_that_of_a_run_with_random_weights(baseline, data, monkeypatch) -> None:
    states = []
    steps = loop.TrainingSteps
    monkeypatch.setattr(loop, "TrainingSteps", lambda *a, **n: states.append(torch.get_rng_state()) or steps(*a, **n))
    train_short(specialised(baseline), data, initial=tensors(baseline))
    train_short(specialised(baseline, start_from=""), data)
    assert torch.equal(*states)


def test_a_specialised_run_can_be_started_from_again(baseline, data, first_weights) -> None:
    once = execute_run(plan_run(specialised(baseline), data))
    twice = execute_run(plan_run(specialised(once, "SittingDown", with_actions=("Sitting",), train_share=0.5), data))
    assert torch.equal(first_weights[1]["shrink.weight"], tensors(once)["shrink.weight"])
    assert twice.folder.name.startswith(f"SittingDown+1-3f-0.25ue-share0.5-from{once.folder.name[-10:]}-seed0-")


def test_provenance_says_what_a_run_started_from_which_may_be_gone_later(baseline, data, monkeypatch) -> None:
    said = []
    found = execute_run(plan_run(specialised(baseline), data), say=said.append)
    assert found.provenance["start"] == {
        "run": baseline.folder.name,
        "commit": baseline.provenance["commit"],
        "weights_sha256": hashlib.sha256((baseline.folder / "model.safetensors").read_bytes()).hexdigest(),
    }
    assert f"starts with the weights of {baseline.folder.name}" in said
    assert baseline.provenance["start"] is None
    assert (found.timing["windows"], found.timing["t"]) == (50, 200 / 60), "its own windows only"
    shutil.rmtree(baseline.folder)
    monkeypatch.setattr(execute, "train", lambda *_, **__: pytest.fail("trained again"))
    assert execute_run(plan_run(specialised(baseline), data)) == found


# Starts that are refused


@pytest.fixture
def refuses(baseline: Run, outputs: Path, data: PoseDataset, monkeypatch) -> Callable[..., str]:
    """Tries a start that is refused at once and leaves everything as it was; gives the message."""
    monkeypatch.setattr(execute, "train", lambda *_, **__: pytest.fail("the refusal came too late"))

    def refuse(data: PoseDataset = data, **changes) -> str:
        chosen = specialised(baseline, **changes)
        before = {path: path.stat().st_mtime_ns for path in outputs.rglob("*")}
        with pytest.raises(InputError) as caught:
            execute_run(plan_run(chosen, data))
        assert {path: path.stat().st_mtime_ns for path in outputs.rglob("*")} == before
        with pytest.raises(InputError) as early:
            load_start(plan_run(chosen, data))
        assert str(early.value) == str(caught.value)
        return str(caught.value)

    return refuse


def rewrite(path: Path, **fields) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_start_that_is_not_there_is_refused_with_those_of_like_names(refuses, baseline, outputs) -> None:
    name = baseline.folder.name
    wrong = f"{name[:-1]}{'1' if name[-1] == '0' else '0'}"
    message = refuses(start_from=wrong)
    assert f"start_from: there is no run '{wrong}' in {outputs / 'runs'}; did you mean {name}?" in message
    shutil.rmtree(outputs)
    assert "there is no run" in refuses()


@pytest.mark.parametrize("name", ["x" * 400, "\0", "Gehen-ä-💃", "."], ids=ascii)
def test_a_start_with_a_name_that_no_folder_has_is_refused_as_any_other(name, refuses) -> None:
    assert "there is no run" in refuses(start_from=f"{name}-0123456789")


def test_a_start_on_other_data_is_refused(refuses, baseline, data) -> None:
    other = replace(data, name="others", positions=data.positions + np.float32(0.1))
    message = refuses(other)
    assert message.startswith(f"{baseline.folder}: trained on other data, ")
    for own in (f"hand-made with fingerprint {data.fingerprint[:10]}", f"others with {other.fingerprint[:10]}"):
        assert own in message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"filter_widths": (3, 3)}, "filter_widths (3,), expected (3, 3)"),
        ({"keypoints": "detected"}, "keypoints 'simulated', expected 'detected'"),
        ({"channels": 5, "causal": True}, "channels 6, expected 5; causal False, expected True"),
    ],
    ids=str,
)
def test_a_start_with_another_network_is_refused(changes, said, refuses, baseline) -> None:
    message = refuses(**changes)
    assert message.startswith(f"{baseline.folder}: a network of another kind: ")
    assert said in message


def test_other_settings_may_differ(baseline, data) -> None:
    chosen = specialised(baseline, dropout=0.5, seed=5, batch_size=8, budget="fifteen")
    assert load_start(plan_run(chosen, data))[1]["run"] == baseline.folder.name


def test_a_start_that_was_changed_or_begun_again_afterwards_is_refused(refuses, baseline) -> None:
    rewrite(baseline.folder / "finished.json", format=2)
    assert refuses().startswith(f"{baseline.folder}: other version, format 2, older than ")
    rewrite(baseline.folder / "finished.json", format=RESULT_FORMAT)
    rewrite(baseline.folder / "config.json", channels=10_000)
    assert refuses().startswith(f"{baseline.folder}: damaged, config.json: changed: ")
    finish(baseline.folder)
    assert "channels 10000, expected 6" in refuses()
    rewrite(baseline.folder / "config.json", channels=6)
    save_file({**tensors(baseline), "shrink.bias": torch.zeros(50)}, baseline.folder / "model.safetensors")
    finish(baseline.folder)
    assert f"{baseline.folder / 'model.safetensors'}: other weights than its config.json says: shrink.bias" in refuses()
    (baseline.folder / "finished.json").unlink()
    assert refuses().startswith(f"{baseline.folder}: unfinished, no checkpoint; train that run again")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize(
    "content",
    [None, b"", b"{", b"[" * 100_000, b"\xff" * 8 + b"{}"],
    ids=["missing", "empty", "cut", "deep", "a promise of 2**64 bytes"],
)
def test_a_damaged_start_is_refused_by_file(name, content, refuses, baseline) -> None:
    if content is None:
        (baseline.folder / name).unlink()
    else:
        (baseline.folder / name).write_bytes(content)
    assert refuses().startswith(f"{baseline.folder}: damaged, {name}: ")
