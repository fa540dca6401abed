"""One run in words: its settings, how far it is, its errors, and the command that makes or resumes it."""

import shlex
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from rich.filesize import decimal as size_text

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.tables import to_text
from pose3d_lib.model.evaluate import errors_table
from pose3d_lib.report.card import tell_settings, tell_value, tell_values
from pose3d_lib.runs.inventory import RunEntry, State
from pose3d_lib.runs.layout import CONFIG, LOG, PROVENANCE, TIMING, Whole, read_json
from pose3d_lib.runs.run import Run
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import parameters_of

LAST_LINES = 10  # of the log that are shown of an unfinished run

WHAT_TO_DO = (
    "Nothing was repaired. Put the files back from a copy, or remove the run with `pose3d runs clean --damaged --yes` and "
    "train it again; `pose3d runs show NAME` gives the command."
)  # about a damaged run


def describe_run(folder: Path, entry: RunEntry) -> Iterator[tuple[str, str]]:
    """Titles and texts about a run, whose `look_at` is given; of a file that cannot be read, why."""
    yield "State", _state(entry)
    yield "Folder", f"{folder}, {size_text(entry.size)}"
    for title, name, tell in (
        ("Settings", CONFIG, tell_settings),
        ("Made with", PROVENANCE, tell_values),
        ("Time", TIMING, tell_values),
    ):
        if (folder / name).exists():
            yield title, _read(folder / name, tell)
    if entry.state == State.FINISHED:
        run = Run(folder)
        yield "Errors", to_text(errors_table(run.actions, run.root_errors))
    elif (folder / LOG).is_file():
        with (folder / LOG).open(encoding="utf-8", errors="replace") as log:
            yield f"End of {LOG}", "\n".join(printable(line.rstrip("\n")) for line in deque(log, LAST_LINES))
    if entry.state == State.DAMAGED:
        yield "What to do", WHAT_TO_DO
    if command := _command(folder, entry):
        yield "Command", command


def _read(path: Path, tell: Callable[[Mapping[str, object]], str]) -> str:
    try:
        return tell(read_json(path, Whole).root)
    except InputError as error:
        return str(error)


def _state(entry: RunEntry) -> str:
    progress = "" if entry.progress in (None, 1.0) else f", {100 * entry.progress:.1f} % trained"
    error = "" if entry.mpjpe is None else f", MPJPE {entry.mpjpe:.2f} mm on {tell_value(entry.action)}"
    what = "finished" if entry.state == State.FINISHED else "last written to"
    when = "" if entry.at is None else f", {what} {datetime.fromtimestamp(entry.at):%Y-%m-%d %H:%M}"
    note = f": {printable(entry.note)}" if entry.note else ""
    return f"{entry.state}{note}{progress}{error}{when}"


def _command(folder: Path, entry: RunEntry) -> str:
    """The command that starts the run, where its settings are still valid."""
    if entry.state == State.OTHER:
        return ""
    try:
        return start_command(read_json(folder / CONFIG, RunConfig))
    except InputError:
        return ""


def start_command(config: RunConfig) -> str:
    """The command that makes a run of this config."""
    words = [word for name, value in start_parameters(config).items() for word in ("-p", name, value)]
    return shlex.join(["pose3d", "run", "02_train", *words])


def start_parameters(config: RunConfig) -> dict[str, str]:
    """The parameters of 02_train that make this config, as a command line gives them."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in parameters_of(config).items()
    }
