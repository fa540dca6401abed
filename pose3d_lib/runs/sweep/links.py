"""Links of an executed notebook, which lies in another folder than the notebook."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import nbformat

LINK = re.compile(r"(?<=\]\()(?!\w+:|[#/])[^()\s#]+")  # where a relative link in Markdown leads, without its anchor


def relink(notebook: "nbformat.NotebookNode", source: Path, folder: Path, beside: Collection[str] = ()) -> None:
    """Make the links in the text of a notebook from `source` lead to the same files from `folder`.

    Those to files that lie in both folders, `beside` by name, stay as they are.
    """

    def move(found: re.Match[str]) -> str:
        return found[0] if found[0] in beside else Path(os.path.relpath(source / found[0], folder)).as_posix()

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(move, cell.source)


def relink_file(path: Path, source: Path) -> None:
    """As `relink`, for an executed notebook that was written to `path`."""
    import nbformat  # a tenth of a second

    notebook = nbformat.read(path, as_version=4)
    relink(notebook, source, path.parent)
    nbformat.write(notebook, path)
