"""`Finding`, a result of the data doctor, and the parameter that leaves takes out."""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass

TAKE = ["subject", "action", "take"]
"""Columns of the table of clips that name a take."""


@dataclass(frozen=True)
class Finding:
    """Something that does not pass, or that a reader should know.

    Attributes:
        level: error, warning or note.
        check: which check found it.
        what: one sentence.
        advice: what to do.
        subject, action, take, camera: where; None for what concerns more than one.
        value: in the check's unit; None for checks without one.
        frame: of the clip, the worst or the first; None where it is not of one frame.
        count: frames that do not pass.
        share: how much of the limit is used up, for sorting.
        source: the 2D source it is about, where it is about one clip's keypoints.
    """

    level: str
    check: str
    what: str
    advice: str = ""
    subject: str | None = None
    action: str | None = None
    take: str | None = None
    camera: str | None = None
    value: float | None = None
    frame: int | None = None
    count: int = 0
    share: float = 0.0
    source: str | None = None

    @property
    def where(self) -> str:
        """subject/action/take, as `leave_out` takes it; empty for what concerns more than one take."""
        return "" if self.take is None else f"{self.subject}/{self.action}/{self.take}"


def leave_out_parameter(parameters: Collection[str], before: str, names: Sequence[str]) -> str:
    """The parameter that leaves takes out, with some words before it.

    Empty if the source of the data does not take it, or if a name holds a comma, which parts names.
    """
    possible = "leave_out" in parameters and not any("," in name for name in names)
    return f"{before}-p leave_out {shlex.quote(','.join(names))}" if possible else ""
