"""An executed notebook as one web page that needs nothing but itself: no script, no network, pictures and formulas inside."""

import ast
import html
import json
import os
import shlex
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.paths import make_folder, make_readable
from pose3d_lib.report.page.markup import outputs, to_markup

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOBODY_FILMED = "nobody was filmed"
"""What declarations and captions say of synthetic data, and of no other."""


def write_report(notebook: Path, target: Path, *, title: str) -> Path:
    """Writes an executed notebook as one HTML file; the same notebook gives the same bytes.

    Text and outputs keep their order, code is left out. Formulas become MathML; one that cannot be converted stays TeX.

    Args:
        notebook: nbformat 4, executed to its end or to an error that it shows.
        target: the HTML file; its folder is made, and a file of this name is replaced when the new one is whole.
        title: of the page.

    Returns:
        `target`.

    Raises:
        InputError: no notebook, one that was not executed, or a target that cannot be written.
    """
    if target.resolve() == notebook.resolve():
        raise InputError(
            f"{target}: is the notebook itself, which the page would replace; give the name of an HTML file"
        )
    executed = read_executed(notebook)
    page = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    content = to_markup(executed, title)
    text = Template(page).substitute(title=html.escape(title), about=_about(executed), content=content)
    make_folder(target.parent)
    try:
        _write(text, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); give the name of an HTML file") from error
    return target


def _write(text: str, target: Path) -> None:
    handle, unfinished = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
        make_readable(Path(unfinished))
        os.replace(unfinished, target)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def read_executed(path: Path) -> "NotebookNode":
    """A notebook whose code cells were executed, to the last or to one that raised; an InputError for any other."""
    from nbformat.v4 import to_notebook
    from nbformat.validator import iter_validate

    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: there is no such notebook; `pose3d run {shlex.quote(path.stem)}` executes it"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a notebook, for it is not JSON; give the executed .ipynb") from error
    if not isinstance(raw, dict) or raw.get("nbformat") != 4 or not isinstance(raw.get("cells"), list):
        raise InputError(f"{path}: not a notebook of format 4; JupyterLab opens older ones and saves them as such")
    # The ids of cells came with format 4.5, are often missing, and are of no use here.
    raw["nbformat_minor"] = 4
    raw["cells"] = [{k: v for k, v in c.items() if k != "id"} if isinstance(c, dict) else c for c in raw["cells"]]
    for problem in iter_validate(raw, version=4, version_minor=4):
        where = "/".join(str(step) for step in problem.absolute_path)
        raise InputError(f"{path}: not a valid notebook at {printable(where)}: {printable(problem.message)[:200]}")

    notebook = to_notebook(raw)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    executed = sum(cell.execution_count is not None or bool(cell.outputs) for cell in code)
    if not executed or (executed < len(code) and not _stopped(notebook)):
        raise InputError(
            f"{path}: {executed} of {len(code)} code cells were executed; execute all of them, with "
            f"`pose3d run {shlex.quote(path.stem)}` or in JupyterLab, and give the notebook that this saves"
        )
    return notebook


def _stopped(notebook: "NotebookNode") -> bool:
    return any(output.output_type == "error" for output in outputs(notebook))


def _about(notebook: "NotebookNode") -> str:
    """The line under the title: the dataset, whether it is synthetic, when it was executed; what the notebook tells."""
    given = parameters(notebook)
    said = []
    if given.get("dataset"):
        # Where a file lies on somebody's disk is nobody's business; what a collection is called has no folders.
        name = Path(str(given["dataset"])).name or str(given["dataset"])
        scale = f", scale {given['scale']}" if name == "synthetic" and given.get("scale") else ""
        said.append(f"Dataset: {html.escape(name + scale)}")
    if NOBODY_FILMED in _shown_text(notebook):
        said.append("<strong>Synthetic data: made by a program, nobody was filmed</strong>")
    executed = _end(notebook)
    if executed:
        said.append(f"Executed on {executed:%Y-%m-%d at %H:%M} UTC")
    if _stopped(notebook):
        said.append("<strong>Stopped by an error, which is shown below</strong>")
    return f'<p class="about">{" · ".join(said)}</p>\n' if said else ""


def parameters(notebook: "NotebookNode") -> Mapping[str, object]:
    """Name -> value of the cell tagged `parameters` and, where it differs, of those that papermill injected."""
    values: dict[str, object] = {}
    for cell in notebook.cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])):
            values |= _assigned(cell.source)
    return values


def _assigned(source: str) -> dict[str, object]:
    """The names to which a cell assigns plain values; none if it is not Python."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    values = {}
    for statement in statements:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            values |= {target.id: statement.value.value for target in targets if isinstance(target, ast.Name)}
    return values


def _shown_text(notebook: "NotebookNode") -> str:
    """What the outputs print, and what they show as Markdown."""
    return "\n".join(
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/markdown", "")
        for output in outputs(notebook)
    )


def _end(notebook: "NotebookNode") -> datetime | None:
    """When papermill had executed the notebook, in UTC."""
    try:
        end = datetime.fromisoformat(notebook.metadata["papermill"]["end_time"])
    except (KeyError, TypeError, ValueError):  # not by papermill, not finished, or no time
        return None
    return end.astimezone(UTC) if end.tzinfo else None
