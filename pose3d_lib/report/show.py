"""What the notebooks show of a run: a table, its figure, and a sentence whose numbers are filled in."""

import html
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import save_table, to_markdown
from pose3d_lib.report.figures.style import DPI, save_figure, to_png
from pose3d_lib.training.settings import Settings


def say(text: str) -> None:
    """Show a sentence of Markdown; names in it go through `escape_markdown`."""
    display(Markdown(text))


def show_table(table: pd.DataFrame, caption: str = "", *, folded: str = "") -> None:
    """Show a table as it is saved, with a caption, plain text; behind a summary if `folded` is one."""
    text = to_markdown(table) + (f"\n\n*{escape_markdown(caption)}*" if caption else "")
    if folded:
        fold(folded, text)
    else:
        say(text)


def fold(summary: str, text: str) -> None:
    """Show Markdown behind its summary, plain text, until a reader opens it."""
    say(f"<details><summary>{html.escape(summary)}</summary>\n\n{text}\n\n</details>")


def show_and_save(
    table: pd.DataFrame,
    path: Path,
    caption: str,
    shown: pd.DataFrame | None = None,
    *,
    about: str = "",
    folded: str = "",
) -> None:
    """Shows a table as `shown`, or else as it is, behind a summary if there is one, and saves both.

    `about` says of which data; it stands under the file, and in the notebook once for all tables and figures of a section.
    """
    save_table(table, path, f"{caption} {about}".strip(), shown)
    show_table(table if shown is None else shown, caption, folded=folded)


class Picture:
    """A figure as a notebook shows it: sharp on every screen; its alternative text is the caption or else the title."""

    def __init__(self, figure: Figure, caption: str = ""):
        parts = (figure, *figure.subfigs)
        titles = [text.get_text().replace("\n", " ") for part in parts for text in part.texts if text.get_text()]
        self.figure, self._caption = figure, caption or ". ".join(titles)

    def __repr__(self) -> str:
        return repr(self.figure)

    def _repr_png_(self) -> tuple[bytes, dict[str, object]]:
        width, height = (round(inches * DPI / 2) for inches in self.figure.get_size_inches())
        return to_png(self.figure), {"width": width, "height": height, "alt": self._caption}


def show_figure(figure: Figure, path: Path | None = None, caption: str = "") -> None:
    """Show a figure once, with a caption, plain text, that says what it shows; and save it if a path is given."""
    if path is not None:
        save_figure(figure, path)
    display(Picture(figure, caption))
    plt.close(figure)
    if caption:
        say(f"*{escape_markdown(caption)}*")


def name_data(name: str, *notes: str, synthetic: bool) -> str:
    """The name of a dataset in a title, which says whether the data are synthetic, with further notes."""
    told = ["synthetic data"] * synthetic + [*notes]
    return name + (f" ({', '.join(told)})" if told else "")


def describe_data(name: str, subjects: Sequence[str], config: Settings, *, synthetic: bool) -> str:
    """The first part of a caption: which data, seen how, tested on whom."""
    origin = "SYNTHETIC data, nobody was filmed" if synthetic else "Data"
    seen = f"2D keypoints {config.keypoints!r}{' with scores' * config.scores}"
    return f"{origin}: {name}, {seen}, test subjects {', '.join(subjects)}"


def name_network(config: Settings) -> list[str]:
    """What a caption says of a network besides its receptive field."""
    precision = [config.precision] if config.precision != "float32" else []
    return [f"{config.channels} channels", *precision, *config.modes]


def unit_epochs(*lengths: float) -> str:
    """Lengths with their unit: "1 unit epoch", "0.25 unit epochs", "0.25 and 1 unit epochs"."""
    return f"{' and '.join(f'{length:g}' for length in lengths)} unit epoch{'s' * (lengths != (1,))}"
