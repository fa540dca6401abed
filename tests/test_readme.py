"""What the README says is so: its tables are those of outputs/reference/, its commands and links lead somewhere."""

import re
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pose3d_lib import cli
from pose3d_lib.config import ResultsConfig, RunConfig, SweepConfig, make_config
from pose3d_lib.errors import InputError
from pose3d_lib.execution import NOTEBOOKS
from pose3d_lib.reproduce import TABLES, put_table, write_reference
from pose3d_lib.tables import save_table, to_markdown

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "outputs" / "reference"
SHOWN = ("table_1", "table_2", "all_metrics")
"""Table 3 needs long runs."""


def blocks(text: str) -> dict[str, str]:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    return {found[1]: found[2].strip() for found in re.finditer(r"<!-- (\w+) -->(.*?)<!-- /\1 -->", text, re.DOTALL)}


def commands() -> list[list[str]]:
    """Every command that the README shows, in a block or within a sentence, as words; without comments."""
    fenced = [line for block in re.findall(r"```\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    found = []
    for line in (*fenced, *inline):
        for part in re.split(r"&&|;", line):
            words = shlex.split(part, comments=True) if part.count("'") % 2 == 0 else []
            if words and words[0] in ("make", "pose3d", "papermill") and "..." not in words:
                found.append(words)
    return found


COMMANDS = commands()


def ids(words: list[str]) -> str:
    return " ".join(words)


def parameters_in(words: list[str]) -> dict[str, str]:
    return {name: value for flag, name, value in zip(words, words[1:], words[2:], strict=False) if flag == "-p"}


def test_every_table_has_its_place() -> None:
    assert set(SHOWN) <= set(blocks(README)) <= set(TABLES)
    for name in blocks(README):
        assert README.count(f"<!-- {name} -->") == README.count(f"<!-- /{name} -->") == 1
    for name in TABLES:
        assert (REFERENCE / f"{name}.csv").is_file() == (name in blocks(README)), name


@pytest.mark.parametrize("name", SHOWN)
def test_the_readme_shows_the_reference_tables_and_nothing_else(name: str) -> None:
    table = pd.read_csv(REFERENCE / f"{name}.csv")
    assert len(table) >= 2
    assert blocks(README)[name] == to_markdown(table)
    assert put_table(README, name, table) == README


@pytest.mark.parametrize("name", SHOWN)
def test_the_reference_says_what_was_run(name: str) -> None:
    text = (REFERENCE / f"{name}.md").read_text(encoding="utf-8")
    table, _, caption = text.partition("\n\n")
    assert table == to_markdown(pd.read_csv(REFERENCE / f"{name}.csv"))
    assert "SYNTHETIC data, nobody was filmed" in caption
    assert re.search(r"\d+ runs, seed ", caption)


def test_the_readme_says_that_its_numbers_are_of_synthetic_data() -> None:
    for name in SHOWN:
        assert re.search(r"synthetic", README.partition(f"<!-- {name} -->")[0][-200:], re.IGNORECASE), name


def test_a_table_is_put_between_its_comments() -> None:
    text = "before\n<!-- table_1 -->\nan old table\n<!-- /table_1 -->\nafter\n<!-- table_2 -->\n<!-- /table_2 -->\n"
    table = pd.DataFrame({"Action": ["Eating \\1"], "Error [mm]": [43.3]})
    once = put_table(text, "table_1", table)
    assert blocks(once)["table_1"] == to_markdown(table)
    assert "an old table" not in once
    assert once.startswith("before\n<!-- table_1 -->\n")
    assert once.endswith("<!-- /table_1 -->\nafter\n<!-- table_2 -->\n<!-- /table_2 -->\n")
    assert put_table(once, "table_1", table) == once
    both = put_table(once, "table_2", table)
    assert blocks(both)["table_2"] == blocks(both)["table_1"]
    with pytest.raises(InputError, match="expected one place <!-- table_3 -->"):
        put_table(text, "table_3", table)


def test_writing_the_reference_copies_the_tables_and_fills_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose3d_lib.reproduce.project_root", lambda: tmp_path / "project")
    readme = tmp_path / "project" / "README.md"
    readme.parent.mkdir()
    readme.write_text("# Title\n<!-- table_1 -->\n<!-- /table_1 -->\n<!-- table_3 -->\n<!-- /table_3 -->\n")
    table = pd.DataFrame({"Action": ["Eating"], "Original [mm]": [1 / 3]})
    save_table(table, tmp_path / "results" / "table_1", "Caption.")
    (tmp_path / "results" / "figure.png").write_bytes(b"\x89PNG")
    (tmp_path / "results" / "other.txt").write_text("not copied")
    written = write_reference(tmp_path / "results")
    reference = tmp_path / "project" / "outputs" / "reference"
    assert written == [reference / name for name in ("figure.png", "table_1.csv", "table_1.md")]
    assert all(path.is_file() for path in written)
    text = readme.read_text()
    assert blocks(text) == {"table_1": to_markdown(table), "table_3": ""}
    write_reference(tmp_path / "results")
    assert readme.read_text() == text


def test_there_are_commands_of_every_kind() -> None:
    assert {words[0] for words in COMMANDS} == {"make", "pose3d", "papermill"}
    assert {"reproduce", "test", "lab"} <= {words[-1] for words in COMMANDS if words[0] == "make"}


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "make"], ids=ids)
def test_make_commands_exist(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)[1].split()
    variables = re.findall(r"^(\w+) *[?:]?=", makefile, re.MULTILINE)
    for word in words[1:]:
        name, is_variable, _ = word.partition("=")
        assert name in (variables if is_variable else targets)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "pose3d"], ids=ids)
