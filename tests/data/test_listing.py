"""The list of datasets with a name: all of them, those that are there, and how to get the others."""

from pathlib import Path

import pytest

from pose3d_lib.data.catalogue import RECORD, collections
from pose3d_lib.data.listing import list_named


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path))
    return tmp_path


def test_every_dataset_with_a_name_is_listed_with_how_to_get_it(root: Path) -> None:
    listed = list_named().set_index("Dataset")
    assert tuple(listed.index) == ("synthetic", "h36m", "humaneva15", "humaneva20", *collections())
    assert list(listed.index[listed.There == "yes"]) == ["synthetic"]
    assert (listed["What it is"] != "").all()
    assert (listed["How to get it"] != "").all()
    assert listed.loc["cmu", "How to get it"] == "`pose3d data fetch cmu`"
    assert listed.loc["cmu", "Where"] == str(root / "cmu")
    assert listed.loc["cmu", "Licence"] == collections()["cmu"].licence.name
    assert listed.loc["h36m", "Where"] == str(root / "data_3d_h36m.npz")


def test_what_is_there_is_listed_as_there(root: Path) -> None:
    (root / "data_3d_h36m.npz").touch()
    (root / "cmu").mkdir()
    (root / "cmu" / RECORD).touch()
    (root / "bandai-namco-2").mkdir()  # without a record, it was not fetched
    listed = list_named()
    assert list(listed.Dataset[listed.There == "yes"]) == ["synthetic", "h36m", "cmu"]


def test_human36m_is_there_too_when_its_own_files_are(root: Path) -> None:
    folder = root / "S1" / "MyPoseFeatures" / "D3_Positions"
    folder.mkdir(parents=True)
    (folder / "Walking 1.cdf").touch()
    listed = list_named().set_index("Dataset")
    assert tuple(listed.loc["h36m", ["There", "Where"]]) == ("yes", str(root))
    assert listed.loc["humaneva15", "There"] == "no"
