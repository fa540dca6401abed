"""Detections in a CSV: a row for each frame with columns <joint>_x and <joint>_y, or a row for each joint."""

import re
import warnings
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
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

MAX_COLUMNS = 2000
MAX_NAMES = 10_000  # joints or tracks with names of their own

FRAME = ("frame", "frame_id", "frame_index", "frame_number", "image_id")
TRACK = ("person", "person_id", "track", "track_id")
JOINT = ("joint", "landmark", "keypoint", "landmark_id", "joint_id")
SCORE = ("score", "confidence", "visibility", "likelihood", "probability", "c", "v", "s")

_WIDE = re.compile(
    r"(?P<joint>.+?)[_ .]?(?P<value>x|y|score|confidence|visibility|likelihood|probability|c|v|s)", re.DOTALL
)
_NUMBERED = re.compile(r"(?P<value>x|y|v|c|s)_?(?P<joint>[0-9]{1,4})")


def recognise_csv(head: str) -> str:
    """ "csv" if the first line names columns of detections, "" for others."""
    names = [name.casefold() for name in column_names(head)]
    parts = set(map(_split, names))
    long = any(name in JOINT for name in names) and {"x", "y"} <= set(names)
    wide = sum((joint, "y") in parts for joint, value in parts if value == "x") >= 10
    return "csv" if long or wide else ""


def read_csv(path: Path, joints: str) -> Video:
    """The video of a CSV.

    - A row for each frame and person: columns `frame`, perhaps `person`, and `<joint>_x`, `<joint>_y`, perhaps
      `<joint>_score` (or `_confidence`, `_visibility`) for every joint; `x0`, `y0`, `v0`, ... for joints with numbers.
    - A row for each joint: columns `frame`, perhaps `person`, `joint`, `x`, `y`, perhaps `score`.

    Without a column of frames, a row is a frame. `joints` names the layout; "" stands for what the joints' names tell.
    """
    table, known = _load(path), None
    if _column(table, JOINT):
        table, known = _widen(table, joints, path)
    columns: dict[str, dict[str, str]] = {}
    for name in table.columns:
        joint, value = _split(name)
        if value and name not in (*FRAME, *TRACK):
            columns.setdefault(joint, {}).setdefault(value, name)
    found = [joint for joint, values in columns.items() if {"x", "y"} <= values.keys()]
    layout, order = known or _layout(found, joints, path)
    values = np.ones((len(table), len(order), 3))
    for place, joint in enumerate(order):
        for axis, value in enumerate(("x", "y", "score")):
            if value in columns[joint]:
                values[:, place, axis] = _numbers(table, columns[joint][value], path)
    frames, tracks = _frames(table, path), _tracks(table, path)
    if tracks is None and len(np.unique(frames)) < len(frames):
        raise InputError(f"{path}: frame numbers are there twice; a column `person` tells several people apart")
    people = map(Person, frames.tolist(), to_float32(values), repeat(None), tracks or repeat(None))
    scored = all("score" in columns[joint] for joint in order)
    return make_video(path.stem, str(path), list(people), frames.tolist(), joints=layout, scored=scored)


def _widen(table: pd.DataFrame, wanted: str, path: Path) -> tuple[pd.DataFrame, tuple[str, list[str]]]:
    """A row for each frame and person, with the joints of the layout, of a table with a row for each joint; the layout."""
    for needed, known in (("x", ("x",)), ("y", ("y",)), ("frame", FRAME)):
        if not _column(table, known):
            raise InputError(f"{path}: expected a column {needed!r}, found {', '.join(table.columns[:12])}")
    which, joints = _factorize(table, _column(table, JOINT), path)
    named = {"x": "x", "y": "y"} | ({"score": score} if (score := _column(table, SCORE)) else {})
    rows = pd.DataFrame({value: _numbers(table, name, path) for value, name in named.items()})
    rows = rows.assign(frame=_frames(table, path), joint=np.array(joints, object)[which])
    if tracks := _tracks(table, path):
        rows["person"] = tracks
    keys = [name for name in ("frame", "person") if name in rows]
    everybody = rows[keys].drop_duplicates().sort_values(keys)
    layout, used = _layout(joints, wanted, path)
    if len(everybody) * len(used) > MAX_VALUES:
        raise InputError(
            f"{path}: {len(everybody):,} people in all frames, most of whose {len(used)} joints have no row; cut the video "
            "into shorter ones"
        )
    rows = rows[rows["joint"].isin(used)]
    if rows.duplicated([*keys, "joint"]).any():
        raise InputError(f"{path}: a joint is there twice in one frame; a column `person` tells several people apart")
    wide = rows.pivot(index=keys, columns="joint", values=list(named))
    wide.columns = [f"{joint}_{value}" for value, joint in wide.columns]
    return everybody.merge(wide.reset_index(), on=keys, how="left"), (layout, used)


