"""What a notebook needs inside its kernel: its parameters checked, and progress that reads well live and saved."""

import ast
import math
import time
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import DisplayHandle, Markdown, display
from matplotlib.figure import Figure

from pose3d_lib.budget import Budget
from pose3d_lib.config import Config, RunConfig, check_action, make_config
from pose3d_lib.evaluation import frame_wise
from pose3d_lib.figures import draw_learning_curve
from pose3d_lib.runs import Run
from pose3d_lib.sources import list_actions
from pose3d_lib.tables import to_markdown
from pose3d_lib.training import HistoryRow

LINES = 40
"""A run prints about this many lines of progress, however many epochs it has."""

SECONDS_BETWEEN_DRAWINGS = 3.0
"""A figure takes a third of a second to draw, during which nothing is trained."""


def read_parameters(kind: type[Config], namespace: Mapping[str, object]) -> Config:
    """The config that a notebook's parameters make; a wrong name or value stops the notebook here.

    papermill lets an unknown name pass with one line in its log. So the names are read from the source of the cells
    above: the parameters cell and the one that papermill injects hold nothing but assignments.

    Args:
        kind: RunConfig or another config class.
        namespace: the notebook's `globals()`.
    """
    names = _assigned_names(namespace["In"][:-1])
    config = make_config(kind, {name: namespace[name] for name in names})
    if isinstance(config, RunConfig):
        check_action(config, list_actions(config.data))
    return config


def _assigned_names(sources: Sequence[str]) -> list[str]:
    """Names assigned by the last unbroken run of cells that hold nothing but assignments, in order."""
    names: list[str] = []
    for source in reversed(sources):
        found = _only_assignments(source)
        if found is None and names:
            break
        names = (found or []) + names
    return list(dict.fromkeys(names))


def _only_assignments(source: str) -> list[str] | None:
    """Names that a cell assigns if it does nothing else, otherwise None."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return None
    names = []
    for statement in statements:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            return None
        try:
            ast.literal_eval(value)
        except ValueError:
            return None
        if not isinstance(target, ast.Name):
            return None
        names.append(target.id)
    return names or None


class TrainingProgress:
    """A line for every epoch, or for some where there are many, and one learning curve that is redrawn in its place.

    Widgets would stand still in the notebook that papermill saves, and a bar would flood it.
    """

    def __init__(self, budget: Budget):
        self._total = sum(budget.epoch_sizes)
        self._epochs = budget.epochs
        self._every = max(1, math.ceil(budget.epochs / LINES))
        self._rows: list[HistoryRow] = []
        self._show = figure_in_place()
        self._drawn = 0.0

    def __call__(self, row: HistoryRow) -> None:
        self._rows.append(row)
        last = row.windows == self._total
        if not (last or row.test_mpjpe is not None or round(row.epoch) % self._every == 0):
            return
        spent = row.train_seconds + row.test_seconds
        left = spent / row.windows * (self._total - row.windows)
        test = f", test {row.test_mpjpe:.1f} mm" if row.test_mpjpe is not None else ""
        print(
            f"epoch {row.epoch:.2f} of {self._epochs:.2f}: {row.windows:,} windows, {spent:.0f} s, {left:.0f} s left; "
            f"lr {row.lr:.1e}, loss {row.train_mpjpe:.1f} mm{test}",
            flush=True,
        )
        if time.monotonic() - self._drawn > SECONDS_BETWEEN_DRAWINGS:
            self._show(draw_learning_curve(pd.DataFrame(self._rows)))
            self._drawn = time.monotonic()

    def finish(self, run: Run) -> None:
        """Redraws the curve with the error of the finished model as its last point."""
        own = run.actions if run.config.is_baseline else run.actions.loc[[run.config.action]]
        self._show(draw_learning_curve(run.history, float(frame_wise(own).mpjpe)))


def figure_in_place() -> Callable[[Figure], None]:
    """A function that shows a figure, and every later one in the place of the one before."""
    handles: list[DisplayHandle] = []

    def show(figure: Figure) -> None:
        if handles:
            handles[0].update(figure)
        else:
            handles.append(display(figure, display_id=True))
        plt.close(figure)

    return show


def table_in_place() -> Callable[[pd.DataFrame], None]:
    """A function that shows a table, and every later one in the place of the one before."""
    handle = display(Markdown(""), display_id=True)
    return lambda table: handle.update(Markdown(to_markdown(table)))
