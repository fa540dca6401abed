"""Cleaning up: leftovers are found and removed; what is finished, held, or not a run stays."""

import os
import time
from pathlib import Path

import pytest
from filelock import SoftFileLease

from pose3d_lib.runs import clean, lease
from pose3d_lib.runs.clean import plan_removals, remove_all
from pose3d_lib.runs.inventory import list_runs
from pose3d_lib.runs.layout import CHECKPOINTS, RESULT_FORMAT
from tests.helpers.listed_runs import LONG_AGO, name_of, set_age, write_folder, write_lease

OLDER = RESULT_FORMAT - 1


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> float:
    """Leases that end after a fraction of a second, as cleaning sees them."""
    monkeypatch.setattr(clean, "LEASE_SECONDS", 0.4)
    for name, seconds in (("LEASE_SECONDS", 0.4), ("SECONDS_BETWEEN_TRIES", 0.05), ("SECONDS_TO_TAKE_OVER", 0.1)):
        monkeypatch.setattr(lease, name, seconds)
    return 0.4


def planned(**asked: bool) -> list[tuple[str, str]]:
    return [(removal.run, removal.file) for removal in plan_removals(**asked)[0]]


def cleaned(**asked: bool) -> list[str]:
    """Removes what is planned; what prevented it."""
    return [problem for _, problem in remove_all(plan_removals(**asked)[0]) if problem]


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_killed_processes_left_is_removed_a_minute_later_and_nothing_else(runs: Path) -> None:
    left = (".metrics.json.12345.json", ".model.safetensors.7.safetensors", "..checkpoint.state.99.state")
    mine = (".metrics.json", ".notes", "metrics.json.12345.json", ".x.json.json", "run.log")
    folders = [
        write_folder(runs, name_of(0)),
        write_folder(runs, name_of(1), finished=False),
        write_folder(runs, name_of(2), result_format=OLDER),
        write_folder(runs, name_of(3), without=("clips.csv",)),
    ]
    for folder in folders:
        for name in (*left, *mine):
            (folder / name).write_text("half")
    assert planned() == []  # a process may be writing them
    for folder in folders:
        set_age(folder, LONG_AGO)
    before = [files_in(folder) for folder in folders]
    removals, spared = plan_removals()
    assert list(spared) == [name_of(3)]  # damaged
    assert {(one.run, one.file) for one in removals} == {(folder.name, name) for folder in folders for name in left}
    assert all(removal.size == 4 and removal.why == "left by a process that was killed" for removal in removals)
    assert [files_in(folder) for folder in folders] == before  # planning changes nothing
    assert cleaned() == []
    assert [files_in(folder) for folder in folders] == [names - {*left} for names in before]


def test_checkpoints_go_where_the_run_is_finished_and_only_there(runs: Path) -> None:
    states = {
        "finished": write_folder(runs, name_of(0)),
        "unfinished": write_folder(runs, name_of(1), finished=False),
        "damaged": write_folder(runs, name_of(2), without=("model.safetensors",)),
        "other version": write_folder(runs, name_of(3), result_format=OLDER),
    }
    for folder in states.values():
        for name in CHECKPOINTS:
            (folder / name).write_bytes(b"12345")
        set_age(folder, LONG_AGO)
    assert [entry.state for entry in list_runs()] == list(states)
    assert planned() == [(name_of(0), name) for name in sorted(CHECKPOINTS)]
    assert cleaned() == []
    assert [set(CHECKPOINTS) <= files_in(folder) for folder in states.values()] == [False, True, True, True]
    assert [entry.state for entry in list_runs()] == list(states)


def test_damaged_runs_are_named_and_go_where_it_is_asked_for(runs: Path) -> None:
    sound, changed, missing = (write_folder(runs, name_of(number)) for number in range(3))
    (changed / "clips.csv").write_text("changed")
    (missing / "clips.csv").unlink()
    for folder in (changed, missing):
        set_age(folder, LONG_AGO)
    removals, spared = plan_removals()
    assert removals == []
    assert list(spared) == [changed.name, missing.name]
    assert all("clips.csv" in why and "--damaged" in why for why in spared.values())
    assert cleaned(damaged=True) == []
    assert [folder.exists() for folder in (sound, changed, missing)] == [True, False, False]


