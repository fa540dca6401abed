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
    written = []
    for name, path in executed.items():
        notebook = nbformat.read(path, as_version=4)
        committed = nbformat.read(notebooks_dir() / path.name, as_version=4)
        texts = {cell.id: cell.source for cell in committed.cells}  # whose links an execution has changed
        notebook.metadata.pop("papermill", None)
        for cell in notebook.cells:
            cell.source = texts.get(cell.id, cell.source)
            cell.metadata = {name: own for name, own in cell.metadata.items() if name not in ("papermill", "execution")}
            for output in cell.get("outputs", []):
                _slim(output)
        relink(notebook, notebooks_dir(), folder, {f"{own}.ipynb" for own in executed})
        written.append(folder / f"{name}.ipynb")
        nbformat.write(notebook, written[-1])
    return written


def _slim(output: nbformat.NotebookNode) -> None:
    """Pictures compressed; no page with scripts, which a forge does not run; paths from the project's root."""
    root = f"{project_root()}/"
    if "text" in output:
        output.text = output.text.replace(root, "")
    data = output.get("data", {})
    for kind, content in data.items():
        if kind == "image/png":
            small = io.BytesIO()
            Image.open(io.BytesIO(base64.b64decode(content))).save(small, "PNG", optimize=True)
            data[kind] = base64.b64encode(small.getvalue()).decode("ascii")
        elif kind == "text/html" and SCRIPT.search(content):
            data[kind] = "<p><em>Left out of this copy: a player. Run the cell to see it.</em></p>"
        elif isinstance(content, str):
            data[kind] = content.replace(root, "")
