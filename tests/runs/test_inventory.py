"""The states of run folders: told from what is in them, whatever that is, without writing."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import SoftFileLease
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose3d_lib.cli.runs import to_table
from pose3d_lib.common.errors import InputError
from pose3d_lib.runs import inventory, layout
from pose3d_lib.runs.inventory import RunEntry, State, choose_run, list_runs, look_at
from pose3d_lib.runs.layout import RESULT_FORMAT
from tests.helpers.listed_runs import LONG_AGO, name_of, progress, set_age, write_folder, write_lease


def only(entries: list[RunEntry]) -> RunEntry:
    (entry,) = entries
    return entry


def test_a_finished_run_is_listed_with_the_error_of_its_own_action_its_size_and_its_end(runs: Path) -> None:
    folder = write_folder(runs, action="Sitting", at="2026-11-22T16:58:22+00:00")
    (folder / "nested").mkdir()
    (folder / "nested" / "copy").write_bytes(b"x" * 1000)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    (folder / "nested" / "above").symlink_to("..")  # not followed, or it would be all in all again
    entry = only(list_runs())
    assert entry == RunEntry(folder.name, "finished", "", "Sitting", 1.0, 70.0, size, 1795366702.0)
    assert look_at(write_folder(runs, name_of(1), action="All")).mpjpe == 60.0  # the mean of the actions


def test_an_unfinished_run_is_listed_with_its_progress_and_whether_it_begins_anew(runs: Path) -> None:
    folder = write_folder(runs, finished=False)
    entry = only(list_runs())
    assert (entry.state, entry.note, entry.action, entry.mpjpe) == ("unfinished", "no checkpoint", "Eating", None)
    assert entry.progress == pytest.approx(1 / 3)
    assert entry.at == pytest.approx(time.time() - LONG_AGO, abs=60)
    for name in layout.CHECKPOINTS:
        (folder / name).write_bytes(b"state")
        assert only(list_runs()).note == ""
        (folder / name).unlink()
    empty = runs / name_of(1)
    empty.mkdir()
    assert (look_at(empty).state, look_at(empty).note, look_at(empty).progress) == ("unfinished", "no checkpoint", None)


@pytest.mark.parametrize(
    ("found", "word", "finished"), [(RESULT_FORMAT - 1, "older", True), (RESULT_FORMAT + 1, "newer", False)]
)
def test_a_run_of_another_version_is_told_which(runs: Path, found: int, word: str, finished: bool) -> None:
    write_folder(runs, result_format=found, finished=finished, without=("clips.csv",))
    entry = only(list_runs())
    assert entry.state == "other version"
    assert entry.note.startswith(f"format {found}, {word} than {RESULT_FORMAT}")
    assert ("unfinished" in entry.note) is not finished
    assert entry.mpjpe is None


@pytest.mark.parametrize("name", layout.NEEDED)
def test_a_finished_run_without_one_of_its_files_is_damaged(runs: Path, name: str) -> None:
    write_folder(runs, without=(name,))
    entry = only(list_runs())
    assert (entry.state, entry.note) == ("damaged", f"{name}: missing or empty")


def test_all_that_is_wrong_with_a_damaged_run_is_told(runs: Path) -> None:
    write_folder(runs, without=("clips.csv",), timing__json="")
    assert only(list_runs()).note == "clips.csv: missing or empty; timing.json: missing or empty"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("finished__json", "{", "finished.json: not what a run writes"),
        ("finished__json", "[" * 100_000, "finished.json: not what a run writes"),
        ("config__json", "[]", "config.json: not what a run writes"),
        ("config__json", '{"action": ["Eating"]}', "config.json: not what a run writes (action: "),
        ("config__json", '{"action": "Walking"}', "metrics.json: no MPJPE of 'Walking'"),
        ("metrics__json", '{"actions": 3}', "metrics.json: not what a run writes (actions: "),
        (
            "metrics__json",
            '{"actions": {"Eating": {"mpjpe": NaN}}, "action_wise": {"mpjpe": 1.0}}',
            "metrics.json: not",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_finished_run_that_cannot_be_read_is_damaged_and_the_others_are_listed(runs, file, text, said) -> None:
    write_folder(runs, name_of(0), **{file: text})
    write_folder(runs, name_of(1))
    damaged, sound = list_runs()
    assert (damaged.state, sound.state) == ("damaged", "finished")
    assert damaged.note.startswith(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["format", "actions"]), inner),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["finished.json", "config.json", "metrics.json", "provenance.json", "progress.json"]),
    content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
    finished=st.booleans(),
)
def test_no_content_of_a_file_breaks_the_listing(runs: Path, name: str, content: bytes, finished: bool) -> None:
    folder = runs / name_of(0)
    shutil.rmtree(folder, ignore_errors=True)
    write_folder(runs, finished=finished, **{name.replace(".", "__"): content})
    entries = list_runs()
    assert only(entries).state in State
    assert to_table(entries).count("\n") == 1
    assert folder.name in to_table(entries)


@pytest.mark.parametrize("text", [*map(json.dumps, (progress(5, 0), progress("5", 9), progress(400, 300))), "torn {"])
def test_progress_that_makes_no_sense_is_not_known(runs: Path, text: str) -> None:
    write_folder(runs, finished=False, progress__json=text)
    entry = only(list_runs())
    assert (entry.state, entry.progress) == ("unfinished", None)


def test_strays_are_no_runs_and_what_is_hidden_is_not_listed(runs: Path) -> None:
    (runs / "notes.txt").write_text("mine")
    (runs / ".gitkeep").write_text("")
    (runs / ".ipynb_checkpoints").mkdir()
    (runs / "experiments").mkdir()
    (runs / name_of(8)).symlink_to(name_of(8))
    (runs / name_of(9)).mkdir()
    (runs / name_of(9) / "thesis.tex").write_text("mine")
    write_folder(runs, "All-27f-1ue-seed0-0123456789.bak")
    found = {entry.name: (entry.state, entry.note) for entry in list_runs()}
    assert found == {
        "notes.txt": ("not a run", "no folder"),
        name_of(8): ("damaged", "cannot be opened (Too many levels of symbolic links)"),
        **dict.fromkeys(
            ("experiments", name_of(9), "All-27f-1ue-seed0-0123456789.bak"),
            ("not a run", "its name or its files are not those of a run"),
        ),
    }


def test_without_a_folder_of_runs_there_are_none_and_a_file_there_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))
    assert list_runs() == []
    (tmp_path / "runs").write_text("")
    with pytest.raises(InputError, match=r"runs: .* \(Not a directory\).*POSE3D_OUTPUTS"):
        list_runs()


@pytest.mark.parametrize("moment", ["scan_folder", "read_json"])
def test_a_run_that_vanishes_meanwhile_is_left_out(runs: Path, monkeypatch, moment: str) -> None:
    gone = write_folder(runs, name_of(0))
    write_folder(runs, name_of(1))
    function = getattr(inventory, moment)

    def remove_first(*arguments: object) -> object:
        if gone.is_dir():
            shutil.rmtree(gone)
        return function(*arguments)

    monkeypatch.setattr(inventory, moment, remove_first)
    assert only(list_runs()).name == name_of(1)


def test_a_run_is_running_while_its_lease_is_held_here(runs: Path) -> None:
    folder = write_folder(runs, finished=False)
    with SoftFileLease(folder / ".lease", lease_duration=60):
        entry = only(list_runs())
        assert entry.state == "running"
        assert entry.note.startswith(f"process {os.getpid()} on ")
        assert "?" not in entry.note
        assert entry.progress == pytest.approx(1 / 3)
        set_age(folder, 61)  # nobody touched it: it is nobody's, even if that process lives
        assert only(list_runs()).state == "unfinished"
    assert only(list_runs()).state == "unfinished"


def test_a_holder_that_died_on_this_machine_holds_nothing(runs: Path) -> None:
    folder = write_folder(runs, finished=False)
    dead = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    write_lease(folder, pid=dead.pid, host=socket.gethostname())
    assert only(list_runs()).note == f"process {dead.pid} on {socket.gethostname()}"
    dead.wait()
    assert only(list_runs()).state == "unfinished"


@pytest.mark.parametrize(("age", "state"), [(0, "running"), (50, "running"), (-300, "running"), (61, "unfinished")])
def test_a_holder_on_another_machine_is_alive_while_it_touches_its_lease(runs: Path, age: float, state: str) -> None:
    folder = write_folder(runs, finished=False)
    for host in ("node17", socket.gethostname()):  # another container may have this one's name, but numbers of its own
        write_lease(folder, pid=2**31 - 1, host=f"{host}?pidns-f0000001", age=age)
        entry = only(list_runs())
        holder = f"process {2**31 - 1} on {host}"
        assert (entry.state, entry.note) == (state, holder if state == "running" else "no checkpoint")


def test_a_part_of_a_name_is_enough_where_only_one_run_has_it() -> None:
    names = ["All-27f-1ue-seed0-0123456789", "Eating-27f-1ue-seed0-aaaaaaaaaa", "Eating-27f-1ue-seed0-aaaaaaaaaa2"]
    assert choose_run("0123", names) == names[0]
    assert choose_run("All-27f-1ue-seed0", ["All-27f-1ue-seed0-timed1-bbbbbbbbbb", *names]) == names[0]
    assert choose_run(names[1], names) == names[1]  # the whole name of one, although another contains it
    for given_name, said in (
        ("Eating", r"there are 2 runs with 'Eating' in the name; did you mean Eating-27f.*aaa2\?"),
        ("eating", r"there is no run with 'eating' in the name; did you mean Eating-27f"),
        ("xyz", r"there is no run with 'xyz' in the name. `pose3d runs list` shows all"),
        ("", "there is no run with '' in the name"),
        ("../runs", "there is no run"),
    ):
        with pytest.raises(InputError, match=said):
            choose_run(given_name, names)


ENTRIES = [
    RunEntry("b", "finished", action="Eating", progress=1.0, mpjpe=70.0, size=10, at=100.0),
    RunEntry("a", "finished", action="All", progress=1.0, mpjpe=60.0, size=999, at=50.0),
    RunEntry("d", "running", "process 1 on x", action="Eating", progress=0.999, size=10, at=300.0),
]


def test_the_table_has_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    lines = to_table(ENTRIES).splitlines()
    monkeypatch.undo()
    time.tzset()
    assert lines == [
        "name    state       progress    MPJPE [mm]       size  when              note",
        "b       finished       100 %         70.00   10 bytes  1970-01-01 00:01",
        "a       finished       100 %         60.00  999 bytes  1970-01-01 00:00",
        "d       running         99 %                 10 bytes  1970-01-01 00:05  process 1 on x",
    ]
