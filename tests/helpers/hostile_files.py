"""Files that are meant to harm, or that have been damaged: each is written into a folder, with how it would be opened.

`python -m tests.helpers.hostile_files FOLDER` offers them all in one process and prints what became of each, a line of
JSON each.
"""

import io
import json
import os
import pickle
import resource
import signal
import struct
import sys
import tarfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.open import open_dataset, prepared_path
from pose3d_lib.data.skeleton import COCO_17
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.data.untrusted import client
from pose3d_lib.data.untrusted.answers import ARRAY
from pose3d_lib.training.parameters import make_config
from tests.helpers import detection_files as detected
from tests.helpers.bvh_texts import PERSON, bvh_text, walk, write_person
from tests.helpers.human36m_files import file_of, make_cdf, make_h5, make_mat, make_old_cdf, recording
from tests.helpers.human36m_files import write as write_originals

LARGE = 10**9
PROMISED = 10**12

Offer = tuple[dict[str, object], tuple[str, ...]]
"""The parameters that open a file, and what its refusal has to name: the file, and key or clip where there is one."""

Make = Callable[[Path, Path], Offer]
"""Writes a file into a folder; what it would do, if it could, is to make the other path, the canary."""

Cases = Iterator[tuple[str, Make]]

ENCODE = b"c_codecs\nencode\n"
HARMFUL = ("os.system", "subprocess.Popen", "os.exec", "os.spawn", "os.posix_spawn", "pty.spawn", "pickle.find_class")


# What files are made of


def counted(text: bytes) -> bytes:
    """A text as a pickle holds it."""
    return b"X" + len(text).to_bytes(4, "little") + text


def encodings_of_encodings() -> bytes:
    """A text in hexadecimal digits, 40 times: 2^40 of them."""
    value = counted(b"a" * 1000) + counted(b"latin1") + b"\x86R"
    for _ in range(40):
        value = ENCODE + value + counted(b"hex") + b"\x86R"
    return ENCODE + value.removeprefix(ENCODE)


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
    """Zero bytes, deflated to a thousandth; made in no time, as all whole blocks of 16 MB are the same."""
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
        checksum = zlib.crc32(packed) if method == zipfile.ZIP_STORED else 0
        known = struct.pack("<5H3L2H", 20, 0x800, method, 0, 33, checksum, len(packed), size, len(name.encode()), 0)
        table += struct.pack("<4sH", b"PK\1\2", 20) + known
        table += struct.pack("<3H2L", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\3\4" + known + name.encode() + packed
    count = len(members)
    path.write_bytes(body + table + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(table), len(body), 0))
    return path


def write_npz(path: Path, members: dict[str, bytes | np.ndarray]) -> Path:
    """An `.npz` of arrays, or of the bytes that a member shall have."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, content in members.items():
            archive.writestr(f"{key}.npy", npy(content) if isinstance(content, np.ndarray) else content)
    return path


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def offered(path: Path, *said: str, **parameters: object) -> Offer:
    return {"dataset": str(path), **parameters}, (str(path), *said)


def named(name: str, content: bytes | str | None, *said: str, **parameters: object) -> Make:
    """A file with this content; without any, a pipe that nobody writes to."""

    def make(folder: Path, canary: Path) -> Offer:
        path = folder / name
        if content is None:
            os.mkfifo(path)
        else:
            path.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
        return offered(path, *said, **parameters)

    return make


# Pickles


class Calls:
    """Pickled, it is a call of the function."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple:
        return self._call


MILLION = 1_000_000
PICKLES: dict[str, Callable[[Path], bytes]] = {
    "calls os.system": lambda canary: pickle.dumps({"S1": Calls(os.system, f"touch {canary}")}),
    "calls os.system, by old means": lambda canary: f"(S'touch {canary}'\nios\nsystem\n.".encode(),
    "calls eval": lambda canary: pickle.dumps(Calls(eval, f"__import__('os').system('touch {canary}')"), protocol=2),
    "opens a file": lambda canary: pickle.dumps([Calls(open, str(canary), "w")]),
    "imports": lambda _: b"\x80\x03cantigravity\nfly\n.",
    "asks for a bytearray of 10^12": lambda _: pickle.dumps(Calls(bytearray, PROMISED)),
    "says that a text of 10^12 follows": lambda _: b"\x80\x04\x8d" + struct.pack("<Q", PROMISED) + b"a.",
    "puts a number at 2^31 of its memory": lambda _: b"\x80\x03Nr\xff\xff\xff\x7f.",
    "lists a million deep": lambda _: b"\x80\x03" + b"]" * MILLION + b"a" * (MILLION - 1) + b".",
    "a list that holds itself": lambda _: b"\x80\x03]q\x00h\x00a.",
    "twenty million empty lists": lambda _: b"\x80\x03(" + b"]" * (20 * MILLION) + b"t.",
    "a number of 10^5 digits": lambda _: b"\x80\x03L" + b"9" * 100_000 + b"L\n.",
    "nothing": lambda _: b"",
}


