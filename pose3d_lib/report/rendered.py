"""Executed notebooks as they are committed: small, without scripts and paths of a machine, with links that lead somewhere."""

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
from PIL import Image

from pose3d_lib.common.paths import notebooks_dir, project_root
from pose3d_lib.runs.sweep.links import relink

SCRIPT = re.compile(r"<(script|iframe)\b")


def write_rendered(executed: Mapping[str, Path], folder: Path) -> list[Path]:
    """Write executed notebooks, name -> path, into a folder of the project; links among them stay within it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {f"{name}.ipynb" for name in executed}
    written = []
    for name, path in executed.items():
        notebook = nbformat.read(path, as_version=4)
        _restore_links(notebook, name)
        relink(notebook, notebooks_dir(), folder, names)
        notebook.metadata.pop("papermill", None)
        for cell in notebook.cells:
            for key in ("papermill", "execution"):
                cell.metadata.pop(key, None)
            for output in cell.get("outputs", []):
                _slim(output)
        written.append(folder / f"{name}.ipynb")
        nbformat.write(notebook, written[-1])
    return written


def _restore_links(notebook: nbformat.NotebookNode, name: str) -> None:
    """Text as it is in the notebook's source, whose links an execution has changed."""
    source = nbformat.read(notebooks_dir() / f"{name}.ipynb", as_version=4)
    texts = {cell.id: cell.source for cell in source.cells if cell.cell_type == "markdown"}
    for cell in notebook.cells:
        cell.source = texts.get(cell.id, cell.source)


def _slim(output: nbformat.NotebookNode) -> None:
    """Pictures compressed; no page with scripts, which a forge does not run; paths from the project's root."""
    if "text" in output:
        output.text = _shorten(output.text)
    data = output.get("data", {})
    for kind, content in list(data.items()):
        if kind == "image/png":
            data[kind] = _compress(content)
        elif kind == "text/html" and SCRIPT.search(content):
            data[kind] = "<p><em>Left out of this copy: a player. Run the cell to see it.</em></p>"
        elif isinstance(content, str):
            data[kind] = _shorten(content)


def _shorten(text: str) -> str:
    return text.replace(f"{project_root()}/", "")


def _compress(png: str) -> str:
    """The same picture, as small as it can be written."""
    small = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii")
