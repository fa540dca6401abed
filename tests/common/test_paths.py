"""Data and outputs lie in the same place whoever asks from wherever."""

from pathlib import Path

import pytest

from pose3d_lib.common import paths

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_folders_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSE3D_OUTPUTS", raising=False)
    monkeypatch.delenv("POSE3D_DATA", raising=False)


@pytest.mark.parametrize("folder", [CHECKOUT / "notebooks", Path("/")], ids=lambda f: f.name)
def test_every_folder_is_the_checkout_s_from_any_working_directory(folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert paths.project_root() == CHECKOUT
    assert paths.notebooks_dir() == CHECKOUT / "notebooks"
    assert paths.outputs_dir() == CHECKOUT / "outputs"
    assert paths.runs_dir() == CHECKOUT / "outputs" / "runs"
    assert paths.prepared_dir() == CHECKOUT / "outputs" / "data"
    assert paths.source_data_dir() == CHECKOUT / "data"


def test_outputs_go_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.source_data_dir() == CHECKOUT / "data"
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "downloads"))
    assert paths.outputs_dir() == tmp_path / "elsewhere"
    assert paths.runs_dir() == tmp_path / "elsewhere" / "runs"
    assert paths.prepared_dir() == tmp_path / "elsewhere" / "data"
    assert paths.source_data_dir() == tmp_path / "downloads"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("variable", "ask"), [("POSE3D_OUTPUTS", "outputs_dir"), ("POSE3D_DATA", "source_data_dir")])
def test_a_tilde_is_the_home_folder(variable, ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv(variable, "~/poses")
    assert getattr(paths, ask)() == tmp_path / "poses"


@pytest.mark.parametrize(("variable", "ask"), [("POSE3D_OUTPUTS", "outputs_dir"), ("POSE3D_DATA", "source_data_dir")])
def test_an_empty_variable_says_nothing(variable, ask, monkeypatch: pytest.MonkeyPatch) -> None:
    without = getattr(paths, ask)()
    monkeypatch.setenv(variable, "")
    assert getattr(paths, ask)() == without


@pytest.mark.parametrize(("variable", "ask"), [("POSE3D_OUTPUTS", "outputs_dir"), ("POSE3D_DATA", "source_data_dir")])
def test_a_relative_folder_is_the_same_from_any_working_directory(variable, ask, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(variable, "mine")
    before = getattr(paths, ask)()
    monkeypatch.chdir(tmp_path)
    assert getattr(paths, ask)() == before
