"""Puts the last `make bench` into docs/performance/ and its tables into docs/performance.md.

A text shows the table of training and evaluation between `<!-- speed -->` and `<!-- /speed -->`; the others have places of
their own in docs/performance.md.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import bench_functions
import bench_roofline
import bench_step
import measuring
import pandas as pd
import promises
from reference import put_table

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import make_folder, outputs_dir, project_root
from pose3d_lib.common.tables import to_markdown

TABLES: Mapping[str, tuple[tuple[str, ...], Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "speed": (("training", "evaluation"), measuring.shown),
    "step": (("step",), bench_step.shown),
    "functions": (("functions",), bench_functions.shown),
    "roofline": (("roofline",), bench_roofline.shown),
    "promises": (("import", "data", "overhead"), promises.shown),
    "video": (("video", "streaming"), promises.shown),
}
"""Place in a text -> the files of its rows, and how a person reads them."""

FIGURES = ("figure_step.png", "figure_roofline.png")


def readable(folder: Path, name: str) -> tuple[pd.DataFrame, str]:
    """A table of a folder of results as a text shows it, and with what it was measured."""
    files, shown = TABLES[name]
    table = pd.concat([pd.read_csv(folder / f"{file}.csv") for file in files], ignore_index=True)
    return shown(table), measuring.measured_with(table)


def put_tables(text: str, folder: Path) -> str:
    """The text with every table that it has a place for."""
    for name in TABLES:
        if f"<!-- {name} -->" in text:
            table, sentence = readable(folder, name)
            text = put_table(text, name, f"{to_markdown(table)}\n\n{sentence}")
    return text


def main() -> None:
    source, reference = outputs_dir() / "bench", make_folder(project_root() / "docs" / "performance")
    files = [f"{file}.csv" for names, _ in TABLES.values() for file in names]
    missing = [name for name in (*files, *FIGURES) if not (source / name).is_file()]
    if missing:
        raise InputError(f"{source}: {', '.join(missing)} not there; `make bench` writes it")
    for name in (*files, *FIGURES):
        shutil.copy(source / name, reference / name)
    path = project_root() / "docs" / "performance.md"
    path.write_text(put_tables(path.read_text(encoding="utf-8"), reference), encoding="utf-8")
    print(f"written to {reference}, and its tables into {path}")


if __name__ == "__main__":
    main()
