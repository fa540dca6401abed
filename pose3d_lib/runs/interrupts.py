"""SIGINT and SIGTERM while a run trains: noted, so that the step and the checkpoint are completed before the run ends.

While it is tested they end it at once: that changes no file.
"""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pose3d_lib.common.errors import RunStopped


@contextmanager
def noted_signals() -> Iterator[Callable[[], str]]:
    """Yields a function that says which signal has come, such as "SIGTERM", or "" while none has.

    Signals can only be caught in the main thread, where notebooks and scripts run; in another they do what they did.
    """
    came: list[str] = []

    def note(number: int, frame: object) -> None:
        came.append(signal.Signals(number).name)

    with _handled_by(note):
        yield lambda: came[0] if came else ""


@contextmanager
def raised_signals(when: str) -> Iterator[None]:
    """Within it either signal raises RunStopped, "stopped by SIGTERM <when>"; in another thread it does what it did."""

    def leave(number: int, frame: object) -> None:
        raise RunStopped(f"stopped by {signal.Signals(number).name} {when}")

    with _handled_by(leave):
        yield


def _is_no_lost_reply(record: logging.LogRecord) -> bool:
    return record.exc_info is None or type(record.exc_info[1]).__name__ != "ZMQError"


@contextmanager
def _handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # papermill, when interrupted, closes the sockets of a kernel that still saves, whose reply then fails with a traceback
    logging.getLogger("IPKernelApp").addFilter(_is_no_lost_reply)
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)
