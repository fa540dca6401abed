"""The files that install the project say the same thing: pyproject.toml, constraints.txt, environment.yml, Makefile."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import pose3d_lib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = [Requirement(line) for line in PROJECT["dependencies"]]
OPTIONAL = [Requirement(line) for extra in PROJECT["optional-dependencies"].values() for line in extra]
# Of the extras that users install; what the library imports of them is imported when it is needed, or for its types.
EXTRAS = {
    canonicalize_name(Requirement(line).name)
    for extra in ("cluster", "video", "onnx")
    for line in PROJECT["optional-dependencies"][extra]
}
CONSTRAINTS = [
    Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def third_party(requirements: list[Requirement]) -> list[Requirement]:
    """Without the package itself, which the extra `dev` names."""
    return [r for r in requirements if canonicalize_name(r.name) != PROJECT["name"]]


@pytest.mark.parametrize("requirement", third_party(REQUIRED + OPTIONAL), ids=lambda r: r.name)
def test_every_dependency_is_pinned_inside_its_range(requirement: Requirement) -> None:
    pins = [c for c in CONSTRAINTS if canonicalize_name(c.name) == canonicalize_name(requirement.name)]
    assert pins, f"{requirement.name} is not in constraints.txt: make lock"
    for pin in pins:
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert requirement.specifier.contains(specifier.version, prereleases=True), f"{pin} is outside {requirement}"


def test_constraints_serve_every_platform() -> None:
    names = [canonicalize_name(c.name) for c in CONSTRAINTS]
    assert not [name for name in names if name.startswith(("nvidia", "cuda", "triton"))]
    assert not [str(c) for c in CONSTRAINTS if "+" in str(c.specifier)], "a local build is on no public index"
    assert not [str(c) for c in CONSTRAINTS if c.url]


def test_conda_environment_installs_this_package_with_the_constraints() -> None:
    (pip_section,) = [d["pip"] for d in ENVIRONMENT["dependencies"] if isinstance(d, dict)]
    assert pip_section == ["--constraint constraints.txt", "--editable .[test]"]
    (python,) = [d for d in ENVIRONMENT["dependencies"] if isinstance(d, str) and d.startswith("python=")]
    assert SpecifierSet(PROJECT["requires-python"]).contains(Version(python.removeprefix("python=")))


def test_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == pose3d_lib.__version__
    assert citation["license"] == PROJECT["license"]


def test_library_imports_only_what_pyproject_requires() -> None:
    required = {canonicalize_name(r.name) for r in REQUIRED}
    owners = packages_distributions()
    undeclared = {}
    for path in sorted((ROOT / "pose3d_lib").rglob("*.py")):
        tree = ast.parse(path.read_text())
        later = [own for own in ast.walk(tree) if isinstance(own, ast.FunctionDef | ast.If)]
        lazy = {id(node) for own in later for node in ast.walk(own)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = {str(node.module).partition(".")[0]}
            else:
                continue
            for name in names - sys.stdlib_module_names - {"pose3d_lib"}:
                allowed = required | (EXTRAS if id(node) in lazy else set())
                if not {canonicalize_name(owner) for owner in owners.get(name, [name])} & allowed:
                    undeclared.setdefault(name, path.name)
    assert not undeclared, "imported, but not among the dependencies of pyproject.toml"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_help_lists_every_phony_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)[1].split())
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"^  make (\S+)", shown, re.MULTILINE))
    assert listed == phony
