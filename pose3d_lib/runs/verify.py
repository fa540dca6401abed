"""Verify finished runs: their files by checksum, and the numbers of some by testing their weights again."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.card import RECOMPUTED
from pose3d_lib.model.evaluate import METRICS, ROOT_ERROR, evaluate_lifters
from pose3d_lib.runs.inventory import Finished, State, compare_sum, look_at
from pose3d_lib.runs.layout import CLIPS, CONFIG, FINISHED, PROVENANCE, WEIGHTS, Origin, read_json
from pose3d_lib.runs.run import Run, run_name
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import choose_test

TOLERANCE = 1e-6  # relative; the same machine, processor and PyTorch give the same errors to the last digit
PLACE = ["subject", "action", "take", "camera", "frames"]


def check_files(folder: Path) -> list[str]:
    """What is wrong with the files of a finished run: checksums, and whether its name is that of the config in it."""
    entry = look_at(folder, closely=True)
    if entry is None or entry.state != State.FINISHED:
        return [(entry.note or entry.state) if entry else "vanished"]
    try:
        problems = [
            compare_sum(folder, WEIGHTS, read_json(folder / FINISHED, Finished), whole=True),
            _check_name(folder),
        ]
    except InputError as error:
        problems = [str(error)]
    return [problem for problem in problems if problem]


def _check_name(folder: Path) -> str:
    fingerprint = read_json(folder / PROVENANCE, Origin).dataset.fingerprint
    name = run_name(read_json(folder / CONFIG, RunConfig), fingerprint)
    return "" if name == folder.name else f"{CONFIG} or {PROVENANCE} is another run's, of {name}"


def evaluate_again(run: Run, data: PoseDataset) -> tuple[float, str]:
    """Tests a run's weights on its dataset, on the device and with the threads it had, and compares as `compare_clips`.

    Both with recomputed statistics and as published; the larger difference counts.

    Raises:
        InputError: the dataset is another one, or a file cannot be read.
        ValueError, KeyError, RuntimeError: the weights do not fit, or the tables are of other clips, though their checksums
            are as they should be.
    """
    made_on = run.provenance["dataset"]
    if made_on["fingerprint"] != data.fingerprint:
        raise InputError(
            f"{run.folder}: made on {made_on['name']} with fingerprint {made_on['fingerprint'][:10]}, and what its settings "
            f"name is now {data.name} with {data.fingerprint[:10]}; put the data back that it was made on"
        )
    return max(_evaluate_again(own, data) for own in (run, run.as_published))


def _evaluate_again(run: Run, data: PoseDataset) -> tuple[float, str]:
    config, threads = run.config, torch.get_num_threads()
    try:
        lifters = run.load_lifters(data)
        if config.device == "cuda" and torch.cuda.is_available():
            lifters.to("cuda")
        torch.set_num_threads(config.threads)
        again = evaluate_lifters(
            lifters, data, choose_test(config, data), config.keypoints, mirror=config.mirror_testing
        )
    finally:
        torch.set_num_threads(threads)
    relative, where = compare_clips(run.clips, again)
    return relative, where if run.statistics == RECOMPUTED else f"{where} as published"


def compare_clips(written: pd.DataFrame, again: pd.DataFrame) -> tuple[float, str]:
    """The largest relative difference of an error between two tables of clips, infinite for NaN, and its metric and clip.

    A ValueError where the tables are not of the same clips.
    """
    if written[PLACE].astype(str).to_numpy().tolist() != again[PLACE].astype(str).to_numpy().tolist():
        raise ValueError(f"other clips than those of the dataset, {len(written)} and {len(again)}")
    metrics = [name for name in (*METRICS, ROOT_ERROR) if name in again]
    relative = np.abs(again[metrics].to_numpy() / written[metrics].to_numpy() - 1)
    relative[np.isnan(relative)] = np.inf
    row, column = np.unravel_index(relative.argmax(), relative.shape)
    return float(relative[row, column]), f"{metrics[column]} of {'/'.join(map(str, again[PLACE].iloc[row, :4]))}"


def judge(relative: float, where: str, provenance: Mapping[str, object]) -> str:
    """What is wrong with a run of this provenance whose errors differ by this; "" if nothing is."""
    if relative <= TOLERANCE:
        return ""
    return (
        f"tested again, {where} differs by {relative:.1e} of it, expected at most {TOLERANCE:g}: weights, {CLIPS} or data were "
        f"changed. (It was made with PyTorch {provenance['packages']['torch']} on {provenance['processor']}; here is PyTorch "
        f"{torch.__version__}. Another version or processor may differ in the last digits, not in the first three.)"
    )
