"""The names that can be imported from `pose3d_lib` itself."""

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
