"""Detections in a CSV: a row for each frame with columns <joint>_x and <joint>_y, or a row for each joint."""

import re
import warnings
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.sources.detections.layouts import LAYOUTS, choose_layout, match_names
from pose3d_lib.data.sources.detections.records import (
    MAX_FRAME,
    MAX_VALUES,
    Person,
    Video,
    check_extent,
    make_video,
    shown,
    to_float32,
)
from pose3d_lib.data.sources.text_files import column_names, delimiter_of, file_encoding

# What columns are called.
SCORE = ("score", "confidence", "visibility", "likelihood", "probability", "c", "v", "s")
COLUMNS = {
    "frame": ("frame", "frame_id", "frame_index", "frame_number", "image_id"),
    "person": ("person", "person_id", "track", "track_id"),
    "joint": ("joint", "landmark", "keypoint", "landmark_id", "joint_id"),
    "score": SCORE,
}
_WIDE = re.compile(rf"(?P<joint>.+?)[_ .]?(?P<value>x|y|{'|'.join(SCORE)})", re.DOTALL)
_NUMBERED = re.compile(r"(?P<value>x|y|v|c|s)_?(?P<joint>[0-9]{1,4})")


def recognise_csv(head: str) -> str:
    """ "csv" if the first line names columns of detections, "" for others."""
    names = _plain(column_names(head))
    parts = set(map(_split, names))
    long = {"joint", "x", "y"} <= set(names)
    wide = sum((joint, "y") in parts for joint, value in parts if value == "x") >= 10
    return "csv" if long or wide else ""


def read_csv(path: Path, joints: str) -> Video:
    """The video of a CSV.

    - A row for each frame and person: columns `frame`, perhaps `person`, and `<joint>_x`, `<joint>_y`, perhaps
      `<joint>_score` (or `_confidence`, `_visibility`) for every joint; `x0`, `y0`, `v0`, ... for joints with numbers.
    - A row for each joint: columns `frame`, perhaps `person`, `joint`, `x`, `y`, perhaps `score`.

    Without a column of frames, a row is a frame. `joints` names the layout; "" stands for what the joints' names tell.
    """
    table = _load(path)
    if "joint" in table:
        table = _widen(table, path)
    columns: dict[str, dict[str, str]] = {}
    for name in table.columns.drop(["frame", "person"], errors="ignore"):
        joint, value = _split(name)
        columns.setdefault(joint, {}).setdefault(value, name)
    found = [joint for joint, values in columns.items() if {"x", "y"} <= values.keys()]
    layout, order = _layout(found, joints, path)
    values = np.ones((len(table), len(order), 3))
    for place, joint in enumerate(order):
        for axis, value in enumerate(("x", "y", "score")):
            if value in columns[joint]:
                values[:, place, axis] = _numbers(table, columns[joint][value], path)
    frames = _frames(table, path) if "frame" in table else np.arange(len(table))
    if "person" not in table and len(np.unique(frames)) < len(frames):
        raise InputError(f"{path}: frame numbers are there twice; a column `person` tells several people apart")
    tracks = _texts(table["person"]) if "person" in table else repeat(None)
    people = map(Person, frames.tolist(), to_float32(values), repeat(None), tracks)
    scored = all("score" in columns[joint] for joint in order)
    return make_video(path.stem, str(path), list(people), frames.tolist(), joints=layout, scored=scored)


