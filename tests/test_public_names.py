"""The names that can be imported from `pose3d_lib` itself."""

import inspect
import subprocess
import sys

import pytest

import pose3d_lib


@pytest.mark.parametrize("name", pose3d_lib.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(pose3d_lib, name).__name__ == name


def test_importing_the_package_imports_none_of_its_rooms() -> None:
    code = "import sys, pose3d_lib; print([m for m in sys.modules if m in ('torch', 'numpy') or m.startswith('pose3d_lib.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", pose3d_lib.__all__)
def test_help_begins_with_what_the_arguments_mean(name: str) -> None:
    """Shift+Tab in JupyterLab shows the first lines of a docstring; an error's are told by the shapes in its first line."""
    first, *rest = inspect.getdoc(getattr(pose3d_lib, name)).split("\n\n")
    assert "twice -> " in first or rest[0].startswith(("Args:\n", "Attributes:\n"))


def test_completion_offers_the_public_names_and_no_other() -> None:
    assert dir(pose3d_lib) == sorted(pose3d_lib.__all__)
