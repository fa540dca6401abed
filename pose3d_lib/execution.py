"""What each notebook's parameters are: checked before it is executed, and those that make 02_train a given run."""

from collections.abc import Mapping
from pathlib import Path

from pose3d_lib.config import ResultsConfig, RunConfig, SweepConfig, check_data, make_config
from pose3d_lib.paths import outputs_dir
from pose3d_lib.sources.spec import DataSpec

NOTEBOOKS = {
    "01_data_prep": DataSpec,
    "02_train": RunConfig,
    "03_action_based": SweepConfig,
    "04_results": ResultsConfig,
}
"""Name -> what its parameters are."""


def check_parameters(notebook: str, parameters: Mapping[str, object]) -> object:
    """The config that a notebook's parameters make; an InputError for a wrong one, within a second, nothing started."""
    config = make_config(NOTEBOOKS[notebook], parameters)
    check_data(config)
    return config


def notebook_output(notebook: str) -> Path:
    """Where the executed copy of a notebook goes that belongs to no single run."""
    return outputs_dir() / "notebooks" / f"{notebook}.ipynb"


def parameters_of(config: RunConfig) -> dict[str, object]:
    """The parameters that make 02_train this run: its action and seed, and the settings that differ from the defaults."""
    default = make_config(RunConfig, {})
    values = config.model_dump()
    return {
        name: values[name] for name in values if name in ("action", "seed") or values[name] != getattr(default, name)
    }
