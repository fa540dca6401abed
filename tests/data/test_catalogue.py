"""The catalogue: what it says of the open collections holds together, and descriptions of one's own are read."""

import re
from pathlib import Path

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data import catalogue
from pose3d_lib.data.catalogue import collections, find_entry, read_collection, terms_of
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


def test_the_collections_are_those_that_the_documentation_names() -> None:
    assert tuple(collections()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_is_pinned_to_a_commit_of_a_public_repository(name) -> None:
    known = collections()[name]
    assert re.fullmatch(r"[0-9a-f]{40}", known.commit)
    match = re.fullmatch(r"https://codeload\.github\.com/[\w-]+/([\w-]+)/zip/([0-9a-f]{40})", known.url)
    assert match
    assert match[2] == known.commit
    assert known.archive == f"{match[1]}-{known.commit}.zip"  # as a browser names it, for who downloads it by hand


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_has_a_licence_and_says_whom_to_cite(name) -> None:
    known = collections()[name]
    assert known.licence.url.startswith("http")
    assert known.licence.terms.endswith(".")
    lines = known.licence_lines()
    for text in (known.title, known.licence.name, known.licence.terms, known.citation):
        assert any(text in line for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_of_a_collection_are_those_of_a_dataset(name) -> None:
    spec = DataSpec(dataset=name, **collections()[name].parameters)
    assert spec.units
    assert not set(spec.train_subjects) & set(spec.test_subjects)


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
def test_the_units_and_joints_of_a_collection_are_known_to_the_reader_of_bvh(name) -> None:
    parameters = collections()[name].parameters
    assert parse_units(parameters["units"])
    assert parameters["joints"] in shipped_mappings()
    assert parameters.keys() <= set(bvh.PARAMETERS)


def test_the_split_by_style_is_declared_for_what_it_is() -> None:
    notes = " ".join(find_entry("bandai-namco-2").notes)
    assert "a subject here is a style" in notes
    assert all(style in notes for style in collections()["bandai-namco-2"].parameters["test_subjects"])


def test_the_index_of_cmu_is_kept_with_the_data() -> None:
    known = collections()["cmu"]
    assert known.index in known.documents


@pytest.mark.parametrize("name", NAMES)
def test_the_licence_and_the_notes_of_a_collection_go_into_the_dataset(name, root: Path) -> None:
    entry, known = find_entry(name), collections()[name]
    assert known.licence.name in entry.notes[0]
    assert known.licence.terms in entry.notes[0]
    assert known.citation in entry.notes[0]
    assert entry.notes[1:] == known.notes
    assert entry.path == root / name
    assert f"pose3d data fetch {name}" in entry.missing


@pytest.mark.parametrize("name", NAMES)
def test_the_terms_of_a_collection_are_those_of_whatever_lies_in_its_folder(name, root: Path) -> None:
    known = collections()[name]
    for path in (root / name, root / name / "some" / "take.bvh", root / "other" / ".." / name):
        for part in (known.title, known.licence.name, known.licence.url, known.licence.terms):
            assert part in terms_of(path)
    for path in (root, root / f"{name}2", root / "take.bvh", Path()):
        assert terms_of(path) == ""


def test_a_key_that_no_collection_has_is_refused() -> None:
    licence = {"name": "a", "url": "b", "terms": "c"}
    with pytest.raises(TypeError, match="licences"):
        read_collection("x", {"licences": {}, "licence": licence})


def test_a_description_of_one_s_own_is_read_from_its_folder(root: Path) -> None:
    (root / "mine.toml").write_text('path = "takes"\nfps = 30\n')
    entry = find_entry("mine.toml")
    assert (entry.path, entry.parameters) == (root / "takes", {"fps": 30})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_description_may_have_a_byte_order_mark(encoding: str, root: Path) -> None:
    (root / "mine.TOML").write_text('path = "takes"\nfps = 30\n', encoding=encoding)
    assert find_entry("mine.TOML").parameters == {"fps": 30}


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


def test_a_name_that_is_nobody_s_has_no_entry() -> None:
    assert find_entry("bandai") is None


def test_collections_may_be_read_anew_after_a_change_of_the_folder(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "other"))
    assert catalogue.find_entry("cmu").path == tmp_path / "other" / "cmu"