def test_pose3d_commands_are_accepted(words: list[str]) -> None:
    if len(words) == 1:
        return
    context = cli.cli.make_context("pose3d", words[1:], resilient_parsing=False)
    with context:
        name, command, rest = cli.cli.resolve_command(context, words[1:])
        assert command is not None
        given = command.make_context(name, list(rest), parent=context).params
    kind = {"run": NOTEBOOKS.get(given.get("notebook")), "sweep": SweepConfig, "reproduce": ResultsConfig}[name]
    there = {name: value for name, value in given["given"] if not value.startswith("/path/")}  # made-up paths are not
    make_config(kind, there)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "papermill"], ids=ids)
def test_papermill_commands_name_notebooks_and_their_parameters(words: list[str]) -> None:
    if len(words) == 1:
        return
    assert (ROOT / "notebooks" / words[1]).is_file()
    make_config(NOTEBOOKS[words[1].removesuffix(".ipynb")], parameters_in(words))


def test_the_parameters_explained_are_parameters() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| .* \| .* \|$", README, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    known = {"preset", *RunConfig.model_fields, *ResultsConfig.model_fields}
    assert {"action", "preset", "unit_epochs", "seed"} <= set(names)
    assert set(names) <= known


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#\s]+)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    if re.match(r"[a-z]+://", target):
        return
    assert not target.startswith("/")
    assert (ROOT / target).exists()


def test_linked_files_are_not_ignored_by_git() -> None:
    targets = [t for t in set(re.findall(r"\]\(([^)#\s]+)\)", README)) if "://" not in t]
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    ended = subprocess.run(["git", "check-ignore", *targets], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == ""


def test_every_notebook_is_explained() -> None:
    for name in NOTEBOOKS:
        assert f"(notebooks/{name}.ipynb)" in README


def test_the_modules_in_what_is_where_exist() -> None:
    tree = re.search(r"^pose3d_lib/.*?(?=^\S+/ )", README.partition("## What is where")[2], re.DOTALL | re.MULTILINE)[0]
    listed = [re.match(r" +(\w+/?(?:, \w+)*)", line)[1] for line in tree.splitlines()[1:]]
    names = [name for line in listed for name in line.split(", ")]
    assert {"runs", "training", "sources/"} <= set(names)
    for name in names:
        path = ROOT / "pose3d_lib" / name
        assert path.is_dir() if name.endswith("/") else path.with_suffix(".py").is_file(), name


def test_environment_variables_are_those_the_library_reads() -> None:
    library = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pose3d_lib").rglob("*.py"))
    for name in set(re.findall(r"\bPOSE3D_\w+", README)):
        assert f'"{name}"' in library


def test_conda_s_environment_has_the_name_that_is_activated() -> None:
    (name,) = re.findall(r"conda activate (\w+)", README)
    assert yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["name"] == name


def test_nothing_is_left_to_be_filled_in() -> None:
    assert not re.findall(r"\bTODO\b|\bTBD\b|\bXXX\b|\b[A-Z]+_(?:MINUTES|SECONDS|NUMBER)\b", README)
