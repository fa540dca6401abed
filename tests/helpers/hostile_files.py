"""Files that somebody means harm with, or that have been damaged: each written into a folder, with how it would be opened.

`python -m tests.helpers.hostile_files FOLDER` offers them all in one process and prints
what became of each, a line of JSON each.
"""

import io
import json
import os
import pickle
import signal
import struct
import sys
import tarfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import h5py
import numpy as np
from safetensors.numpy import save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.open import open_dataset, prepared_path
from pose3d_lib.data.skeleton import COCO_17
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.data.untrusted import client
from pose3d_lib.training.parameters import make_config
from tests.data.test_human36m import file_of, make_cdf, make_h5, make_mat, make_old_cdf, recording
from tests.data.test_human36m import write as write_originals
from tests.helpers.bvh_texts import PERSON, bvh_text, walk, write_person
from tests.helpers.detection_files import (
    SIZE,
    alphapose,
    coco_annotations,
    flat,
    mediapipe,
    mmpose,
    write_custom,
    write_detectron,
    write_openpose,
)
from tests.helpers.detection_files import walk as walk_2d

LARGE = 10**9
PROMISED = 10**12

Offer = tuple[dict[str, object], tuple[str, ...]]
"""The parameters that open a file, and what its refusal has to name: the file, and key or clip where there is one."""

HARMFUL = ("os.system", "subprocess.Popen", "os.exec", "os.spawn", "os.posix_spawn", "pty.spawn", "pickle.find_class")


# What files are made of


def motion(frames: int = 6, *, seed: int = 0) -> np.ndarray:
    """(frames, 17, 3) metres: a cloud the size of a person, 1.7 m along z."""
    rng = np.random.default_rng(seed)
    body = np.column_stack([rng.uniform(-0.3, 0.3, (17, 2)), np.linspace(0, 1.7, 17)])
    return (body + np.linspace(0, 0.5, frames)[:, None, None] * [1, 0, 0]).astype(np.float32)


def header(shape: object, descr: str = "<f4", *, version: int = 1) -> bytes:
    """Of an `.npy`; the shape may be any text."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text


def objects(pickled: bytes) -> bytes:
    """The `.npy` of a 0-d array of objects."""
    return header("()", "|O") + pickled


def zeros(size: int) -> bytes:
    """So many zero bytes, deflated to a thousandth; made in no time, as all whole blocks of 16 MB are the same."""
    block = 1 << 24
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(bytes(size % block)) + packer.flush()
    return one + again * (size // block - 1) + last


def write_zip(path: Path, members: list[tuple[str, bytes, int]], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of members as they are given: name, packed bytes, and the size that they are said to unpack to."""
    body, table = b"", b""
    for name, packed, size in members:
        known = struct.pack("<5H3L2H", 20, 0x800, method, 0, 33, 0, len(packed), size, len(name.encode()), 0)
        table += struct.pack("<4sH", b"PK\1\2", 20) + known
        table += struct.pack("<3H2L", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\3\4" + known + name.encode() + packed
    count = len(members)
    path.write_bytes(body + table + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(table), len(body), 0))
    return path


def write_npz(path: Path, members: dict[str, bytes | np.ndarray]) -> Path:
    """An `.npz` of arrays, or of the bytes that a member shall have."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, content in members.items():
            if isinstance(content, np.ndarray):
                file = io.BytesIO()
                np.save(file, content, allow_pickle=False)
                content = file.getvalue()
            archive.writestr(f"{key}.npy", content)
    return path


# Pickles


class _Calls:
    """Pickled, it is a call of the function."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple:
        return self._call


def _laughs() -> list:
    """Fifty lists, each of which holds the one before twice: 2^50 numbers if anybody wrote them out."""
    inner: list = [0]
    for _ in range(45):
        inner = [inner, inner]
    return inner


def hostile_pickles(canary: Path) -> dict[str, bytes]:
    touch = f"touch {canary}"
    million = 1_000_000
    return {
        "calls os.system": pickle.dumps({"S1": _Calls(os.system, touch)}),
        "calls os.system, by old means": b"(S'" + touch.encode() + b"'\nios\nsystem\n.",
        "calls eval": pickle.dumps(_Calls(eval, f"__import__('os').system({touch!r})"), protocol=2),
        "opens a file": pickle.dumps([_Calls(open, str(canary), "w")]),
        "imports": b"\x80\x03cantigravity\nfly\n.",
        "imports by a stacked name": pickle.dumps(_Calls(__import__, "antigravity"), protocol=4),
        "asks for a bytearray of 10^12": pickle.dumps(_Calls(bytearray, PROMISED)),
        "asks numpy for 10^12 zeros": pickle.dumps(_Calls(np.zeros, PROMISED)),
        "says that a text of 10^12 follows": b"\x80\x04\x8d" + struct.pack("<Q", PROMISED) + b"a.",
        "says that bytes of 4 GB follow": b"\x80\x03B\xff\xff\xff\xffabc.",
        "puts a number at 2^31 of its memory": b"\x80\x03Nr\xff\xff\xff\x7f.",
        "lists a million deep": b"\x80\x03" + b"]" * million + b"a" * (million - 1) + b".",
        "tuples a million deep": b"\x80\x03)" + b"\x85" * million + b".",
        "dicts a million deep": b"\x80\x03" + b"}K\x01" * million + b"}" + b"s" * million + b".",
        "marks a million deep": b"\x80\x03" + b"(" * million + b"t" * million + b".",
        "a list that holds itself": b"\x80\x03]q\x00h\x00a.",
        "twenty million empty lists": b"\x80\x03(" + b"]" * (20 * million) + b"t.",
        "a number of 10^5 digits": b"\x80\x03L" + b"9" * 100_000 + b"L\n.",
        "nothing": b"",
        "an end without a value": b"\x80\x03.",
    }


