"""SIGINT and SIGTERM while a run trains: noted, so that the step and the checkpoint are completed before the run ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class RunStopped(KeyboardInterrupt):
    """A run was asked to stop, and did after it had saved where it was; no `Exception`, as nothing failed."""


@contextmanager
def noted_signals() -> Iterator[Callable[[], str]]:
    """Yields a function that says which signal has come, such as "SIGTERM", or "" while none has.

    Signals can only be caught in the main thread, where notebooks and scripts run; in another they do what they did.
    """
    came: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return

    def note(number: int, frame: object) -> None:
        came.append(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: came[0] if came else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
