"""Calls in processes of their own, several at a time; one that is killed fails its own call, and none outlives its parent."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

SECONDS_TO_LEAVE = 90.0
"""That a process whose parent is gone has to end what it does."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whoever is at work is told, waited for, and then this process ends."""


@contextmanager
def open_processes(number: int) -> Iterator[Executor]:
    """An executor whose calls run in `number` processes at a time; leaving it early ends what is at work, after it has saved.

    Every process is a pool of its own: where one of several in a pool is killed, the others are ended too.
    """
    own, pools = threading.local(), []

    def call(function: Callable, *arguments: object) -> object:
        try:
            begun = pool().submit(_told_once, function, *arguments)
        except BrokenProcessPool:  # it was killed between two calls
            own.pool = None
            begun = pool().submit(_told_once, function, *arguments)
        try:
            return begun.result()
        except BrokenProcessPool:
            own.pool = None
            raise

    def pool() -> ProcessPoolExecutor:
        if getattr(own, "pool", None) is None:
            # spawn: a forked child of a Jupyter kernel or of a process that used torch may hang on locks it inherited
            own.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_leave_with_parent)
            pools.append(own.pool)
        return own.pool

    class Processes(ThreadPoolExecutor):
        def submit(self, function: Callable, *arguments: object):
            return super().submit(call, function, *arguments)

    with sigterm_raises():
        executor = Processes(number)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            # also after a terminal's Ctrl-C, which has told them already: one may have begun another call since
            for child in multiprocessing.active_children():
                child.terminate()
            raise
        finally:
            executor.shutdown()
            for pool in pools:
                pool.shutdown()


def _told_once(function: Callable, *arguments: object) -> object:
    """A call that SIGINT or SIGTERM breaks off, and that is not disturbed by further ones while it saves what it does.

    A terminal's Ctrl-C comes to this process, and so does what its parent then sends.
    """
    told: list[int] = []

    def tell(number: int, frame: object) -> None:
        told.append(number)
        if len(told) == 1:
            raise Terminated(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return function(*arguments)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if told and not multiprocessing.parent_process().is_alive():
            os._exit(1)  # nobody waits for a result, or would give this process another call


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within it SIGTERM raises Terminated, in the main thread; elsewhere it does what it did."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        raise Terminated("stopped by SIGTERM")

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _leave_with_parent() -> None:
    """Starts a thread that ends this process when its parent has ended, however that came."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)  # a notebook at work is interrupted by it, and saves
        time.sleep(SECONDS_TO_LEAVE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
