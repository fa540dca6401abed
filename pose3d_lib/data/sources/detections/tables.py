"""Detections in a CSV: a row for each frame with columns <joint>_x and <joint>_y, or a row for each joint."""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.detections.layouts import LAYOUTS, choose_layout, match_names
from pose3d_lib.data.sources.detections.records import (
    MAX_BYTES,
    MAX_FRAME,
    MAX_VALUES,
    Person,
    Video,
    make_video,
    shown,
    to_float32,
)
from pose3d_lib.data.sources.text_files import decode_head, delimiter_of, file_encoding

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


def recognise_csv(path: Path) -> bool:
    """Whether the first line names columns of detections."""
    with path.open("rb") as file:
        line = decode_head(file.read(65_536)).partition("\n")[0]
    names = _names(line, delimiter_of(line))
    long = any(name in JOINT for name in names) and {"x", "y"} <= set(names)
    wide = {joint for joint, value in map(_split, names) if value == "x"} & {
        j for j, v in map(_split, names) if v == "y"
    }
    return long or len(wide) >= 10


def read_csv(path: Path, joints: str) -> Video:
    """The video of a CSV.

    - A row for each frame and person: columns `frame`, perhaps `person`, and `<joint>_x`, `<joint>_y`, perhaps
      `<joint>_score` (or `_confidence`, `_visibility`) for every joint; `x0`, `y0`, `v0`, ... for joints with numbers.
    - A row for each joint: columns `frame`, perhaps `person`, `joint`, `x`, `y`, perhaps `score`.

    Without a column of frames, a row is a frame. `joints` names the layout; "" stands for what the joints' names tell.
    """
    table = _load(path)
    names = {name.casefold(): name for name in table.columns}
    if any(name in names for name in JOINT):
        return _read_long(table, names, path, joints)
    return _read_wide(table, names, path, joints)


def _read_wide(table: pd.DataFrame, names: dict[str, str], path: Path, joints: str) -> Video:
    columns: dict[str, dict[str, str]] = {}
    for folded, name in names.items():
        joint, value = _split(folded)
        if value and folded not in (*FRAME, *TRACK):
            columns.setdefault(joint, {}).setdefault(value, name)
    found = [joint for joint, values in columns.items() if {"x", "y"} <= values.keys()]
    layout, order = _layout(found, joints, path)
    frames = _frames(table, names, path)
    tracks = _tracks(table, names, path)
    values = np.ones((len(table), len(order), 3))
    for place, position in enumerate(order):
        named = columns[found[position]]
        for axis, value in enumerate(("x", "y", "score")):
            if value in named:
                values[:, place, axis] = _numbers(table, named[value], path)
    scored = ["score" in columns[found[position]] for position in order]
    return _video(path, layout, frames, tracks, values, all(scored))


def _read_long(table: pd.DataFrame, names: dict[str, str], path: Path, joints: str) -> Video:
    for needed in ("x", "y"):
        if needed not in names:
            raise InputError(f"{path}: expected a column {needed!r}, found {', '.join(table.columns[:12])}")
    if not any(name in names for name in FRAME):
        raise InputError(f"{path}: expected a column `frame`, found {', '.join(table.columns[:12])}")
    which, found = _factorize(table, _column(names, JOINT), path)
    layout, order = _layout(found, joints, path)
    place_of = np.full(len(found), -1)
    place_of[order] = np.arange(len(order))
    places, frames, tracks = place_of[which], _frames(table, names, path), _tracks(table, names, path)
    persons = pd.DataFrame({"frame": frames, "track": tracks if tracks is not None else ""})
    groups = persons.groupby(["frame", "track"], sort=True).ngroup().to_numpy()
    used = (places >= 0) & (which >= 0)
    if pd.DataFrame({"group": groups[used], "place": places[used]}).duplicated().any():
        raise InputError(f"{path}: a joint is there twice in one frame; a column `person` tells several people apart")
    score = _column(names, SCORE)
    if (groups.max() + 1) * len(order) > MAX_VALUES:
        raise InputError(
            f"{path}: {groups.max() + 1:,} people in all frames, most of whose {len(order)} joints have no row; cut the video "
            "into shorter ones"
        )
    values = np.full((groups.max() + 1, len(order), 3), np.nan)
    for axis, name in enumerate((names["x"], names["y"], score)):
        values[groups[used], places[used], axis] = _numbers(table, name, path)[used] if name else 1.0
    _, first = np.unique(groups, return_index=True)
    tracks = None if tracks is None else [tracks[row] for row in first]
    return _video(path, layout, frames[first], tracks, values, bool(score))


