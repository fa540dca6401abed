"""What the study takes on Human3.6M itself: the commands, how many runs they make, and an estimate of the time."""

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.human36m_facts import KNOWN_FRAMES, SUBJECTS
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.config import StudyConfig, timed_runs
from pose3d_lib.training.parameters import make_config

# Parameters of the study with VideoPose3D's networks: the short runs, and everything that the claims need.
SHORT = {"dataset": "h36m", "keypoints": "cpn_ft_h36m_dbb", "preset": "paper_27"}
WHOLE = {**SHORT, "study": "paper", "lengths": "1,80", "long_preset": "paper_243"}

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
    runs = [*study_runs(config, {config.data: stand_in()}), *timed_runs(config, stand_in())]
    trained = [*runs, *(run for run in runs if run.timed)]  # the original too
    windows = sum(run.unit_epochs * KNOWN_FRAMES["train"] * (1 + run.mirror_training) for run in trained)
    hours = sum(run.unit_epochs / EPOCHS * HOURS[run.receptive_field] for run in trained)
    time = f"{hours:.0f} hours" if hours < 100 else f"{hours / 24:,.0f} days"
    command = " ".join(["pose3d reproduce", *(f"-p {name} {value}" for name, value in parameters.items())])
    return f"`{command}` makes {len(runs)} runs, which see {windows / 1e9:.2g} billion windows: about {time} on one GPU of 2016."


def stand_in() -> PoseDataset:
    """A dataset of one frame of each action by each subject, whose study has the runs that Human3.6M's has."""
    names = [(subject, action, "0") for split in SUBJECTS.values() for subject in split for action in H36M_ACTIONS]
    frames, joints = len(names), H36M_17.num_joints
    rows = [(*name, 0, 50.0, number, number + 1, True) for number, name in enumerate(names)]
    return PoseDataset(
        name="h36m",
        synthetic=False,
        skeleton=H36M_17,
        cameras=h36m_cameras()["S1"],
        clips=pd.DataFrame(rows, columns=list(CLIP_COLUMNS)),
        keypoints={},
        layouts={},
        positions=np.zeros((frames, joints, 3), np.float32),
        trajectory=np.zeros((frames, 3), np.float32),
        train_subjects=SUBJECTS["train"],
        test_subjects=SUBJECTS["test"],
    )