def _layout(found: list[str], joints: str, path: Path) -> tuple[str, list[str]]:
    """The layout of joints with names or with numbers, and which of them are its joints, in its order."""
    if not found:
        raise InputError(f"{path}: expected columns <joint>_x and <joint>_y, or frame, joint, x, y; found no joint")
    if not all(re.fullmatch("[0-9]{1,4}", joint) for joint in found):
        return match_names(found, joints, path)
    found = sorted(found, key=int)
    first = int(found[0])
    if first > 1 or [int(joint) for joint in found] != list(range(first, first + len(found))):
        raise InputError(f"{path}: joints have the numbers {', '.join(found[:10])}; expected 0, 1, 2, ...")
    if len(found) == 17 and not joints:
        raise InputError(f'{path}: 17 joints without names; the parameter `joints` says which: "coco" or "h36m"')
    layout = choose_layout(len(found), joints, path)
    return layout, found[: LAYOUTS[layout].num_joints]


def _load(path: Path) -> pd.DataFrame:
    """The table with its columns in lower case, unless it would need too much memory."""
    encoding = file_encoding(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        header, rows = file.readline(10**6), file.read(10**6)
    delimiter = delimiter_of(header)
    names = [name.casefold() for name in column_names(header)]
    check_extent(path, f"{delimiter}\n", header=len(names))
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{path}: {len(names)} columns; at most {MAX_COLUMNS} are read")
    if len(set(names)) < len(names):  # pandas would give the second another name
        raise InputError(f"{path}: two columns have the same name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut off
            table = pd.read_csv(
                path, sep=delimiter, decimal="," if delimiter != "," and re.search(r"\d,\d", rows) else ".", encoding=encoding,
                skipinitialspace=True, low_memory=False, index_col=False,
            )  # fmt: skip
    except (OSError, ValueError, OverflowError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path}: not a table in CSV ({str(error)[:200]})") from error
    table.columns = [str(name).strip().casefold() for name in table.columns]
    if not len(table):
        raise InputError(f"{path}: there is not a single row in it")
    return table


def _split(name: str) -> tuple[str, str]:
    """("lshoulder", "x") from "lshoulder_x" or ("0", "x") from "x0"; scores by any of their names; ("", "") otherwise."""
    found = _NUMBERED.fullmatch(name) or _WIDE.fullmatch(name)
    if not found:
        return "", ""
    value = found["value"]
    return found["joint"], value if value in ("x", "y") else "score"


def _column(table: pd.DataFrame, known: tuple[str, ...]) -> str | None:
    return next((name for name in known if name in table), None)


def _frames(table: pd.DataFrame, path: Path) -> np.ndarray:
    name = _column(table, FRAME)
    if name is None:
        return np.arange(len(table))
    numbers = _numbers(table, name, path)
    wrong = ~((numbers >= 0) & (numbers <= MAX_FRAME) & (numbers == np.floor(numbers)))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}: column {name!r}, row {row + 2}: expected the number of a frame, found {numbers[row]}"
        )
    return numbers.astype(np.int64)


def _tracks(table: pd.DataFrame, path: Path) -> list[str] | None:
    name = _column(table, TRACK)
    if name is None:
        return None
    which, found = _factorize(table, name, path)
    return [found[number][:100] for number in which]


def _factorize(table: pd.DataFrame, name: str, path: Path) -> tuple[np.ndarray, list[str]]:
    """(rows,) which of the different names in a column each row has, and these names."""
    which, found = pd.factorize(table[name], use_na_sentinel=False)
    if len(found) > MAX_NAMES:
        raise InputError(
            f"{path}: column {name!r} holds {len(found):,} different names; at most {MAX_NAMES:,} are read"
        )
    return which, [re.sub(r"^([0-9]+)\.0$", r"\1", str(one)) for one in found]  # gaps make 3.0 of 3


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
