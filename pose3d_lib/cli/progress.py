"""Progress in a terminal: a line per run that has ended, and below them those at work."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from pose3d_lib.runs.sweep.progress import RunStatus, in_words, seconds_left


class RunBoard:
    """Shows the statuses of a sweep that began at `begun` (as of `time.time`) as they change; a context manager."""

    def __init__(self, console: Console, begun: float):
        self._console, self._begun = console, begun
        self._at_work = console.status("")  # shows nothing where the console is no terminal
        self._ended: set[int] = set()

    def __enter__(self) -> "RunBoard":
        self._at_work.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._at_work.stop()

    def show(self, statuses: Sequence[RunStatus]) -> None:
        """Shows the statuses as they are now."""
        spent = time.time() - self._begun
        left = seconds_left(statuses, spent)
        rest = f", about {in_words(left)} left" if left else ""
        for number, status in enumerate(statuses):
            if status.ended and number not in self._ended:
                self._ended.add(number)
                trained = f", trained {status.seconds:.1f} s" if status.seconds else ""
                error = f": {status.error.splitlines()[0]}" if status.error else ""
                at = f"[{len(self._ended):>3}/{len(statuses)}]"
                self.say(f"{at} {status.name:<22} {status.state}{trained}{rest}{error}")
        at_work = [status for status in statuses if status.state in ("starting", "training", "testing")]
        lines = [f"{status.name} {status.state} {100 * status.share:.0f} %" for status in at_work]
        so_far = f"{len(self._ended)} of {len(statuses)} runs, {in_words(spent)} so far{rest}"
        self._at_work.update(Text("\n".join([so_far, *lines])))

    def say(self, line: str) -> None:
        """A line of text above those at work."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