def in_positions(folder: Path, content: bytes) -> Offer:
    path = write_npz(folder / "data_3d_h36m.npz", {"positions_3d": content})
    return {"dataset": "h36m"}, (str(path), "positions_3d")


def write_takes(folder: Path) -> Path:
    takes = {subject: {"Walking 1": np.tile(motion(3)[:, :1], (1, 32, 1))} for subject in ("S1", "S9")}
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=takes)
    return folder / "data_3d_h36m.npz"


def in_keypoints(folder: Path, content: bytes) -> Offer:
    write_takes(folder)
    layout = pickle.dumps(np.array({"num_joints": 17, "keypoints_symmetry": [[4], [1]]}, dtype=object))
    path = write_npz(folder / "data_2d_h36m_cpn.npz", {"metadata": objects(layout), "positions_2d": content})
    return {"dataset": "h36m", "keypoints": "cpn"}, (str(path), "positions_2d")


def in_detectron(folder: Path, content: bytes) -> Offer:
    nothing = objects(pickle.dumps(np.array(None, dtype=object)))
    return offered(
        write_npz(folder / "video.npz", {"boxes": content, "keypoints": content, "metadata": nothing}), "boxes"
    )


def in_custom(folder: Path, content: bytes) -> Offer:
    layout = pickle.dumps(np.array({"video_metadata": {}}, dtype=object))
    path = write_npz(folder / "data_2d_custom_x.npz", {"metadata": objects(layout), "positions_2d": content})
    return offered(path, "positions_2d", joints="coco")


def in_plain_motion(folder: Path, content: bytes | np.ndarray) -> Offer:
    """The second of two clips."""
    path = write_npz(folder / "mine.npz", {"ann/Walking/1": motion(), "bob/Walking/1": content})
    return offered(path, "bob/Walking/1")


def pickled_cases() -> Cases:
    def make(put: Callable, pickled: Callable, folder: Path, canary: Path) -> Offer:
        return put(folder, objects(pickled(canary)))

    for name, pickled in PICKLES.items():
        yield f"VideoPose3D's positions: a pickle, {name}", partial(make, in_positions, pickled)
    for place in (in_keypoints, in_detectron, in_custom, in_plain_motion):
        for name in ("calls os.system", "nothing"):
            yield f"{place.__name__}: a pickle, {name}", partial(make, place, PICKLES[name])
    for ending in ("npz", "npy", "json", "csv", "bvh", "toml", "zip"):
        pickled = pickle.dumps(Calls(os.system, "true"))
        yield f"a bare pickle called .{ending}", named(f"mine.{ending}", pickled)


# Plain motion, and any .npz


def keys_case(*keys: str, said: str) -> Make:
    """Plain motion under these keys, as they stand in the zip; names of clips are refused without the file's path."""

    def make(folder: Path, canary: Path) -> Offer:
        content = npy(motion())
        members = [(key, content, len(content)) for key in keys]
        path = write_zip(folder / "mine.npz", members, method=zipfile.ZIP_STORED)
        return {"dataset": str(path)}, ("mine", said)

    return make


def bomb(put: str, keys: list[str], start: bytes, size: int, said: str, **parameters: object) -> Make:
    """Members that say they are arrays, and are zeros that fill memory or disk."""

    def make(folder: Path, canary: Path) -> Offer:
        packed = b"\x00" + struct.pack("<HH", len(start), 0xFFFF - len(start)) + start + zeros(size)
        path = write_zip(folder / put, [(f"{key}.npy", packed, len(start) + size) for key in keys])
        return {"dataset": str(path), **parameters}, (put, said)

    return make


