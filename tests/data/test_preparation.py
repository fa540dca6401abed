"""Preparing a dataset may be ended at any moment, and may fail: nothing half-made opens, and the next preparation is as good."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import SafetensorError

from pose3d_lib.common.errors import InputError
from pose3d_lib.data import dataset
from pose3d_lib.data.dataset import load_dataset
from pose3d_lib.data.open import open_dataset, prepared_path
from pose3d_lib.data.spec import DataSpec
from tests.helpers.hostile_files import motion, write_npz

ENDED_AT = {
    "in the middle of the arrays": """
def end(arrays, path, metadata):
    whole = save_file(arrays, path, metadata=metadata)
    with open(path, "rb+") as file:
        file.truncate(1000)
    die()
dataset.save_file = end
""",
    "before the file has its name": "os.replace = die",
    "behind the file has its name": """
def end(old, new):
    replace(old, new)
    die()
os.replace = end
""",
    "while it holds the lock": "sources._read = die",
}

PREPARE = """
import os, sys
from pose3d_lib.data import dataset, open as sources
save_file, replace = dataset.save_file, os.replace
def die(*arguments, **more):
    os.kill(os.getpid(), int(sys.argv[2]))
    raise SystemExit("not ended")
{change}
sources.open_dataset(sources.DataSpec(dataset=sys.argv[1]))
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals of POSIX")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    """A file whose name means something to a shell."""
    clips = {f"{subject}/Walking/{take}": motion(60, seed=take) for subject in "ab" for take in range(3)}
    return DataSpec(dataset=str(write_npz(tmp_path_factory.mktemp("source") / "mine[1]*.npz", clips)))


@pytest.fixture(scope="module")
def whole(source: DataSpec, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The fingerprint of the dataset, prepared without a disturbance and elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("undisturbed")))
        return open_dataset(source).fingerprint


@pytest.fixture
def spec(source: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSpec:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return source


def left(tmp_path: Path) -> list[str]:
    """All there is of prepared datasets, locks aside."""
    return sorted(path.name for path in (tmp_path / "outputs").rglob("*") if path.is_file() and path.suffix != ".lock")


@pytest.mark.parametrize(
    ("moment", "sent"),
    [*((moment, signal.SIGKILL) for moment in ENDED_AT), ("in the middle of the arrays", signal.SIGINT)],
)
def test_ended_at_its_worst_moments(moment: str, sent: int, spec: DataSpec, whole: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PREPARE.format(change=ENDED_AT[moment]), spec.dataset, str(int(sent))]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == -sent, ended.stderr
    named = moment == "behind the file has its name"
    assert prepared_path(spec).is_file() == named
    if named:
        assert replace(load_dataset(prepared_path(spec))).fingerprint == whole
    unnamed = moment != "while it holds the lock"
    assert len(left(tmp_path)) == (1 if named or (unnamed and sent != signal.SIGINT) else 0)
    assert open_dataset(spec).fingerprint == whole
    assert left(tmp_path) == [prepared_path(spec).name]


def test_leftovers_of_another_dataset_stay(spec: DataSpec, tmp_path: Path) -> None:
    folder = prepared_path(spec).parent
    folder.mkdir(parents=True)
    names = {".other-0123456789.safetensors.abc", f".{prepared_path(spec).name}.xyz", ".mine1x-0.safetensors.abc"}
    for name in names:
        (folder / name).write_bytes(b"half")
    open_dataset(spec)
    assert set(left(tmp_path)) == names - {f".{prepared_path(spec).name}.xyz"} | {prepared_path(spec).name}


FULL, READ_ONLY = (OSError(number, os.strerror(number)) for number in (errno.ENOSPC, errno.EROFS))
FULL_TO_RUST = SafetensorError("I/O error: No space left on device (os error 28)")


def test_a_folder_to_which_nothing_can_be_written_is_said(spec, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    folder = tmp_path / "outputs" / "data"
    with pytest.raises(InputError, match=rf"{folder}: cannot be used \(nothing can be written.*POSE3D_OUTPUTS"):
        open_dataset(spec)


@pytest.mark.parametrize("error", [READ_ONLY, FULL, FULL_TO_RUST])
def test_a_file_that_cannot_be_written_is_said_with_its_folder(error, spec, tmp_path, monkeypatch) -> None:
    def fail(*given: object, **_: object) -> None:
        Path(given[1]).write_bytes(b"half")
        raise error

    monkeypatch.setattr(dataset, "save_file", fail)
    with pytest.raises(InputError, match=r"(Read-only file system|No space left).*POSE3D_OUTPUTS") as refusal:
        open_dataset(spec)
    assert str(refusal.value).startswith(f"{tmp_path / 'outputs' / 'data'}")
    assert left(tmp_path) == []
