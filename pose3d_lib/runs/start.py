"""What a run begins with: the weights of another run, and its provenance: versions, hardware, data, commit."""

import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import sha256_of
from pose3d_lib.common.paths import project_root, runs_dir
from pose3d_lib.data.actions import nearest
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.card import read_weights
from pose3d_lib.runs.inventory import check_finished, run_names
from pose3d_lib.runs.layout import CONFIG, PROVENANCE, RESULT_FORMAT, WEIGHTS, Origin, read_json
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import RunPlan, build_lifters

PACKAGES = ("pose3d-lib", "torch", "numpy", "pandas", "scipy", "safetensors", "papermill", "matplotlib")
ANOTHER = "train that run again, or start from another"
# settings that must agree; joints and layouts follow from the keypoints and the dataset, which must agree too
SAME_NETWORK = ("keypoints", "filter_widths", "channels", "causal", "dense", "has_trajectory", "action_input")


def load_start(plan: RunPlan) -> tuple[dict[str, Tensor] | None, dict[str, str | None] | None]:
    """The weights that a run starts with, batch-norm statistics included, and what its provenance says of them.

    None and None where it starts with random weights.

    Raises:
        InputError: there is no such run, or what is in its folder is unfinished, damaged, or of another version, dataset or
            network.
    """
    config, data = plan.config, plan.data
    if not config.start_from:
        return None, None
    names, name = run_names(), config.start_from
    if name not in names:  # exactly, also where a disk does not tell capital letters from small ones
        meant = nearest(name, names)
        hint = f"did you mean {', '.join(meant)}? " if meant else ""
        raise InputError(
            f"parameter start_from: there is no run {name!r} in {runs_dir()}; {hint}Train that run first, or name another"
        )
    folder = runs_dir() / name
    check_finished(folder, ANOTHER)
    try:
        origin, made = read_json(folder / PROVENANCE, Origin), read_json(folder / CONFIG, RunConfig)
    except InputError as error:
        raise InputError(f"{folder}: {error}; {ANOTHER}") from error
    if origin.dataset.fingerprint != data.fingerprint:
        raise InputError(
            f"{folder}: trained on other data, {origin.dataset.name} with fingerprint {origin.dataset.fingerprint[:10]} "
            f"where {data.name} with {data.fingerprint[:10]} is expected; start from a run on the same data"
        )
    other = [name for name in SAME_NETWORK if getattr(made, name) != getattr(config, name)]
    if other:
        found = "; ".join(
            f"{name.removeprefix('has_')} {getattr(made, name)!r}, expected {getattr(config, name)!r}" for name in other
        )
        raise InputError(f"{folder}: a network of another kind: {found}; start from a run with the same settings")
    path = folder / WEIGHTS
    weights = read_weights(path, lambda: build_lifters(config, data), told="its config.json", remedy=ANOTHER)
    return weights, {"run": folder.name, "commit": origin.commit, "weights_sha256": sha256_of(path)}


def describe_provenance(
    config: RunConfig, data: PoseDataset, start: Mapping[str, str | None] | None
) -> dict[str, object]:
    """The content of a run's provenance.json; `start` describes the run whose weights it starts with, None if there is none."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": {
            "name": data.name,
            "synthetic": data.synthetic,
            "fingerprint": data.fingerprint,
            "declarations": data.declarations(),
        },
        "start": start,
        "seed": config.seed,
        "format": RESULT_FORMAT,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name() if config.device == "cuda" else "CPU",
        "threads": config.threads,
    }


def _commit() -> str | None:
    """The commit of the checkout, with "+" where it has uncommitted changes; None outside a checkout or without git."""
    root = project_root()
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip() or None
    except FileNotFoundError:
        return None


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
