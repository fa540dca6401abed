"""The documents agree with the files and the commands: numbers, tables, commands, links."""

import re
import shlex
from pathlib import Path

import click
import human36m
import pandas as pd
import pytest
from reference import DOCUMENTS as FILLED
from reference import OF_ALL, put_table, read_table, write_reference

from pose3d_lib.cli import main as cli
from pose3d_lib.common.errors import InputError
from pose3d_lib.common.tables import save_table, to_markdown
from pose3d_lib.data import catalogue
from pose3d_lib.data.open import open_dataset
from pose3d_lib.report.parameters import NOTEBOOKS
from pose3d_lib.study.observations import RECOMPUTED
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.made_up_observations import make_observations
from tests.helpers.made_up_records import record_of

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in ROOT.glob("*.md")}
DOCUMENTS |= {f"docs/{path.name}": path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
DOCUMENTS["outputs/README.md"] = (ROOT / "outputs" / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "outputs" / "reference"
SHOWN = [(document, name) for document in FILLED for name in re.findall(r"<!-- ([\w-]+/\w+) -->", DOCUMENTS[document])]
# Study -> a word that says on which kind of data it was made.
KINDS = {"bandai-namco-2": "Bandai-Namco", "cmu": "CMU", "all": "data"} | dict.fromkeys(
    ("quick", "paper", "scarcity"), "synthetic"
)


def commands(text: str) -> list[list[str]]:
    """Every command that a document shows, in a block or within a sentence, as words; without comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = [*(line for block in blocks for line in block.splitlines()), *re.findall(r"`([^`\n]+)`", plain)]
    found = {}
    for part in (part for line in lines for part in re.split(r"&&|;", line) if part.count("'") % 2 == 0):
        words = shlex.split(part, comments=True)
        if len(words) > 1 and words[0] in ("make", "pose3d", "papermill") and not {"...", "NAME"} & {*words}:
            found[" ".join(words)] = words
    return list(found.values())


COMMANDS = [words for text in DOCUMENTS.values() for words in commands(text)]


def called(name: str) -> list[list[str]]:
    return [words for words in COMMANDS if words[0] == name]


@pytest.mark.parametrize(("document", "name"), SHOWN)
def test_documents_show_the_tables_of_the_reference(document: str, name: str) -> None:
    """A table whose study is not in the reference yet is empty."""
    text, path = DOCUMENTS[document], REFERENCE / f"{name}.md"
    table = OF_ALL[name]() if name in OF_ALL else read_table(path) if path.is_file() else ""
    assert put_table(text, name, table) == text
    before = text.partition(f"<!-- {name} -->")[0]
    assert KINDS[name.partition("/")[0]] in before[-300:], "what kind of data it is stands just before"


def test_a_table_is_put_between_its_comments() -> None:
    text = "before\n<!-- a/table_1 -->\nan old table\n<!-- /a/table_1 -->\nafter\n"
    table = to_markdown(pd.DataFrame({"Action": ["Eating \\1"], "Error [mm]": [43.3]}))
    once = put_table(text, "a/table_1", table)
    assert table in once
    assert "an old table" not in once
    assert put_table(once, "a/table_1", table) == once
    with pytest.raises(InputError, match="expected one place <!-- a/table_3 -->"):
        put_table(text, "a/table_3", table)


def test_writing_the_reference_copies_the_tables_and_fills_the_documents(tmp_path: Path, monkeypatch) -> None:
    project, results = tmp_path / "project", tmp_path / "results"
    monkeypatch.setattr("reference.project_root", lambda: project)
    names = ("my-set/table_1", "paper/claims", *OF_ALL)
    (project / "docs").mkdir(parents=True)
    for document in FILLED:
        (project / document).write_text("".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in names))
    observations = make_observations({(1.0, "epoch", RECOMPUTED): -11.0}, noise=0.001)
    record_of(observations, results, name="mine", synthetic=False).write()
    table = pd.DataFrame({"Action": ["Eating"], "Original [mm]": [1 / 3]})
    save_table(table, results / "table_1", "Caption.")
    (results / "figure.png").write_bytes(b"\x89PNG")
    (results / "other.txt").write_text("not copied")
    written = write_reference(results, "my-set")
    kept = {f"{name}.csv.gz" for name in vars(observations)} | {f"table_1.{kind}" for kind in ("csv", "md", "tex")}
    assert {path.name for path in written} == kept | {"study.json", "figure.png"}
    assert {path.parent for path in written} == {project / "outputs" / "reference" / "my-set"}
    for document in FILLED:
        text = (project / document).read_text()
        assert to_markdown(table) in text
        assert re.search(r"^\| C1 .*\| -11\.0 \[.*, reproduced +\|$", text, re.MULTILINE)
        assert "| mine " in text
    with pytest.raises(InputError, match=r"claims.md: README.md and docs/results.md show it"):
        write_reference(results, "paper")


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)[1].split()
    variables = re.findall(r"^(\w+) *[?:]?=", makefile, re.MULTILINE)
    for word in (word for words in called("make") for word in words[1:]):
        name, is_variable, _ = word.partition("=")
        assert name in (variables if is_variable else targets)


def test_pose3d_commands_are_accepted() -> None:
    assert len(called("pose3d")) > 20
    for words in called("pose3d"):
        group, rest = cli.cli, words[1:]
        context = group.make_context("pose3d", list(rest))
        while isinstance(group, click.Group) and rest:
            name, command, rest = group.resolve_command(context, list(rest))
            if isinstance(command, click.Group) and not rest:  # the name of a group, in a sentence
                break
            if len(words) == 2 + (context.parent is not None):  # the name of a command, in a sentence
                break
            context = command.make_context(name, list(rest), parent=context)
            group = command
        if context.info_name == "fetch":
            assert context.params["name"] in catalogue.collections()
        for name, _ in context.params.get("given", ()):
            assert any(name in {*kind.model_fields, *getattr(kind, "BUNDLES", {})} for kind in NOTEBOOKS.values()), (
                words
            )


@pytest.mark.parametrize("words", [words for words in called("papermill") if words[1].startswith("02")], ids=" ".join)
def test_the_runs_in_the_documents_can_be_made(words: list[str], tiny_outputs: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tiny_outputs))
    given = {name: value for flag, name, value in zip(words, words[1:], words[2:], strict=False) if flag == "-p"}
    config = make_config(RunConfig, {"batch_size": 64, "threads": 1, **given, "scale": "tiny"})
    plan_run(config, open_dataset(config.data))


def test_links_lead_somewhere() -> None:
    for document, text in DOCUMENTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+://", target):
                continue
            path, _, part = target.partition("#")
            place = (ROOT / document).parent / path if path else ROOT / document
            assert place.exists(), (document, target)
            titles = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE) if part else []
            anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert not part or part in anchors, (document, target)


def test_modules_named_in_the_documents_exist() -> None:
    for document, text in DOCUMENTS.items():
        for name in re.findall(r"`((?:cli|report|study|runs|training|model|data|common)/[\w/.]+\.py)", text):
            assert (ROOT / "pose3d_lib" / name).is_file(), (document, name)


def test_what_human36m_itself_takes_is_counted_from_its_studies() -> None:
    assert re.search(r"makes 68 runs, which see 0\.22 billion .* about 5 hours", human36m.tell_command(human36m.SHORT))
    replicate = 16 + 15  # under two schedules, which are one for the original
    fifth_seed, timed = 3, 3  # of the original, Eating and Sitting; four of the five training seeds are replicates
    assert f"makes {2 * 4 * replicate + fifth_seed + timed} runs" in human36m.tell_command(human36m.WHOLE)
