"""What an effect's 95 % interval says, in words."""

from pose3d_lib.study.two_way import LEVEL, Effect

REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE = "reproduced", "not reproduced", "not decidable"
NOT_MEASURED = "not measured"  # no runs, or none that can be used
BETTER, WORSE = "better", "worse"


def word_change(effect: Effect, p: float) -> str:
    """Whether a change of an error is BETTER, WORSE or NOT_DECIDABLE, by its p, corrected where it is one of several."""
    if not p <= LEVEL:  # NaN where there is nothing to decide
        return NOT_DECIDABLE
    return BETTER if effect.value < 0 else WORSE
