"""What every notebook needs inside its kernel: its parameters checked, and a table that is updated in its place."""

import ast
from collections.abc import Callable, Collection, Mapping, Sequence

import pandas as pd
from IPython.display import Markdown, display

from pose3d_lib.common.tables import to_markdown
from pose3d_lib.training.parameters import Config, check_data, make_config

INJECTED = "# Parameters"  # how papermill begins the cell that it injects


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


def table_in_place() -> Callable[[pd.DataFrame], None]:
    """A function that shows a table, and every later one in the place of the one before."""
    handle = display(Markdown(""), display_id=True)
    return lambda table: handle.update(Markdown(to_markdown(table)))
