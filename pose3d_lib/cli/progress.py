"""Progress in a terminal: a line per run at work that updates in its place, or in a log a line per run that has ended."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pose3d_lib.runs.sweep.progress import RunStatus, clock, seconds_left

STATE_STYLES = {"starting": "dim", "training": "yellow", "testing": "yellow", "failed": "bold red"}


class RunBoard:
    """Shows the statuses of a sweep that began at `begun` (as of `time.time`) as they change; a context manager.

    On a console that is no terminal, a line is written as each run ends.
    """

    def __init__(self, console: Console, begun: float):
        self._console, self._begun = console, begun
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._ended: set[int] = set()

    def __enter__(self) -> "RunBoard":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, statuses: Sequence[RunStatus]) -> None:
        """Draws the statuses as they are now."""
        left = seconds_left(statuses, time.time() - self._begun)
        rest = f", about {clock(left)} left" if left else ""
        if self._live:
            self._live.update(self._table(statuses, rest), refresh=True)
            return
        for number, status in enumerate(statuses):
            if status.ended and number not in self._ended:
                self._ended.add(number)
                trained = f", trained {status.seconds:.1f} s" if status.seconds else ""
                error = f": {status.error.splitlines()[0]}" if status.error else ""
                at = f"[{len(self._ended):>3}/{len(statuses)}]"
                self.say(f"{at} {status.name:<22} {status.state}{trained}{rest}{error}")

    def say(self, line: str) -> None:
        """A line of text above the table."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _table(self, statuses: Sequence[RunStatus], rest: str) -> Table:
        """Those at work and those that failed."""
        done, spent = sum(status.ended for status in statuses), time.time() - self._begun
        table = Table(title=f"{done} of {len(statuses)} runs, {clock(spent)} so far{rest}", box=None)
        for title in ("run", "", "state", "epoch", "loss", "trained", "left"):
            table.add_column(title, no_wrap=True)
        for status in statuses:
            if status.state in STATE_STYLES:
                table.add_row(
                    Text(status.name),
                    ProgressBar(total=1, completed=status.share, width=24),
                    Text(status.state, STATE_STYLES[status.state]),
                    status.epochs,
                    "" if status.loss is None else f"{status.loss:.1f} mm",
                    clock(status.seconds),
                    clock(status.seconds_left),
                )
        return table
