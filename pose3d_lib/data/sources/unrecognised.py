"""Description of files and folders that no origin of data reads, with advice."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.sources.text_files import column_names, decode_head
from pose3d_lib.data.untrusted.client import list_keys

LOOKED_AT = 500  # entries of a folder that tell what it is


class Kind(NamedTuple):
    name: str
    advice: str


_LISTED = "docs/data.md lists what is read"
_DETECT = "find the 2D keypoints first, with a detector, and give the file that it writes: docs/data.md, Detections"
_BESIDE = "put data_3d_<set>.npz beside it and give the folder; without 3D, call it data_2d_custom_<name>.npz"
VIDEO = Kind("a video", "give the file of one video")
_BY_SUFFIX = {
    ".mp4 .mov .avi .mkv .webm .m4v .mpg .mpeg .ts .mts .m2ts .wmv .3gp .ogv .flv": VIDEO,
    ".jpg .jpeg .png .gif .bmp .webp .tif .tiff": Kind("an image", _DETECT),
    ".h5 .hdf5 .mat .cdf": Kind(
        "HDF5, MATLAB or CDF", "save what is not Human3.6M's own as plain motion: docs/data.md"
    ),
    ".pkl .pickle": Kind("a pickle, which runs code when opened", "save its arrays with numpy.save or as .json"),
    ".pt .pth .bin .safetensors": Kind("a trained model", "give it as the model (`model` of 06_predict), not as data"),
    ".fbx .glb .gltf .dae .amc .asf": Kind("motion of another program", "convert it to BVH, for instance in Blender"),
    ".c3d .trc .tsv": Kind("markers of motion capture", "compute joints, and save them as plain motion: docs/data.md"),
    ".zip .7z .rar .gz": Kind("an archive", "only BVH and Human3.6M are read from a zip: unpack it"),
    ".json": Kind("JSON of no known form", "docs/data.md, Detections, lists whose JSON is read"),
    ".txt": Kind("text", "of labels of YOLO, write a list with `results.tojson()` of every frame to one .json"),
    ".md .xml .html .toml .yaml .yml .log .pdf": Kind("text", _LISTED),
}

# Keys of an `.npz` that tell what it is.
_BY_KEYS = (
    ({"poses", "trans"}, Kind("AMASS, angles without joints", "docs/data.md, AMASS and SMPL-H, says what to do")),
    ({"positions_3d"}, Kind("VideoPose3D's 3D positions", "call it data_3d_<set>.npz and give the folder of it")),
    ({"positions_2d"}, Kind("VideoPose3D's 2D keypoints", _BESIDE)),
    ({"positions", "clip", "joints"}, Kind("poses of `pose3d predict`", "give the keypoints that they were made of")),
)


def describe(path: Path) -> Kind:
    """Describe a file or folder by its name, an `.npz` by its keys, a `.csv` by its columns."""
    suffix = path.suffix.casefold()
    try:
        if path.is_dir():
            return _describe_folder(path)
        if not path.is_file():  # opening a pipe would wait for ever
            return Kind("a pipe or device", "save its content in a file")
        if not path.stat().st_size:
            return Kind("an empty file", "get or write it again")
        if suffix == ".npz":
            return _describe_npz(list(list_keys(path, "npz")))
        if suffix == ".zip":
            list_keys(path, "archive")  # raises if it is damaged
        if suffix == ".csv":
            with path.open("rb") as file:
                columns = column_names(decode_head(file.read(65_536)))
            advice = "those of detections are frame, <joint>_x, <joint>_y, ..., or frame, joint, x, y"
            return Kind(f"a table with the columns {_some(columns)}", advice)
    except (OSError, InputError) as error:
        reason = str(error).removeprefix(f"{path}: ").partition(";")[0]
        return Kind(f"something that cannot be read ({reason})", "get it again")
    return next(
        (kind for suffixes, kind in _BY_SUFFIX.items() if suffix in suffixes.split()),
        Kind("nothing that is known here", _LISTED),
    )


def _describe_folder(folder: Path) -> Kind:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    if not entries:
        return Kind("an empty folder", _LISTED)
    inside = _some([entry.name for entry in entries])
    kinds = Counter(describe(entry) for entry in entries[:LOOKED_AT] if not entry.is_dir())
    if not kinds:
        return Kind(f"a folder of folders ({inside})", "give one of them")
    kind = kinds.most_common(1)[0][0]
    return Kind(f"a folder ({inside}) with {kind.name}", kind.advice)


def _describe_npz(keys: list[str]) -> Kind:
    if any(key.count("/") == 2 for key in keys):
        return Kind("plain motion", "give one file")
    other = Kind(
        f"an .npz with the keys {_some(keys)}",
        "those of plain motion are subject/Action/take; of detections, keypoints and boxes, or reconstruction",
    )
    return next((kind for needed, kind in _BY_KEYS if needed <= set(keys)), other)


def _some(names: list[str]) -> str:
    return some([name[:40] for name in names], 6)
