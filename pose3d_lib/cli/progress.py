"""Progress in a terminal: one line per run that updates in its place, or one line per finished run in a log."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pose3d_lib.runs.sweep.progress import RunStatus, choose_shown, clock, seconds_left

STATE_STYLES = {"finished": "green", "reused": "cyan", "failed": "bold red", "training": "yellow", "testing": "yellow"}


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
        if self._live:
            self._live.update(self._table(statuses, left), refresh=True)
            return
        for number, status in enumerate(statuses):
            if status.ended and number not in self._ended:
                self._ended.add(number)
                self.say(self._line(status, len(statuses), left))

    def say(self, line: str) -> None:
        """A line of text above the table."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self, status: RunStatus, total: int, left: float | None) -> str:
        trained = f"{status.seconds:6.1f} s training" if status.seconds else " " * 17
        rest = f"about {clock(left)} left" if left else ""
        error = f"  {status.error.splitlines()[0]}" if status.error else ""
        return f"[{len(self._ended):>3}/{total}] {status.name:<22} {status.state:<9} {trained}  {rest}{error}"

    def _table(self, statuses: Sequence[RunStatus], left: float | None) -> Table:
        done = sum(status.ended for status in statuses)
        spent = time.time() - self._begun
        rest = f", about {clock(left)} left" if left else ""
        table = Table(
            title=f"{done} of {len(statuses)} runs, {clock(spent)} so far{rest}", box=None, title_justify="left"
        )
        table.add_column("run", no_wrap=True)
        table.add_column("", width=24)
        table.add_column("state", no_wrap=True)
        for title in ("epoch", "loss", "trained", "left"):
            table.add_column(title, justify="right", no_wrap=True)
        for status in choose_shown(statuses):
            style = STATE_STYLES.get(status.state, "dim")
            table.add_row(
                Text(status.name),
                ProgressBar(total=1, completed=status.share, width=24),
                f"[{style}]{status.state}[/{style}]",
                status.epochs,
                "" if status.loss is None else f"{status.loss:.1f} mm",
                clock(status.seconds),
                clock(status.seconds_left),
            )
        return table
