"""What 01_data_prep shows of a dataset: who is in it, what the cameras see, whether the motion is a body's, its shares."""

from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.data.cameras import view
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import check_dataset, findings_table, leave_out_line, motion
from pose3d_lib.data.open import used_parameters
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.predict import Lifted, LiftedClip
from pose3d_lib.report.figures import run as figures
from pose3d_lib.report.figures import skeletons as drawings
from pose3d_lib.report.player import show_player
from pose3d_lib.report.show import name_data, say, show_figure, show_table

SHOWN = ("Walking", "Sitting")  # if the dataset has them: in the picture of the cameras, in that of the shares
EXACT = "gt"  # the 2D source of exact projections
MOST_TAKES = 200  # of more, every n-th is measured in the motion table
MOST_FINDINGS = 8  # rows of the table of findings for each level and check


def show_cameras(data: PoseDataset, keypoints: str) -> None:
    """One frame of one take in every camera, and its 3D pose where it is known."""
    preferred = data.clips[data.clips.action == SHOWN[0]]
    clip = (preferred if len(preferred) else data.clips).iloc[0]
    show_figure(drawings.draw_cameras(data, clip, (clip.stop - clip.start) // 3, keypoints))


def show_take(data: PoseDataset) -> None:
    """A take before every camera of its subject, moving, and its 3D pose; the keypoints are exact projections."""
    filmed = np.array([camera.is_placed and camera.intrinsics is not None for camera in data.cameras])
    clips = data.clips[data.clips.labelled & filmed[data.clips.camera]]
    if not len(clips):
        say("This needs 3D poses, and cameras whose places and lenses are known.")
        return
    preferred = clips[clips.action == SHOWN[0]]
    take = (preferred if len(preferred) else clips).iloc[0]
    names, frames, world = (take.subject, take.action, take["take"]), data.frame_numbers(take), data.world(take)
    lifted = []
    for number in sorted(set(clips.camera[clips.subject == take.subject])):
        space, pixels = view(world, data.cameras[number])
        seen = data.cameras[number], float(take.fps), frames, pixels
        lifted.append(LiftedClip(*names, *seen, space - space[:, :1], space[:, 0], step=data.frame_step))
    show_player(Lifted("", data.name, data.synthetic, EXACT, data.skeleton, data.skeleton, tuple(lifted)))


def show_actions(data: PoseDataset) -> None:
    """One pose of every action, of the subject with the most actions."""
    labelled = data.clips[data.clips.labelled]
    if not len(labelled):
        say("This dataset holds no 3D poses.")
        return
    subject = labelled.groupby("subject", sort=False).action.nunique().idxmax()
    show_figure(drawings.draw_actions(data, subject))


def show_motion(data: PoseDataset) -> None:
    """The motion table, where there are bodies of the 17 joints in a world with a floor."""
    labelled = data.clips[data.clips.labelled]
    if data.skeleton != H36M_17 or not len(labelled) or data.camera_of(labelled.iloc[0]).position is None:
        say("These numbers need the 17 joints of Human3.6M in 3D, seen by cameras whose places are known.")
        return
    few = f"Of more than {MOST_TAKES} takes, every n-th is measured."
    show_table(motion_table(data), f"Means over an action's takes; for bones, the largest change in any. {few}")


def show_keypoint_errors(data: PoseDataset, keypoints: str) -> None:
    """The distance of the chosen keypoints from the exact projections, where the dataset holds both."""
    if EXACT in data.keypoints and keypoints != EXACT and data.layouts[EXACT] == data.layouts[keypoints]:
        show_table(keypoint_errors(data, keypoints), f"{keypoints!r} against {EXACT!r}, {data.name}.")
    else:
        say(f"The keypoints {escape_markdown(repr(keypoints))} have nothing to be compared with in this dataset.")


def show_checkup(data: PoseDataset, spec: DataSpec) -> None:
    """What the data doctor finds: how far every take is from every limit, the worst findings, and what to do."""
    checkup = check_dataset(data, spec.keypoints, parameters=used_parameters(spec.dataset))
    show_figure(figures.draw_checks(checkup))
    table = findings_table(checkup, most=MOST_FINDINGS)
    if not len(table):
        say("Nothing was found that a reader should know of.")
        return
    show_table(table)
    if len(findings_table(checkup)) > len(table):
        say("`pose3d data check` lists all.")
    if line := leave_out_line(checkup):
        print(f"To leave out the takes with errors, give every notebook this parameter: {line}")


def show_shares(data: PoseDataset) -> None:
    """Formula (1) for every action, as a table and a picture."""
    if not data.train_actions:
        say("Nothing can be trained on this dataset: no subject with 3D poses is trained on.")
        return
    show_table(shares_table(data))
    show_figure(figures.draw_shares(_train_frames(data)))


def show_training(data: PoseDataset, path: Path | None = None) -> None:
    """The paper's Figures 1 and 2 drawn to scale; saved if a path is given."""
    if data.train_actions:
        show_frames(_train_frames(data), name_data(data.name, synthetic=data.synthetic), path)


def show_frames(frames: pd.Series, name: str, path: Path | None = None) -> None:
    """The same of the training frames by action, for a dataset of this name."""
    action = SHOWN[1] if SHOWN[1] in frames else frames.index[0]
    caption = (
        f"What one unit epoch shows to either model. The original sees the frames of every action once; the model of {action} "
        "sees its own again and again, until it has seen the same number."
    )
    show_figure(figures.draw_training(frames, action, f"What either model is shown, {name}"), path, caption)


def _train_frames(data: PoseDataset) -> pd.Series:
    return data.frames_per_action().train.loc[list(data.train_actions)]


def subjects_table(data: PoseDataset) -> pd.DataFrame:
    """One row per subject: split, number of actions, takes, clips and frames."""
    rows = []
    for subject, clips in data.clips.groupby("subject", sort=False):
        split = "train" if subject in data.train_subjects else "test" if subject in data.test_subjects else "unlabelled"
        takes, frames = len(clips[["action", "take"]].drop_duplicates()), (clips.stop - clips.start).sum()
        rows.append((subject, split, clips.action.nunique(), takes, len(clips), frames))
    return pd.DataFrame(rows, columns=["Subject", "Split", "Actions", "Takes", "Clips", "Camera frames"])


def shares_table(data: PoseDataset) -> pd.DataFrame:
    """Formula (1) for every action: its frames, its share of all training frames, and t, one over the share."""
    frames = data.frames_per_action()
    share = frames.train / frames.train.sum()
    table = frames.rename(columns={"train": "Train frames f(a)", "test": "Test frames"}).reset_index(names="Action")
    return table.assign(**{"Share [%]": 100 * share.to_numpy(), "t": (1 / share.replace(0, np.nan)).to_numpy()})


def keypoint_errors(data: PoseDataset, keypoints: str) -> pd.DataFrame:
    """The distance of a 2D source from the exact projections, per joint, in pixels."""
    distance = np.linalg.norm(data.keypoints[keypoints] - data.keypoints[EXACT], axis=-1)
    quantiles = np.percentile(distance, [50, 95, 99.9], axis=0)
    table = pd.DataFrame(quantiles.T, columns=["Median [px]", "95 % below [px]", "99.9 % below [px]"])
    table.insert(0, "Joint", data.layouts[keypoints].joints)
    return table


def motion_table(data: PoseDataset) -> pd.DataFrame:
    """Numbers that tell whether the motion is a body's, one row per action, from the first camera of takes."""
    takes = data.clips[data.clips.labelled].drop_duplicates(["subject", "action", "take"])
    measured = takes.groupby("action", sort=False).nth(slice(None, None, -(-len(takes) // MOST_TAKES)))
    numbers = pd.DataFrame([_motion_numbers(data.world(clip), clip.fps) for _, clip in measured.iterrows()])
    by_action = numbers.groupby(measured.action.to_numpy(), sort=False)
    table = by_action.mean().assign(**{"Bones vary [mm]": by_action["Bones vary [mm]"].max()})
    return table.reset_index(names="Action")


def _motion_numbers(world: np.ndarray, fps: float) -> dict[str, float]:
    speeds = np.linalg.norm(np.diff(world, axis=0), axis=-1) * fps
    knees = [motion.flexion(world, f"{side}Hip", f"{side}Knee", f"{side}Foot") for side in "RL"]
    wrists = [H36M_17.index("LWrist"), H36M_17.index("RWrist")]
    slide = motion.foot_slide(world, fps)
    standing = slide[np.isfinite(slide)]
    return {
        "Hip height [m]": world[:, 0, 2].mean(),
        "Joint speed, median [m/s]": np.median(speeds),
        "Wrist speed, 95 % [m/s]": np.percentile(speeds[:, wrists], 95),
        "Knee flexion [deg]": np.mean([knee.mean() for knee in knees]),
        "Foot slide, median [mm/s]": 1000 * np.median(standing) if len(standing) else np.nan,
        "Bones vary [mm]": 1000 * np.ptp(motion.bone_lengths(world, H36M_17), axis=0).max(),
    }
