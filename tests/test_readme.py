"""What README and docs/data.md say is so: tables are those of outputs/reference/, commands and links lead somewhere."""

import ast
import importlib
import re
import shlex
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

import click
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from pose3d_lib.cli import data as cli_data
from pose3d_lib.cli import main as cli
from pose3d_lib.cli.reproduce import put_table, read_table, write_reference
from pose3d_lib.common.errors import InputError
from pose3d_lib.common.tables import save_table, to_markdown
from pose3d_lib.data import catalogue
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.bvh.joints import parse_mapping, shipped_mappings
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.execution import NOTEBOOKS
from pose3d_lib.report.predict_config import PredictConfig
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config
from pose3d_lib.training.plan import check_run
from tests.helpers import bvh_texts, detection_files

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
MODELS = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
DOCUMENTS = {
    "README.md": README,
    "docs/data.md": DATA,
    "docs/performance.md": PERFORMANCE,
    "docs/models.md": MODELS,
}
REFERENCE = ROOT / "outputs" / "reference"
SHOWN = (
    *("quick/table_1", "paper/answer", "paper/claims", "paper/table_1", "paper/table_1_unit_epoch"),
    *("scarcity/table_scarcity", "scarcity/table_ablation"),
)


def blocks(text: str) -> dict[str, str]:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    return {found[1]: found[2].strip() for found in re.finditer(r"<!-- ([\w/]+) -->(.*?)<!-- /\1 -->", text, re.DOTALL)}


def fenced(text: str, language: str = "") -> list[str]:
    """The blocks between fences of this language, without the fences."""
    return [
        found[2]
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        if found[1] == language
    ]


def commands(text: str) -> list[list[str]]:
    """Every command that a text shows, in a block or within a sentence, as words; without comments."""
    lines = [line for block in fenced(text) for line in block.splitlines()]
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", plain)
    found = []
    for line in (*lines, *inline):
        for part in re.split(r"&&|;", line):
            words = shlex.split(part, comments=True) if part.count("'") % 2 == 0 else []
            if words and words[0] in ("make", "pose3d", "papermill") and "..." not in words:
                found.append(words)
    return found


COMMANDS = commands(README)


def ids(words: list[str]) -> str:
    return " ".join(words)


def parameters_in(words: list[str]) -> dict[str, str]:
    return {name: value for flag, name, value in zip(words, words[1:], words[2:], strict=False) if flag == "-p"}


def test_every_table_has_its_place() -> None:
    assert set(blocks(README)) == {*SHOWN, "speed"}  # that one is of `make bench`
    for name in blocks(README):
        assert README.count(f"<!-- {name} -->") == README.count(f"<!-- /{name} -->") == 1


@pytest.mark.parametrize("name", SHOWN)
def test_the_readme_shows_the_reference_tables_and_nothing_else(name: str) -> None:
    table = read_table(REFERENCE / f"{name}.md")
    assert len(table.splitlines()) >= 4
    assert blocks(README)[name] == table
    assert put_table(README, name, table) == README


@pytest.mark.parametrize("name", SHOWN)
def test_the_reference_says_what_was_run(name: str) -> None:
    caption = (REFERENCE / f"{name}.md").read_text(encoding="utf-8").partition("\n\n")[2]
    assert "SYNTHETIC data, nobody was filmed" in caption
    assert re.search(r"\d+ runs, seed ", caption)


@pytest.mark.parametrize("name", ["quick/table_1", "paper/table_1", "paper/table_1_unit_epoch"])
def test_the_tables_to_read_are_those_with_every_digit(name: str) -> None:
    table = pd.read_csv(REFERENCE / f"{name}.csv")
    shown = read_table(REFERENCE / f"{name}.md").splitlines()[2:]
    assert len(shown) == len(table) >= 2
    for line, row in zip(shown, table.itertuples(), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0] == row.Action
        assert cells[3].startswith(f"{table.loc[row.Index, 'Change [%]']:+.1f}")


