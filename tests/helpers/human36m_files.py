"""Human3.6M's original files, in each of their formats, of made-up recordings."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cdflib.cdfwrite
import h5py
import numpy as np
import scipy.io

SMALL = {"S1/Walking": 5, "S1/Walking 1": 3, "S9/Greeting": 4, "S9/Sitting 2": 6}
FOLDERS = {
    ".cdf": "MyPoseFeatures/D3_Positions",
    ".cdf.mat": "MyPoseFeatures/D3_Positions",
    ".h5": "MyPoses/3D_positions",
}


def recording(frames: int = 5, *, seed: int = 0) -> np.ndarray:
    """(1, frames, 96) millimetres: 32 points of a standing body, 1.7 m high, that moves a little near the room's middle."""
    rng = np.random.default_rng(seed)
    body = np.column_stack([rng.uniform(-250, 250, (32, 2)), np.linspace(0, 1000, 32)])
    body[0, 2] = 900  # the hip
    body[15, 2] = 1700  # the head
    return (body + rng.normal(0, 20, (frames, 32, 3)) + [300, -200, 0]).reshape(1, frames, 96)


def make_cdf(path: Path, values: np.ndarray, *, compress: int = 0, whole: int = 0, name: str = "Pose") -> None:
    file = cdflib.cdfwrite.CDF(path, cdf_spec={"Compressed": whole, "Majority": "row_major"}, delete=True)
    kinds = {"f8": 45, "f4": 44, "i4": 4}
    spec = {"Variable": name, "Data_Type": kinds[values.dtype.str[1:]], "Num_Elements": 1, "Rec_Vary": True}
    file.write_var({**spec, "Dim_Sizes": list(values.shape[1:]), "Compress": compress}, var_data=values)
    file.close()


def make_old_cdf(path: Path, values: np.ndarray, *, z_variable: bool = True, column_major: bool = False) -> None:
    """A CDF of version 2.7, as MATLAB wrote them: big-endian, offsets of four bytes, one uncompressed block."""
    sizes = values.shape[1:]
    packed = np.asarray(values[0], ">f8").tobytes("F" if column_major else "C")
    gdr = 8 + 304
    vdr = gdr + 60 + (0 if z_variable else 8)
    vxr = vdr + 128 + (20 if z_variable else 8)
    vvr = vxr + 32
    end = vvr + 8 + len(packed)
    parts = [
        bytes.fromhex("cdf260020000ffff"),
        struct.pack(">12i256s", 304, 1, gdr, 2, 7, 1, 2 if column_major else 3, 0, 0, 0, 0, 0, b"none"),
        struct.pack(">15i", vdr - gdr, 2, *((0, vdr) if z_variable else (vdr, 0)), 0, end,
                    *((0, 0, -1, 0, 1) if z_variable else (1, 0, 0, 2, 0)), 0, 0, -1, -1),
        b"" if z_variable else struct.pack(">2i", *sizes),
        struct.pack(">16i64s", vxr - vdr, 8 if z_variable else 3, 0, 45, 0, vxr, vxr, 1, 0, 0, 0, 0, 1, 0, -1, 1, b"Pose"),
        struct.pack(">3i", 2, *sizes) if z_variable else b"",
        struct.pack(">2i", -1, -1),
        struct.pack(">8i", 32, 6, 0, 1, 1, 0, 0, vvr),
        struct.pack(">2i", 8 + len(packed), 7),
        packed,
    ]  # fmt: skip
    path.write_bytes(b"".join(parts))


def make_mat(path: Path, values: np.ndarray, *, compress: bool = False) -> None:
    cell = np.empty((1, 1), object)
    cell[0, 0] = values[0]
    scipy.io.savemat(path, {"name": "x", "data": cell, "more": np.arange(3)}, appendmat=False, do_compression=compress)


def make_new_mat(path: Path, values: np.ndarray) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["#refs#/b"] = values[0].T
        file.create_dataset("data", (1, 1), h5py.ref_dtype)[0, 0] = file["#refs#/b"].ref


def make_h5(path: Path, values: np.ndarray, **settings) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("3D_positions", data=values[0].T, **settings)


MAKERS: dict[str, tuple[str, Callable]] = {
    "CDF": (".cdf", make_cdf),
    "CDF, compressed variable": (".cdf", lambda path, values: make_cdf(path, values, compress=6)),
    "CDF, compressed file": (".cdf", lambda path, values: make_cdf(path, values, whole=6)),
    "CDF 2": (".cdf", make_old_cdf),
    "CDF 2, column major": (".cdf", lambda path, values: make_old_cdf(path, values, column_major=True)),
    "CDF 2, old kind of variable": (".cdf", lambda path, values: make_old_cdf(path, values, z_variable=False)),
    "MATLAB": (".cdf.mat", make_mat),
    "MATLAB, compressed": (".cdf.mat", lambda path, values: make_mat(path, values, compress=True)),
    "MATLAB 7.3": (".cdf.mat", make_new_mat),
    "HDF5": (".h5", make_h5),
    "HDF5, compressed": (".h5", lambda path, values: make_h5(path, values, compression="gzip", shuffle=True)),
}


def file_of(root: Path, name: str, ending: str) -> Path:
    subject, stem = name.split("/")
    path = root / subject / FOLDERS[ending] / f"{stem}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(root: Path, takes: dict[str, int] = SMALL, *, kind: str = "CDF") -> Path:
    ending, make = MAKERS[kind]
    for name, frames in takes.items():
        make(file_of(root, name, ending), recording(frames, seed=zlib.crc32(name.encode())))
    return root