def in_positions(folder: Path, content: bytes) -> Offer:
    path = write_npz(folder / "data_3d_h36m.npz", {"positions_3d": content})
    return {"dataset": "h36m"}, (str(path), "positions_3d")


def in_keypoints(folder: Path, content: bytes) -> Offer:
    takes = {subject: {"Walking 1": np.tile(motion(3)[:, :1], (1, 32, 1))} for subject in ("S1", "S9")}
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=takes)
    layout = pickle.dumps(np.array({"num_joints": 17, "keypoints_symmetry": [[4], [1]]}, dtype=object))
    members = {"metadata": objects(layout), "positions_2d": content}
    path = write_npz(folder / "data_2d_h36m_cpn.npz", members)
    return {"dataset": "h36m", "keypoints": "cpn"}, (str(path), "positions_2d")


def in_detectron(folder: Path, content: bytes) -> Offer:
    nothing = objects(pickle.dumps(np.array(None, dtype=object)))
    path = write_npz(folder / "video.npz", {"boxes": content, "keypoints": content, "metadata": nothing})
    return {"dataset": str(path)}, (str(path), "boxes")


def in_plain_motion(folder: Path, content: bytes) -> Offer:
    path = write_npz(folder / "mine.npz", {"ann/Walking/1": motion(), "bob/Walking/1": content})
    return {"dataset": str(path)}, (str(path), "bob/Walking/1")


def pickled_cases() -> Iterator[tuple[str, Callable[[Path, Path], Offer]]]:
    places = {
        "VideoPose3D's positions": in_positions, "VideoPose3D's keypoints": in_keypoints, "Detectron": in_detectron,
        "plain motion": in_plain_motion,
    }  # fmt: skip
    for place, put in places.items():
        for name in hostile_pickles(Path()):
            if place == "VideoPose3D's positions" or name in ("calls os.system", "lists a million deep", "nothing"):
                yield (
                    f"{place}: a pickle, {name}",
                    lambda folder, canary, put=put, name=name: put(folder, objects(hostile_pickles(canary)[name])),
                )
    bare = {
        "mine.npz": (),
        "mine.npy": (),
        "mine.json": (),
        "mine.csv": (),
        "mine.bvh": (),
        "mine.toml": (),
        "mine.zip": (),
    }
    for file in bare:

        def offer(folder: Path, canary: Path, file: str = file) -> Offer:
            (folder / file).write_bytes(hostile_pickles(canary)["calls os.system"])
            return {"dataset": str(folder / file)}, (str(folder / file),)

        yield f"a bare pickle called {file}", offer


# Plain motion, and any .npz


def _npz(**members: bytes | np.ndarray) -> Callable[[Path, Path], Offer]:
    """Plain motion whose second clip is this."""

    def offer(folder: Path, canary: Path) -> Offer:
        path = write_npz(folder / "mine.npz", {"ann/Walking/1": motion(), "bob/Walking/1": members["second"]})
        return {"dataset": str(path)}, (str(path), "bob/Walking/1")

    return offer


def _keys(*keys: str, said: tuple[str, ...] = ()) -> Callable[[Path, Path], Offer]:
    """Plain motion under these keys, as they stand in the zip."""

    def offer(folder: Path, canary: Path) -> Offer:
        file = io.BytesIO()
        np.save(file, motion())
        members = [(key, file.getvalue(), len(file.getvalue())) for key in keys]
        path = write_zip(folder / "mine.npz", members, method=zipfile.ZIP_STORED)
        data = bytearray(path.read_bytes())
        crc = struct.pack("<L", zlib.crc32(file.getvalue()))
        for mark, at in ((b"PK\3\4", 14), (b"PK\1\2", 16)):
            place = -1
            while (place := data.find(mark, place + 1)) >= 0:
                data[place + at : place + at + 4] = crc
        path.write_bytes(data)
        return {"dataset": str(path)}, ("mine", *said)

    return offer


def _bomb(
    put: str, key: str, parameters: dict, *, start: bytes = b"", size: int = LARGE
) -> Callable[[Path, Path], Offer]:
    """A member of a megabyte, which unpacks to a gigabyte."""

    def offer(folder: Path, canary: Path) -> Offer:
        packed = b"\x00" + struct.pack("<HH", len(start), 0xFFFF - len(start)) + start + zeros(size)
        path = write_zip(folder / put, [(f"{key}.npy", packed, len(start) + size)])
        return {"dataset": str(path), **parameters}, (put, key)

    return offer


def _laughing(folder: Path, canary: Path) -> Offer:
    takes = {name: {"Walking": _laughs()} for name in ("S1", "S9")}
    np.savez(folder / "data_3d_h36m.npz", positions_3d=takes)
    return {"dataset": "h36m"}, ("data_3d_h36m.npz", "S1/Walking")


