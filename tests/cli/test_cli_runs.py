"""`pose3d runs ...`: what a person at a terminal and a script get of runs in every state."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pose3d_lib.cli.runs import runs as group
from pose3d_lib.common.errors import InputError
from pose3d_lib.report.describe import start_command
from pose3d_lib.runs.layout import RESULT_FORMAT
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from tests.helpers.listed_runs import name_of, write_folder

Called = Callable[..., Result]


@pytest.fixture
def runs(tmp_path: Path, tiny_outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs, beside the prepared tiny dataset."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))
    (tmp_path / "runs").mkdir()
    (tmp_path / "data").symlink_to(tiny_outputs / "data")
    return tmp_path / "runs"


@pytest.fixture
def sound(runs: Path, tiny_run: Path, other_tiny_run: Path) -> list[Path]:
    """Copies of two finished runs."""
    return [Path(shutil.copytree(folder, runs / folder.name)) for folder in (tiny_run, other_tiny_run)]


@pytest.fixture
def call() -> Called:
    def called(*arguments: str) -> Result:
        return CliRunner().invoke(group, arguments, catch_exceptions=False)

    return called


def test_list_shows_a_line_per_run_and_counts_them(runs: Path, call: Called) -> None:
    write_folder(runs, name_of(0), mpjpe=42.125)
    write_folder(runs, name_of(1, "Sitting"), action="Sitting", finished=False)
    write_folder(runs, name_of(2), result_format=RESULT_FORMAT + 1)
    done = call("list")
    assert done.exit_code == 0
    head, first, newer, unfinished, last = done.output.splitlines()
    assert head.split()[:3] == ["name", "state", "progress"]
    assert re.match(rf"{name_of(0)} +finished +100 % +42\.1[23] +\S+ (bytes|kB) +2026-11-22", first)
    assert re.search(r"other version .* format 6, newer than 5$", newer)
    assert re.match(rf"{name_of(1, 'Sitting')} +unfinished +33 % +\d+ bytes .*no checkpoint$", unfinished)
    assert last.startswith(f"3 in {runs}, ")
    assert last.endswith(": 1 finished, 1 unfinished, 1 other version")


def test_list_without_any_run_says_so(runs: Path, call: Called) -> None:
    runs.rmdir()
    assert call("list").output == f"0 in {runs}, 0 bytes\n"


def test_show_tells_everything_about_a_finished_run(sound: list[Path], call: Called) -> None:
    folder = sound[0]
    done = call("show", folder.name[-10:])
    assert done.exit_code == 0
    metrics = json.loads((folder / "metrics.json").read_text())
    provenance = json.loads((folder / "provenance.json").read_text())
    for said in (
        f"State: finished, MPJPE {metrics['actions']['Sitting']['mpjpe']:.2f} mm on Sitting, finished 2",
        f"Folder: {folder}, ",
        "action: Sitting\nseed: 0\nscale: tiny\n",
        "channels: 8\n",
        "evaluate_at: none\n",
        f"dataset: name synthetic-tiny, synthetic True, fingerprint {provenance['dataset']['fingerprint']}, ",
        "| Sitting ",
        f"{metrics['action_wise']['mpjve']:.2f}",
        "train_seconds: ",
        f"processor: {provenance['processor']}",
        f"torch {provenance['packages']['torch']}, ",
        "Command: pose3d run 02_train -p ",
    ):
        assert said in done.output
    for unsaid in ("lr_decay_per", "dropout", "End of"):
        assert unsaid not in done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("Command: ")]
    words = shlex.split(line)[4:]
    assert words[::3] == ["-p"] * (len(words) // 3)
    config = make_config(RunConfig, dict(zip(words[1::3], words[2::3], strict=True)))
    assert config.model_dump(mode="json") == json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize(
    "changes",
    [
        {"filter_widths": (3, 1), "lr": 1e-9, "train_share": 1 / 3, "causal": True, "seed": 2**31 - 1},
        {"with_actions": ("Walk Dog", "Ünïcode", "x;y"), "evaluate_at": (0.001, 64.0), "bn_decay_per": "unit_epoch"},
        {"leave_out": ("S1/Walking/0", "drifting"), "fps": 29.97},
    ],
    ids=str,
)
def test_the_command_makes_the_same_config_again(changes: dict) -> None:
    config = RunConfig(action="Eating", **changes)
    words = shlex.split(start_command(config))[3:]
    given = dict(zip(words[1::3], words[2::3], strict=True))
    assert set(words[::3]) == {"-p"}
    assert not any("[" in value for value in given.values())
    assert make_config(RunConfig, given) == config


@pytest.mark.parametrize(
    ("made", "state"),
    [
        ({"finished": False}, "unfinished: no checkpoint, 33.3 % trained, last written to 2"),
        ({"finished": False, "checkpoint__state": "x"}, "unfinished, 33.3 %"),
        ({"without": ("clips.csv",)}, "damaged: clips.csv: missing or empty, MPJPE 50.00 mm on Eating"),
        ({"result_format": 2}, f"other version: format 2, older than {RESULT_FORMAT}"),
    ],
)
def test_show_tells_the_state_and_how_to_go_on(runs, call, made, state) -> None:
    write_folder(runs, **made)
    output = call("show", name_of(0)).output
    assert f"State: {state}" in output
    assert ("\nCommand: pose3d run 02_train" in output) == (state[:5] != "other")
    assert ("`pose3d runs clean --damaged --yes`" in output) == (state[:7] == "damaged")


def test_show_of_an_unfinished_run_ends_with_the_end_of_its_log(runs: Path, call: Called) -> None:
    log = "".join(f"2026-11-22 line {number}\n" for number in range(3000)) + "it broke\x1b[31m \udcff\n"
    folder = write_folder(runs, finished=False)
    (folder / "run.log").write_text(log, encoding="utf-8", errors="surrogateescape")
    tail = call("show", name_of(0)).output.partition("End of run.log\n\n")[2]
    assert tail.startswith("2026-11-22 line 2991\n")
    assert "line 2999\nit broke\\x1b[31m " in tail


@pytest.mark.parametrize("name", ["config.json", "provenance.json", "timing.json"])
@pytest.mark.parametrize("content", ["{", '{"dataset": 3, "packages": [], "resumed": [1, {}], "actions": {"a": 1}}'])
def test_show_says_what_cannot_be_read_and_shows_the_rest(runs: Path, call: Called, name: str, content: str) -> None:
    write_folder(runs, **{name.replace(".", "__"): content})
    done = call("show", name_of(0))
    assert done.exit_code == 0
    assert "State: " in done.output
    assert content != "{" or f"{name}: not what a run writes" in done.output
    assert ("train_seconds: 12.5" in done.output) == (name != "timing.json")


def test_show_says_where_a_run_was_resumed(runs: Path, call: Called) -> None:
    provenance = {"format": 3, "resumed": [{"windows": 1000}, {"windows": 2500}], "commit": "abc+"}
    write_folder(runs, provenance__json=json.dumps(provenance))
    output = call("show", name_of(0)).output
    assert "resumed: windows 1,000,windows 2,500\n" in output
    assert "commit: abc+\n" in output


def test_show_of_what_is_no_run_says_so(runs: Path, call: Called) -> None:
    (runs / "notes").mkdir()
    output = call("show", "notes").output
    assert "State: not a run: its name or its files" in output
    assert "Command" not in output
    with pytest.raises(InputError, match=r"there is no run with 'note5' in the name; did you mean notes\?"):
        call("show", "note5")


def test_clean_says_what_it_would_remove_and_removes_it_only_when_told(runs: Path, call: Called, monkeypatch) -> None:
    finished, folder = write_folder(runs), write_folder(runs, name_of(1), finished=False)
    what = rf"{folder.name} \(unfinished, no checkpoint, \d+ bytes\)"
    dry = call("clean", "--unfinished")
    assert dry.exit_code == 0
    assert re.fullmatch(rf"would be removed: {what}\n\d+ bytes in {runs} would be freed; .*--yes does it\n", dry.output)
    assert folder.is_dir()

    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        failed = call("clean", "--unfinished", "--yes")
    assert failed.exit_code == 1
    assert re.fullmatch(rf"not removed: {what}: cannot be removed .*\n0 bytes in {runs} freed\n", failed.output)
    assert re.match(f"removed: {what}\n", call("clean", "--unfinished", "--yes").output)
    assert call("clean", "--unfinished", "--damaged", "--yes").output == f"0 bytes in {runs} freed\n"
    assert list(runs.iterdir()) == [finished]
    with pytest.raises(InputError, match="give --unfinished, --other or --damaged"):
        call("clean", "--yes")


def test_verify_tells_all_that_is_wrong_by_its_exit_code_too(sound: list[Path], runs: Path, call: Called) -> None:
    write_folder(runs, finished=False)
    write_folder(runs, name_of(1), result_format=2)
    done = call("verify")
    assert (done.exit_code, done.output) == (0, f"2 runs in {runs}, 0 of them wrong\n")
    (sound[1] / "timing.json").unlink()
    done = call("verify", sound[0].name)
    assert (done.exit_code, done.output) == (0, f"1 run in {runs}, 0 of them wrong\n")
    (sound[0] / "clips.csv").write_text("subject\n")
    done = call("verify")
    assert done.exit_code == 1
    assert f"wrong: {sound[0].name}: clips.csv: changed: its sha256 is " in done.output
    assert f"wrong: {sound[1].name}: timing.json: missing or empty\n" in done.output
    assert f"2 runs in {runs}, 2 of them wrong\n" in done.output
    assert "`pose3d runs show NAME` gives the command" in done.output


def test_verify_refuses_what_is_not_finished_or_not_there(runs: Path, call: Called) -> None:
    write_folder(runs, finished=False)
    with pytest.raises(InputError, match=rf"{name_of(0)}: unfinished, and only finished runs of this version"):
        call("verify", name_of(0))
    with pytest.raises(InputError, match="there is no run with 'Walking' in the name"):
        call("verify", "Walking")
