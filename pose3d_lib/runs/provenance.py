"""Where the numbers of a run come from: versions, hardware, the dataset, the commit, and the run that it started from."""

import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

from pose3d_lib.common.paths import project_root
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.layout import RESULT_FORMAT
from pose3d_lib.training.config import RunConfig

PACKAGES = ("pose3d-lib", "torch", "numpy", "pandas", "scipy", "safetensors", "papermill", "matplotlib")


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
