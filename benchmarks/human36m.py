"""What the study takes on Human3.6M itself: the commands, how many runs they make, and an estimate of the time."""

from types import SimpleNamespace

from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.sources.human36m_facts import KNOWN_FRAMES
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.config import StudyConfig, timed_runs
from pose3d_lib.training.parameters import make_config

# Parameters of the study with VideoPose3D's networks: the short runs, and everything that the claims need.
SHORT = {"dataset": "h36m", "keypoints": "cpn_ft_h36m_dbb", "preset": "paper_27"}
WHOLE = {**SHORT, "study": "paper", "lengths": "1,80", "long_preset": "paper_243"}

# All that the plan of a study asks of a dataset.
STAND_IN = SimpleNamespace(name="h36m", train_actions=H36M_ACTIONS, test_actions=H36M_ACTIONS, train_clips=lambda: None)

# Receptive field -> hours for EPOCHS on a high-end Pascal GPU (of 2016), as VideoPose3D's documentation states.
HOURS, EPOCHS = {27: 6, 243: 24}, 80


def tell_human36m() -> str:
    """A sentence for each command, and where the estimate comes from."""
    told = [f"- {tell_command(parameters)}" for parameters in (SHORT, WHOLE)]
    quoted = " and ".join(f"{hours} h for {frames} frames" for frames, hours in HOURS.items())
    return "\n".join(told) + (
        f"\n\nThese times are not measured. They follow from those that VideoPose3D's documentation states for {EPOCHS} epochs "
        f"of the original on one high-end GPU of 2016, {quoted} (quoted). Newer GPUs take less, and a cluster shares the runs."
    )


def tell_command(parameters: dict[str, str]) -> str:
    """The command, its runs, the windows that they see and the hours that they take."""
    config = make_config(StudyConfig, parameters)
    runs = [*study_runs(config, {config.data: STAND_IN}), *timed_runs(config, STAND_IN)]
    trained = [*runs, *(run for run in runs if run.timed)]  # the original too
    windows = sum(run.unit_epochs * KNOWN_FRAMES["train"] * (1 + run.mirror_training) for run in trained)
    hours = sum(run.unit_epochs / EPOCHS * HOURS[run.receptive_field] for run in trained)
    time = f"{hours:.0f} hours" if hours < 100 else f"{hours / 24:,.0f} days"
    command = " ".join(["pose3d reproduce", *(f"-p {name} {value}" for name, value in parameters.items())])
    return f"`{command}` makes {len(runs)} runs, which see {windows / 1e9:.2g} billion windows: about {time} on one GPU of 2016."