def _many_bombs(folder: Path, canary: Path) -> Offer:
    start = header((294_000, 17, 3))
    packed = b"\x00" + struct.pack("<HH", len(start), 0xFFFF - len(start)) + start + zeros(294_000 * 17 * 12)
    size = len(start) + 294_000 * 17 * 12
    path = write_zip(
        folder / "mine.npz", [(f"{name}/Walking/{take}.npy", packed, size) for name in "ab" for take in range(20)]
    )
    return {"dataset": str(path)}, (str(path), "unpacks")


def _damaged_zip(change: Callable[[bytearray], object], *said: str) -> Callable[[Path, Path], Offer]:
    def offer(folder: Path, canary: Path) -> Offer:
        path = write_npz(folder / "mine.npz", {"ann/Walking/1": motion(), "bob/Walking/1": motion(seed=1)})
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)
        return {"dataset": str(path)}, (str(path), *said)

    return offer


def _set(mark: bytes, at: int, values: bytes) -> Callable[[bytearray], None]:
    """Puts other bytes behind the last of these marks."""

    def change(data: bytearray) -> None:
        place = data.rfind(mark) + at
        data[place : place + len(values)] = values

    return change


def _named(name: str, content: bytes | None, **parameters: object) -> Callable[[Path, Path], Offer]:
    """A file with this content; without any, a pipe that nobody writes to."""

    def offer(folder: Path, canary: Path) -> Offer:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content) if content is not None else os.mkfifo(path)
        return {"dataset": str(path), **parameters}, (str(path),)

    return offer


def npz_cases() -> Iterator[tuple[str, Callable[[Path, Path], Offer]]]:
    clip = motion()
    bad = {name: clip.copy() for name in ("NaN", "infinity")}
    bad["NaN"][3, 2, 1], bad["infinity"][5, 0, 0] = np.nan, np.inf
    huge = clip.astype(np.float64)
    huge[1, 0], huge[1, 1] = 1e308, -1e308
    records = np.zeros(3, dtype=[("a", "f4"), ("b", "i4")])
    seconds = {
        "10^12 frames are promised": header((PROMISED, 17, 3)),
        "10^12 frames of nothing are promised": header((PROMISED, 17, 3), "<U0"),
        "10^30 frames are promised": header((10**30, 17, 3)),
        "a length is negative": header((-1, 17, 3)) + bytes(204),
        "a shape is nested a hundred thousand deep": header("(" * 100_000 + ")" * 100_000, version=2),
        "a header of ten megabytes": header("()" + " " * 10**7, version=2),
        "a header that is a call": header("(__import__('os').system('true'),)"),
        "a format of the future": b"\x93NUMPY\x09\x00" + bytes(100),
        "objects": header("(6,)", "|O") + pickle.dumps([None] * 6),
        "records": records,
        "texts": np.full((6, 17, 3), "1.5"),
        "bytes": np.full((6, 17, 3), b"1.5"),
        "complex numbers": clip.astype(np.complex64),
        "truths": clip > 0,
        "whole numbers": clip.astype(np.int64),
        "days": np.zeros((6, 17, 3), "M8[D]"),
        "no frames": clip[:0],
        "18 joints": np.zeros((6, 18, 3), np.float32),
        "one number": np.float32(1)[None],
        "NaN": bad["NaN"],
        "infinity": bad["infinity"],
        "numbers near the largest": huge,
        "fewer bytes than said": header((6, 17, 3)) + bytes(800),
        "more bytes than said": header((6, 17, 3)) + bytes(1300),
    }
    for name, content in seconds.items():
        yield f"plain motion: {name}", _npz(second=content)
    yield (
        "plain motion: a bomb",
        _bomb("mine.npz", "a/Walking/1", {}, start=header((4_901_960, 17, 3)), size=4_901_960 * 204),
    )
    yield "plain motion: a bomb in many clips", _many_bombs
    start = objects(b"\x80\x03B" + struct.pack("<I", LARGE - 1))
    for put, key, parameters in (
        ("data_3d_h36m.npz", "positions_3d", {"dataset": "h36m"}),
        ("data_3d_h36m.npz", "pose3d", {"dataset": "h36m"}),
    ):
        yield f"VideoPose3D: a bomb under {key}", _bomb(put, key, parameters, start=start)
    yield (
        "plain motion: a key twice",
        _keys("a/Walking/1.npy", "b/Walking/1.npy", "b/Walking/1.npy", said=("b/Walking/1",)),
    )
    yield "plain motion: a key with and without .npy", _keys("a/Walking/1.npy", "a/Walking/1", said=("a/Walking/1",))
    yield "plain motion: a path out of the file", _keys("../../a/Walking/1.npy", "b/Walking/1.npy", said=("../../a",))
    for name, letter in (("line break", "\n"), ("escape", "\x1b[31m"), ("line separator", "\u2028"), ("bell", "\a")):
        escaped = ascii(letter)[1:-1]
        yield (
            f"plain motion: a {name} in a subject",
            _keys(f"a{letter}/Walking/1.npy", "b/Walking/1.npy", said=(escaped,)),
        )
        yield f"plain motion: a {name} in a take", _keys(f"a/Walking/1{letter}.npy", "b/Walking/1.npy", said=(escaped,))
    yield "plain motion: an empty zip", _damaged_zip(lambda data: data.__delitem__(slice(0, data.rfind(b"PK\5\6"))))
    yield "plain motion: encrypted", _damaged_zip(_set(b"PK\1\2", 8, b"\1\0"), "bob/Walking/1")
    yield "plain motion: an unknown method", _damaged_zip(_set(b"PK\1\2", 10, b"\x63\0"), "bob/Walking/1")
    yield "plain motion: lzma without end", _damaged_zip(_set(b"PK\1\2", 10, b"\x0e\0"), "bob/Walking/1")
    yield "plain motion: a wrong checksum", _damaged_zip(_set(b"PK\1\2", 16, b"\1\2\3\4"), "bob/Walking/1")
    yield "plain motion: a table of 4 GB", _damaged_zip(_set(b"PK\5\6", 12, b"\xfe\xff\xff\xff"))
    yield (
        "plain motion: a member beyond the end",
        _damaged_zip(_set(b"PK\1\2", 42, b"\xff\xff\xff\x7f"), "bob/Walking/1"),
    )
    yield "plain motion: a pipe", _named("mine.npz", None)
    yield "plain motion: nothing", _named("mine.npz", b"")


