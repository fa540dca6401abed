"""One recording of Human3.6M from its file: CDF, MATLAB's `.cdf.mat` or the old HDF5, with checks of what it holds.

All three hold 32 joints times 3 coordinates for each frame, millimetres in the world.
"""

import tempfile
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import H36M_17_OF_32
from pose3d_lib.data.sources.human36m.files import KINDS, TakeFile
from pose3d_lib.data.untrusted.client import read_key, read_member

READERS = {".cdf": ("cdf", "Pose"), ".cdf.mat": ("mat", "data"), ".h5": ("h5", "3D_positions")}  # how, which variable
JOINTS = 32
FILE_LIMIT = 50_000_000  # bytes: ten times what the longest recording of poses in Human3.6M takes
EXTENT = (0.5, 3.0)  # metres, the diagonal of the box around a body, halfway: crouched, and with arms stretched out
FURTHEST = 100.0  # metres from the origin of the room


def read_take(file: TakeFile) -> np.ndarray:
    """The 17 joints of a recording: (frames, 17, 3) float32, metres in the world.

    Raises:
        InputError: the file is damaged or holds something else; names it and says what was expected.
    """
    expected = f"expected {KINDS[file.kind]} with {JOINTS} joints x 3 coordinates for each frame, millimetres"
    if file.place.is_dir():
        flat = _read(file.place / file.name, file, expected)
    else:
        with tempfile.TemporaryDirectory(prefix="pose3d-") as folder:
            path = Path(folder) / "file"
            read_member(file.place, file.name).tofile(path)
            flat = _read(path, file, expected)
    if flat.dtype.kind != "f" or flat.ndim != 2 or flat.shape[1] != 3 * JOINTS or not len(flat):
        raise InputError(f"{file}: holds {flat.dtype}{flat.shape}; {expected}")
    millimetres = flat.reshape(-1, JOINTS, 3)[:, list(H36M_17_OF_32)]
    finite = np.isfinite(millimetres).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"{file}: holds NaN or infinity, first in frame {int(np.argmin(finite))}")
    joints = millimetres.astype(np.float64) / 1000
    if np.abs(joints).max() > FURTHEST:
        raise InputError(f"{file}: has joints {np.abs(joints).max():.0f} m from the room's origin; {expected}")
    extent = float(np.median(np.linalg.norm(np.ptp(joints, axis=1), axis=1)))
    if not EXTENT[0] < extent < EXTENT[1]:
        raise InputError(f"{file}: in millimetres the body would span {extent:.4g} m; {expected}")
    return joints.astype(np.float32)


def _read(path: Path, file: TakeFile, expected: str) -> np.ndarray:
    """The array of a recording's poses, whatever its shape."""
    if (size := path.stat().st_size) > FILE_LIMIT:
        raise InputError(f"{file}: has {size:,} bytes; expected a recording of at most {FILE_LIMIT:,}")
    try:
        found = read_key(path, *READERS[file.kind])
    except InputError as error:
        said = str(error).removeprefix(str(path)).lstrip(",: ")[:300]
        raise InputError(f"{file}: cannot be read: {said}; {expected}. Download or copy it again") from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{file}: holds a {type(found).__name__}; {expected}")
    if file.kind == ".h5":
        return found.T
    # Human3.6M stores a recording in one record of a CDF file.
    return found[0] if found.ndim == 3 and len(found) == 1 else found
