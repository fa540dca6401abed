"""SIGINT and SIGTERM: passed to a function while a run trains or is tested, or raised once as RunStopped."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from pose3d_lib.common.errors import RunStopped


@contextmanager
def catch_signals(handle: Callable[[str], object]) -> Iterator[None]:
    """SIGINT and SIGTERM call `handle` with their name; in the main thread, as no other can catch signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda came, _: handle(signal.Signals(came).name)) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)


def raised_once() -> AbstractContextManager[None]:
    """The first SIGINT or SIGTERM raises RunStopped in the main thread; later ones do not disturb the saving."""
    came: list[str] = []

    def note(name: str) -> None:
        came.append(name)
        if len(came) == 1:
            raise RunStopped(f"stopped by {name}")

    return catch_signals(note)