# Human3.6M's originals


def _original(
    ending: str, make: Callable[[Path], object], old: bytes = b"", new: bytes = b""
) -> Callable[[Path, Path], Offer]:
    """A folder of good takes of which one is made differently; `new` replaces `old` in it."""

    def offer(folder: Path, canary: Path) -> Offer:
        write_originals(folder / "h36m")
        (folder / "h36m" / "S9" / "MyPoseFeatures" / "D3_Positions" / "Sitting 2.cdf").unlink()
        path = file_of(folder / "h36m", "S9/Sitting 2", ending)
        make(path)
        data = path.read_bytes()
        if old:
            assert old in data
            path.write_bytes(data.replace(old, new))
        return {"dataset": str(folder / "h36m")}, ("Sitting 2" + ending,)

    return offer


def _promising_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("3D_positions", (96, PROMISED), "f8", chunks=(96, 100))


def _linked_h5(path: Path) -> None:
    make_h5(path.with_suffix(".other"), recording())
    with h5py.File(path, "w") as file:
        file["3D_positions"] = h5py.ExternalLink(str(path.with_suffix(".other")), "3D_positions")


def _archive(name: str, entries: list[tuple[str, bytes]]) -> Callable[[Path, Path], Offer]:
    """A zip or tgz with good takes and these entries."""

    def offer(folder: Path, canary: Path) -> Offer:
        good = write_originals(folder / "good")
        path = folder / name
        files = [(file.relative_to(good).as_posix(), file.read_bytes()) for file in sorted(good.rglob("*.cdf"))]
        if name.endswith(".zip"):
            with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for entry, content in [*files, *entries]:
                    archive.writestr(entry, content)
        else:
            with tarfile.open(path, "w:gz") as archive:
                for entry, content in [*files, *entries]:
                    info = tarfile.TarInfo(entry)
                    info.size = len(content)
                    if content.startswith(b"-> "):
                        info.type, info.linkname, info.size = tarfile.SYMTYPE, content[3:].decode(), 0
                    archive.addfile(info, io.BytesIO(content if info.size else b""))
        return {"dataset": str(path)}, (str(path), *(entry for entry, content in entries if len(content) < LARGE / 100))

    return offer


def human36m_cases() -> Iterator[tuple[str, Callable[[Path, Path], Offer]]]:
    good = recording(6)
    broken, infinite = good.copy(), good.copy()
    broken[0, 3, 7], infinite[0, 2, 2] = np.nan, np.inf
    dims, more = struct.pack(">3i", 2, 6, 96), struct.pack(">3i", 2, 2**31 - 1, 96)
    yield (
        "CDF: two thousand million frames are promised",
        _original(".cdf", lambda path: make_old_cdf(path, good), dims, more),
    )
    yield "CDF: no frames", _original(".cdf", lambda path: make_old_cdf(path, good), dims, struct.pack(">3i", 2, 0, 96))
    yield "CDF: whole numbers", _original(".cdf", lambda path: make_cdf(path, good.astype("i4")))
    yield "CDF: NaN", _original(".cdf", lambda path: make_cdf(path, broken))
    yield "CDF: infinity", _original(".cdf", lambda path: make_cdf(path, infinite))
    yield "CDF: another variable", _original(".cdf", lambda path: make_cdf(path, good, name="Pause"))
    yield "CDF: a pickle", _original(".cdf", lambda path: path.write_bytes(pickle.dumps(_Calls(os.system, "true"))))
    dims, more = struct.pack("<2i", 6, 96), struct.pack("<2i", 2**31 - 1, 96)
    yield (
        "MATLAB: two thousand million frames are promised",
        _original(".cdf.mat", lambda path: make_mat(path, good), dims, more),
    )
    yield "MATLAB: NaN", _original(".cdf.mat", lambda path: make_mat(path, broken))
    yield "MATLAB: complex numbers", _original(".cdf.mat", lambda path: make_mat(path, good * 1j))
    yield "MATLAB: texts", _original(".cdf.mat", lambda path: make_mat(path, np.array([["text"]])))
    yield "MATLAB: no frames", _original(".cdf.mat", lambda path: make_mat(path, good[:, :0]))
    yield "HDF5: 10^12 frames are promised", _original(".h5", _promising_h5)
    yield "HDF5: in another file", _original(".h5", _linked_h5)
    yield "HDF5: infinity", _original(".h5", lambda path: make_h5(path, infinite))
    yield "HDF5: whole numbers", _original(".h5", lambda path: make_h5(path, good.astype("i8")))
    yield "HDF5: no frames", _original(".h5", lambda path: make_h5(path, good[:, :0]))
    take = "S9/MyPoseFeatures/D3_Positions/Sitting 1.cdf"
    for name in ("h36m.zip", "Poses_D3_Positions_all.tgz"):
        kind = name.rpartition(".")[2]
        yield f"{kind}: a path out of it", _archive(name, [(f"../{take}", b"x")])
        yield f"{kind}: a path out of it further down", _archive(name, [(f"a/../../{take}", b"x")])
        yield f"{kind}: an absolute path", _archive(name, [(f"/tmp/{take}", b"x")])
        yield f"{kind}: a bomb", _archive(name, [(take, bytes(120_000_000))])
        yield f"{kind}: not a CDF", _archive(name, [(take, b"x")])
        yield f"{kind}: a take twice", _archive(name, [(take.replace("Sitting 1", "Sitting 2"), b"x")])
    yield "tgz: a link", _archive("Poses_D3_Positions_all.tgz", [(take, b"-> /etc/passwd")])


