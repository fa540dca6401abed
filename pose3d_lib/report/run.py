"""Everything about one run, in words: what it is, how far, what came out, and what happens if it is started again."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.escaping import format_size, format_time
from pose3d_lib.common.tables import to_text
from pose3d_lib.model.evaluate import METRICS, named
from pose3d_lib.report.card import tell_settings, tell_value
from pose3d_lib.runs.inventory import NO_CHECKPOINT, RunEntry
from pose3d_lib.runs.layout import CONFIG, ERRORS, HISTORY, LOG, NOTEBOOK, PROVENANCE, TIMING, WEIGHTS, read_object
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config, parameters_of

LAST_LINES = {LOG: 10, HISTORY: 1}
"""File -> how many of its last lines tell where an unfinished run is."""

LAST_BYTES = 20_000
"""In which those are looked for."""

OUTCOMES = {
    "finished": "it is read and not trained again",
    "unfinished": "it goes on from its last checkpoint",
    "damaged": "it is refused, and tables leave it out. Put its files back from a copy, or remove it with `pose3d runs clean "
    "--damaged --yes`; then the same command trains it again",
    "other version": "it is not used, as this version keeps the same settings in another folder; "
    "`pose3d runs clean --other` removes it",
    "not a run": "nothing happens to it; no command uses or removes it",
}


def describe_run(folder: Path, entry: RunEntry) -> Iterator[tuple[str, str]]:
    """What there is to know of a run, as titles and texts; a file that cannot be read is told in place of what is in it.

    Args:
        folder: the run's.
        entry: what `look_at` says of it.
    """
    yield "State", _state(entry)
    yield "Folder", f"{folder}, {format_size(entry.size)}"
    if entry.state == "not a run":
        yield "If it is started again", OUTCOMES[entry.state]
        return
    for name, what in ((NOTEBOOK, "Notebook"), (WEIGHTS, "Weights"), (LOG, "Log")):
        if (folder / name).is_file():
            yield what, str(folder / name)
    yield from _told("Settings", folder / CONFIG, tell_settings)
    yield from _told("Dataset", folder / PROVENANCE, _dataset)
    if (folder / ERRORS).exists():
        yield from _told("Errors", folder / ERRORS, lambda content: _errors(content, entry.action))
    if (folder / TIMING).exists():
        yield from _told("Time", folder / TIMING, _timing)
    yield from _told("Made with", folder / PROVENANCE, _provenance)
    yield "If it is started again", _outcome(entry) + _command(folder, entry)
    if entry.state not in ("finished", "other version"):
        for name, number in LAST_LINES.items():
            if lines := last_lines(folder / name, number):
                yield f"End of {name}", lines


def _told(title: str, path: Path, tell: Callable[[dict], str]) -> Iterator[tuple[str, str]]:
    try:
        text = tell(read_object(str(path)))
    except InputError as error:
        text = str(error)
    if text:
        yield title, text


def _state(entry: RunEntry) -> str:
    progress = "" if entry.progress in (None, 1.0) else f", {100 * entry.progress:.1f} % trained"
    error = "" if entry.mpjpe is None else f", MPJPE {entry.mpjpe:.2f} mm on {tell_value(entry.action)}"
    when = "" if entry.at is None else f", {'finished' if entry.state == 'finished' else 'last written to'} "
    note = f": {printable(entry.note)}" if entry.note else ""
    return f"{entry.state}{note}{progress}{error}{when}{format_time(entry.at) if when else ''}"


def _dataset(provenance: Mapping[str, object]) -> str:
    dataset = _object(provenance, "dataset")
    synthetic = "; synthetic, nobody was filmed" if dataset.get("synthetic") is True else ""
    return f"{tell_value(dataset.get('name'))}, fingerprint {tell_value(dataset.get('fingerprint'))[:10]}{synthetic}"


def _errors(metrics: Mapping[str, object], own: str | None) -> str:
    """The errors of every action, its own marked, and their mean."""
    rows = {**_object(metrics, "actions"), "mean of the actions": metrics.get("action_wise")}
    table = []
    for action, row in rows.items():
        errors = [row.get(metric) if isinstance(row, dict) else None for metric in METRICS]
        mark = " (its own)" if action == own else ""
        table.append([printable(action) + mark, *(e if isinstance(e, float) else float("nan") for e in errors)])
    return to_text(pd.DataFrame(table, columns=["Action", *map(named, METRICS)]))


def _timing(timing: Mapping[str, object]) -> str:
    told = {
        "training [s]": "train_seconds",
        "training [processor s]": "train_cpu_seconds",
        "evaluation [s]": "evaluation_seconds",
        "windows": "windows",
        "steps": "steps",
        "t of formula (1)": "t",
    }
    return ", ".join(f"{what} {tell_value(timing[name])}" for what, name in told.items() if name in timing)


def _provenance(provenance: Mapping[str, object]) -> str:
    packages = _object(provenance, "packages")
    told = {"commit": provenance.get("commit"), "begun": provenance.get("started")}
    told |= {name: provenance.get(name) for name in ("processor", "device", "threads", "system")}
    told |= {"Python": provenance.get("python"), **{name: packages.get(name) for name in ("torch", "numpy")}}
    resumed = provenance.get("resumed")
    if isinstance(resumed, list) and resumed:
        points = [one.get("windows") for one in resumed if isinstance(one, dict)]
        told["resumed after windows"] = ", ".join(map(tell_value, points))
    return "\n".join(f"{name}: {tell_value(value)}" for name, value in told.items() if value is not None)


def _outcome(entry: RunEntry) -> str:
    if entry.state == "running":
        return f"it waits for {printable(entry.note)}"
    return "it begins anew" if entry.note == NO_CHECKPOINT else OUTCOMES[entry.state]


def _command(folder: Path, entry: RunEntry) -> str:
    """The command that starts the run, where its settings are still valid and can be given on a command line."""
    if entry.state == "other version":
        return ""
    try:
        config = RunConfig.model_validate(read_object(str(folder / CONFIG)))
        given = start_parameters(config)
        same = make_config(RunConfig, given) == config
    except (InputError, ValidationError):
        return ""
    words = [word for name, value in given.items() for word in ("-p", name, value)]
    return f":\n{shlex.join(['pose3d', 'run', '02_train', *words])}" if same else ""


def start_parameters(config: RunConfig) -> dict[str, str]:
    """The parameters of 02_train that make this config, as a command line gives them."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in parameters_of(config).items()
    }


def last_lines(path: Path, number: int) -> str:
    """The last lines of a log, without what a terminal would act upon; "" where there is none."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LAST_BYTES))
            text = file.read(LAST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "\n".join(map(printable, text.splitlines()[-number:]))


def _object(content: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}
