"""The catalogue: open collections are consistent, descriptions are read, and everything with a name is listed."""

import re
from pathlib import Path

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.catalogue import RECORD, collections, find_entry, terms_of
from pose3d_lib.data.open import list_named
from pose3d_lib.data.sources import bvh
from pose3d_lib.data.sources.bvh import parse_units
from pose3d_lib.data.sources.bvh.joints import shipped_mappings
from pose3d_lib.data.sources.bvh.names import match
from pose3d_lib.data.spec import DataSpec

NAMES = ("bandai-namco-2", "bandai-namco-1", "cmu")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_is_pinned_to_a_commit_of_a_public_repository(name) -> None:
    known = collections()[name]
    found = re.fullmatch(r"https://codeload\.github\.com/[\w-]+/([\w-]+)/zip/([0-9a-f]{40})", known.url)
    assert known.commit == found[2]
    assert known.archive == f"{found[1]}-{known.commit}.zip"  # as a browser names it, for who downloads it by hand


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_has_terms_and_parameters_of_a_bvh_dataset(name, root: Path) -> None:
    known, entry = collections()[name], find_entry(name)
    spec = DataSpec(dataset=name, **known.parameters)
    assert not set(spec.train_subjects) & set(spec.test_subjects)
    assert parse_units(spec.units)
    assert spec.joints in shipped_mappings()
    assert known.parameters.keys() <= set(bvh.PARAMETERS)
    assert set(known.documents) >= ({known.index} if known.index else set())
    for text in (known.title, known.licence.name, known.licence.terms, known.citation):
        assert text in entry.notes[0]
    assert entry.notes[1:] == known.notes
    assert entry.path == root / name
    assert f"pose3d data fetch {name}" in entry.missing


@pytest.mark.parametrize(
    ("name", "file", "key"),
    [
        ("bandai-namco-1", "dataset-1_walk-back_not-confident_001.bvh", ("not-confident", "walk-back", "001")),
        ("bandai-namco-2", "dataset-2_raise-up-both-hands_active_001.bvh", ("active", "raise-up-both-hands", "001")),
    ],
)
def test_the_pattern_of_a_collection_reads_its_file_names(name, file, key) -> None:
    pattern = collections()[name].parameters["pattern"]
    assert match(pattern, file) == match(pattern, f"more/{file}") == key


@pytest.mark.parametrize("name", NAMES)
def test_the_terms_of_a_collection_are_those_of_whatever_lies_in_its_folder(name, root: Path) -> None:
    known = collections()[name]
    for path in (root / name, root / name / "some" / "take.bvh", root / "other" / ".." / name):
        for part in (known.title, known.licence.name, known.licence.url, known.licence.terms):
            assert part in terms_of(path)
    for path in (root, root / f"{name}2", root / "take.bvh", Path()):
        assert terms_of(path) == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_description_of_one_s_own_is_read_from_its_folder(encoding: str, root: Path) -> None:
    (root / "mine.TOML").write_text('path = "takes"\nfps = 30\n', encoding=encoding)
    entry = find_entry("mine.TOML")
    assert (entry.path, entry.parameters) == (root / "takes", {"fps": 30})
    assert find_entry("bandai") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fps = 30", "'path' is missing"),
        ('path = "a"\nfsp = 30', "did you mean fps"),
        ('path = "a"\ndataset = "b"', "unknown parameter"),
        ("path = ", "not a description"),
        ("path = " + "[" * 5000, "not a description"),
        ("\udcff", "not a description"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused_by_name(text, message, root: Path) -> None:
    (root / "mine.toml").write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=message) as refusal:
        find_entry(str(root / "mine.toml"))
    assert "mine.toml" in str(refusal.value)


def test_every_dataset_with_a_name_is_listed_with_how_to_get_it(root: Path) -> None:
    listed = list_named().set_index("Dataset")
    assert tuple(listed.index) == ("synthetic", "synthetic_h36m", "h36m", "humaneva15", "humaneva20", *NAMES)
    assert list(listed.index[listed.There == "yes"]) == ["synthetic", "synthetic_h36m"]
    assert (listed["What it is"] != "").all()
    assert (listed["How to get it"] != "").all()
    assert listed.loc["cmu", "How to get it"] == "`pose3d data fetch cmu`"
    assert listed.loc["cmu", "Where"] == str(root / "cmu")
    assert listed.loc["cmu", "Licence"] == collections()["cmu"].licence.name
    assert listed.loc["h36m", "Where"] == str(root / "data_3d_h36m.npz")


def test_what_is_there_is_listed_as_there(root: Path) -> None:
    original = root / "S1" / "MyPoseFeatures" / "D3_Positions" / "Walking 1.cdf"
    for file in (original, root / "cmu" / RECORD):
        file.parent.mkdir(parents=True)
        file.touch()
    (root / "bandai-namco-2").mkdir()  # without a record, it was not fetched
    listed = list_named().set_index("Dataset")
    assert list(listed.index[listed.There == "yes"]) == ["synthetic", "synthetic_h36m", "h36m", "cmu"]
    assert listed.loc["h36m", "Where"] == str(root)
    (root / "data_3d_h36m.npz").touch()
    assert list_named().set_index("Dataset").loc["h36m", "Where"] == str(root / "data_3d_h36m.npz")