def test_the_reference_holds_what_the_studies_write() -> None:
    for study, names in (
        ("quick", ("table_1", "table_2", "all_metrics", "claims")),
        ("paper", ("table_1", "table_2", "table_3", "table_3_unit_epoch", "table_on_the_way", "claims", "attribution")),
        ("scarcity", ("table_scarcity", "table_ablation", "table_question")),
    ):
        for name in names:
            for ending in (".csv", ".md", ".tex"):
                assert (REFERENCE / study / f"{name}{ending}").is_file(), (study, name)
    for figure in ("attribution", "curves", "transfer", "specialised", "mixing", "joints", "fewer_frames", "training"):
        assert (REFERENCE / "paper" / f"figure_{figure}.png").is_file(), figure
        assert (REFERENCE / "paper" / f"figure_{figure}.svg").is_file(), figure
    for figure in ("scarcity", "question"):
        for ending in (".png", ".svg"):
            assert (REFERENCE / "scarcity" / f"figure_{figure}{ending}").is_file(), figure


def test_the_readme_says_that_its_numbers_are_of_synthetic_data() -> None:
    for name in SHOWN:
        assert re.search(r"synthetic", README.partition(f"<!-- {name} -->")[0][-200:], re.IGNORECASE), name


def test_a_table_is_put_between_its_comments() -> None:
    text = "before\n<!-- a/table_1 -->\nan old table\n<!-- /a/table_1 -->\nafter\n<!-- a/table_2 -->\n<!-- /a/table_2 -->\n"
    table = to_markdown(pd.DataFrame({"Action": ["Eating \\1"], "Error [mm]": [43.3]}))
    once = put_table(text, "a/table_1", table)
    assert blocks(once)["a/table_1"] == table
    assert "an old table" not in once
    assert once.startswith("before\n<!-- a/table_1 -->\n")
    assert once.endswith("<!-- /a/table_1 -->\nafter\n<!-- a/table_2 -->\n<!-- /a/table_2 -->\n")
    assert put_table(once, "a/table_1", table) == once
    both = put_table(once, "a/table_2", table)
    assert blocks(both)["a/table_2"] == blocks(both)["a/table_1"]
    with pytest.raises(InputError, match="expected one place <!-- a/table_3 -->"):
        put_table(text, "a/table_3", table)


def test_writing_the_reference_copies_the_tables_and_fills_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose3d_lib.cli.reproduce.project_root", lambda: tmp_path / "project")
    readme = tmp_path / "project" / "README.md"
    readme.parent.mkdir()
    readme.write_text(
        "# Title\n<!-- quick/table_1 -->\n<!-- /quick/table_1 -->\n<!-- paper/claims -->\n<!-- /paper/claims -->\n"
    )
    table = pd.DataFrame({"Action": ["Eating"], "Original [mm]": [1 / 3]})
    save_table(table, tmp_path / "results" / "table_1", "Caption.")
    (tmp_path / "results" / "figure.png").write_bytes(b"\x89PNG")
    (tmp_path / "results" / "other.txt").write_text("not copied")
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "report.html").write_text("<p>The answer")
    written = write_reference(tmp_path / "results", "quick")
    reference = tmp_path / "project" / "outputs" / "reference" / "quick"
    assert written == [
        reference / name for name in ("figure.png", "table_1.csv", "table_1.md", "table_1.tex", "report.html")
    ]
    assert all(path.is_file() for path in written)
    text = readme.read_text()
    assert blocks(text) == {"quick/table_1": to_markdown(table), "paper/claims": ""}
    write_reference(tmp_path / "results", "quick")
    assert readme.read_text() == text
    with pytest.raises(InputError, match=r"claims.md: the README shows this table, and there is none"):
        write_reference(tmp_path / "results", "paper")


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