def laughing(folder: Path, canary: Path) -> Offer:
    """Lists, each of which holds the one before twice: 2^45 numbers if they were written out."""
    inner: list = [0]
    for _ in range(45):
        inner = [inner, inner]
    np.savez(folder / "data_3d_h36m.npz", positions_3d={name: {"Walking": inner} for name in ("S1", "S9")})
    return {"dataset": "h36m"}, ("data_3d_h36m.npz", "positions_3d")


def damaged_zip(mark: bytes, at: int, values: bytes, *said: str) -> Make:
    """Two clips, with other bytes behind the last of these marks."""

    def make(folder: Path, canary: Path) -> Offer:
        path = write_npz(folder / "mine.npz", {"ann/Walking/1": motion(), "bob/Walking/1": motion(seed=1)})
        data = bytearray(path.read_bytes())
        place = data.rfind(mark) + at
        data[place : place + len(values)] = values
        path.write_bytes(data)
        return offered(path, *said)

    return make


def changed(value: float, *places: tuple[int, ...]) -> np.ndarray:
    clip = motion().astype(np.float64)
    for number, place in enumerate(places):
        clip[place] = (-1) ** number * value
    return clip


def npz_cases() -> Cases:
    clip = motion()
    seconds = {
        "10^12 frames are promised": header((PROMISED, 17, 3)),
        "10^12 frames of nothing are promised": header((PROMISED, 17, 3), "<U0"),
        "a shape is nested a hundred thousand deep": header("(" * 100_000 + ")" * 100_000, version=2),
        "a header that is a call": header("(__import__('os').system('true'),)"),
        "a format of the future": b"\x93NUMPY\x09\x00" + bytes(100),
        "objects": header("(6,)", "|O") + pickle.dumps([None] * 6),
        "records": np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]),
        "texts": np.full((6, 17, 3), "1.5"), "no frames": clip[:0],
        "NaN": changed(np.nan, (3, 2, 1)),
        "numbers near the largest": changed(1e308, (1, 0), (1, 1)),
        "more bytes than said": header((6, 17, 3)) + bytes(1300),
    }  # fmt: skip
    for name, content in seconds.items():
        yield f"plain motion: {name}", lambda folder, _, content=content: in_plain_motion(folder, content)
    yield (
        "detections: 10^12 frames without people",
        lambda folder, _: in_detectron(folder, header((PROMISED, 2, 0, 4, 17))),
    )
    claimed = pickle.dumps(np.array({"video": {"custom": [{ARRAY: ["<f4", [PROMISED, 0, 2], 0]}]}}, dtype=object))
    yield "detections: 10^12 frames in an answer's words", lambda folder, _: in_custom(folder, objects(claimed))
    yield "an npy of 10^12 frames without joints", named("mine.npy", header((PROMISED, 0, 2)), "float32", joints="coco")
    walk = "a/Walking/1"
    yield "a bomb", bomb("mine.npz", [walk], header((4_901_960, 17, 3)), 4_901_960 * 204, walk)
    many = [f"{name}/Walking/{take}" for name in "ab" for take in range(20)]
    yield "a bomb in many clips", bomb("mine.npz", many, header((294_000, 17, 3)), 294_000 * 204, "unpacks")
    for key in ("positions_3d", "pose3d"):
        start = objects(b"\x80\x03B" + struct.pack("<I", LARGE - 1))
        yield f"VideoPose3D: a bomb under {key}", bomb("data_3d_h36m.npz", [key], start, LARGE, key, dataset="h36m")
    yield "VideoPose3D: a billion laughs", laughing
    for name, keys in {
        "a key twice": ("b/Walking/1.npy", "b/Walking/1.npy"),
        "a key with and without .npy": ("b/Walking/1.npy", "b/Walking/1"),
        "a path out of the file": ("../../b/Walking/1.npy", "a/Walking/1.npy"),
    }.items():
        yield f"plain motion: {name}", keys_case(*keys, said=keys[0].removesuffix(".npy"))
    for letter in ("\n", "\x1b[31m"):
        said = ascii(letter)[1:-1]
        yield f"plain motion: {said} in a subject", keys_case(f"a{letter}/Walking/1.npy", "b/Walking/1.npy", said=said)
        yield f"plain motion: {said} in a take", keys_case(f"a/Walking/1{letter}.npy", "b/Walking/1.npy", said=said)
    table, end, bob = b"PK\1\2", b"PK\5\6", "bob/Walking/1"
    yield "an empty zip", named("mine.npz", end + bytes(18))
    yield "an encrypted zip", damaged_zip(table, 8, b"\1\0", bob)
    yield "a zip with a wrong checksum", damaged_zip(table, 16, b"\1\2\3\4", bob)
    yield "a zip with a member beyond the end", damaged_zip(table, 42, b"\xff\xff\xff\x7f", bob)


