"""The datasets that have a name, in a table: what each is, whether it is there, how to get it."""

import pandas as pd

from pose3d_lib.common.paths import source_data_dir
from pose3d_lib.data.catalogue import collections
from pose3d_lib.data.sources import human36m

COLUMNS = ("Dataset", "What it is", "There", "Licence", "Where", "How to get it")

H36M_SITE, HUMANEVA_SITE = "http://vision.imar.ro/human3.6m", "http://humaneva.is.tue.mpg.de"

ON_REQUEST = {
    "h36m": (
        "Human3.6M",
        f"with an account of {H36M_SITE}; its own files as downloaded, or data_3d_h36m.npz and data_2d_h36m_*.npz",
    ),
    "humaneva15": (
        "HumanEva-I, 15 joints",
        f"registered at {HUMANEVA_SITE}; data_3d_humaneva15.npz and data_2d_humaneva15_*.npz",
    ),
    "humaneva20": (
        "HumanEva-I, 20 joints",
        f"registered at {HUMANEVA_SITE}; data_3d_humaneva20.npz and data_2d_humaneva20_*.npz",
    ),
}
"""Name -> title, and who gives out which files: those called data_* are made as VideoPose3D's DATASETS.md says."""


def list_named() -> pd.DataFrame:
    """Every dataset that has a name, in `COLUMNS`; "There" is yes or no, "Where" an absolute path."""
    root = source_data_dir()
    rows = [("synthetic", "motion of a built-in generator, seen with a detector-like error", True, "", "", "built in")]
    for name, (title, how) in ON_REQUEST.items():
        place = root / f"data_3d_{name}.npz"
        if name == "h36m" and not place.is_file() and human36m.recognise(root):
            place = root  # its own files, of which there are many
        how = f"{how}, into POSE3D_DATA; VideoPose3D's DATASETS.md says how the data_* files are made"
        rows.append((name, title, place.exists(), "by agreement, for research", str(place), how))
    for name, known in collections().items():
        what = f"{known.title}: {known.content}"
        rows.append((name, what, known.fetched, known.licence.name, str(known.home), f"`pose3d data fetch {name}`"))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.assign(There=table["There"].map({True: "yes", False: "no"}))