@pytest.fixture
def one_of_each(runs: Path) -> dict[str, Path]:
    folders = {
        "finished": write_folder(runs, name_of(0)),
        "unfinished": write_folder(runs, name_of(1), finished=False),
        "damaged": write_folder(runs, name_of(2), without=("clips.csv",)),
        "older": write_folder(runs, name_of(3), result_format=OLDER),
        "newer, unfinished": write_folder(runs, name_of(4), result_format=RESULT_FORMAT + 1, finished=False),
        "empty": runs / name_of(5),
        "stray": runs / name_of(6),
        "renamed": write_folder(runs, "Eating-copy", finished=False),
    }
    folders["empty"].mkdir()
    folders["stray"].mkdir()
    (folders["stray"] / "thesis.tex").write_text("mine")
    (folders["stray"] / ".thesis.tex.2026.tex").write_text("mine")
    (folders["unfinished"] / "nested").mkdir()
    (folders["unfinished"] / "nested" / "file").write_text("1234")
    set_age(folders["unfinished"], LONG_AGO)
    set_age(folders["stray"], LONG_AGO)
    return folders


@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        ((), set()),
        (("other",), {"older", "newer, unfinished"}),
        (("unfinished", "other"), {"unfinished", "empty", "older", "newer, unfinished"}),
    ],
)
def test_whole_runs_are_removed_only_when_asked_for(one_of_each, asked, gone) -> None:
    options = dict.fromkeys(asked, True)
    assert set(planned(**options)) == {(one_of_each[what].name, "") for what in gone}
    assert cleaned(**options) == []
    assert {what for what, folder in one_of_each.items() if not folder.exists()} == gone
    assert files_in(one_of_each["stray"]) == {"thesis.tex", ".thesis.tex.2026.tex"}


@pytest.mark.parametrize("result_format", [RESULT_FORMAT, OLDER])
def test_a_run_that_is_held_stays(runs: Path, result_format: int) -> None:
    folder = write_folder(runs, finished=False, result_format=result_format)
    (folder / ".metrics.json.12345.json").write_text("half")
    set_age(folder, LONG_AGO)
    (plan, _), names = plan_removals(unfinished=True, other=True), files_in(folder)
    assert [removal.file for removal in plan] == [""]
    with SoftFileLease(folder / ".lease", lease_duration=60):
        removals, spared = plan_removals(unfinished=True, other=True)
        assert removals == []
        assert spared[folder.name].startswith(f"held by process {os.getpid()} on ")
        assert files_in(folder) == {*names, ".lease"}
    assert cleaned(unfinished=True, other=True) == []
    assert not folder.exists()


def test_a_run_that_is_being_written_to_stays_for_a_minute(runs: Path) -> None:
    folder = write_folder(runs, finished=False)
    os.utime(folder / "progress.json", (time.time() - 50,) * 2)
    removals, spared = plan_removals(unfinished=True)
    assert (removals, list(spared)) == ([], [folder.name])
    assert "a process may be at work" in spared[folder.name]
    for when in (time.time() - 61, time.time() + 86_400):  # the second by another clock
        os.utime(folder / "progress.json", (when, when))
        assert planned(unfinished=True) == [(folder.name, "")]


def test_a_run_that_somebody_begins_between_the_plan_and_its_removal_stays(runs: Path, short_lease: float) -> None:
    folder = write_folder(runs, finished=False)
    removals, _ = plan_removals(unfinished=True)
    with SoftFileLease(folder / ".lease", lease_duration=short_lease, heartbeat_interval=0.05):
        said: list[str] = []
        assert [problem for _, problem in remove_all(removals, said.append)] == ["a process holds it"]
        assert "config.json" in files_in(folder)
    assert said == [f"watching for 0.4 s whether the holder of {folder.name} shows a sign of life"]


def test_a_run_that_finishes_or_begins_again_between_the_plan_and_its_removal_stays(runs: Path) -> None:
    unfinished, damaged = write_folder(runs, name_of(0), finished=False), write_folder(runs, name_of(1))
    (damaged / "clips.csv").unlink()
    set_age(damaged, LONG_AGO)
    removals, _ = plan_removals(unfinished=True, damaged=True)
    (unfinished / "finished.json").write_text(f'{{"format": {RESULT_FORMAT}}}')
    (damaged / "finished.json").unlink()
    assert [problem for _, problem in remove_all(removals)] == ["changed meanwhile"] * 2
    assert "config.json" in files_in(unfinished) & files_in(damaged)