def parse(words: Sequence[str]) -> tuple[str, dict[str, object]]:
    """The command that words call, of `pose3d` or of `pose3d data`, and what it is given."""
    group, rest = cli.cli, list(words[1:])
    context = group.make_context("pose3d", list(rest))
    while True:
        name, command, rest = group.resolve_command(context, rest)
        context = command.make_context(name, list(rest), parent=context)
        if not isinstance(command, click.Group):
            return name, context.params
        group = command


def pose3d_commands(text: str) -> list[list[str]]:
    """Each command once, without the mere names of commands."""
    names = {("data", name) for name in cli_data.data.commands} | {
        (name,) for name in ("data", "run", "sweep", "evaluate")
    }
    found = {" ".join(words): words for words in commands(text) if words[0] == "pose3d" and len(words) > 1}
    return [words for words in found.values() if tuple(words[1:]) not in names - {("data", "list")}]


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A POSE3D_DATA with a little of everything that the commands of docs/data.md name."""
    root = tmp_path_factory.mktemp("placed")
    for name, pattern in (
        ("bandai-namco-2", "dataset-2_walk_{}_001.bvh"),
        ("cmu", "{}.bvh"),
        ("bandai-namco-1", "dataset-1_walk_{}_001.bvh"),
    ):
        known = catalogue.collections()[name]
        subjects = [*known.parameters.get("train_subjects", ["other"]), *known.parameters["test_subjects"]]
        write_rig(root / name, [pattern.format(subject) for subject in subjects], known.parameters["joints"])
    rows = [
        f"{subject}.bvh,{subject},Walking,1"
        for subject in ("other", *catalogue.collections()["cmu"].parameters["test_subjects"])
    ]
    (root / "cmu" / "takes.csv").write_text("\n".join(["file,subject,action,take", *rows]))
    for style in ("Angry", "Zombie"):
        bvh_texts.write_person(root / "100STYLE" / style / f"{style}_FW.bvh")
    for file in ("walk_anna_01", "walk_anna_02", "walk_ben_01"):
        bvh_texts.write_person(root / "my_bvh" / f"{file}.bvh")
    for file in ("Take_001", "Take_002", "Take_003"):
        bvh_texts.write_person(root / "studio" / f"{file}.bvh")
    (root / "studio" / "takes.csv").write_text(fenced(DATA, "csv")[0])
    for name, block in named_toml().items():
        (root / name).write_text(block)
    mapping = parse_mapping("own", tomllib.loads(named_toml()["my_joints.toml"]), "docs/data.md")
    write_rig(root / "rig", ["a/walk/1.bvh", "b/walk/1.bvh"], mapping.needed)
    motion = np.zeros((3, 17, 3), np.float32)
    np.savez(root / "motion.npz", **{"train/Walking/0": motion, "test/Walking/0": motion})
    for name, subject, take in (("h36m", "S1", "Walking 1"), ("humaneva15", "Train/S1", "Walking 1 chunk0")):
        np.savez(root / f"data_3d_{name}.npz", positions_3d={subject: {take: motion}})
        for keypoints in ("gt", "cpn_ft_h36m_dbb"):
            np.savez(root / f"data_2d_{name}_{keypoints}.npz", positions_2d={})
    for subject in ("S1", "S9"):
        folder = root / "Human3.6M" / subject / "MyPoseFeatures" / "D3_Positions"
        folder.mkdir(parents=True)
        (folder / "Walking 1.cdf").touch()
    detection_files.write_json(root / "phone.json", detection_files.mediapipe(detection_files.walk(3)))
    return root


def named_toml() -> dict[str, str]:
    """File name -> block of TOML, as the comment in its first line says."""
    return {re.match(r"# (\S+\.toml)\n", block)[1]: block for block in fenced(DATA, "toml")}


def write_rig(folder: Path, files: Sequence[str], joints: str | Sequence[str]) -> None:
    """BVH files of a skeleton that has these joints, or those of a shipped mapping, and no shape."""
    if isinstance(joints, str):
        mapping = shipped_mappings()[joints]
        joints = dict.fromkeys((*mapping.needed, *mapping.recognised_by))
    rig = [("Top", "", (0, 0, 0), bvh_texts.ROOT_CHANNELS)]
    rig += [(name, "Top", (0, 1, 0), bvh_texts.TURNS) for name in joints if ".end" not in name]
    rig += [(name, name.removesuffix(".end"), (0, 1, 0), ()) for name in joints if ".end" in name]
    text = bvh_texts.bvh_text(rig, np.zeros((2, 6 + 3 * sum(joint[3] == bvh_texts.TURNS for joint in rig))))
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)


@pytest.mark.parametrize("words", pose3d_commands(README + DATA + MODELS), ids=ids)
def test_pose3d_commands_are_accepted(words: list[str], placed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_DATA", str(placed))
    monkeypatch.chdir(placed)
    name, params = parse(words)
    if name == "fetch":
        assert params["name"] in catalogue.collections()
    if "given" not in params:
        return
    given = dict(params["given"]) | ({"dataset": params["dataset"]} if "dataset" in params else {})
    if given.get("dataset", "").startswith("/path/"):  # made up
        given["dataset"] = "motion.npz"
    kinds = {"sweep": StudyConfig, "reproduce": StudyConfig}
    kinds |= dict.fromkeys(("check", "export", "evaluate"), DataSpec)
    kinds["predict"] = PredictConfig
    config = make_config(kinds.get(name) or NOTEBOOKS[params["notebook"]], given)
    if "dataset" in given:
        check_data(config)


def test_every_kind_of_data_has_commands() -> None:
    parsed = [parse(words) for words in pose3d_commands(DATA)]
    assert {"list", "check", "fetch", "export", "reproduce"} <= {name for name, _ in parsed}
    checked = {params["dataset"] for name, params in parsed if name == "check"}
    assert {
        "synthetic",
        "bandai-namco-2",
        "my_bvh",
        "motion.npz",
        "h36m",
        "Human3.6M",
        "humaneva15",
        "phone.json",
    } <= checked


def test_a_wrong_parameter_in_the_text_would_be_seen(placed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_DATA", str(placed))
    for wrong in (
        "-p unit cm",
        "-p image_size 10x10",
        "-p test_subjects bert",
        "-p pattern {action}.bvh -p units foot",
    ):
        _, params = parse(shlex.split(f"pose3d data check my_bvh {wrong}"))
        with pytest.raises(InputError):
            check_data(make_config(DataSpec, {**dict(params["given"]), "dataset": str(placed / params["dataset"])}))
    with pytest.raises(click.UsageError):
        parse(["pose3d", "data", "chekc", "my_bvh"])


def test_the_parameters_of_the_data_are_all_named() -> None:
    listed = DATA.partition("The parameters of the data are those of `01_data_prep`:")[2].partition(".")[0]
    assert re.findall(r"`(\w+)`", listed) == list(DataSpec.model_fields)


def test_parameters_named_in_code_exist() -> None:
    for name in re.findall(r"`-p (\w+)[ `]", DATA):
        assert name in {*DataSpec.model_fields, *StudyConfig.model_fields, "preset"}


def test_the_joints_of_plain_motion_are_the_seventeen_in_order() -> None:
    listed = re.search(r"The joints are (.*?), in this order", DATA, re.DOTALL)[1]
    assert re.findall(r"\w+", listed) == list(H36M_17.joints)


@pytest.mark.parametrize("code", fenced(DATA + MODELS, "python"), ids=lambda code: code.split("\n", 1)[0])
def test_python_in_the_text_compiles_and_imports_what_there_is(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("pose3d_lib"):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


def test_collections_and_their_licences_are_those_of_the_catalogue() -> None:
    section = DATA.partition("## Open collections")[2].partition("\n## ")[0]
    for name, known in catalogue.collections().items():
        row = re.search(rf"^\| `{name}` \|.*$", section, re.MULTILINE)[0]
        assert row.endswith(f"| {known.licence.name} |")


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "papermill"], ids=ids)
def test_papermill_commands_name_notebooks_and_their_parameters(words: list[str]) -> None:
    if len(words) == 1:
        return
    assert (ROOT / "notebooks" / words[1]).is_file()
    make_config(NOTEBOOKS[words[1].removesuffix(".ipynb")], parameters_in(words))


@pytest.mark.parametrize("words", [w for w in COMMANDS if w[:2] == ["papermill", "02_train.ipynb"]], ids=ids)
def test_the_runs_in_the_text_can_be_made(words: list[str], tiny_outputs: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tiny_outputs))
    config = make_config(RunConfig, {"batch_size": 64, "threads": 1, **parameters_in(words), "scale": "tiny"})
    check_run(config, open_dataset(config.data))


def test_the_parameters_explained_are_parameters() -> None:
    rows = re.findall(r"^\| (`\w+`(?:[,;] `\w+`)*) \| .* \| .* \|$", README, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    known = {"preset", "study", *RunConfig.model_fields, *StudyConfig.model_fields}
    assert {"action", "preset", "unit_epochs", "seed"} <= set(names)
    assert set(names) <= known


MODES = (
    "causal", "dense", "chunk", "downsample", "scores", "mirror_training", "mirror_testing", "labelled_subjects",
    "unlabelled_subjects", "unlabelled_actions", "warmup_epochs", "without_terms", "projection", "trajectory", "train_share",
    "share_at", "test_every", "evaluate_at", "with_actions",
)  # fmt: skip
"""Of `02_train`, in which it does as VideoPose3D does."""


def rows_of_02_train() -> list[dict[str, str]]:
    """The parameters of each row that executes it, in the table of everything that VideoPose3D does."""
    table = README.partition("## Everything that VideoPose3D does")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|") and "papermill 02_train.ipynb" in line]
    return [parameters_in(words) for row in rows for words in commands(row) if words[0] == "papermill"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_a_row_and_stands_among_the_parameters_of_02_train(mode: str) -> None:
    assert any(mode in row for row in rows_of_02_train())
    assert mode in parameters_of_02_train()


def test_whatever_a_row_gives_02_train_stands_among_its_parameters() -> None:
    named = {name for row in rows_of_02_train() for name in row}
    assert named <= parameters_of_02_train()
    assert named >= {*MODES, "action", "preset"}


def parameters_of_02_train() -> set[str]:
    """Names in the cell that papermill and a reader take for the list of them."""
    notebook = nbformat.read(ROOT / "notebooks" / "02_train.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return {statement.target.id for statement in ast.parse(cell.source).body}


def links() -> list[tuple[str, str]]:
    """Document and target of every link."""
    return sorted({(name, to) for name, text in DOCUMENTS.items() for to in re.findall(r"\]\(([^)\s]+)\)", text)})


@pytest.mark.parametrize(("document", "target"), links())
def test_links_lead_somewhere(document: str, target: str) -> None:
    if re.match(r"[a-z]+://", target):
        return
    path, _, part = target.partition("#")
    assert not path.startswith("/")
    place = (ROOT / document).parent / path if path else ROOT / document
    assert place.exists()
    if part:
        titles = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
        assert part in [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def test_linked_files_are_not_ignored_by_git() -> None:
    inside = [((ROOT / name).parent / to.partition("#")[0]).resolve() for name, to in links() if "://" not in to]
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    ended = subprocess.run(["git", "check-ignore", *map(str, inside)], cwd=ROOT, capture_output=True, text=True)
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
    for name in set(re.findall(r"\bPOSE3D_\w+", README + DATA)):
        assert f'"{name}"' in library


def test_conda_s_environment_has_the_name_that_is_activated() -> None:
    (name,) = re.findall(r"conda activate (\w+)", README)
    assert yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["name"] == name


def test_nothing_is_left_to_be_filled_in() -> None:
    assert not re.findall(r"\bTODO\b|\bTBD\b|\bXXX\b|\b[A-Z]+_(?:MINUTES|SECONDS|NUMBER)\b", README + DATA)
