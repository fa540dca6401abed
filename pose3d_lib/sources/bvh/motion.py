"""BVH files to the 17 joints at the wanted frame rate, many files in several processes."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np

from pose3d_lib.errors import InputError
from pose3d_lib.skeleton import H36M_17
from pose3d_lib.sources.bvh.file import Bvh, read_bvh
from pose3d_lib.sources.bvh.joints import JointMapping, weight_matrix
from pose3d_lib.sources.bvh.kinematics import joint_positions
from pose3d_lib.sources.spec import Progress

HIGHEST_RATE = 60.0
"""Frames per second that motion keeps by itself; of faster recordings every second, third, ... frame is taken."""

SAME_RATE = 1e-3
"""Two frame rates whose ratio is as near to a whole number are taken for multiples."""

JUMP, FURTHEST = 5.0, 0.2
"""A first frame is none of the motion's if from it a joint moves this many times as far as from any other frame of the
first second, and by more than this share of the leg's length."""

REST = 0.01
"""Degrees; a rotation as small is that of the rest pose."""

WORTH_PROCESSES = 40 * 2**20
"""Bytes of files that one process reads about as fast as others could be started."""
BYTES_AT_ONCE = 8 * 2**20
MOST_BAD = 5
EVERY = 3.0
"""Seconds between lines of progress."""


@dataclass(frozen=True)
class Recording:
    """The motion of a BVH file.

    Attributes:
        motion: (frames, 17, 3) float32, the file's units and axes.
        fps: frames per second.
        leg: median length of a leg, hip to knee to ankle, the file's units.
        without_rest: whether a first frame in rest pose was left out.
    """

    motion: np.ndarray
    fps: float
    leg: float
    without_rest: bool


def read_motion(path: Path, mapping: JointMapping, fps: float | None) -> Recording:
    """The 17 joints of a file; at `fps`, or at its own rate divided until it is at most `HIGHEST_RATE`."""
    bvh = read_bvh(path)
    joints, weights = weight_matrix(mapping, bvh.hierarchy.names, path)
    rest = _begins_with_rest(bvh, joints, weights)
    if rest:
        bvh = replace(bvh, motion=bvh.motion[1:])
    wanted = fps or bvh.fps / math.ceil(bvh.fps / HIGHEST_RATE - SAME_RATE)
    every = round(bvh.fps / wanted)
    if every and abs(bvh.fps / wanted / every - 1) <= SAME_RATE:
        motion = weights @ joint_positions(replace(bvh, motion=bvh.motion[::every]), joints)
    else:
        motion = resample(weights @ joint_positions(bvh, joints), bvh.fps, wanted)
    return Recording(motion.astype(np.float32), float(wanted), float(np.median(leg_lengths(motion))), rest)


def leg_lengths(motion: np.ndarray) -> np.ndarray:
    """(frames, 17, 3) -> (frames,): hip to knee to ankle, the mean of both legs."""
    legs = [[H36M_17.index(side + joint) for joint in ("Hip", "Knee", "Foot")] for side in "LR"]
    return np.linalg.norm(np.diff(motion[:, legs], axis=2), axis=-1).sum(axis=2).mean(axis=1)


def resample(motion: np.ndarray, fps: float, wanted: float) -> np.ndarray:
    """Motion at another frame rate, over the same time, by cubic splines through every coordinate."""
    from scipy.interpolate import CubicSpline  # takes a while, which only those who resample should wait

    if len(motion) == 1:
        return motion
    times = np.arange(math.floor((len(motion) - 1) / fps * wanted + SAME_RATE) + 1) / wanted
    return CubicSpline(np.arange(len(motion)) / fps, motion, axis=0)(times)


