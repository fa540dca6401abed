"""The original, trained in turn with a run that is timed: a processor's speed changes, and so meets both arms alike."""

import torch

from pose3d_lib.training.history import Totals
from pose3d_lib.training.loop import TURN, Training, Turn
from pose3d_lib.training.plan import RunPlan


def in_turn(plan: RunPlan) -> Turn:
    """A training of which nothing but the time is kept; it leaves the random numbers of others as they were."""
    _turns(plan)(TURN)  # the first steps in a process take longer: here no clock runs that counts
    return _turns(plan)


def _turns(plan: RunPlan) -> Turn:
    devices = [plan.config.device] if plan.config.device == "cuda" else []
    with torch.random.fork_rng(devices):
        training = Training(plan, None)

    def turn(steps: int | None) -> Totals:
        with torch.random.fork_rng(devices):
            return training.take_turn(steps)

    return turn
