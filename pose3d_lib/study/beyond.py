"""The runs beyond the paper's tables: as many frames of all actions, specialising, mixing, and fewer frames.

Each is a run of 02_train with a parameter or two. All have the short length of the study and, but for the first question,
the schedule that is the same for both arms, so that nothing but the data differs.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from pose3d_lib.data.actions import ALL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.run import run_name
from pose3d_lib.study.config import EQUALISED, PUBLISHED, StudyConfig, choose_actions, plan_study, unique_runs
from pose3d_lib.training.budget import SCHEDULES
from pose3d_lib.training.config import RunConfig

AS_MANY_FRAMES, SPECIALISED, MIXING, FEWER_FRAMES = "as many frames", "specialised", "mixing", "fewer frames"
"""The questions: what would as many frames of all actions have taught; is it better to specialise a model that has
learnt every action; what does each further action add; and what does each further frame."""

SPECIALISING = 0.25
"""Share of the budget that specialising the baseline on one action gets."""

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Of the training frames; the smallest is about one action of sixteen."""


def plan_beyond(config: StudyConfig, data: PoseDataset) -> dict[str, list[RunConfig]]:
    """The runs of every question that the study asks; those of the first belong to the paper's claim on data."""
    actions, focus = choose_actions(config, data)
    questions = {}
    if config.confounds:
        questions[AS_MANY_FRAMES] = list(_as_many_frames(config, data, focus))
    if config.beyond:
        questions[SPECIALISED] = list(_specialised(config, data, actions))
        questions[MIXING] = list(_mixing(config, actions, focus))
        questions[FEWER_FRAMES] = list(_fewer_frames(config, focus))
    return questions


def study_runs(config: StudyConfig, data: PoseDataset) -> list[RunConfig]:
    """Every run of a study, each once; a run that starts from another comes after it."""
    return unique_runs({**plan_study(config, data), **plan_beyond(config, data)})


def make_run(config: StudyConfig, schedule: str, **settings: object) -> RunConfig:
    """A run of the study's short length and first architecture under a schedule, with the given settings."""
    lr_decay_per, bn_decay_per = SCHEDULES[schedule]
    common = {
        "unit_epochs": config.short,
        "filter_widths": config.conditions(config.short)[0].widths,
        "lr_decay_per": lr_decay_per,
        "bn_decay_per": bn_decay_per,
    }
    return RunConfig(**{**config.settings(config.short), **common, **settings})


def share_of(action: str, data: PoseDataset) -> float:
    """f(a) / sum of f(i): the share that an action has in the training frames."""
    frames = data.frames_per_action().train.loc[list(data.train_actions)]
    return float(frames[action] / frames.sum())


def _as_many_frames(config: StudyConfig, data: PoseDataset, focus: Sequence[str]) -> Iterator[RunConfig]:
    for seed in config.seeds:
        for schedule in (PUBLISHED, EQUALISED):
            for action in focus:
                yield make_run(config, schedule, seed=seed, train_share=share_of(action, data))


def _specialised(config: StudyConfig, data: PoseDataset, actions: Sequence[str]) -> Iterator[RunConfig]:
    for seed in config.seeds:
        start = run_name(make_run(config, EQUALISED, seed=seed), data.fingerprint)
        for action in actions:
            length = SPECIALISING * config.short
            yield make_run(config, EQUALISED, seed=seed, action=action, start_from=start, unit_epochs=length)


def mixed_actions(actions: Sequence[str], action: str, seed: int) -> list[tuple[str, ...]]:
    """Further actions to train with: 1, 3, 7, ... of them, each set with the one before in it, in an order drawn by seed."""
    others = [other for other in actions if other != action]
    order = [others[number] for number in np.random.default_rng(seed).permutation(len(others))]
    counts = [2**power - 1 for power in range(1, len(actions).bit_length())]
    return [tuple(order[:count]) for count in counts if count < len(others)]


def _mixing(config: StudyConfig, actions: Sequence[str], focus: Sequence[str]) -> Iterator[RunConfig]:
    for seed in config.seeds:
        for action in focus:
            for others in mixed_actions(actions, action, seed):
                yield make_run(config, EQUALISED, seed=seed, action=action, with_actions=others)


def _fewer_frames(config: StudyConfig, focus: Sequence[str]) -> Iterator[RunConfig]:
    for seed in config.seeds:
        for action in (ALL, *focus):
            for share in SHARES if action == ALL else SHARES[-2:]:
                yield make_run(config, EQUALISED, seed=seed, action=action, train_share=share)