def read_all(
    files: Sequence[Path],
    mapping: JointMapping,
    fps: float | None,
    progress: Progress,
    *,
    names: Sequence[str],
    processes: int | None = None,
) -> list[Recording]:
    """`read_motion` of every file, in order.

    Args:
        files: the files.
        mapping, fps: as in `read_motion`.
        progress: called with a line every few seconds.
        names: of the takes, "subject/action/take", for the error that lists the files that cannot be read.
        processes: how many to use; if not given, one per core where there is enough to read.
    """
    sizes = [file.stat().st_size for file in files]
    if processes is None:
        processes = _cores() if sum(sizes) > WORTH_PROCESSES else 1
    found: list[Recording | None] = [None] * len(files)
    bad: dict[int, str] = {}
    count, begun = 0, time.monotonic()
    said = begun

    def take(number: int, result: Recording | str) -> None:
        nonlocal count, said
        count += 1
        if isinstance(result, str):
            bad[number] = result
            if len(bad) == MOST_BAD:
                _refuse(bad, names, more=count < len(files))
        else:
            found[number] = result
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            progress(f"read {count:,} of {len(files):,} files, {said - begun:.0f} s")

    if processes == 1:
        for number, file in enumerate(files):
            take(number, _read_one(file, mapping, fps))
    else:
        _read_in_processes(files, _chunks(sizes), mapping, fps, processes, take)
    if bad:
        _refuse(bad, names, more=False)
    return found


def _read_in_processes(
    files: Sequence[Path],
    chunks: Sequence[Sequence[int]],
    mapping: JointMapping,
    fps: float | None,
    processes: int,
    take: Callable[[int, Recording | str], None],
) -> None:
    # Not forked: threads of torch may hold locks. Whatever happens, nothing that has not begun is begun, and no process stays.
    pool = ProcessPoolExecutor(min(processes, len(chunks)), mp_context=get_context("spawn"), initializer=_begin)
    try:
        todo: dict[Future, Sequence[int]] = {
            pool.submit(_read_chunk, [files[number] for number in chunk], mapping, fps): chunk for chunk in chunks
        }
        for done in as_completed(list(todo)):
            for number, result in zip(todo.pop(done), done.result(), strict=True):
                take(number, result)
    except BrokenProcessPool as error:
        raise RuntimeError(
            "one of the processes that read the BVH files was ended, as happens when memory runs out, or could not begin, as "
            'happens in a script that does its work outside of `if __name__ == "__main__":`; nothing was prepared'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """What each process does first: leaves Ctrl-C to the one that started it, and ends when that one does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _read_chunk(files: Sequence[Path], mapping: JointMapping, fps: float | None) -> list[Recording | str]:
    return [_read_one(file, mapping, fps) for file in files]


def _read_one(file: Path, mapping: JointMapping, fps: float | None) -> Recording | str:
    """The recording, or what is wrong with the file, so that several wrong files can be told of at once."""
    try:
        return read_motion(file, mapping, fps)
    except InputError as error:
        return str(error)


def _refuse(bad: dict[int, str], names: Sequence[str], *, more: bool) -> None:
    lines = [f"{bad[number]} (take {names[number]})" for number in sorted(bad)]
    example = ",".join(names[number] for number in sorted(bad))
    raise InputError(
        f"{len(bad)} BVH file{'s' if len(bad) > 1 else ''} cannot be used{', and maybe more' if more else ''}:\n"
        + "\n".join(lines)
        + f"\nMend them, or leave them out: leave_out = {example!r}"
    )


def _chunks(sizes: Sequence[int]) -> list[list[int]]:
    """Numbers of files in order, in parts that take about the same time."""
    chunks: list[list[int]] = []
    size = BYTES_AT_ONCE
    for number, bytes_ in enumerate(sizes):
        if size >= BYTES_AT_ONCE:
            chunks.append([])
            size = 0
        chunks[-1].append(number)
        size += bytes_
    return chunks


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begins_with_rest(bvh: Bvh, joints: Sequence[int], weights: np.ndarray) -> bool:
    """Whether the first frame is no motion but the rest pose, which conversions put before it (CMU's does)."""
    if len(bvh.motion) < 3:
        return False
    channels = [name for names in bvh.hierarchy.channels for name in names]
    turning = np.array(["rotation" in name for name in channels])
    still = np.abs(bvh.motion[:2, turning]) < REST
    if still[0].mean() > 0.9 and still[1].mean() < 0.5:
        return True
    second = weights @ joint_positions(replace(bvh, motion=bvh.motion[: max(3, round(bvh.fps) + 1)]), joints)
    steps = np.linalg.norm(np.diff(second, axis=0), axis=-1).max(axis=1)
    return bool(steps[0] > JUMP * steps[1:].max() and steps[0] > FURTHEST * np.median(leg_lengths(second)))
