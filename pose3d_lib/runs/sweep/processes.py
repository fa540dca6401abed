"""Calls in processes of their own, several at a time; one that is killed fails its own call, and none outlives its parent.

A process of `multiprocessing` imports the caller's main module, so that a script without a guarded main would run again in it.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

SECONDS_TO_LEAVE = 90.0
"""That a process whose parent is gone has to end what it does."""

COMMAND = [sys.executable, "-c", f"from {__name__} import serve; serve()"]


class Terminated(KeyboardInterrupt):
    """SIGTERM came: calls at work are stopped and waited for, then this process ends."""


@contextmanager
def open_processes(number: int) -> Iterator[Executor]:
    """An executor whose calls run in `number` processes at a time; leaving it early ends what is at work, after it has saved.

    Functions, arguments and results are pickled. The processes do not know the functions of the caller's main module.
    """
    own, workers, leaving = threading.local(), [], threading.Event()

    def call(function: Callable, *arguments: object) -> object:
        request = pickle.dumps((function, arguments))
        if getattr(own, "worker", None) is None or own.worker.poll() is not None:  # perhaps killed between two calls
            if leaving.is_set():
                raise BrokenProcessPool("stopped before it began")
            own.worker = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            workers.append(own.worker)
        return _ask(own.worker, request)

    class Processes(ThreadPoolExecutor):
        def submit(self, function: Callable, *arguments: object):
            return super().submit(call, function, *arguments)

    with sigterm_raises():
        executor = Processes(number)
        try:
            yield executor
        except BaseException:
            leaving.set()
            executor.shutdown(wait=False, cancel_futures=True)
            # also after a terminal's Ctrl-C, which has told them already: one may have begun another call since
            for worker in workers:
                worker.terminate()
            raise
        finally:
            executor.shutdown()
            for worker in workers:
                worker.communicate()


def _ask(worker: subprocess.Popen, request: bytes) -> object:
    try:
        worker.stdin.write(len(request).to_bytes(8, "little") + request)
        worker.stdin.flush()
        result, error = pickle.load(worker.stdout)
    except (OSError, EOFError, pickle.UnpicklingError) as fault:
        worker.wait()
        raise BrokenProcessPool(f"process {worker.pid} has ended, with {worker.returncode}") from fault
    if error is not None:
        raise error
    return result


def serve() -> None:
    """Executes the calls that come through the standard input, one after the other, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # between two calls, a terminal's Ctrl-C is the parent's
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what a call prints is no answer
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    alone = threading.Event()

    def listen() -> None:
        while size := asked.read(8):
            requests.put(asked.read(int.from_bytes(size, "little")))
        alone.set()
        requests.put(None)
        os.kill(os.getpid(), signal.SIGTERM)  # a notebook at work is interrupted by it, and saves
        time.sleep(SECONDS_TO_LEAVE)
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    while (request := requests.get()) is not None:
        try:
            function, arguments = pickle.loads(request)
            answer = _told_once(function, *arguments), None
        except BaseException as error:
            answer = None, error
        if alone.is_set():
            os._exit(1)  # the parent is gone, and with it the reader of a result
        answers.write(pickle.dumps(answer))
        answers.flush()


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
