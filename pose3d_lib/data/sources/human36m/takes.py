"""One recording of Human3.6M from its file: CDF, MATLAB's `.cdf.mat` or the old HDF5, checked before it is believed.

All three hold 32 joints times 3 coordinates for each frame, millimetres in the world.
"""

from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import H36M_17_OF_32
from pose3d_lib.data.sources.human36m.files import KINDS
from pose3d_lib.data.untrusted.client import read_key

READERS = {".cdf": ("cdf", "Pose"), ".cdf.mat": ("mat", "data"), ".h5": ("h5", "3D_positions")}
"""Ending of a file -> how it is read, and the variable in it."""

JOINTS = 32

EXTENT = (0.5, 3.0)
"""Metres, the diagonal of the box around a body, in the middle of a recording: crouched, and with arms stretched out."""

FURTHEST = 100.0
"""Metres from the origin of the room."""


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
        flat = _read(path, kind)
    except InputError as error:
        said = str(error).removeprefix(str(path)).lstrip(",: ")[:300]
        raise InputError(f"{where}: cannot be read: {said}; {expected}. Download or copy it again") from error
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


def _read(path: Path, kind: str) -> np.ndarray:
    """The array of a recording's poses, whatever its shape."""
    found = read_key(path, *READERS[kind])
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path}: holds a {type(found).__name__}")
    if kind == ".h5":
        return found.T
    # Human3.6M stores a recording in one record of a CDF file.
    return found[0] if found.ndim == 3 and len(found) == 1 else found
