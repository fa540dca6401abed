"""Description of files and folders that no origin of data reads, with advice."""

import os
import re
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pose3d_lib.common.errors import InputError, printable, some
from pose3d_lib.data.sources.text_files import column_names, decode_head
from pose3d_lib.data.untrusted.client import list_members, list_npz_keys

LOOKED_AT = 500  # entries of a folder that tell what it is


class Kind(NamedTuple):
    name: str
    advice: str
    suffixes: str = ""
    beginnings: tuple[tuple[int, bytes], ...] = ()  # offset, and the bytes there


VIDEO = "a video"
_DETECT = (
    "find the 2D keypoints first, with a detector (MediaPipe, MMPose, AlphaPose, OpenPose, ...), and give the file that it "
    "writes: docs/data.md, Detections"
)
_KINDS = (
    Kind(
        VIDEO, "give the file of one video", ".mp4 .mov .avi .mkv .webm .m4v .mpg .mpeg .ts .mts .m2ts .wmv .3gp .ogv",
        ((4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"\0\0\1\xba"), (0, b"FLV")),
    ),
    Kind(
        "an image", _DETECT, ".jpg .jpeg .png .gif .bmp .webp .tif .tiff",
        ((0, b"\x89PNG"), (0, b"\xff\xd8\xff"), (0, b"GIF8")),
    ),
    Kind(
        "HDF5 or MATLAB", "only Human3.6M's own files of this kind are read, in its folders; save others as plain motion", "",
        ((0, b"\x89HDF"), (0, b"MATLAB")),
    ),
    Kind(
        "a pickle, which runs code when it is opened", "save its arrays with numpy.save or as .json", ".pkl .pickle",
        ((0, b"\x80\2"), (0, b"\x80\3"), (0, b"\x80\4"), (0, b"\x80\5")),
    ),
    Kind("a trained model", "give it as the model (`model` of 06_predict), not as data", ".pt .pth .bin .safetensors"),
    Kind(
        "motion in another program's format", "convert it to BVH, for instance in Blender",
        ".fbx .glb .gltf .dae .amc .asf", ((0, b"Kaydara FBX"), (0, b"glTF")),
    ),
    Kind(
        "markers of motion capture", "compute the joints, and save them as plain motion: docs/data.md", ".c3d .trc .tsv",
    ),
    Kind("text", "docs/data.md lists what is read", ".txt .md .xml .html .toml .yaml .yml .log .pdf"),
)  # fmt: skip

# Keys of an `.npz` that tell what it is.
_NPZ = (
    ({"poses", "trans"}, Kind("AMASS, angles without joint positions", "docs/data.md, AMASS and SMPL-H, says what to do")),
    ({"positions_3d"}, Kind("VideoPose3D's 3D positions", "call it data_3d_<set>.npz and give the folder that it lies in")),
    (
        {"positions_2d"},
        Kind(
            "VideoPose3D's 2D keypoints",
            "put data_3d_<set>.npz of the same set beside it and give the folder; of videos without 3D, call it "
            "data_2d_custom_<name>.npz",
        ),
    ),
    ({"positions", "clip", "joints"}, Kind("poses that `pose3d predict` wrote", "give the keypoints that they were made of")),
)  # fmt: skip

_LABEL = re.compile(rb"\d{1,3}( -?\d+(\.\d+)?(e-?\d+)?){4,}\s")


def describe(path: Path) -> Kind:
    """Describe a file or folder by its first bytes, its keys and its name."""
    try:
        if path.is_dir():
            return _describe_folder(path)
        if path.is_file():  # opening a pipe would wait for ever
            return _describe_file(path)
        return Kind("a pipe or device", "save its content in a file")
    except OSError as error:
        return Kind(f"something that cannot be read ({error.strerror})", "allow it to be read")
    except InputError as error:
        reason = str(error).removeprefix(f"{path}: ").partition(";")[0]
        return Kind(f"a damaged file ({reason})", "get it again")


def _describe_folder(folder: Path) -> Kind:
    entries = [folder / name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    if not entries:
        return Kind("an empty folder", "docs/data.md lists what is read")
    kinds = Counter(describe(entry) for entry in entries[:LOOKED_AT] if not entry.is_dir())
    inside = _some([entry.name for entry in entries])
    if not kinds:
        return Kind(f"a folder of folders ({inside})", "give one of them")
    kind = kinds.most_common(1)[0][0]
    return Kind(f"a folder ({inside}) with {kind.name}", kind.advice)


def _describe_file(path: Path) -> Kind:
    with path.open("rb") as file:
        head = file.read(65_536)
    suffix = path.suffix.casefold()
    if not head:
        return Kind("an empty file", "get or write it again")
    if suffix == ".npz":
        keys = list_npz_keys(path)
        known = next((kind for needed, kind in _NPZ if needed <= set(keys)), None)
        if any(key.count("/") == 2 for key in keys):
            return Kind("plain motion", "give one file")
        return known or Kind(
            f"an .npz with the keys {_some(keys)}",
            "those of plain motion are subject/Action/take; of detections, keypoints and boxes, or reconstruction",
        )
    if suffix == ".zip":
        return Kind(
            f"a zip of {_some(list(list_members(path)))}", "only BVH and Human3.6M are read from a zip: unpack it"
        )
    if suffix == ".json":
        keys = list(dict.fromkeys(re.findall(r'"([^"]{1,40})"\s*:', decode_head(head))))
        return Kind(
            f"JSON with the keys {_some(keys)}" if keys else "JSON without keys",
            "docs/data.md, Detections, lists whose JSON is read",
        )
    if suffix == ".csv":
        return Kind(
            f"a table with the columns {_some(column_names(decode_head(head)))}",
            "those of detections are frame, <joint>_x, <joint>_y, ..., or frame, joint, x, y",
        )
    if suffix == ".txt" and _LABEL.match(head):
        return Kind(
            "labels of YOLO, in shares of an image of unknown size",
            "write a list with `results.tojson()` of every frame to one .json, and give that",
        )
    by_content = (kind for kind in _KINDS if any(head[at:].startswith(sign) for at, sign in kind.beginnings))
    by_name = (kind for kind in _KINDS if suffix in kind.suffixes.split())
    return next(chain(by_content, by_name), Kind("nothing that is known here", "docs/data.md lists what is read"))


def _some(names: list[str]) -> str:
    return some([printable(name[:40]) for name in names], 6)
