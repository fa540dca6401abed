"""One recording of Human3.6M from its file: CDF, MATLAB's `.cdf.mat` or the old HDF5, checked before it is believed.

All three hold 32 joints times 3 coordinates for each frame, millimetres in the world. What a header promises is compared
with what the file can hold before memory is taken for it.
"""

import io
import struct
import tempfile
import zlib
from math import prod
from pathlib import Path

import cdflib
import h5py
import numpy as np
import scipy.io

from pose3d_lib.errors import InputError
from pose3d_lib.skeleton import H36M_17_OF_32
from pose3d_lib.sources.human36m import cdf_structure
from pose3d_lib.sources.human36m.archives import FILE_LIMIT
from pose3d_lib.sources.human36m.files import KINDS

VARIABLE, MAT_FIELD, H5_DATASET = "Pose", "data", "3D_positions"
JOINTS = 32

EXTENT = (0.5, 3.0)
"""Metres, the diagonal of the box around a body, in the middle of a recording: crouched, and with arms stretched out."""

FURTHEST = 100.0
"""Metres from the origin of the room."""

_FAULTS = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, NameError, OverflowError, MemoryError, EOFError,
    RuntimeError, NotImplementedError, struct.error, zlib.error, scipy.io.matlab.MatReadError,
)  # fmt: skip
"""What the three libraries raise on files that are damaged or made up."""

_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3

_MAT_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
"""MATLAB's numbers for the types of stored numbers, and their bytes."""

_MATRIX, _COMPRESSED = 14, 15
_CELL, _DOUBLE, _SINGLE, _IS_COMPLEX = 1, 6, 7, 0x800
_MAT_HEADER = 128


def read_take(path: Path, kind: str, where: str) -> np.ndarray:
    """The 17 joints of a recording.

    Args:
        path: the file.
        kind: one of `KINDS`.
        where: what the file is called in messages: its path, or an archive and the name there.

    Returns:
        (frames, 17, 3) float32, metres in the world.

    Raises:
        InputError: the file is damaged or holds something else; names it and says what was expected.
    """
    expected = f"expected {KINDS[kind]} with {JOINTS} joints x 3 coordinates for each frame, millimetres"
    try:
        flat = {".cdf": _read_cdf, ".cdf.mat": _read_mat, ".h5": _read_h5}[kind](path)
    except _FAULTS as error:
        said = str(error) or type(error).__name__
        raise InputError(f"{where}: cannot be read: {said[:300]}; {expected}. Download or copy it again") from error
    if flat.dtype.kind != "f" or flat.ndim != 2 or flat.shape[1] != 3 * JOINTS or not len(flat):
        raise InputError(f"{where}: holds {flat.dtype}{flat.shape}; {expected}")
    millimetres = flat.reshape(-1, JOINTS, 3)[:, list(H36M_17_OF_32)]
    finite = np.isfinite(millimetres).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"{where}: holds NaN or infinity, first in frame {int(np.argmin(finite))}")
    joints = millimetres.astype(np.float64) / 1000
    if np.abs(joints).max() > FURTHEST:
        raise InputError(f"{where}: has joints {np.abs(joints).max():.0f} m from the room's origin; {expected}")
    extent = float(np.median(np.linalg.norm(np.ptp(joints, axis=1), axis=1)))
    if not EXTENT[0] < extent < EXTENT[1]:
        raise InputError(f"{where}: in millimetres the body would span {extent:.4g} m; {expected}")
    return joints.astype(np.float32)


def _read_cdf(path: Path) -> np.ndarray:
    data = path.read_bytes()
    if not cdf_structure.is_compressed(data):
        cdf_structure.check_variable(data, VARIABLE, FILE_LIMIT)
        return _rows(cdflib.CDF(path).varget(VARIABLE))
    data = cdf_structure.inflate(data, FILE_LIMIT)
    cdf_structure.check_variable(data, VARIABLE, FILE_LIMIT)
    with tempfile.TemporaryDirectory(prefix="pose3d-") as folder:
        plain = Path(folder) / "file.cdf"
        plain.write_bytes(data)
        return _rows(cdflib.CDF(plain).varget(VARIABLE))


def _rows(values: object) -> np.ndarray:
    """(1, frames, 96), as Human3.6M stores a recording in one record, as (frames, 96); anything else as it is."""
    values = np.asarray(values)
    return values[0] if values.ndim == 3 and len(values) == 1 else values


def _read_mat(path: Path) -> np.ndarray:
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            cells = _dataset(file, MAT_FIELD)
            if cells.shape != (1, 1) or cells.dtype != h5py.ref_dtype:
                raise ValueError(f"{MAT_FIELD!r} is {cells.dtype}{cells.shape}, expected one cell")
            # MATLAB counts columns first: what it calls (frames, 96) stands in HDF5 as (96, frames).
            return _numbers(file[cells[0, 0]])[:].T
    cell = scipy.io.loadmat(io.BytesIO(_mat_of_one_cell(path.read_bytes())), variable_names=[MAT_FIELD])[MAT_FIELD]
    return np.asarray(cell[0, 0])


