"""The runs beyond the paper's tables: fine-tuning, one model that is told the action, mixing, and fewer frames.

Each is a run of 02_train with a parameter or two, under `condition_beyond`: at the long length of the study, as short runs are
limited by their steps and not by their data, and with the schedule that is the same for both arms, so that nothing but the data
differs. All see the same number of windows.
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
    Condition,
    StudyConfig,
    choose_actions,
    make_run,
    plan_study,
    timed_runs,
    training_seed_runs,
)
from pose3d_lib.training.config import RunConfig

# The questions: is it better to specialise a model that has learnt every action; would one model do if it is told the action;
# what does each further action add; and what does each further frame, of all actions or of one.
FINE_TUNING, TOLD, MIXING, FEWER_FRAMES = "fine-tuning", "told the action", "mixing", "fewer frames"
TRAINING_SEEDS = "the same dataset with further training seeds"
TIMED = "to be timed, one at a time"

LAST_PART = 0.25  # of a fine-tuned model's length is on its action; before that it is the baseline
# Of the training frames, of all actions and of one: with the whole, about evenly spaced logarithms, to fit a curve to.
SHARES_OF_ALL, SHARES_OF_ONE = (1 / 64, 1 / 16, 1 / 4), (1 / 16, 0.16, 0.4)


def condition_beyond(config: StudyConfig) -> Condition:
    """What the runs of every question, and the arms that they are compared with, are trained under."""
    return config.condition(config.lengths[-1], EQUALISED)


def plan_beyond(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]) -> dict[str, list[RunConfig]]:
    """The runs of every question, if the study asks them."""
    if not config.beyond:
        return {}
    actions, focus = choose_actions(config, datasets[config.data])
    own = {seed: datasets[config.data_of(seed)] for seed in config.seeds}
    frames = {seed: data.frames_per_action().train for seed, data in own.items()}

    def make(seed: int, **settings: object) -> RunConfig:
        """A run that is tested at its end alone."""
        return make_run(config, condition_beyond(config), seed=seed, evaluate_at=(), recompute_at=(), **settings)

    return {
        FINE_TUNING: [run for seed in config.seeds for run in _fine_tuned(make(seed), actions, own[seed])],
        TOLD: [make(seed, action_input=True) for seed in config.seeds],
        MIXING: [
            make(seed, action=action, with_actions=others)
            for seed, action in product(config.seeds, focus)
            for others in mixed_actions(actions, action, seed)
        ],
        FEWER_FRAMES: [
            make(seed, action=action, train_share=share)
            for seed, action in product(config.seeds, (ALL, *focus))
            for share in (SHARES_OF_ALL if action == ALL else SHARES_OF_ONE)
            if share * frames[seed].get(action, frames[seed].sum()) >= config.settings(config.lengths[-1])["batch_size"]
        ],
    }


def _fine_tuned(baseline: RunConfig, actions: Sequence[str], data: PoseDataset) -> list[RunConfig]:
    """The baseline for all but LAST_PART of its length, then from there a run per action, under one schedule.

    The rate of the second part begins where that of the first has come to; the optimiser's averages begin from nothing.
    """
    common = baseline.model_dump()
    first = RunConfig(**{**common, "unit_epochs": (1 - LAST_PART) * baseline.unit_epochs})
    common |= {"unit_epochs": LAST_PART * baseline.unit_epochs, "start_from": run_name(first, data.fingerprint)}
    common |= {"lr": baseline.lr * baseline.lr_decay ** int(first.unit_epochs), "lr_decay_per": EQUALISED}
    return [first, *(RunConfig(**{**common, "action": action}) for action in actions)]


def study_parts(
    config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]
) -> dict[Condition | str, list[RunConfig]]:
    """The runs of every comparison and question, with further training seeds, to be timed; runs that parts share are in each."""
    data = datasets[config.data]
    return {
        **plan_study(config, data),
        TRAINING_SEEDS: training_seed_runs(config, data),
        **plan_beyond(config, datasets),
        TIMED: timed_runs(config, data),
    }


def study_runs(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]) -> list[RunConfig]:
    """Every run of a study but `timed_runs`, each once; a run that starts from another comes after it."""
    parts = study_parts(config, datasets)
    return list(dict.fromkeys(run for part, runs in parts.items() if part != TIMED for run in runs))


def mixed_actions(actions: Sequence[str], action: str, seed: int) -> list[tuple[str, ...]]:
    """Further actions to train with: 1, 3, 7, ... of them, each set with the one before in it, in an order drawn by seed."""
    others = [other for other in actions if other != action]
    order = [others[number] for number in np.random.default_rng(seed).permutation(len(others))]
    counts = [2**power - 1 for power in range(1, len(actions).bit_length())]
    return [tuple(order[:count]) for count in counts if count < len(others)]
