"""An executor, as of `concurrent.futures`, whose calls run on the workers of a Dask cluster."""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures import wait as wait_for

from pose3d_lib.runs.sweep.cluster.worker import Home, call_on_worker

SECONDS_BETWEEN_LOOKS = 1.0

LOST = (
    "the connection to the Dask scheduler was lost while this ran; the same command again goes on from its checkpoint"
)


class ClusterExecutor(Executor):
    """Calls functions on the workers of a Dask cluster, each worker one at a time, in the order in which they were submitted.

    A call is handed to Dask only when there is a worker for it: Dask may give a worker many tasks at once, and when that
    worker dies, it counts its death against each of them.

    Args:
        client: of the cluster.
        home: the sweep's folders.
        resources: that a call needs, such as {"GPU": 1}.
    """

    def __init__(self, client: object, home: Home, resources: Mapping[str, float]):
        self._client, self._home, self._resources = client, home, dict(resources)
        self._waiting: deque[tuple[Future, Callable, tuple]] = deque()
        self._at_work: dict[Future, object] = {}  # our future -> Dask's
        self._changed = threading.Condition()
        self._open, self._given = True, False
        threading.Thread(target=self._hand_out, name="pose3d-hand-out", daemon=True).start()

    @property
    def unfinished(self) -> int | None:
        """Calls that wait or are at work; None before the first."""
        return len(self._waiting) + len(self._at_work) if self._given else None

    def submit(self, function: Callable, /, *args: object) -> Future:
        """As of every executor; function and arguments are pickled, and the function is imported by the workers."""
        future: Future = Future()
        with self._changed:
            if not self._open:
                raise RuntimeError("the executor was shut down")
            self._given = True
            self._waiting.append((future, function, args))
            self._changed.notify_all()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls. With `cancel_futures` those that wait are cancelled, and those at work interrupted."""
        with self._changed:
            self._open = False
            futures = [*(future for future, *_ in self._waiting), *self._at_work]
            tasks = [task for *_, task in self._at_work.values()]
            self._changed.notify_all()
        if cancel_futures:
            self._drop_waiting(CancelledError())
            if tasks:
                self._client.cancel(tasks, reason="the sweep was stopped")
        if wait:
            wait_for(futures)

    def _hand_out(self) -> None:
        try:
            while self._client.status not in ("closing", "closed"):  # before it closes, it tries to connect again
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or not self._open)
                    if not self._waiting:
                        return
                places = len(suitable_workers(self._client, self._resources))
                with self._changed:
                    while self._waiting and len(self._at_work) < places:
                        self._hand_over(*self._waiting.popleft())
                    if self._waiting:
                        self._changed.wait(SECONDS_BETWEEN_LOOKS)
        finally:  # nobody will wait for what nobody hands out
            self._drop_waiting(ConnectionError(LOST))

    def _hand_over(self, future: Future, function: Callable, args: tuple) -> None:
        if not (future.running() or future.set_running_or_notify_cancel()):
            return  # it was cancelled
        task = self._client.submit(
            call_on_worker,
            self._home,
            function,
            *args,
            key=f"{function.__name__}-{uuid.uuid4().hex}",
            pure=False,
            resources=self._resources,
        )
        self._at_work[future] = (function, args, task)
        task.add_done_callback(lambda task: self._pass_on(future, task))

    def _pass_on(self, future: Future, task: object) -> None:
        """From Dask's future to ours; a call whose task was lost with the connection waits again."""
        with self._changed:
            function, args, _ = self._at_work.pop(future)
            if task.status not in ("finished", "error") and self._open:
                self._waiting.appendleft((future, function, args))
                future = None
            self._changed.notify_all()
        if future is None:
            return
        if task.status == "finished":
            future.set_result(task.result())
        else:
            future.set_exception(_explain(task.exception()) if task.status == "error" else CancelledError())

    def _drop_waiting(self, error: BaseException) -> None:
        with self._changed:
            self._open = False
            waiting = [future for future, *_ in self._waiting]
            self._waiting.clear()
        for future in waiting:
            if isinstance(error, CancelledError):
                future.cancel()
            if future.running() or future.set_running_or_notify_cancel():
                future.set_exception(error)


def suitable_workers(client: object, resources: Mapping[str, float]) -> dict[str, Mapping]:
    """Address -> what the scheduler knows of it, of the workers that are well and have the resources."""
    return {
        address: worker
        for address, worker in client.scheduler_info(n_workers=-1)  # all, not the first five
        .get("workers", {})
        .items()  # unknown while the client connects again
        if worker["status"] == "running"
        and all(worker["resources"].get(name, 0) >= amount for name, amount in resources.items())
    }


def _explain(error: BaseException) -> BaseException:
    """The error of a call; where it is Dask's own, in words that a user of this project understands."""
    from distributed.scheduler import KilledWorker

    if not isinstance(error, KilledWorker):
        return error
    return RuntimeError(
        f"{error.allowed_failures + 1} workers died while they executed this, the last of them {error.last_worker.name} "
        f"on {error.last_worker.host}; was there too little memory, or time?"
    )