# BVH


def _bvh(text: str | bytes, *said: str, name: str = "a_b_1.bvh", **parameters: object) -> Callable[[Path, Path], Offer]:
    def offer(folder: Path, canary: Path) -> Offer:
        write_person(folder / "bvh" / "good_one_1.bvh")
        path = folder / "bvh" / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        parameters.setdefault("pattern", "{action}_{subject}_{take}.bvh")
        return {"dataset": str(folder / "bvh"), **parameters}, (said or (name,))

    return offer


def _beside_bvh(
    name: str, text: str, said: tuple[str, ...] = (), **parameters: object
) -> Callable[[Path, Path], Offer]:
    """A good BVH file, and another one that says something of it."""

    def offer(folder: Path, canary: Path) -> Offer:
        write_person(folder / "bvh" / "walk.bvh")
        write_person(folder / "bvh" / "run.bvh")
        (folder / "bvh" / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        named = {"joints": str(folder / "bvh" / name)} if name.endswith(".toml") else {}
        return {"dataset": str(folder / "bvh"), **parameters, **named}, said or (name,)

    return offer


def bvh_cases() -> Iterator[tuple[str, Callable[[Path, Path], Offer]]]:
    text = bvh_text(PERSON, walk(20))
    joint = "JOINT j{}\n{{\nOFFSET 0 0 0\nCHANNELS 0\n"
    texts: dict[str, str | bytes] = {
        "10^12 frames are promised": text.replace("Frames: 20", f"Frames: {PROMISED}"),
        "10^30 frames are promised": text.replace("Frames: 20", f"Frames: {10**30}"),
        "no frames": text.replace("Frames: 20", "Frames: 0"),
        "a negative number of frames": text.replace("Frames: 20", "Frames: -20"),
        "NaN": text.replace("\n0.0 89.0", "\nnan 89.0", 1),
        "infinity": text.replace("\n0.0 89.0", "\n1e999 89.0", 1),
        "a formula": text.replace("\n0.0 89.0", "\n__import__('os') 89.0", 1),
        "frames of no time": text.replace("0.0333333", "0"),
        "frames of infinite time": text.replace("0.0333333", "inf"),
        "joints a hundred thousand deep": "HIERARCHY\nROOT r\n{\nOFFSET 0 0 0\n"
        + "".join(map(joint.format, range(100_000))),
        "a million joints": "HIERARCHY\nROOT r\n{\nOFFSET 0 0 0\n" + "JOINT j\n{\nOFFSET 0 0 0\n}\n" * 30_000,
        "a joint twice": text.replace("JOINT LeftKnee", "JOINT LeftHip"),
        "an offset of NaN": text.replace("OFFSET 0.0 10.0 0.0", "OFFSET nan 10.0 0.0", 1),
        "a hundred channels": text.replace("CHANNELS 3", "CHANNELS 100", 1),
        "no end of braces": "HIERARCHY " + "{" * 10**6,
        "another text": "These are my notes.\n" * 50,
        "zero bytes": bytes(10**6),
    }
    for name, content in texts.items():
        yield f"BVH: {name}", _bvh(content)
    yield (
        "BVH: two files are one take",
        _bvh(text, "good_two_1.bvh", pattern="{action}_{_}_{take}.bvh", name="good_two_1.bvh"),
    )
    yield "BVH: a line break in a name", _bvh(text, r"a\n", name="a\n_b_1.bvh")
    yield "BVH: bytes in a name that are no text", _bvh(text, r"a\udcff", name="a\udcff_b_1.bvh")
    yield "BVH: a pipe", _named("walk.bvh", None)
    columns = "file,subject,action,take\n"
    for name, table in {
        "a file outside the folder": "../../secret.bvh,a,b,c\nwalk.bvh,a,b,d\nrun.bvh,a,c,d\n",
        "a file twice": "walk.bvh,a,b,c\nwalk.bvh,a,b,d\nrun.bvh,a,c,d\n",
        "a field of a megabyte": f"walk.bvh,{'a' * 10**6},b,c\n",
        "bytes that are no text": "walk.bvh,a\udcff,b,c\n",
        "an empty subject": "walk.bvh,,b,c\n",
        "nothing": "",
    }.items():
        yield f"takes.csv: {name}", _beside_bvh("takes.csv", columns + table)
    yield (
        "takes.csv: a zero byte",
        _beside_bvh("takes.csv", columns + "walk.bvh,a,b,c\nrun.bvh,a\0,b,c\n", said=(r"a\x00",)),
    )
    for name, table in {
        "not TOML": "these are my notes",
        "nested a hundred thousand deep": "a = " + "[" * 100_000 + "]" * 100_000,
        "a table of tables": "[mine]\nHip = { a = { b = 1 } }\n",
        "a joint of infinite weight": "[mine]\nHip = { Hips = inf }\n",
        "bytes that are no text": "[mine]\nHip = '\udcff'\n",
        "nothing": "",
    }.items():
        yield f"a mapping: {name}", _beside_bvh("mine.toml", table, pattern="{action}.bvh")


# Detections


def _json(name: str, content: object, **parameters: object) -> Callable[[Path, Path], Offer]:
    text = content if isinstance(content, str) else json.dumps(content)
    return _named(name, text.encode(), image_size="1000x800", **parameters)


def _folder_of(write: Callable[[Path], object], *said: str, **parameters: object) -> Callable[[Path, Path], Offer]:
    def offer(folder: Path, canary: Path) -> Offer:
        (folder / "videos").mkdir()
        write(folder / "videos")
        return {"dataset": str(folder / "videos"), "image_size": "1000x800", **parameters}, said

    return offer


def _openpose_with(name: str, content: bytes | None) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        write_openpose(folder, walk_2d(4))
        (folder / name).write_bytes(content) if content is not None else os.mkfifo(folder / name)

    return write


def detection_cases() -> Iterator[tuple[str, Callable[[Path, Path], Offer]]]:
    person = walk_2d(6)
    nested = '[{"keypoints": ' + "[" * 10**6 + "]" * 10**6 + "}]"
    results = alphapose(person)
    contents: dict[str, object] = {
        "nested a million deep": nested,
        "objects nested a million deep": '{"annotations": ' + '{"a":' * 10**6,
        "NaN only": [{**row, "keypoints": [1e999, -1e999, 1] * 17} for row in results],
        "a number of 10^5 digits": json.dumps(results).replace("302.0", "9" * 100_000),
        "frame 10^12": [*results[:-1], {**results[-1], "image_id": f"{PROMISED}.jpg"}],
        "frame 10^30": [*results[:-1], {**results[-1], "image_id": f"{10**30}.jpg"}],
        "texts for numbers": [{**results[0], "keypoints": ["a"] * 51}],
        "truths for numbers": [{**results[0], "keypoints": [True] * 51}],
        "no joints": [{**results[0], "keypoints": []}],
        "a million joints": [{**results[0], "keypoints": [1.5] * 10**6}],
        "no frames": '[{"keypoints": 1}',
        "COCO: an image twice": {**coco_annotations(person), "images": coco_annotations(person)["images"] * 2},
        "COCO: images of 10^12 pixels": coco_annotations(person, size=(PROMISED, PROMISED)),
        "MMPose: a frame twice": {"instance_info": mmpose(person)["instance_info"] * 2},
        "MMPose: a frame that is a list": {"instance_info": [{"frame_id": [1], "instances": []}]},
        "MediaPipe: landmarks of text": [{"frame": 0, "landmarks": [{"x": "a", "y": "b"}] * 33}],
        "MediaPipe: frame -1": [{**mediapipe(person)[0], "frame": -1}],
        "MediaPipe: frame 10^18": [*mediapipe(person), {**mediapipe(person)[0], "frame": 10**18}],
        "UTF-8 that is none": "\ud800",
    }
    for name, content in contents.items():
        if content != "\ud800":
            yield f"JSON: {name}", _json("video.json", content)
    yield "JSON: bytes that are no text", _named("video.json", b'[{"keypoints": "\xff\xfe"}]', image_size="10x10")
    yield "JSON: a pipe", _named("video.json", None)
    for name, content in {"cut off": b'{"people": [{"pose', "another object": b"{}"}.items():
        file = "walk_000000000004_keypoints.json"
        yield f"OpenPose: {name}", _folder_of(_openpose_with(file, content), file)
    twice = "walk_4_keypoints.json"
    write = _openpose_with(twice, b'{"people": []}')
    yield (
        "OpenPose: a frame twice",
        _folder_of(
            lambda folder: (write(folder), (folder / "walk_04_keypoints.json").write_bytes(b'{"people": []}')), twice
        ),
    )
    far = f"walk_{10**17}_keypoints.json"
    yield "OpenPose: frame 10^17", _folder_of(_openpose_with(far, b'{"people": []}'), far)
    for name, content in {
        "10^12 frames are promised": header((PROMISED, 17, 2)),
        "objects": objects(pickle.dumps(_Calls(os.system, "true"))),
        "texts": header((6, 17, 2), "<U4") + bytes(6 * 17 * 2 * 16),
        "no frames": header((0, 17, 2)),
        "NaN only": header((6, 17, 2)) + np.full((6, 17, 2), np.nan, np.float32).tobytes(),
        "cut off": header((6, 17, 2)) + bytes(500),
        "a header that is a call": header("(__import__('os').system('true'),)"),
        "a header nested deep": header("(" * 5_000 + ")" * 5_000),
    }.items():
        yield f".npy: {name}", _named("video.npy", content, image_size="1000x800", joints="coco")
    names = [f"{joint}_{value}" for joint in COCO_17.joints for value in "xy"]
    table = ["frame," + ",".join(names), *(f"{n}," + ",".join(map(str, flat(row))) for n, row in enumerate(person))]
    for name, lines in {
        "frame 10^12": [*table, table[-1].replace("5,", f"{PROMISED},", 1)],
        "a frame twice": [*table, table[-1]],
        "a text": [*table, table[-1].replace("5,", "6,", 1).rpartition(",")[0] + ",=cmd()"],
        "a longer row": [*table, table[-1].replace("5,", "6,", 1) + ",1,2,3"],
        "no rows": table[:1],
        "a zero byte": [*table[:3], "\0" * 1000],
        "an open quote": [*table[:3], '"' * 3],
    }.items():
        yield f"CSV: {name}", _named("video.csv", "\n".join(lines).encode(), image_size="1000x800")
    yield "CSV: a pipe", _named("video.csv", None)
    two = {"a\nb": person, "c": person}
    yield (
        "a custom video with a line break in its name",
        _folder_of(lambda folder: write_custom(folder / "data_2d_custom_x.npz", two), r"a\nb"),
    )


# Descriptions, prepared files, and paths


def _description(text: str) -> Callable[[Path, Path], Offer]:
    def offer(folder: Path, canary: Path) -> Offer:
        (folder / "mine.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
        return {"dataset": str(folder / "mine.toml")}, ("mine.toml",)

    return offer


def _prepared(change: Callable[[Path], None]) -> Callable[[Path, Path], Offer]:
    """A prepared file that was damaged afterwards."""

    def offer(folder: Path, canary: Path) -> Offer:
        parameters = {
            "dataset": str(write_npz(folder / "mine.npz", {"a/Walking/1": motion(), "b/Walking/1": motion()}))
        }
        spec = make_config(DataSpec, parameters)
        open_dataset(spec)
        path = prepared_path(spec)
        change(path)
        return parameters, (str(path), "prepare")

    return offer


def _damaged_header(damage: Callable[[dict], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        known = json.loads(content[8 : 8 + length])
        inner = json.loads(known["__metadata__"]["header"])
        damage(inner)
        known["__metadata__"]["header"] = json.dumps(inner)
        text = json.dumps(known).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])

    return change


def _header_of(length: int, rest: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(length.to_bytes(8, "little") + rest) and None


def other_cases() -> Iterator[tuple[str, Callable[[Path, Path], Offer]]]:
    for name, text in {
        "nested a hundred thousand deep": "path = " + "[" * 100_000,
        "a path that is a number": "path = 5",
        "itself": "path = 'mine.toml'",
        "a path with a zero byte": 'path = "a\\u0000b"',
        "a path of 10,000 letters": f"path = '{'a' * 10_000}'",
        "bytes that are no text": "path = '\udcff'",
        "an unknown parameter": "path = 'x'\nallow_pickle = true",
        "nothing": "",
    }.items():
        yield f"a description: {name}", _description(text)
    changes: dict[str, Callable[[Path], object]] = {
        "nothing": lambda path: path.write_bytes(b""),
        "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
        "a header of 10^12 bytes": _header_of(PROMISED, b"{}"),
        "a header nested a million deep": _header_of(10**6, b"[" * 10**6),
        "a pickle": lambda path: path.write_bytes(pickle.dumps(_Calls(os.system, "true"))),
        "a shape of 10^12": lambda path: path.write_bytes(path.read_bytes().replace(b'"shape":[48', b'"shape":[%d' % PROMISED)),
        "a clip of 10^12 frames": _damaged_header(lambda known: known["clips"]["stop"].__setitem__(-1, PROMISED)),
        "a clip before the first": _damaged_header(lambda known: known["clips"]["start"].__setitem__(0, -5)),
        "texts for numbers": _damaged_header(lambda known: known["clips"].update(start=["a"] * 8)),
        "a clip less": _damaged_header(lambda known: known["clips"]["take"].pop()),
        "no cameras": _damaged_header(lambda known: known.update(cameras=[])),
        "no skeleton": _damaged_header(lambda known: known.pop("skeleton")),
        "a skeleton that is a number": _damaged_header(lambda known: known.update(skeleton=5)),
        "an escape in a name": _damaged_header(lambda known: known.update(name="\x1b[2J")),
        "other arrays": lambda path: save_file({"x": np.zeros(3)}, path, metadata={"format": "pose3d-dataset-1", "header": "{}"}),
    }  # fmt: skip
    for name, change in changes.items():
        yield f"a prepared file: {name}", _prepared(change)
    for name, dataset in {
        "5,000 letters": "a" * 5000 + ".npz", "a zero byte": "a\0b.npz", "a half letter": "a\udcff.npz",
        "a device": "/dev/zero", "nothing": "", "a line break": "a\nb.npz",
    }.items():  # fmt: skip
        yield f"a path: {name}", lambda folder, canary, dataset=dataset: ({"dataset": dataset}, ())


def truncated_cases() -> Iterator[tuple[str, Callable[[Path, Path], Offer]]]:
    shares = (0.0, 0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.999)
    takes = {subject: {"Walking 1": np.tile(motion(3)[:, :1], (1, 32, 1))} for subject in ("S1", "S9")}
    wholes: dict[str, Callable[[Path], Path]] = {
        "plain motion": lambda folder: write_npz(
            folder / "mine.npz", {"a/Walking/1": motion(), "b/Walking/1": motion()}
        ),
        "VideoPose3D": lambda folder: (
            np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=takes) or folder / "data_3d_h36m.npz"
        ),
        "BVH": lambda folder: write_person(folder / "walk.bvh"),
        "Detectron": lambda folder: write_detectron(folder / "video.npz", [[pose] for pose in walk_2d(5)]),
        "JSON": lambda folder: _write(folder / "video.json", json.dumps(alphapose(walk_2d(6))).encode()),
        ".npy": lambda folder: _write(folder / "video.npy", header((6, 17, 2)) + walk_2d(6).astype("f4").tobytes()),
        "zip": lambda folder: folder / _archive("h36m.zip", [])(folder, folder)[1][0],
        "tgz": lambda folder: folder / _archive("Poses_D3_Positions_all.tgz", [])(folder, folder)[1][0],
    }
    for kind, make in wholes.items():
        for share in shares:

            def offer(folder: Path, canary: Path, make: Callable = make, share: float = share) -> Offer:
                path = make(folder)
                content = path.read_bytes()
                path.write_bytes(content[: int(share * len(content))])
                named = {"dataset": "h36m"} if path.name == "data_3d_h36m.npz" else {"dataset": str(path)}
                size = {"image_size": f"{SIZE[0]}x{SIZE[1]}"} if path.suffix in (".json", ".npy") else {}
                return {**named, **size, **({"joints": "coco"} if size else {})}, (str(path),)

            yield f"cut off at {share:.1%}: {kind}", offer
    for ending, make in {".cdf": make_cdf, ".cdf.mat": make_mat, ".h5": make_h5}.items():
        for share in shares[:-1]:  # behind the poses, a MATLAB file has more

            def write(path: Path, make: Callable = make, share: float = share) -> None:
                make(path, recording(6))
                content = path.read_bytes()
                path.write_bytes(content[: int(share * len(content))])

            yield f"cut off at {share:.1%}: {ending}", _original(ending, write)
    for share in shares:
        yield (
            f"cut off at {share:.1%}: a prepared file",
            _prepared(lambda path, share=share: os.truncate(path, int(share * path.stat().st_size))),
        )


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


CASES = dict(
    [
        *pickled_cases(), *npz_cases(), *human36m_cases(), *bvh_cases(), *detection_cases(), *other_cases(),
        *truncated_cases(),
    ]
)  # fmt: skip


# Offering them


@dataclass
class Outcome:
    """What became of a file.

    Attributes:
        case: which.
        error: the class of what was raised; empty if it was opened.
        message: of the error.
        named: what the message has to hold.
        seconds: that it took, of which `cpu` on the processor.
        megabytes: of memory at the most, beyond what there was before.
        harm: what it had done: processes, a canary, files that stayed.
    """

    case: str
    error: str = ""
    message: str = ""
    named: tuple[str, ...] = ()
    seconds: float = 0.0
    cpu: float = 0.0
    megabytes: float = 0.0
    harm: list[str] = field(default_factory=list)


class OverdueError(BaseException):
    """It took too long, or hung."""


def offer_all(root: Path, cases: dict[str, Callable[[Path, Path], Offer]]) -> Iterator[Outcome]:
    """Every case in a folder of its own, opened as a user would.

    An audit hook sees what this process starts, the canary what the reader does.
    """
    events: list[str] = []
    reader = "pose3d_lib.data.untrusted.reader"  # which is started again when a file has ended it
    sys.addaudithook(
        lambda event, given: events.append(event) if event.startswith(HARMFUL) and reader not in str(given) else None
    )
    signal.signal(signal.SIGALRM, _overdue)
    for number, (name, make) in enumerate(cases.items()):
        folder = root / str(number)
        (folder / "files").mkdir(parents=True)
        os.environ["POSE3D_DATA"] = str(folder / "files")
        os.environ["POSE3D_OUTPUTS"] = str(folder / "outputs")
        canary = folder / "canary"
        parameters, named = make(folder / "files", canary)
        kept = set(folder.rglob("*"))
        outcome = Outcome(name, named=named)
        events.clear()
        with _measured(outcome), warnings.catch_warnings(action="error"):
            try:
                open_dataset(make_config(DataSpec, parameters))
            except (Exception, OverdueError) as error:
                outcome.error, outcome.message = type(error).__name__, str(error)
                if isinstance(error, InputError):
                    outcome.error = "InputError"
        left = [str(path.relative_to(folder)) for path in folder.rglob("*") if path not in kept and path.is_file()]
        outcome.harm += events + [path for path in left if not path.endswith(".lock")]
        yield outcome


@contextmanager
def _measured(outcome: Outcome) -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident size is counted anew
    before, began, cpu = _memory("VmRSS"), time.monotonic(), time.process_time()
    signal.alarm(30)
    try:
        yield
    finally:
        signal.alarm(0)
        outcome.seconds, outcome.cpu = time.monotonic() - began, time.process_time() - cpu
        outcome.megabytes = (_memory("VmHWM") - before) / 1024


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _overdue(*_: object) -> None:
    raise OverdueError("took more than 30 seconds")


if __name__ == "__main__":
    client.PROCESSOR_SECONDS = 1  # a file that takes too long need not be waited for as long as a user's
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    for result in offer_all(Path(sys.argv[1]), {name: make for name, make in CASES.items() if only in name}):
        print(json.dumps(asdict(result)), flush=True)
