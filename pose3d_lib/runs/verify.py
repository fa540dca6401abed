"""Whether finished runs are what they were: their files by checksum, and the numbers of some by testing their weights again."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pydantic import ValidationError

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS, ROOT_ERROR, evaluate_lifters
from pose3d_lib.model.lifters import Lifters
from pose3d_lib.runs.inventory import look_at
from pose3d_lib.runs.layout import CLIPS, CONFIG, PROVENANCE, TIMING, WEIGHTS, compare_sum, read_object, read_sums
from pose3d_lib.runs.run import Run, run_name
from pose3d_lib.training.config import RunConfig

TOLERANCE = 1e-6
"""Relative; the same machine, processor and PyTorch give the same errors to the last digit."""

PLACE = ["subject", "action", "take", "camera", "frames"]


@dataclass(frozen=True)
class Difference:
    """The largest difference between the errors that a run wrote and those that its weights have now.

    Attributes:
        relative: of the error that was written, or for a joint's of its clip's MPJPE.
        where: the clip and the column.
    """

    relative: float
    where: str


def check_files(folder: Path) -> tuple[list[str], bool]:
    """What is wrong with the files of a finished run, and whether it has checksums.

    Every file with a checksum is read; where there are none, as they are younger than this format of results, what the
    listing reads and the other JSON files. In either case the folder's name has to be that of the config in it.
    """
    entry = look_at(str(folder), time.time())
    if entry is None or entry.state != "finished":
        return [(entry.note or entry.state) if entry else "vanished"], True
    problems = []
    for check in (_name_problem, _timing_problem):
        try:
            problems += check(folder)
        except InputError as error:
            problems.append(str(error))
    try:
        sums = read_sums(folder)
    except InputError as error:  # sound a moment ago
        return [*problems, str(error)], True
    return [*problems, *(p for name in sums if (p := compare_sum(folder, name, sums[name])))], bool(sums)


def _name_problem(folder: Path) -> list[str]:
    config, provenance = (read_object(f"{folder}/{name}") for name in (CONFIG, PROVENANCE))
    dataset = provenance.get("dataset")
    fingerprint = dataset.get("fingerprint") if isinstance(dataset, dict) else None
    if not isinstance(fingerprint, str):
        return [f"{PROVENANCE}: the dataset's fingerprint is {str(fingerprint)[:80]!r}"]
    try:
        name = run_name(RunConfig.model_validate(config), fingerprint)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        return [f"{CONFIG}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"]
    return [] if name == folder.name else [f"{CONFIG} or {PROVENANCE} is another run's, of {name}"]


def _timing_problem(folder: Path) -> list[str]:
    read_object(f"{folder}/{TIMING}")
    return []


def draw_sample(names: Sequence[str], number: int, seed: int) -> list[str]:
    """So many of the runs at random, or all if there are fewer; the same for the same seed."""
    return sorted(random.Random(seed).sample(sorted(names), min(number, len(names))))


def evaluate_again(run: Run, data: PoseDataset) -> Difference:
    """Tests a run's weights on its dataset, on the device and with the threads it had, and compares with what it wrote.

    Raises:
        InputError: the dataset is another one, the weights do not fit, or the tables are of other clips.
    """
    config, made_on = run.config, run.provenance["dataset"]
    if made_on["fingerprint"] != data.fingerprint:
        raise InputError(
            f"{run.folder}: made on {made_on['name']} with fingerprint {made_on['fingerprint'][:10]}, and what its settings "
            f"name is now {data.name} with {data.fingerprint[:10]}; put the data back that it was made on"
        )
    try:
        lifters = run.load_lifters(data)
    except (RuntimeError, KeyError) as error:
        raise InputError(f"{run.folder / WEIGHTS}: not the weights of this run ({str(error)[:200]})") from error
    if config.device == "cuda" and torch.cuda.is_available():
        lifters.to("cuda")
    with _threads(config.threads):
        again = _evaluate(lifters, data, run)
    return compare_clips(_written(run), again, run.folder / CLIPS)


def _evaluate(lifters: Lifters, data: PoseDataset, run: Run) -> pd.DataFrame:
    config = run.config
    try:
        return evaluate_lifters(lifters, data, data.test_clips(), config.keypoints, mirror=config.mirror_testing)
    except FloatingPointError as error:
        raise InputError(f"{run.folder / WEIGHTS}: {error}") from error


def _written(run: Run) -> pd.DataFrame:
    try:
        return run.clips
    except (OSError, ValueError) as error:
        raise InputError(f"{run.folder / CLIPS}: cannot be read ({str(error)[:200]})") from error


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def judge(difference: Difference, provenance: Mapping[str, object]) -> str:
    """What is wrong with a run whose errors differ so; "" if nothing is. `provenance` is the run's."""
    if difference.relative <= TOLERANCE:
        return ""
    packages = provenance.get("packages")
    version = packages.get("torch") if isinstance(packages, dict) else None
    return (
        f"tested again, {difference.where} differs by {difference.relative:.1e} of it, expected at most {TOLERANCE:g}: weights, "
        f"{CLIPS} or data were changed. (It was made with PyTorch {version} on {provenance.get('processor')}; here is PyTorch "
        f"{torch.__version__}. Another version or processor may differ in the last digits, not in the first three.)"
    )


def compare_clips(written: pd.DataFrame, again: pd.DataFrame, path: Path) -> Difference:
    """The largest difference between two tables of clips as `evaluate` gives them; a joint's error counts as part of its clip's.

    Raises:
        InputError: the tables are not of the same clips, or something in the written one is no number. `path` is its file.
    """
    joints = [name for name in again.columns if name not in (*PLACE, *METRICS) and name in written.columns]
    columns = [*METRICS, *joints]
    if missing := [name for name in (*PLACE, *METRICS) if name not in written.columns]:
        raise InputError(f"{path}: no column {missing[0]!r}; train that run anew")
    if written[PLACE].astype(str).to_numpy().tolist() != again[PLACE].astype(str).to_numpy().tolist():
        raise InputError(f"{path}: other clips than those of the dataset, {len(written)} and {len(again)}")
    try:
        old = written[columns].to_numpy(float)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if not np.isfinite(old).all():
        raise InputError(f"{path}: an error that is not a number; train that run anew")
    new = again[columns].to_numpy(float)
    scale = np.where([name in (*METRICS, ROOT_ERROR) for name in columns], np.abs(old), old[:, :1])
    relative = np.abs(new - old) / np.maximum(scale, np.finfo(float).tiny)
    row, column = np.unravel_index(relative.argmax(), relative.shape)
    place = "/".join(str(part) for part in again[PLACE].iloc[row, :4])
    return Difference(float(relative[row, column]), f"{columns[column]} of {place}")