def test_the_run_of_a_dead_process_elsewhere_is_removed_once_its_lease_shows_no_life(runs, short_lease: float) -> None:
    folders = [write_folder(runs, name_of(number), finished=False) for number in range(3)]
    for folder in folders[:2]:
        write_lease(folder, age=LONG_AGO, seconds=short_lease)
    said: list[str] = []
    began = time.monotonic()
    done = [(removal.run, problem) for removal, problem in remove_all(plan_removals(unfinished=True)[0], said.append)]
    assert done == [(name_of(number), "") for number in range(3)]
    assert short_lease <= time.monotonic() - began < 10 * short_lease  # watched together
    assert len(said) == 2
    assert not any(folder.exists() for folder in folders)


def test_the_lease_of_another_version_of_the_code_is_respected(runs: Path) -> None:
    folder = write_folder(runs, finished=False)
    write_lease(folder, age=LONG_AGO, seconds=3.0)
    assert cleaned(unfinished=True) == ["held by another version of this code"]
    assert "config.json" in files_in(folder)


def test_nothing_behind_a_link_is_removed(runs: Path, tmp_path: Path) -> None:
    kept = write_folder(tmp_path / "archive", name_of(0), finished=False)
    (kept / ".metrics.json.12345.json").write_text("half")
    inside = write_folder(runs, name_of(1), finished=False)
    for link in (runs / kept.name, inside / "elsewhere"):
        link.symlink_to(kept)
    for folder in (kept, inside):
        set_age(folder, LONG_AGO)
    os.utime(kept, (time.time() - LONG_AGO,) * 2)
    names = files_in(kept)
    removals, spared = plan_removals(unfinished=True)
    assert [removal.run for removal in removals] == [inside.name]
    assert spared == {kept.name: "a link to another folder, which may be used elsewhere"}
    assert cleaned(unfinished=True) == []
    assert not inside.exists()
    assert files_in(kept) == names


def refusing(monkeypatch: pytest.MonkeyPatch, method: str, name: str) -> None:
    own = getattr(Path, method)

    def refuse(path: Path, *arguments: object, **keywords: object) -> object:
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return own(path, *arguments, **keywords)

    monkeypatch.setattr(Path, method, refuse)


def test_what_may_not_be_removed_is_told_and_the_rest_goes(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (write_folder(runs, name_of(number), finished=number == 1) for number in range(3))
    (second / "checkpoint.state").write_text("")
    (first / "progress.json").rename(first / "closed")
    set_age(second, LONG_AGO)
    refusing(monkeypatch, "unlink", "checkpoint.state")
    assert cleaned() == ["cannot be removed (Permission denied)"]
    refusing(monkeypatch, "unlink", "closed")
    assert cleaned(unfinished=True) == ["cannot be removed (Permission denied)"] * 2
    assert not third.exists()
    assert first.exists()
    assert ".lease" not in files_in(first)


def test_a_kill_in_the_middle_of_removing_leaves_no_finished_run_and_is_cleaned_again(runs: Path, monkeypatch) -> None:
    folder = write_folder(runs, result_format=OLDER)
    order: list[str] = []
    own = Path.unlink

    def killed(path: Path, **keywords: object) -> None:
        order.append(path.name)
        if path.name == "provenance.json":
            raise KeyboardInterrupt
        own(path, **keywords)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        cleaned(other=True)
    monkeypatch.undo()
    monkeypatch.setenv("POSE3D_OUTPUTS", str(runs.parent))
    assert order[0] == "finished.json"
    assert ".lease" not in order[: order.index("provenance.json")]  # or somebody could begin before all is gone
    assert files_in(folder) == {"provenance.json"}
    assert [entry.state for entry in list_runs()] == ["other version"]
    set_age(folder, LONG_AGO)
    assert cleaned(other=True) == []
    assert not folder.exists()


def test_a_folder_that_cannot_be_opened_is_left_alone(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(runs, finished=False)
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path) == str(folder):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = plan_removals(unfinished=True, damaged=True)
    assert found == ([], {folder.name: "cannot be opened (Permission denied)"})
