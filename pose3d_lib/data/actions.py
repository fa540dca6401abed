"""Action names: the fifteen of Human3.6M, their synonyms, and exact matching with a "did you mean"."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

from pose3d_lib.common.errors import InputError, some

ALL = "All"  # what the baseline trains on; not the name of any action

# The two arms, in the paper's words: one model for all actions, and one model per action.
ORIGINAL, ACTION_BASED = "Original", "Action-based"

H36M_ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases",
    "Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether",
)  # fmt: skip

# What source files call some of them.
SYNONYMS = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog", "WalkingTogether": "WalkTogether"}


def tidy_name(text: str) -> str:
    """A name in Unicode's composed form (NFC) with plain spaces: one name, however it was typed or stored."""
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in unicodedata.normalize("NFC", text))


def as_number(name: str) -> int | str:
    """A name as papermill's -p passes it: 5 for "05"; unchanged unless it is a whole number."""
    try:
        return int(name)
    except ValueError:
        return name


def split_take(name: str) -> tuple[str, str]:
    """('Walking', '1') from 'Walking 1', ('Walking', '0') from 'Walking', with the action's canonical name.

    The take is all behind the first space: 'Walking 1 chunk0' (HumanEva) is the action Walking, take '1 chunk0'.
    """
    action, _, take = name.partition(" ")
    return SYNONYMS.get(action, action), take or "0"


def nearest(name: str, valid: Iterable[str], most: int = 3) -> list[str]:
    """The valid names somebody who wrote `name` may have meant, likeliest first; possibly none."""
    valid = list(valid)
    folded = re.sub(r"[\s_-]", "", name).casefold()
    contained = [v for v in valid if folded and (folded in v.casefold() or v.casefold() in folded)]
    contained.sort(key=lambda v: (not v.casefold().startswith(folded), len(v)))
    close = difflib.get_close_matches(name, valid, n=most, cutoff=0.6)
    return list(dict.fromkeys([*contained, *close]))[:most]


def check_name(name: str, valid: Iterable[str], what: str) -> str:
    """`name` if it is one of `valid`, letter for letter; otherwise an InputError that suggests and lists them.

    Args:
        name: what was given.
        valid: the names that exist, in the order in which they should be listed.
        what: what is being named, for the message: "action", "parameter", "keypoints".
    """
    valid = list(valid)
    if name in valid:
        return name
    meant = nearest(str(name), valid)
    hint = f"did you mean {', '.join(meant)}? " if meant else ""
    if same := [v for v in valid if as_number(v) == as_number(name)]:
        hint += f"papermill makes {name} of {same[0]} with -p; with -r it keeps {same[0]}. "
    raise InputError(f"unknown {what} {name!r}: {hint}Valid: {some(valid, 60)}")  # of takes there may be thousands
