"""What a notebook needs inside its kernel: its parameters checked, and progress that reads well live and saved."""

import ast
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import DisplayHandle, Markdown, display
from matplotlib.figure import Figure

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.tables import to_markdown
from pose3d_lib.model.evaluate import frame_wise
from pose3d_lib.report.figures.run import draw_learning_curve
from pose3d_lib.report.show import name_data
from pose3d_lib.runs.run import Run, run_folder
from pose3d_lib.training.history import HistoryRow
from pose3d_lib.training.parameters import Config, check_data, make_config
from pose3d_lib.training.plan import RunPlan

LINES = 40  # of progress that a run prints, about, however many epochs it has
INJECTED = "# Parameters"  # how papermill begins the cell that it injects
SECONDS_BETWEEN_DRAWINGS = 3.0  # training waits while a figure is drawn


def read_parameters(kind: type[Config], namespace: Mapping[str, object]) -> Config:
    """The config that a notebook's parameters make; a wrong name or value stops the notebook here.

    papermill lets an unknown name pass with one line in its log. So the names are read from the source of the cells
    that ran before: every name of the parameters cell and of the cell that papermill injects must be a parameter.
    `namespace` is the notebook's `globals()`.
    """
    names = _parameter_names(namespace["In"][:-1], {"preset", *kind.model_fields})
    config = make_config(kind, {name: namespace[name] for name in names})
    check_data(config)
    return config


def _parameter_names(sources: Sequence[str], known: Collection[str]) -> list[str]:
    """Names that the parameters cell assigns, when it last ran, and those that cells after it add.

    The cell that papermill injected adds all its names; any other cell of plain assignments, in which a reader may have
    tried another value, adds the known ones.
    """
    cells = [(source.lstrip().startswith(INJECTED), *_assigned(source)) for source in sources]
    most = max((len(assigned) for _, assigned, annotated in cells if annotated), default=0)
    names: list[str] = []
    for injected, assigned, annotated in cells:
        if annotated and 2 * len(assigned) >= most:  # not a line copied from the parameters cell
            names = assigned
        else:
            names = names + [name for name in assigned if injected or name in known]
    return list(dict.fromkeys(names))


def _assigned(source: str) -> tuple[list[str], bool]:
    """Names that a cell assigns if it does nothing else, and whether any is annotated.

    Values are literals, except in the cell that papermill injected: it may hold `float("nan")`.
    """
    try:
        statements = ast.parse(source).body
        for statement in statements:
            if not source.lstrip().startswith(INJECTED):
                ast.literal_eval(statement.value)
        targets = [getattr(statement, "target", None) or statement.targets[0] for statement in statements]
        return [target.id for target in targets], any(isinstance(each, ast.AnnAssign) for each in statements)
    except (SyntaxError, ValueError, AttributeError):
        return [], False


def check_current(run: Run, plan: RunPlan) -> None:
    """Raise an InputError in a cell that would show the run of parameters that were read before the current ones."""
    wanted = run_folder(plan.config, plan.data)
    if run.folder != wanted:
        raise InputError(
            f"the last training was {run.folder.name}; execute the training cell, which makes {wanted.name}"
        )


class TrainingProgress:
    """A line for every epoch, or for some where there are many, and one learning curve that is redrawn in its place.

    Widgets would stand still in the notebook that papermill saves, and a bar would flood it.
    """

    def __init__(self, plan: RunPlan):
        config, data, budget = plan.config, plan.data, plan.budget
        self._tested_on = "all actions" if config.is_baseline else config.action
        named = name_data(data.name, synthetic=data.synthetic)
        self._title = f"{'+'.join(config.trained_actions)}, seed {config.seed}, {named}"
        self._total = sum(budget.epoch_sizes)
        self._epochs = budget.epochs
        self._every = max(1, math.ceil(budget.epochs / LINES))
        self._rows: list[HistoryRow] = []
        self._show = figure_in_place()
        self._drawn = time.monotonic()  # a run of a few seconds is drawn once, when it is finished

    def __call__(self, row: HistoryRow) -> None:
        self._rows.append(row)
        last = row.windows >= self._total  # windows of several frames may end a little beyond
        if not (last or row.test_mpjpe is not None or round(row.epoch) % self._every == 0):
            return
        spent = row.train_seconds + row.test_seconds
        left = spent / row.windows * max(self._total - row.windows, 0)
        test = f", test {row.test_mpjpe:.1f} mm" if row.test_mpjpe is not None else ""
        print(
            f"epoch {row.epoch:.2f} of {self._epochs:.2f}: {row.windows:,} windows, {spent:.0f} s, {left:.0f} s left; "
            f"lr {row.lr:.1e}, loss {row.train_mpjpe:.1f} mm{test}",
            flush=True,
        )
        if time.monotonic() - self._drawn > SECONDS_BETWEEN_DRAWINGS:
            self._show(draw_learning_curve(pd.DataFrame(self._rows), self._tested_on, self._title))
            self._drawn = time.monotonic()

    def finish(self, run: Run) -> None:
        """Redraws the curve with the errors of the finished model, as published as its last point and recomputed beside it."""
        tables = [own.actions for own in (run.as_published, run)]
        if not run.config.is_baseline:
            tables = [own.loc[[run.config.action]] for own in tables]
        errors = [float(frame_wise(own).mpjpe) for own in tables]
        self._show(draw_learning_curve(run.history, self._tested_on, self._title, *errors))


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
