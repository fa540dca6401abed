"""A notebook's parameters are read from its cells, also where papermill added some or a person ran cells again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.report.notebook import read_parameters
from pose3d_lib.report.parameters import check_parameters
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import Config

IMPORTS = "import pandas as pd\n\nfrom pose3d_lib.training.config import RunConfig"
PARAMETERS = """\
action: str = "Sitting"  # one action
scale: str = "tiny"  # of the synthetic dataset
preset: str = "tiny"  # the network
channels: int = None  # chosen by the preset
seed: int = 0  # of everything
unit_epochs: float = 1.0  # length"""
READ = "config = read_parameters(RunConfig, globals())\nprint(config)"


class Notebook:
    """A kernel as far as `read_parameters` sees it: the cells executed so far, and the variables they left."""

    def __init__(self, *cells: str):
        self.variables: dict[str, object] = {"In": [""], "_": "", "get_ipython": print, "pd": pd}
        for cell in cells:
            self.run(cell)

    def run(self, cell: str) -> None:
        """A cell with an effect that these tests need, or merely noted like any other."""
        self.variables["In"].append(cell)
        if not any(word in cell for word in ("import", "read_parameters", "%", "no Python")):
            exec(cell, self.variables)

    def read(self, kind: type[Config] = RunConfig) -> Config:
        self.run(READ)
        return read_parameters(kind, self.variables)


def test_the_cell_that_papermill_injects_is_added_and_wins() -> None:
    config = Notebook(IMPORTS, PARAMETERS).read()
    assert isinstance(config, RunConfig)
    assert (config.action, config.scale, config.seed) == ("Sitting", "tiny", 0)
    assert config.channels == 16, "None leaves it to the preset"
    injected = '# Parameters\naction = "Walking"\nchannels = 8\nlr = "1e-4"\nfilter_widths = "3, 3"\ncausal = "true"\n'
    config = Notebook(IMPORTS, PARAMETERS, injected).read()
    assert (config.action, config.channels, config.lr, config.scale) == ("Walking", 8, 0.0001, "tiny")
    assert (config.filter_widths, config.causal) == ((3, 3), True)


def test_the_parameters_cell_edited_and_run_again() -> None:
    notebook = Notebook(IMPORTS, PARAMETERS)
    assert notebook.read() == notebook.read()
    notebook.run(PARAMETERS.replace("Sitting", "Eating").replace("seed: int = 0", "seed: int = 5"))
    config = notebook.read()
    assert (config.action, config.seed, config.channels) == ("Eating", 5, 16)


def test_a_misspelt_name_removed_after_an_error_is_forgotten() -> None:
    notebook = Notebook(IMPORTS, PARAMETERS + "\nunit_epoch = 2")
    with pytest.raises(InputError, match="unknown parameter 'unit_epoch': did you mean unit_epochs"):
        notebook.read()
    notebook.run(PARAMETERS)
    assert "unit_epoch" in notebook.variables
    assert notebook.read().unit_epochs == 1.0


def test_other_cells_and_the_many_variables_of_a_live_kernel_are_no_parameters() -> None:
    notebook = Notebook(IMPORTS, PARAMETERS, IMPORTS, "len(action)", "%matplotlib inline", "this is no Python")
    notebook.read()
    for cell in (
        "n = 3",
        "rows = list(range(3))",
        "lr = len(rows) / 100",
        "seed = 1 + n",
        "for seed_ in rows:\n    pass",
    ):
        notebook.run(cell)
    notebook.variables.update(data=np.zeros(3), run=Path("x"), dropout=0.9, **{f"name_{n}": n for n in range(500)})
    config = notebook.read()
    assert (config.action, config.lr, config.dropout) == ("Sitting", 0.001, 0.25)


@pytest.mark.parametrize(
    ("kind", "line", "said"),
    [
        (RunConfig, "chanels = 8", "unknown parameter 'chanels': did you mean channels"),
        (RunConfig, "filter_widths = [2, 3]", "filter_widths.*odd"),
        (RunConfig, 'seed = "two"', "parameter seed: found 'two'"),
        (RunConfig, 'budget = "equal_frame"', "did you mean 'equal_frames'"),
        (RunConfig, 'action = "sitting"', "unknown action 'sitting': did you mean Sitting, SittingDown"),
        (StudyConfig, 'action = "Sitting"', "unknown parameter 'action'.*did you mean actions"),
        (StudyConfig, 'study = "papers"', "unknown study 'papers': did you mean paper"),
    ],
)
def test_what_is_wrong_is_refused_with_what_was_meant(kind: type[Config], line: str, said: str) -> None:
    parameters = PARAMETERS if kind is RunConfig else 'scale: str = "tiny"  # of the dataset'
    with pytest.raises(InputError, match=said):
        Notebook(IMPORTS, parameters, f"# Parameters\n{line}").read(kind)


def test_a_study_named_in_a_notebook_sets_what_the_notebook_leaves_to_it() -> None:
    cells = 'study: str = "quick"  # which\nlengths: str = None  # unit epochs\nseeds: str = None\npreset: str = None'
    assert Notebook(IMPORTS, cells).read(StudyConfig).lengths == (1,)
    injected = '# Parameters\nstudy = "paper"\nseeds = [7]'
    study = Notebook(IMPORTS, cells, injected).read(StudyConfig)
    assert (study.lengths, study.seeds, study.channels) == ((1, 16), (7,), 64)
    assert study == Notebook(IMPORTS, cells, injected.replace("[7]", '"7"')).read(StudyConfig)


@pytest.mark.parametrize("line", ["seed = 3", "seed: int = 3  # copied from the parameters cell"])
def test_a_parameter_changed_in_a_cell_of_its_own_keeps_the_others(line: str) -> None:
    notebook = Notebook(IMPORTS, PARAMETERS.replace("Sitting", "Walking"))
    notebook.read()
    notebook.run(line)
    config = notebook.read()
    assert (config.action, config.scale, config.channels, config.seed) == ("Walking", "tiny", 16, 3)


def test_a_value_that_is_no_literal_does_not_hide_the_names_that_papermill_injected() -> None:
    injected = "# Parameters\nlr = float('nan')\ntypo = 3"
    with pytest.raises(InputError, match="unknown parameter 'typo'"):
        Notebook(IMPORTS, PARAMETERS, injected).read()
    with pytest.raises(InputError, match="parameter lr: found nan"):
        Notebook(IMPORTS, PARAMETERS, "# Parameters\nlr = float('nan')").read()


def test_the_lesson_takes_one_action_and_not_all() -> None:
    with pytest.raises(InputError, match="'All' stands for every action"):
        check_parameters("00_how_it_works", {"action": "All"})