def _mat_of_one_cell(data: bytes) -> bytes:
    """A MAT file of version 5 with only `data` in it: one cell that holds one real matrix as large as it says.

    scipy trusts sizes that a file states, and cells within cells down to where the stack ends.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or len(data) < _MAT_HEADER:
        raise ValueError("neither a MAT file of version 5 nor, as of version 7.3, an HDF5 file")
    at, unpacked = _MAT_HEADER, 0
    while at < len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        element = data[at : at + 8 + size]
        if len(element) != 8 + size:
            raise ValueError("is cut off")
        at += 8 + size
        if kind == _COMPRESSED:
            inflater = zlib.decompressobj()
            element = inflater.decompress(element[8:], FILE_LIMIT - unpacked + 1)
            unpacked += len(element)
            if not inflater.eof or unpacked > FILE_LIMIT:
                raise ValueError(f"is cut off or unpacks to more than {FILE_LIMIT:,} bytes")
        kind, content, _ = _mat_element(element, 0, order)
        if kind != _MATRIX:
            raise ValueError(f"an element of kind {kind}, expected a variable")
        matrix, shape, name, rest = _mat_matrix(content, order)
        if name == MAT_FIELD.encode():
            if matrix != _CELL or shape != (1, 1):
                raise ValueError(f"{MAT_FIELD!r} is of class {matrix}, shape {shape}; expected one cell")
            _check_mat_numbers(rest, order)
            # What the header says beyond its text is where MATLAB keeps objects: none are wanted.
            return data[:116] + bytes(8) + data[124:_MAT_HEADER] + element
    raise ValueError(f"has no variable {MAT_FIELD!r}")


def _mat_element(data: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Kind and content of the element there, and where the next one begins."""
    kind, size = struct.unpack_from(order + "II", data, at)
    if kind >> 16:  # up to four bytes stand within the tag itself
        return kind & 0xFFFF, data[at + 4 : at + 4 + min(kind >> 16, 4)], at + 8
    content = data[at + 8 : at + 8 + size]
    if len(content) != size:
        raise ValueError("is cut off")
    return kind, content, at + 8 + size + -size % 8


def _mat_matrix(content: bytes, order: str) -> tuple[int, tuple[int, ...], bytes, bytes]:
    """Class and flags, shape and name of a matrix, and what follows them: its numbers or cells."""
    _, flags, at = _mat_element(content, 0, order)
    _, shape, at = _mat_element(content, at, order)
    _, name, at = _mat_element(content, at, order)
    (flags,) = struct.unpack_from(order + "I", flags)
    return flags & 0x8FF, struct.unpack(f"{order}{len(shape) // 4}i", shape), name, content[at:]


def _check_mat_numbers(cell: bytes, order: str) -> None:
    kind, content, _ = _mat_element(cell, 0, order)
    matrix, shape, _, rest = _mat_matrix(content, order)
    if kind != _MATRIX or matrix not in (_DOUBLE, _SINGLE) or len(shape) != 2 or min(shape) < 0:
        raise ValueError(f"the cell holds class {matrix:#x}, shape {shape}; expected a real matrix of floats")
    kind, numbers, _ = _mat_element(rest, 0, order)
    if len(numbers) != prod(shape) * _MAT_SIZES.get(kind, 0):
        raise ValueError(f"has {len(numbers):,} bytes of numbers of kind {kind} for a matrix {shape}")


def _read_h5(path: Path) -> np.ndarray:
    with h5py.File(path, "r") as file:
        return _numbers(_dataset(file, H5_DATASET))[:].T


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    if name not in file or not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"has no dataset {name!r} of its own; found {', '.join(list(file)[:10]) or 'nothing'}")
    return _checked(file[name])


def _numbers(found: object) -> h5py.Dataset:
    found = _checked(found)
    if found.dtype.kind != "f" or found.ndim != 2:
        raise ValueError(f"a dataset is {found.dtype}{found.shape}, expected a matrix of floats")
    return found


def _checked(found: object) -> h5py.Dataset:
    """The dataset, if it lies in the file itself, in which it is as large as it says and can be read without surprises."""
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise ValueError(f"a {type(found).__name__} stands where a dataset is expected")
    if found.is_virtual or found.external:
        raise ValueError("a dataset lies in other files")
    if found.nbytes > FILE_LIMIT:
        raise ValueError(f"a dataset says that it is {found.dtype}{found.shape}")
    settings = found.id.get_create_plist()
    filters = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
    if not set(filters) <= {_DEFLATE, _SHUFFLE, _CHECKSUM} or len(set(filters)) < len(filters):
        raise ValueError(f"a dataset has the filters {filters}, expected none or gzip")
    if _DEFLATE in filters:
        _check_chunks(found)
    elif found.id.get_storage_size() < found.nbytes:
        raise ValueError(f"a dataset says that it is {found.dtype}{found.shape}, which is not in the file")
    return found


def _check_chunks(found: h5py.Dataset) -> None:
    """Unpacks every compressed chunk up to the size it should have: HDF5 itself would go on as long as it unpacks."""
    size = prod(found.chunks) * found.dtype.itemsize
    wanted = prod(-(-length // chunk) for length, chunk in zip(found.shape, found.chunks, strict=True))
    if found.id.get_num_chunks() != wanted or size > FILE_LIMIT:
        raise ValueError(f"a dataset of {wanted} chunks has {found.id.get_num_chunks()}, of {size:,} bytes each")
    for number in range(wanted):
        skipped, packed = found.id.read_direct_chunk(found.id.get_chunk_info(number).chunk_offset)
        if not skipped and len(zlib.decompressobj().decompress(packed, size + 9)) > size + 8:
            raise ValueError("a chunk unpacks to more than it should hold")