# Human3.6M's originals


def original(ending: str, write: Callable[[Path], object], old: bytes = b"", new: bytes = b"") -> Make:
    """A folder of good takes of which one is made differently; `new` replaces `old` in it."""

    def make(folder: Path, canary: Path) -> Offer:
        write_originals(folder / "h36m")
        (folder / "h36m" / "S9" / "MyPoseFeatures" / "D3_Positions" / "Sitting 2.cdf").unlink()
        path = file_of(folder / "h36m", "S9/Sitting 2", ending)
        write(path)
        assert old in path.read_bytes()
        if old:
            path.write_bytes(path.read_bytes().replace(old, new))
        return {"dataset": str(folder / "h36m")}, ("Sitting 2" + ending,)

    return make


def promise_in_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("3D_positions", (96, PROMISED), "f8", chunks=(96, 100))


def write_archive(path: Path, entries: dict[str, bytes]) -> Path:
    """A zip or tgz with good takes and these entries, of which those that begin with "-> " are links."""
    good = write_originals(path.parent / "good")
    files = [(file.relative_to(good).as_posix(), file.read_bytes()) for file in sorted(good.rglob("*.cdf"))]
    if path.suffix == ".zip":
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in [*files, *entries.items()]:
                archive.writestr(entry, content)
        return path
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for entry, content in [*files, *entries.items()]:
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            if content.startswith(b"-> "):
                info.type, info.linkname, info.size = tarfile.SYMTYPE, content[3:].decode(), 0
            archive.addfile(info, io.BytesIO(content))
    return path


def archive_case(name: str, entry: str, content: bytes) -> Make:
    said = entry if len(content) < 10**6 else "unpacks to more than"
    return lambda folder, _: offered(write_archive(folder / name, {entry: content}), said)


def human36m_cases() -> Cases:
    good = recording(6)
    broken, infinite = good.copy(), good.copy()
    broken[0, 3, 7], infinite[0, 2, 2] = np.nan, np.inf
    values = {
        "NaN": broken, "infinity": infinite, "no frames": good[:, :0], "complex": good * 1j, "whole": good.astype("i4"),
        "texts": np.array([["text"]]),
    }  # fmt: skip
    for ending, write, kinds in (
        (".cdf", make_cdf, ("NaN", "infinity", "whole")),
        (".cdf.mat", make_mat, ("NaN", "complex", "texts", "no frames")),
        (".h5", make_h5, ("infinity", "whole", "no frames")),
    ):
        for kind in kinds:
            yield f"{ending}: {kind}", original(ending, lambda path, w=write, kind=kind: w(path, values[kind]))
    yield ".cdf: a pickle", original(".cdf", lambda path: path.write_bytes(pickle.dumps(Calls(os.system, "true"))))
    for kind, count in (("two thousand million frames are promised", 2**31 - 1), ("no frames", 0)):
        old, new = (struct.pack(">3i", 2, frames, 96) for frames in (6, count))
        yield f".cdf: {kind}", original(".cdf", lambda path: make_old_cdf(path, good), old, new)
    old, new = (struct.pack("<2i", frames, 96) for frames in (6, 2**31 - 1))
    yield ".cdf.mat: frames are promised", original(".cdf.mat", lambda path: make_mat(path, good), old, new)
    yield ".h5: 10^12 frames are promised", original(".h5", promise_in_h5)
    take = "S9/MyPoseFeatures/D3_Positions/Sitting 1.cdf"
    for name in ("h36m.zip", "Poses_D3_Positions_all.tgz"):
        for kind, (entry, content) in {
            "a path out of it": (f"../{take}", b"x"),
            "a bomb": (take, bytes(120_000_000)),
            "not a CDF": (take, b"x"),
            "a take twice": (take.replace("Sitting 1", "Sitting 2"), b"x"),
        }.items():
            yield f"{name}: {kind}", archive_case(name, entry, content)
    yield "tgz: a link", archive_case("Poses_D3_Positions_all.tgz", take, b"-> /etc/passwd")


