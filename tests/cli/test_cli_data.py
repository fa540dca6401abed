"""`pose3d data ...`: what there is, what is wrong with it, fetching it and giving it on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pose3d_lib.data import catalogue
from pose3d_lib.data.sources import fetch
from tests.helpers.console import Called
from tests.helpers.source_files import few_clips, write_bvh, write_plain_motion


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "downloads"))


@pytest.fixture
def call(console: Called) -> Called:
    """`pose3d data ...` within this process: exit code, what it printed, what it printed as errors."""
    return partial(console, "data")


def test_every_named_dataset_is_listed_with_how_to_get_it(call: Called) -> None:
    code, out, _ = call("list")
    assert code == 0
    assert out.startswith("synthetic (there): ")
    for name in ("h36m", "humaneva15", "humaneva20", *catalogue.collections()):
        assert f"\n{name} (not there): " in out
    assert "how to get it: `pose3d data fetch bandai-namco-2`" in out


def test_sound_data_ends_with_exit_code_0(call: Called, tmp_path: Path, h36m_data) -> None:
    parameters = write_plain_motion(tmp_path, few_clips(h36m_data))
    given = [part for name, value in parameters.items() if name != "dataset" for part in ("-p", name, str(value))]
    code, out, err = call("check", str(parameters["dataset"]), *given)
    assert (code, err) == (0, "")
    assert "nothing wrong was found" in out
    for title in ("Who is in it", "What was checked", "What was found"):
        assert f"\n{title}\n" in out
    assert "| S9        | test    |" in out


def damage(path: Path, change: Callable[[np.ndarray], None]) -> None:
    """Changes the first take of a file of plain motion."""
    with np.load(path) as file:
        arrays = dict(file)
    change(next(iter(arrays.values())))
    np.savez(path, **arrays)


def test_a_joint_that_jumps_ends_with_exit_code_2_and_how_to_leave_it_out(call, tmp_path: Path, h36m_data) -> None:
    write_plain_motion(tmp_path, few_clips(h36m_data))
    split = ("-p", "train_subjects", "S1", "-p", "test_subjects", "S9")

    def jump(motion: np.ndarray) -> None:
        motion[5:7, 13] += 0.9

    damage(tmp_path / "mine.npz", jump)
    code, out, _ = call("check", str(tmp_path / "mine.npz"), *split)
    assert code == 2
    assert "error: joint speed: S1/Walking/0, frame " in out
    assert "nothing wrong was found" not in out
    (line,) = [line for line in out.splitlines() if line.startswith("To use the data without the takes with errors: ")]
    *_, leave_out, names = line.split()
    assert (leave_out, names) == ("leave_out", "S1/Walking/0")
    code, out, _ = call("check", str(tmp_path / "mine.npz"), *split, "-p", "leave_out", names)
    assert code == 0
    assert "S1/Walking/0 is left out, as `leave_out` says." in out


def test_a_warning_alone_ends_with_exit_code_1(call: Called, tmp_path: Path, h36m_data) -> None:
    write_plain_motion(tmp_path, few_clips(h36m_data))
    with np.load(tmp_path / "mine.npz") as file:
        giants = {key: 1.25 * motion for key, motion in file.items()}
    np.savez(tmp_path / "mine.npz", **giants)
    code, out, _ = call("check", str(tmp_path / "mine.npz"))
    assert (code, "\nwarning: leg" in out, "\nerror: " in out) == (1, True, False)


def test_data_that_cannot_be_read_ends_with_exit_code_2_and_the_reason(call: Called, tmp_path: Path, h36m_data) -> None:
    write_plain_motion(tmp_path, few_clips(h36m_data))

    def lose(motion: np.ndarray) -> None:
        motion[3, 4] = np.nan

    damage(tmp_path / "mine.npz", lose)
    code, out, err = call("check", str(tmp_path / "mine.npz"))
    assert code == 2
    assert "mine.npz: key 'S1/Walking/0' holds NaN or infinity" in err
    assert "nothing wrong" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "nowhere.npz"), "nowhere.npz: there is no such file or folder"),
        (("check", "cmu"), "`pose3d data fetch cmu` downloads it"),
        (("check", "synthetic", "-p", "scal", "tiny"), "unknown parameter 'scal': did you mean scale?"),
        (("check", "synthetic", "-p", "scale", "tiny", "-p", "fps", "60"), "does not use"),
        (("fetch", "bandai"), "did you mean bandai-namco-2"),
        (("export", "h36m", "somewhere"), "http://vision.imar.ro/human3.6m"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_refused_with_what_was_meant(call: Called, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = call(*arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert said in err


def test_fetching_says_where_it_went_and_what_to_do_next(call: Called, tmp_path: Path, monkeypatch) -> None:
    asked: list = []

    def fetched(name: str, console: Console, *, again: bool) -> Path:
        console.print(f"{name} is here")
        asked.append((name, again))
        return tmp_path / name

    monkeypatch.setattr(fetch, "fetch", fetched)
    code, out, _ = call("fetch", "cmu", "--again")
    assert code == 0
    assert asked == [("cmu", True)]
    said = [line.strip() for line in out.splitlines() if line.strip()]
    assert said == ["cmu is here", f"`pose3d data check cmu` looks at what is in {tmp_path / 'cmu'}"]


def test_an_export_names_its_files_and_what_can_read_them_and_overwrites_only_when_told(call, tmp_path: Path) -> None:
    parameters = write_bvh(tmp_path / "files", None)
    given = (str(parameters["dataset"]), str(tmp_path / "given"), "-p", "pattern", str(parameters["pattern"]))
    code, out, _ = call("export", *given, "--name", "mine")
    assert code == 0
    written = sorted(path.name for path in (tmp_path / "given").iterdir())
    assert written == ["data_2d_mine_gt.npz", "data_2d_mine_simulated.npz", "data_3d_mine.npz"]
    for name in written:
        assert f"written: {tmp_path / 'given' / name}" in out
    assert "VideoPose3D" in out
    code, _, err = call("export", *given, "--name", "mine")
    assert code == 2
    assert "data_3d_mine.npz" in err
    assert call("export", *given, "--name", "mine", "--overwrite")[0] == 0