def _video(
    path: Path, layout: str, frames: np.ndarray, tracks: list[str] | None, values: np.ndarray, scored: bool
) -> Video:
    """The video of people's joints, (people, joints, 3); `scored` if all joints have scores."""
    if tracks is None and len(np.unique(frames)) < len(frames):
        raise InputError(f"{path}: frame numbers are there twice; a column `person` tells several people apart")
    people = [
        Person(int(frame), person, None, None if tracks is None else tracks[row])
        for row, (frame, person) in enumerate(zip(frames, to_float32(values), strict=True))
    ]
    return make_video(path.stem, str(path), people, map(int, frames), joints=layout, scored=scored)


def _layout(found: list[str], joints: str, path: Path) -> tuple[str, list[int]]:
    """The layout of joints with names or with numbers, and which of them is each of its joints."""
    if not found:
        raise InputError(f"{path}: expected columns <joint>_x and <joint>_y, or frame, joint, x, y; found no joint")
    if not all(re.fullmatch("[0-9]{1,4}", joint) for joint in found):
        return match_names(found, joints, path)
    numbers = [int(joint) for joint in found]
    if sorted(numbers) != list(range(min(numbers), min(numbers) + len(numbers))) or min(numbers) > 1:
        raise InputError(f"{path}: joints have the numbers {', '.join(found[:10])}; expected 0, 1, 2, ...")
    if len(found) == 17 and not joints:
        raise InputError(f'{path}: 17 joints without names; the parameter `joints` says which: "coco" or "h36m"')
    layout = choose_layout(len(found), joints, path)
    return layout, np.argsort(numbers)[: LAYOUTS[layout].num_joints].tolist()


def _load(path: Path) -> pd.DataFrame:
    encoding = file_encoding(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        header, rows = file.readline(10**6), file.read(10**6)
    delimiter = delimiter_of(header)
    _check_extent(path, header, delimiter)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut off
            table = pd.read_csv(
                path, sep=delimiter, decimal="," if delimiter != "," and re.search(r"\d,\d", rows) else ".", encoding=encoding,
                skipinitialspace=True, low_memory=False, index_col=False,
            )  # fmt: skip
    except (OSError, ValueError, OverflowError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path}: not a table in CSV ({str(error)[:200]})") from error
    table.columns = [str(name).strip() for name in table.columns]
    if not len(table):
        raise InputError(f"{path}: there is not a single row in it")
    return table


def _names(header: str, delimiter: str) -> list[str]:
    return [name.strip(' "\r\n').casefold() for name in header.split(delimiter)]


def _check_extent(path: Path, header: str, delimiter: str) -> None:
    """Refuses a table that would need too much memory."""
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; cut the video into shorter ones")
    names, values = _names(header, delimiter), 0
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{path}: {len(names)} columns; at most {MAX_COLUMNS} are read")
    if len(set(names)) < len(names):  # pandas would give the second another name
        raise InputError(f"{path}: two columns have the same name")
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            values += chunk.count(delimiter.encode()) + chunk.count(b"\n")
    if values - len(names) > MAX_VALUES:
        raise InputError(f"{path}: more than {MAX_VALUES:,} values; cut the video into shorter ones")


def _split(name: str) -> tuple[str, str]:
    """("lshoulder", "x") from "lshoulder_x" or ("0", "x") from "x0"; scores by any of their names; ("", "") otherwise."""
    found = _NUMBERED.fullmatch(name) or _WIDE.fullmatch(name)
    if not found:
        return "", ""
    value = found["value"]
    return found["joint"], value if value in ("x", "y") else "score"


def _column(names: dict[str, str], known: tuple[str, ...]) -> str | None:
    return next((names[name] for name in known if name in names), None)


def _frames(table: pd.DataFrame, names: dict[str, str], path: Path) -> np.ndarray:
    name = _column(names, FRAME)
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


def _tracks(table: pd.DataFrame, names: dict[str, str], path: Path) -> list[str] | None:
    name = _column(names, TRACK)
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
