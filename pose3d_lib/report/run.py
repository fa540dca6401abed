"""One run in words: its settings, how far it is, its errors, and what happens if it is started again."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd
from rich.filesize import decimal as size_text

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.tables import to_text
from pose3d_lib.model.evaluate import METRICS, named
from pose3d_lib.report.card import tell_settings, tell_value
from pose3d_lib.runs.inventory import NO_CHECKPOINT, RunEntry, State
from pose3d_lib.runs.layout import (
    CONFIG,
    ERRORS,
    HISTORY,
    LOG,
    NOTEBOOK,
    PROVENANCE,
    PUBLISHED,
    TIMING,
    WEIGHTS,
    read_json,
    read_object,
)
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config, parameters_of

LAST_LINES = {LOG: 10, HISTORY: 1}  # how many of a file's last lines are shown of an unfinished run
LAST_BYTES = 20_000  # in which those are searched

OUTCOMES = {
    State.FINISHED: "it is read and not trained again",
    State.UNFINISHED: "it resumes from its last checkpoint",
    State.DAMAGED: "it is refused, and tables leave it out. Put its files back from a copy, or remove it with `pose3d runs "
    "clean --damaged --yes`; then the same command trains it again",
    State.OTHER: "it is not used, as this version keeps the same settings in another folder; "
    "`pose3d runs clean --other` removes it",
    State.NO_RUN: "nothing happens to it; no command uses or removes it",
}

TIMES = {
    "training [s]": "train_seconds",
    "training [processor s]": "train_cpu_seconds",
    "recomputing batch norms [s]": "recomputing_seconds",
    "evaluation [s]": "evaluation_seconds",
    "windows": "windows",
    "steps": "steps",
    "t of formula (1)": "t",
}  # what is shown -> key of TIMING


def describe_run(folder: Path, entry: RunEntry) -> Iterator[tuple[str, str]]:
    """Titles and texts about a run, whose `look_at` is given; of a file that cannot be read, why."""
    yield "State", _state(entry)
    yield "Folder", f"{folder}, {size_text(entry.size)}"
    if entry.state == State.NO_RUN:
        yield "If it is started again", OUTCOMES[entry.state]
        return
    for name, what in ((NOTEBOOK, "Notebook"), (WEIGHTS, "Weights"), (LOG, "Log")):
        if (folder / name).is_file():
            yield what, str(folder / name)
    yield "Settings", _read(folder / CONFIG, tell_settings)
    yield "Dataset", _read(folder / PROVENANCE, _dataset)
    if (folder / ERRORS).exists():
        yield "Errors", _read(folder / ERRORS, lambda content: _errors(content, entry.action))
    if (folder / TIMING).exists():
        yield "Time", _read(folder / TIMING, _timing)
    yield "Made with", _read(folder / PROVENANCE, _provenance)
    yield "If it is started again", _outcome(entry) + _command(folder, entry)
    if entry.state not in (State.FINISHED, State.OTHER):
        for name, number in LAST_LINES.items():
            if lines := last_lines(folder / name, number):
                yield f"End of {name}", lines


def _read(path: Path, tell: Callable[[dict], str]) -> str:
    try:
        return tell(read_object(path))
    except InputError as error:
        return str(error)


def _state(entry: RunEntry) -> str:
    progress = "" if entry.progress in (None, 1.0) else f", {100 * entry.progress:.1f} % trained"
    error = "" if entry.mpjpe is None else f", MPJPE {entry.mpjpe:.2f} mm on {tell_value(entry.action)}"
    what = "finished" if entry.state == State.FINISHED else "last written to"
    when = "" if entry.at is None else f", {what} {datetime.fromtimestamp(entry.at):%Y-%m-%d %H:%M}"
    note = f": {printable(entry.note)}" if entry.note else ""
    return f"{entry.state}{note}{progress}{error}{when}"


def _dataset(provenance: Mapping[str, object]) -> str:
    dataset = _object(provenance, "dataset")
    synthetic = "; synthetic, nobody was filmed" if dataset.get("synthetic") is True else ""
    return f"{tell_value(dataset.get('name'))}, fingerprint {tell_value(dataset.get('fingerprint'))[:10]}{synthetic}"


def _errors(metrics: Mapping[str, object], own: str | None) -> str:
    """The errors of every action, its own marked, and their mean."""
    rows = {**_object(metrics, "actions"), "mean of the actions": metrics.get("action_wise")}
    if published := _object(metrics, PUBLISHED).get("action_wise"):
        rows["the same, batch norms as published"] = published
    table = []
    for action in rows:
        errors = [_object(rows, action).get(metric) for metric in METRICS]
        mark = " (its own)" if action == own else ""
        table.append([printable(action) + mark, *(e if isinstance(e, float) else float("nan") for e in errors)])
    return to_text(pd.DataFrame(table, columns=["Action", *map(named, METRICS)]))


def _timing(timing: Mapping[str, object]) -> str:
    return ", ".join(f"{what} {tell_value(timing[name])}" for what, name in TIMES.items() if name in timing)


def _provenance(provenance: Mapping[str, object]) -> str:
    packages = _object(provenance, "packages")
    shown = {"commit": provenance.get("commit"), "begun": provenance.get("started")}
    shown |= {name: provenance.get(name) for name in ("processor", "device", "threads", "system")}
    shown |= {"Python": provenance.get("python"), **{name: packages.get(name) for name in ("torch", "numpy")}}
    if isinstance(resumed := provenance.get("resumed"), list):
        points = [one.get("windows") for one in resumed if isinstance(one, dict)]
        shown["resumed after windows"] = ", ".join(map(tell_value, points)) or None
    return "\n".join(f"{name}: {tell_value(value)}" for name, value in shown.items() if value is not None)


def _outcome(entry: RunEntry) -> str:
    if entry.state == State.RUNNING:
        return f"it waits for {printable(entry.note)}"
    return "it starts from its beginning" if entry.note == NO_CHECKPOINT else OUTCOMES[entry.state]


def _command(folder: Path, entry: RunEntry) -> str:
    """The command that starts the run, where its settings are still valid and can be given on a command line."""
    if entry.state == State.OTHER:
        return ""
    try:
        config = read_json(folder / CONFIG, RunConfig)
        given = start_parameters(config)
        if make_config(RunConfig, given) != config:
            return ""
    except InputError:
        return ""
    words = [word for name, value in given.items() for word in ("-p", name, value)]
    return f":\n{shlex.join(['pose3d', 'run', '02_train', *words])}"


def start_parameters(config: RunConfig) -> dict[str, str]:
    """The parameters of 02_train that make this config, as a command line gives them."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in parameters_of(config).items()
    }


def last_lines(path: Path, number: int) -> str:
    """The last lines of a log, without what a terminal would act upon; "" where there is none."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LAST_BYTES))
            text = file.read(LAST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "\n".join(map(printable, text.splitlines()[-number:]))


def _object(content: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}
