"""`pose3d checkpoint ...`: from VideoPose3D's file to a model of ours and back, by what a person types and reads."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from pose3d_lib.data.skeleton import COCO_17
from pose3d_lib.runs.models import open_model, read_card
from tests.helpers.console import Called
from tests.helpers.published_network import published_network, state_of, write_checkpoint


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs"


@pytest.fixture
def call(outputs: Path, console: Called) -> Called:
    """`pose3d checkpoint ...` within this process: exit code, what it printed, what it printed as errors."""
    return partial(console, "checkpoint")


@pytest.fixture
def theirs(outputs: Path, tmp_path: Path) -> Path:
    """A checkpoint of 27 frames with a trajectory."""
    pose, root = published_network((3, 3, 3)), published_network((3, 3, 3), joints_out=1)
    return write_checkpoint(tmp_path / "theirs.bin", pose, root, legacy=True)


@pytest.fixture
def run(tiny_run: Path, outputs: Path) -> str:
    """The name of a finished run among the outputs."""
    return Path(shutil.copytree(tiny_run, outputs / "runs" / tiny_run.name)).name


def test_a_checkpoint_is_imported_and_found_by_its_name(call: Called, theirs: Path, outputs: Path) -> None:
    code, out, err = call("import", "theirs.bin")
    assert (code, err) == (0, "")
    file = outputs / "models" / "theirs.safetensors"
    assert out.endswith(f"written: {file}\n")
    for said in (
        "theirs\nOrigin: Imported from theirs.bin, a checkpoint of VideoPose3D; its SHA-256 is ",
        "Network: filter widths 3,3,3, so 27 frames; 16 channels; dropout 0.25; ",
        "Causality: taken to be not causal; --causal says otherwise.",
        "Joints that go in: those of h36m, x and y of each, taken for granted; --joints names others, such as coco.",
        "Licence: What it was trained on is not in the file.",
    ):
        assert said in out
    for name in ("theirs.safetensors", "theirs", str(file)):
        assert open_model(name).card == read_card(file)
    assert open_model(file).lifters.trajectory is not None


def test_an_imported_model_is_not_replaced_and_what_the_file_does_not_say_is_given(call, theirs, outputs) -> None:
    assert call("import", "theirs.bin")[0] == 0
    before = (outputs / "models" / "theirs.safetensors").read_bytes()
    code, _, err = call("import", "theirs.bin", "--causal")
    assert code == 2
    assert "theirs.safetensors: is already there; give another name or folder, or say overwrite" in err
    assert (outputs / "models" / "theirs.safetensors").read_bytes() == before
    given = "--causal --joints coco --keypoints yolo --fps 29.97 --to sub/mine.safetensors"
    code, out, err = call("import", "theirs.bin", *given.split())
    assert (code, err) == (0, "")
    assert "Causality: causal, as given." in out
    assert "written: sub/mine.safetensors" in out
    card = read_card(Path("sub/mine.safetensors"))
    assert (card.network.causal, card.layout, card.keypoints, card.fps) == (True, COCO_17, "yolo", (29.97,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "nobody.bin"), "nobody.bin: there is no such file"),
        (
            ("import", "theirs.bin", "--dense"),
            "none of a network that is dense; give no --dense",
        ),
        (("import", "theirs.bin", "--to", "mine.bin"), "--to mine.bin: a model's file is called something.safetensors"),
        (("import", "theirs.bin", "--fps", "0"), "Invalid value for '--fps'"),
        (("show", "thiers.bin"), "did you mean theirs.bin? "),
        (("export", "theirs.bin", "mine.pt"), "mine.pt: what is it to be?"),
        (("export", "nobody", "mine.bin"), "there is no run with 'nobody' in the name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_refused_with_the_reason(arguments, said, call, theirs) -> None:
    before = set(Path().rglob("*"))
    code, _, err = call(*arguments)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert set(Path().rglob("*")) == before


def test_a_hostile_file_is_refused_and_nothing_is_written(call: Called, outputs: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return exec, ("open('harm', 'w')",)

    torch.save({"model_pos": state_of(published_network((3,))), "random_state": Evil()}, tmp_path / "evil.bin")
    for arguments in (("import", "evil.bin"), ("show", "evil.bin"), ("export", "evil.bin", "mine.bin")):
        code, _, err = call(*arguments)
        assert code == 2
        assert "exec, which is code; refused" in err
    assert [path.name for path in tmp_path.iterdir()] == ["evil.bin"]


def test_a_run_is_exported_for_videopose3d_with_its_card(call: Called, run: str, tmp_path: Path) -> None:
    code, out, err = call("export", run, "ours.bin")
    assert (code, err) == (0, "")
    assert out.splitlines()[:3] == [
        "written: ours.bin",
        "written: ours.md",
        "licence: Trained on synthetic data, which a program made: nobody was filmed, and no terms of data apply.",
    ]
    assert f"\npython run.py -k simulated -arc 3,3,3 -ch 8 -c {tmp_path} --evaluate ours.bin\n" in out
    content = torch.load("ours.bin", weights_only=True)
    assert "model_traj" not in content
    assert content["epoch"] == round(open_model(run).card.epochs)
    text = Path("ours.md").read_text()
    assert text.startswith(f"# {run}\n")
    assert "- actions: Sitting\n" in text
    assert "## Errors on synthetic-tiny, test subjects S9, S11" in text


def test_an_export_has_the_statistics_that_were_chosen(call: Called, run: str) -> None:
    for name, given in (("ours", []), ("theirs", ["--statistics", "published"])):
        assert call("export", run, f"{name}.safetensors", *given)[0] == 0
    assert read_card(Path("ours.safetensors")).statistics == "recomputed"
    assert read_card(Path("theirs.safetensors")).statistics == "published"
    assert "as published" in call("show", "theirs.safetensors")[1]
    code, _, err = call("export", "ours.safetensors", "again.bin", "--statistics", "published")
    assert code == 2
    assert "ours.safetensors: holds recomputed statistics" in err


def test_the_card_is_shown_of_runs_files_and_checkpoints(call: Called, run: str, theirs: Path) -> None:
    code, out, _ = call("show", run[-10:])
    assert code == 0
    for said in (
        f"{run}\nOrigin: Trained by pose3d-lib ",
        "\ndataset: synthetic-tiny\n",
        "action: Sitting\n",
        "| Sitting ",
    ):
        assert said in out
    code, out, _ = call("show", "theirs.bin")
    assert code == 0
    assert "Trained on: not known\nTrained for: 80 epochs of its own frames\nErrors: not known; " in out