# BVH


def bvh_case(text: str | bytes, said: str = "a_b_1", *, name: str = "a_b_1.bvh") -> Make:
    """A BVH file beside a good one."""

    def make(folder: Path, canary: Path) -> Offer:
        write_person(folder / "bvh" / "good_one_1.bvh")
        (folder / "bvh" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return {"dataset": str(folder / "bvh"), "pattern": "{action}_{subject}_{take}.bvh"}, (said,)

    return make


def beside_bvh(name: str, text: str, said: str = "", **parameters: object) -> Make:
    """Two good BVH files, and a file that says something of them."""

    def make(folder: Path, canary: Path) -> Offer:
        for good in ("walk", "run"):
            write_person(folder / "bvh" / f"{good}.bvh")
        (folder / "bvh" / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        mapping = {"joints": str(folder / "bvh" / name)} if name.endswith(".toml") else {}
        return {"dataset": str(folder / "bvh"), **parameters, **mapping}, (said or name,)

    return make


def bvh_cases() -> Cases:
    text = bvh_text(PERSON, walk(20))
    joint = "JOINT j{}\n{{\nOFFSET 0 0 0\nCHANNELS 0\n"
    root = "HIERARCHY\nROOT r\n{\nOFFSET 0 0 0\n"
    texts: dict[str, str | bytes] = {
        "10^12 frames are promised": text.replace("Frames: 20", f"Frames: {PROMISED}"),
        "joints a hundred thousand deep": root + "".join(map(joint.format, range(100_000))),
        "thirty thousand joints": root + "JOINT j\n{\nOFFSET 0 0 0\n}\n" * 30_000,
    }
    for name, content in texts.items():
        yield f"BVH: {name}", bvh_case(content)
    yield "BVH: a line break in a name", bvh_case(text, r"a\n", name="a\n_b_1.bvh")
    yield "BVH: bytes in a name that are no text", bvh_case(text, r"a\udcff", name="a\udcff_b_1.bvh")
    for name, table in {
        "a file outside the folder": "../../secret.bvh,a,b,c\nwalk.bvh,a,b,d\nrun.bvh,a,c,d\n",
        "a zero byte": "walk.bvh,a,b,c\nrun.bvh,a\0,b,c\n",
        "nothing": "",
    }.items():
        said = r"a\x00" if name == "a zero byte" else ""
        yield f"takes.csv: {name}", beside_bvh("takes.csv", "file,subject,action,take\n" + table, said)
    for name, table in {
        "nested a hundred thousand deep": "a = " + "[" * 100_000 + "]" * 100_000,
        "nothing": "",
    }.items():
        yield f"a mapping: {name}", beside_bvh("mine.toml", table, pattern="{action}.bvh")


# Detections

IMAGE = {"image_size": "1000x800"}


def videos(write: Callable[[Path], object], said: str) -> Make:
    """A folder of detections."""

    def make(folder: Path, canary: Path) -> Offer:
        (folder / "videos").mkdir()
        write(folder / "videos")
        return {"dataset": str(folder / "videos"), **IMAGE}, (said,)

    return make


def openpose_with(**files: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        detected.write_openpose(folder, detected.walk(4))
        for name, content in files.items():
            (folder / f"{name}_keypoints.json").write_bytes(content)

    return write


def json_cases() -> Cases:
    person = detected.walk(6)
    results, mediapipe = detected.alphapose(person), detected.mediapipe(person)
    contents: dict[str, object] = {
        "nested a million deep": '[{"keypoints": ' + "[" * 10**6 + "]" * 10**6 + "}]",
        "a number of 10^5 digits": json.dumps(results).replace("302.0", "9" * 100_000),
        "frame 10^12": [*results[:-1], {**results[-1], "image_id": f"{PROMISED}.jpg"}],
        "a hundred thousand joints": [{**results[0], "keypoints": [1.5] * 10**5}],
        "MediaPipe: frame 10^18": [*mediapipe, {**mediapipe[0], "frame": 10**18}],
    }
    for name, content in contents.items():
        text = content if isinstance(content, str) else json.dumps(content)
        yield f"JSON: {name}", named("video.json", text, **IMAGE)
    yield "JSON: bytes that are no text", named("video.json", b'[{"keypoints": "\xff\xfe"}]', **IMAGE)
    nobody, far = b'{"people": []}', f"walk_{10**17}"
    for name, said, write in (
        ("cut off", "walk_0000004_", openpose_with(walk_0000004=b'{"people": [{"pose')),
        ("frame 10^17", far, openpose_with(**{far: nobody})),
    ):
        yield f"OpenPose: {name}", videos(write, said)


def array_cases() -> Cases:
    person = detected.walk(6)
    for name, content in {
        "10^12 frames are promised": header((PROMISED, 17, 2)),
        "objects": objects(pickle.dumps(Calls(os.system, "true"))),
        "NaN only": header((6, 17, 2)) + np.full((6, 17, 2), np.nan, np.float32).tobytes(),
        "a header that is a call": header("(__import__('os').system('true'),)"),
    }.items():
        yield f".npy: {name}", named("video.npy", content, joints="coco", **IMAGE)
    names = [f"{joint}_{value}" for joint in COCO_17.joints for value in "xy"]
    rows = [f"{n}," + ",".join(map(str, detected.flat(row))) for n, row in enumerate(person)]
    table = ["frame," + ",".join(names), *rows]
    for name, lines in {
        "frame 10^12": [*table, rows[-1].replace("5,", f"{PROMISED},", 1)],
        "a zero byte": [*table[:3], "\0" * 1000],
    }.items():
        yield f"CSV: {name}", named("video.csv", "\n".join(lines), **IMAGE)
    two = {"a\nb": person, "c": person}
    write = partial(lambda folder: detected.write_custom(folder / "data_2d_custom_x.npz", two))
    yield "a custom video with a line break in its name", videos(write, r"a\nb")


# Descriptions, prepared files, and paths


def prepared(change: Callable[[Path], object]) -> Make:
    """A prepared file that was damaged afterwards."""

    def make(folder: Path, canary: Path) -> Offer:
        path = write_npz(folder / "mine.npz", {"a/Walking/1": motion(), "b/Walking/1": motion()})
        spec = make_config(DataSpec, {"dataset": str(path)})
        open_dataset(spec)
        change(prepared_path(spec))
        return {"dataset": str(path)}, (str(prepared_path(spec)), "prepare")

    return make


def content_of(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def other_cases() -> Cases:
    for name, text in {
        "nested a hundred thousand deep": "path = " + "[" * 100_000,
        "itself": "path = 'mine.toml'",
        "a path with a zero byte": 'path = "a\\u0000b"',
        "bytes that are no text": "path = '\udcff'",
        "an unknown parameter": "path = 'x'\nallow_pickle = true",
        "nothing": "",
    }.items():
        yield f"a description: {name}", named("mine.toml", text)
    long = (b'"shape":[48', b'"shape":[%d' % PROMISED)
    changes: dict[str, Callable[[Path], object]] = {
        "nothing": content_of(b""),
        "a header of 10^12 bytes": content_of(PROMISED.to_bytes(8, "little") + b"{}"),
        "a pickle": content_of(pickle.dumps(Calls(os.system, "true"))),
        "a shape of 10^12": lambda path: path.write_bytes(path.read_bytes().replace(*long)),
    }
    for name, change in changes.items():
        yield f"a prepared file: {name}", prepared(change)
    for ending in ("npz", "json", "csv", "bvh"):
        yield f"a pipe called .{ending}", named(f"video.{ending}", None)
    for dataset in ("a" * 5000 + ".npz", "a\0b.npz", "a\udcff.npz", "/dev/zero", "", "a\nb.npz"):
        yield f"the path {dataset[:20]!a}", lambda folder, canary, dataset=dataset: ({"dataset": dataset}, ())


# Files that are cut off

SHARES = (0.1, 0.95)


def cut(path: Path, share: float) -> Path:
    os.truncate(path, int(share * path.stat().st_size))
    return path


def truncated_cases() -> Cases:
    person, size = detected.walk(6), {"image_size": "x".join(map(str, detected.SIZE)), "joints": "coco"}
    two = {"a/Walking/1": motion(), "b/Walking/1": motion()}
    array = header((6, 17, 2)) + person.astype("f4").tobytes()
    wholes: dict[str, tuple[Callable[[Path], Path], dict[str, object]]] = {
        "plain motion": (lambda folder: write_npz(folder / "mine.npz", two), {}),
        "VideoPose3D": (write_takes, {"dataset": "h36m"}),
        "BVH": (lambda folder: write_person(folder / "walk.bvh"), {}),
        "Detectron": (lambda f: detected.write_detectron(f / "video.npz", [[pose] for pose in detected.walk(5)]), {}),
        "JSON": (lambda folder: written(folder / "video.json", json.dumps(detected.alphapose(person)).encode()), size),
        ".npy": (lambda folder: written(folder / "video.npy", array), size),
        "a custom file": (lambda f: detected.write_custom(f / "data_2d_custom_x.npz", {"walk": person}), {}),
        "zip": (lambda folder: write_archive(folder / "h36m.zip", {}), {}),
        "tgz": (lambda folder: write_archive(folder / "Poses_D3_Positions_all.tgz", {}), {}),
    }
    for share in SHARES:
        for kind, (write, more) in wholes.items():
            yield (
                f"cut off at {share:.0%}: {kind}",
                lambda folder, _, w=write, more=more, share=share: offered(cut(w(folder), share), **more),
            )
        for ending, write in {".cdf": make_cdf, ".cdf.mat": make_mat, ".h5": make_h5}.items():
            damaged = partial(lambda path, w, share: w(path, recording(6)) or cut(path, share), w=write, share=share)
            yield f"cut off at {share:.0%}: {ending}", original(ending, damaged)
        yield f"cut off at {share:.0%}: a prepared file", prepared(partial(cut, share=share))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


CASES: dict[str, Make] = dict([
    *pickled_cases(), *npz_cases(), *human36m_cases(), *bvh_cases(), *json_cases(), *array_cases(), *other_cases(),
    *truncated_cases(),
])  # fmt: skip


# Offering them


class OverdueError(BaseException):
    """It took too long, or hung."""


def offer_all(root: Path) -> Iterator[dict[str, object]]:
    """What became of every case, each in a folder of its own, opened as a user would.

    An audit hook sees what this process starts, the canary what the reader does.
    """
    events: list[str] = []
    reader = "pose3d_lib.data.untrusted.reader"  # which is started again when a file has ended it
    sys.addaudithook(
        lambda event, given: events.append(event) if event.startswith(HARMFUL) and reader not in str(given) else None
    )
    signal.signal(signal.SIGALRM, _overdue)
    for number, (name, make) in enumerate(CASES.items()):
        folder = root / str(number)
        (folder / "files").mkdir(parents=True)
        os.environ["POSE3D_DATA"] = str(folder / "files")
        os.environ["POSE3D_OUTPUTS"] = str(folder / "outputs")
        parameters, expected = make(folder / "files", folder / "canary")
        kept = set(folder.rglob("*"))
        outcome: dict[str, object] = {"case": name, "expected": expected, "error": "", "message": ""}
        events.clear()
        began = time.process_time()
        signal.alarm(30)
        try:
            with warnings.catch_warnings(action="error"):
                open_dataset(make_config(DataSpec, parameters))
        except InputError as error:
            outcome |= {"error": "InputError", "message": str(error)}
        except (Exception, OverdueError) as error:
            outcome |= {"error": type(error).__name__, "message": str(error)}
        signal.alarm(0)
        left = [path.name for path in folder.rglob("*") if path not in kept and path.is_file()]
        outcome["harm"] = events + [name for name in left if not name.endswith(".lock")]
        outcome["seconds"] = time.process_time() - began
        outcome["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # the most so far
        yield outcome


def _overdue(*_: object) -> None:
    raise OverdueError("took more than 30 seconds")


if __name__ == "__main__":
    client.PROCESSOR_SECONDS = 1  # a file that takes too long need not be waited for as long as a user's
    for result in offer_all(Path(sys.argv[1])):
        print(json.dumps(result), flush=True)
