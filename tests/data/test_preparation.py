"""Preparing a dataset may be ended at any moment, and may fail: nothing half-made opens, and the next preparation is as good."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from safetensors import SafetensorError

from pose3d_lib.common.errors import InputError
from pose3d_lib.data import dataset_file
from pose3d_lib.data import open as sources
from pose3d_lib.data.dataset_file import load_dataset
from pose3d_lib.data.open import open_dataset, prepared_path
from pose3d_lib.data.spec import DataSpec
from tests.helpers.hostile_files import motion, write_npz

FRAMES = 300

NURSERY = """
import json, os, signal, sys, traceback
from pose3d_lib.data import dataset_file, open as sources
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(os.open(job["output"], os.O_WRONLY | os.O_CREAT, 0o600), 1)
        os.dup2(1, 2)
        os.environ.update(job["environment"])
        try:
            exec(job["code"], {"path": job["path"], "dataset_file": dataset_file, "sources": sources, "os": os})
            sys.stdout.flush()
            os._exit(0)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""A process that has everything imported and does jobs in children of its own; importing takes longer than they do."""

PREPARE = "print(sources.open_dataset(sources.DataSpec(dataset=path)).fingerprint)"

ENDED_AT = {
    "in the middle of the arrays": """
def end(arrays, path, metadata):
    whole = save_file(arrays, path, metadata=metadata)
    with open(path, "rb+") as file:
        file.truncate(1000)
    die()
dataset_file.save_file = end
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

END = """
save_file, replace = dataset_file.save_file, os.replace
def die(*arguments, **more):
    os.kill(os.getpid(), {signal})
    raise SystemExit("not ended")
{change}
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes and limits of POSIX")


@dataclass
class Nursery:
    """Starts children that run code, and waits for them."""

    process: subprocess.Popen
    folder: Path

    def start(self, code: str, spec: DataSpec) -> int:
        """The process id of a child that runs the code."""
        environment = {"POSE3D_OUTPUTS": os.environ.get("POSE3D_OUTPUTS", "")}
        (self.folder / "output").unlink(missing_ok=True)
        job = {"code": code, "path": spec.dataset, "output": str(self.folder / "output"), "environment": environment}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self) -> tuple[int, str]:
        """How the child ended, by which signal if the number is negative, and what it printed."""
        ended = int(self.process.stdout.readline())
        return ended, (self.folder / "output").read_text()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    command = [sys.executable, "-c", NURSERY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        nursery = Nursery(process, tmp_path_factory.mktemp("nursery"))
        nursery.start("", DataSpec())  # by the time that it is done, everything is imported
        assert nursery.wait() == (0, "")
        yield nursery
        process.stdin.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    """Motion that takes about a second to prepare, in a file whose name means something to a shell."""
    clips = {f"{subject}/Walking/{take}": motion(FRAMES, seed=take) for subject in "ab" for take in range(3)}
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


def assert_whole_or_absent(spec: DataSpec, whole: str) -> bool:
    path = prepared_path(spec)
    if path.is_file():
        data = load_dataset(path)
        assert replace(data).fingerprint == data.fingerprint == whole  # computed, and as the file has it
    return path.is_file()


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        *((moment, signal.SIGKILL) for moment in ENDED_AT),
        ("in the middle of the arrays", signal.SIGINT),
        ("while it holds the lock", signal.SIGINT),
    ],
)
def test_ended_at_its_worst_moments(moment: str, sent, spec: DataSpec, whole: str, nursery: Nursery, tmp_path) -> None:
    nursery.start(END.format(change=ENDED_AT[moment], signal=int(sent)) + PREPARE, spec)
    ended, said = nursery.wait()
    assert ended == -sent, said
    named = moment == "behind the file has its name"
    assert assert_whole_or_absent(spec, whole) == named
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


@pytest.mark.parametrize(
    ("step", "error"), [("lock", READ_ONLY), ("file", READ_ONLY), ("file", FULL), ("file", FULL_TO_RUST)]
)
def test_a_file_that_cannot_be_written_is_said_with_its_folder(step, error, spec, tmp_path, monkeypatch) -> None:
    def fail(*given: object, **_: object) -> None:
        if step == "file":
            Path(given[1]).write_bytes(b"half")
        raise error

    monkeypatch.setattr(*((sources.FileLock, "acquire") if step == "lock" else (dataset_file, "save_file")), fail)
    with pytest.raises(InputError, match=r"(Read-only file system|No space left).*POSE3D_OUTPUTS") as refusal:
        open_dataset(spec)
    assert str(refusal.value).startswith(f"{tmp_path / 'outputs' / 'data'}")
    assert left(tmp_path) == []


def test_a_prepared_file_that_was_cut_off_is_not_opened(spec: DataSpec, whole: str) -> None:
    open_dataset(spec)
    path = prepared_path(spec)
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for kept in (0, 7, 8, header // 2, header, header + 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(InputError, match="delete it and prepare it again"):
            open_dataset(spec)
    path.unlink()
    assert open_dataset(spec).fingerprint == whole
