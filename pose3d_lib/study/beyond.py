"""The runs beyond the paper's tables: specialising, mixing, and fewer frames.

Each is a run of 02_train with a parameter or two. All have the short length of the study and the schedule that is the same for
both arms, so that nothing but the data differs.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from pose3d_lib.data.actions import ALL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.run import run_name
from pose3d_lib.study.config import (
    EQUALISED,
    StudyConfig,
    choose_actions,
    make_run,
    plan_study,
    training_seed_runs,
    unique_runs,
)
from pose3d_lib.training.config import RunConfig

# The questions: is it better to specialise a model that has learnt every action; what does each further action add; and what
# does each further frame, as many of all actions as an action has among them.
SPECIALISED, MIXING, FEWER_FRAMES = "specialised", "mixing", "fewer frames"

SPECIALISING = 0.25  # of the short length, to specialise the baseline on one action
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)  # of the training frames; the smallest is about one action of sixteen


def plan_beyond(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]) -> dict[str, list[RunConfig]]:
    """The runs of every question, if the study asks them."""
    if not config.beyond:
        return {}
    actions, focus = choose_actions(config, datasets[config.data])
    own = {seed: datasets[config.data_of(seed)] for seed in config.seeds}

    def make(seed: int, **settings: object) -> RunConfig:
        return make_run(config, config.condition(config.short, EQUALISED), seed=seed, **settings)

    further = {"unit_epochs": SPECIALISING * config.short}
    starts = {seed: run_name(make(seed), own[seed].fingerprint) for seed in config.seeds}
    shares_of_all = {seed: sorted({*SHARES, *(share_of(name, own[seed]) for name in focus)}) for seed in config.seeds}
    return {
        SPECIALISED: [
            make(seed, action=action, start_from=starts[seed], **further)
            for seed, action in product(config.seeds, actions)
        ],
        MIXING: [
            make(seed, action=action, with_actions=others)
            for seed, action in product(config.seeds, focus)
            for others in mixed_actions(actions, action, seed)
        ],
        FEWER_FRAMES: [
            make(seed, action=action, train_share=share)
            for seed, action in product(config.seeds, (ALL, *focus))
            for share in (shares_of_all[seed] if action == ALL else SHARES[-2:])
        ],
    }


def study_runs(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]) -> list[RunConfig]:
    """Every run of a study but `timed_runs`, each once; a run that starts from another comes after it."""
    data = datasets[config.data]
    alone = {"training seeds": training_seed_runs(config, data)}
    return unique_runs({**plan_study(config, data), **alone, **plan_beyond(config, datasets)})


def share_of(action: str, data: PoseDataset) -> float:
    """f(a) / sum of f(i): the share that an action has in the training frames."""
    frames = data.frames_per_action().train.loc[list(data.train_actions)]
    return float(frames[action] / frames.sum())


def mixed_actions(actions: Sequence[str], action: str, seed: int) -> list[tuple[str, ...]]:
    """Further actions to train with: 1, 3, 7, ... of them, each set with the one before in it, in an order drawn by seed."""
    others = [other for other in actions if other != action]
    order = [others[number] for number in np.random.default_rng(seed).permutation(len(others))]
    counts = [2**power - 1 for power in range(1, len(actions).bit_length())]
    return [tuple(order[:count]) for count in counts if count < len(others)]