def _widen(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A row for each frame and person of a table with a row for each joint."""
    if not {"frame", "x", "y"} <= set(table):
        raise InputError(f"{path}: expected columns frame, joint, x and y, found {some(list(table), 12)}")
    values = [name for name in ("x", "y", "score") if name in table]
    keys = [name for name in ("frame", "person") if name in table]
    rows = table.assign(**{name: _numbers(table, name, path) for name in values}, frame=_frames(table, path))
    for name in {"joint", "person"} & set(rows):
        rows[name] = _texts(rows[name])
    cells = rows["joint"].nunique() * len(rows.drop_duplicates(keys))
    if cells > MAX_VALUES:
        raise InputError(
            f"{path}: {cells:,} joints in all frames, of which most have no row; cut the video into shorter ones"
        )
    if rows.duplicated([*keys, "joint"]).any():
        raise InputError(f"{path}: a joint is there twice in one frame; a column `person` tells several people apart")
    wide = rows.pivot(index=keys, columns="joint", values=values)
    wide.columns = [f"{joint}_{value}" for value, joint in wide.columns]
    return wide.reset_index()


def _layout(found: list[str], joints: str, path: Path) -> tuple[str, list[str]]:
    """The layout of joints with names or with numbers, and which of them are its joints, in its order."""
    if not found:
        raise InputError(f"{path}: expected columns <joint>_x and <joint>_y, or frame, joint, x, y; found no joint")
    if not all(re.fullmatch("[0-9]{1,4}", joint) for joint in found):
        return match_names(found, joints, path)
    found = sorted(found, key=int)
    if list(map(int, found)) not in (list(range(len(found))), list(range(1, len(found) + 1))):
        raise InputError(f"{path}: joints have the numbers {', '.join(found[:10])}; expected 0, 1, 2, ...")
    layout = choose_layout(len(found), joints, path, named=False)
    return layout, found[: LAYOUTS[layout].num_joints]


def _load(path: Path) -> pd.DataFrame:
    """The table with plain names of columns, unless it would need too much memory."""
    encoding = file_encoding(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        header, rows = file.readline(10**6), file.read(10**6)
    delimiter, names = delimiter_of(header), column_names(header)
    check_extent(path, f"{delimiter}\n")
    decimal = "," if delimiter != "," and re.search(r"\d,\d", rows) else "."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut off
            table = pd.read_csv(
                path,
                sep=delimiter,
                decimal=decimal,
                encoding=encoding,
                skipinitialspace=True,
                low_memory=False,
                index_col=False,
            )
    except (OSError, ValueError, OverflowError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path}: not a table in CSV ({str(error)[:200]})") from error
    table.columns = _plain(names if len(names) == table.shape[1] else list(map(str, table.columns)))
    if not table.columns.is_unique:
        raise InputError(f"{path}: two columns have the same name")
    if not len(table):
        raise InputError(f"{path}: there is not a single row in it")
    return table


def _plain(names: list[str]) -> list[str]:
    """Names of columns in lower case; the first that `COLUMNS` knows by a key of it, by this key."""
    names = [name.strip().casefold() for name in names]
    for key, known in COLUMNS.items():
        if present := next((name for name in known if name in names), None):
            names[names.index(present)] = key
    return names


def _split(name: str) -> tuple[str, str]:
    """("lshoulder", "x") from "lshoulder_x" or ("0", "x") from "x0"; scores by any of their names; ("", "") otherwise."""
    found = _NUMBERED.fullmatch(name) or _WIDE.fullmatch(name)
    if not found:
        return "", ""
    value = found["value"]
    return found["joint"], value if value in ("x", "y") else "score"


def _frames(table: pd.DataFrame, path: Path) -> np.ndarray:
    numbers = _numbers(table, "frame", path)
    wrong = ~((numbers >= 0) & (numbers <= MAX_FRAME) & (numbers == np.floor(numbers)))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"{path}: column 'frame', row {row + 2}: expected the number of a frame, found {numbers[row]}")
    return numbers.astype(np.int64)


def _texts(column: pd.Series) -> list[str]:
    """Names, of which numbers are read as they are written: gaps make 3.0 of 3."""
    return [re.sub(r"^([0-9]+)\.0$", r"\1", str(name))[:100] for name in column]


def _numbers(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    """A column as float64; empty is NaN."""
    column = table[name]
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = (numbers.isna() & column.notna()).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}: column {name!r}, row {row + 2}: expected a number, found {shown(str(column.iloc[row]))}"
        )
    return numbers.to_numpy()
