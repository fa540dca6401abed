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
def test_a_folder_may_be_empty_relative_or_below_the_home_folder(variable, ask, tmp_path: Path, monkeypatch) -> None:
    without = getattr(paths, ask)()
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for given, expected in (("~/poses", tmp_path / "poses"), ("", without), ("mine", CHECKOUT / "mine")):
        monkeypatch.setenv(variable, given)
        assert getattr(paths, ask)() == expected
