"""Write docs/parameters.md from the configs' fields and docstrings: python -m tests.helpers.parameter_tables."""

import re
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.parameters import LessonConfig, PredictConfig
from pose3d_lib.runs.sweep.jobs import SweepSettings
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.study.scarcity import ScarcityConfig
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.settings import PRESETS, Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "parameters.md"

SECTIONS: dict[type[BaseModel], str] = {
    DataSpec: "The data: every notebook and `pose3d data check`",
    LessonConfig: "The lesson: 00_how_it_works",
    Settings: "Network, training and tests: 02 to 05",
    RunConfig: "One run: 02_train",
    SweepSettings: "Where runs are executed: 03 to 05",
    StudyConfig: "The study: 03_action_based and 04_results",
    ScarcityConfig: "The study of scarce labels: 05_semi_supervised",
    PredictConfig: "Prediction: 06_predict",
}

INTRODUCTION = """# Parameters

Each notebook takes these by name: `papermill NOTEBOOK OUTPUT -p NAME VALUE`, or `pose3d run NOTEBOOK -p NAME VALUE`. A list is
separated by commas. An unknown name or value is refused before anything starts, with the nearest valid one. This file is made
from the configs: `python -m tests.helpers.parameter_tables`.
"""


def describe_type(kind: object) -> str:
    """A field's type for a person: `number`, `list of names`, or its values."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return describe_type(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {describe_type(arguments[0])}"
    if arguments:
        return " or ".join(describe_type(own) for own in arguments if own is not type(None))
    return {bool: "`True` or `False`", int: "whole number", float: "number", str: "text"}[kind]


def describe_default(field: FieldInfo) -> str:
    value = field.default
    return (
        "none" if value in ("", (), None) else f"`{','.join(map(str, value)) if isinstance(value, tuple) else value}`"
    )


def sentences(kind: type[BaseModel]) -> dict[str, str]:
    """Name -> sentence, from the lines under `Attributes:` in the docstring of a config."""
    text = (kind.__doc__ or "").partition("Attributes:")[2]
    entries = re.findall(r"^ {8}(\S[^:\n]*): (.*(?:\n {9,}.*)*)", text, re.MULTILINE)
    return {name.strip(): " ".join(said.split()) for names, said in entries for name in names.split(",")}


def write_tables() -> str:
    """The document."""
    parts = [INTRODUCTION]
    for kind, title in SECTIONS.items():
        own, known = sentences(kind), set(kind.__mro__[1].model_fields) - set(kind.__annotations__)
        lines = [f"## {title}", "", "| parameter | type | default | meaning |", "| --- | --- | --- | --- |"]
        if kind is Settings:
            presets = " or ".join(f"`{name}`" for name in PRESETS)
            lines.append(f"| `preset` | {presets} | `default` | several of these settings at once |")
        for name, field in kind.model_fields.items():
            if name in known:
                continue
            cells = (f"`{name}`", describe_type(field.annotation), describe_default(field), own[name])
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    DOCUMENT.write_text(write_tables(), encoding="utf-8")
