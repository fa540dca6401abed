"""Cleaning up: what was asked for is removed; what is finished, held, or not a run stays."""

import shutil
from collections.abc import Collection
from pathlib import Path

import pytest
from filelock import SoftFileLease

from pose3d_lib.runs.inventory import State, list_runs, plan_removals, remove
from pose3d_lib.runs.layout import LEASE_SECONDS, RESULT_FORMAT
from tests.helpers.listed_runs import name_of, write_folder, write_lease

OLDER = RESULT_FORMAT - 1
ALL = (State.UNFINISHED, State.OTHER, State.DAMAGED)


def planned(states: Collection[State] = ALL) -> list[str]:
    return [entry.name for entry in plan_removals(states)[0]]


def cleaned(states: Collection[State] = ALL) -> list[str]:
    """Removes what is planned; what prevented it."""
    return [problem for entry in plan_removals(states)[0] if (problem := remove(entry))]


@pytest.fixture
def one_of_each(runs: Path) -> dict[str, Path]:
    folders = {
        "finished": write_folder(runs, name_of(0)),
        "unfinished": write_folder(runs, name_of(1), finished=False),
        "missing": write_folder(runs, name_of(2), without=("clips.csv",)),
        "changed": write_folder(runs, name_of(3)),
        "older": write_folder(runs, name_of(4), result_format=OLDER),
        "newer, unfinished": write_folder(runs, name_of(5), result_format=RESULT_FORMAT + 1, finished=False),
        "empty": runs / name_of(6),
        "stray": runs / name_of(7),
        "renamed": write_folder(runs, "Eating-copy", finished=False),
    }
    (folders["changed"] / "clips.csv").write_text("changed")
    folders["empty"].mkdir()
    folders["stray"].mkdir()
    (folders["stray"] / "thesis.tex").write_text("mine")
    (folders["unfinished"] / "nested").mkdir()
    (folders["unfinished"] / "nested" / "file").write_text("1234")
    return folders


@pytest.mark.parametrize(
    ("states", "gone"),
    [
        ((State.DAMAGED,), {"missing", "changed"}),
        ((State.OTHER,), {"older", "newer, unfinished"}),
        ((State.UNFINISHED, State.OTHER), {"unfinished", "empty", "older", "newer, unfinished"}),
    ],
)
def test_runs_are_removed_in_the_states_that_are_asked_for(one_of_each, runs: Path, states, gone) -> None:
    assert set(planned(states)) == {one_of_each[what].name for what in gone}
    assert all(folder.exists() for folder in one_of_each.values()), "planning changes nothing"
    assert cleaned(states) == []
    assert {what for what, folder in one_of_each.items() if not folder.exists()} == gone
    assert {path for path in runs.iterdir() if path.name.startswith(".")} == set()


@pytest.mark.parametrize("result_format", [RESULT_FORMAT, OLDER])
def test_a_run_that_is_held_stays(runs: Path, result_format: int) -> None:
    folder = write_folder(runs, finished=False, result_format=result_format)
    with SoftFileLease(folder / ".lease", lease_duration=60):
        removals, spared = plan_removals(ALL)
        assert removals == []
        assert spared[folder.name].startswith("held by process ")
    assert cleaned() == []
    assert not folder.exists()


def test_a_run_that_somebody_begins_between_the_plan_and_its_removal_stays(runs: Path) -> None:
    folder = write_folder(runs, finished=False)
    (planned,), _ = plan_removals(ALL)
    with SoftFileLease(folder / ".lease", lease_duration=60):
        assert remove(planned).startswith("a process holds it")
        assert (folder / "config.json").is_file()


def test_a_run_that_changes_between_the_plan_and_its_removal_stays(runs: Path) -> None:
    finished, begun, repaired = (write_folder(runs, name_of(number), finished=number > 0) for number in range(3))
    for folder in (begun, repaired):
        (folder / "clips.csv").rename(folder / "elsewhere")
    removals, _ = plan_removals(ALL)
    (finished / "finished.json").write_text(f'{{"format": {RESULT_FORMAT}}}')
    (begun / "finished.json").unlink()
    (repaired / "elsewhere").rename(repaired / "clips.csv")
    assert [remove(entry) for entry in removals] == ["changed meanwhile"] * 3
    assert all((folder / "config.json").is_file() for folder in (finished, begun, repaired))


def test_the_run_of_a_dead_process_elsewhere_is_removed_after_a_day_without_a_sign_of_life(runs: Path) -> None:
    recent, abandoned = (write_folder(runs, name_of(number), finished=False) for number in range(2))
    write_lease(recent, age=100.0)
    write_lease(abandoned, age=100_000.0)
    (reason,) = cleaned()
    assert reason.endswith(f"delete {recent / '.lease'}")
    assert (recent.exists(), abandoned.exists()) == (True, False)


def test_a_run_that_another_version_holds_is_told_and_the_rest_goes(runs: Path) -> None:
    first, second = (write_folder(runs, name_of(number), finished=False) for number in range(2))
    write_lease(first, age=LEASE_SECONDS + 5, seconds=7.0)
    (reason,) = cleaned()
    assert "another version wrote it" in reason
    assert (first.exists(), second.exists()) == (True, False)


def test_nothing_behind_a_link_is_removed(runs: Path, tmp_path: Path) -> None:
    kept = write_folder(tmp_path / "archive", name_of(0), finished=False)
    inside = write_folder(runs, name_of(1), finished=False)
    for link in (runs / kept.name, inside / "elsewhere"):
        link.symlink_to(kept)
    removals, spared = plan_removals(ALL)
    assert [entry.name for entry in removals] == [inside.name]
    assert spared == {kept.name: "a link to another folder, which may be used elsewhere"}
    assert cleaned() == []
    assert not inside.exists()
    assert (kept / "config.json").is_file()


def test_what_may_not_be_removed_is_told_and_the_rest_goes(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (write_folder(runs, name_of(number), finished=False) for number in range(2))
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path == first:
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    assert cleaned() == ["cannot be removed (Permission denied)"]
    assert (first.exists(), second.exists(), (first / ".lease").exists()) == (True, False, False)


def test_a_kill_in_the_middle_of_removing_leaves_no_half_of_a_run(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(runs, finished=False)
    remove = shutil.rmtree

    def killed(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise KeyboardInterrupt
        remove(path, ignore_errors)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            cleaned()
    assert list_runs() == []
    write_folder(runs, folder.name, finished=False)
    assert cleaned() == []
    assert not list(runs.iterdir()), "what the killed one left has gone too"


def test_a_folder_that_cannot_be_opened_is_left_alone(runs: Path) -> None:
    (runs / name_of(0)).symlink_to(name_of(0))
    (runs / name_of(1)).mkdir()
    assert plan_removals((State.DAMAGED,)) == (
        [],
        {name_of(0): "a link to another folder, which may be used elsewhere"},
    )
