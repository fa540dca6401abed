"""Where the tables and figures of a study go, so that one of other data or settings does not overwrite them."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from pose3d_lib.common.paths import in_file_name, outputs_dir
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.training.settings import Settings

MOST_TOLD = 100
"""Bytes of a folder's name that settings may take; a name has 255 at most."""

TOLD = {*DataSpec.model_fields, "filter_widths", "channels", "batch_size", "jobs", "scheduler", "threads", "device"}
"""Settings that are in every name, or that no number depends on."""


def folder_of(data: PoseDataset, config: Settings, studies: Mapping[str, Mapping[str, object]]) -> Path:
    """The folder of a study's results.

    The name says dataset, keypoints, widths, channels, batch size and the study, and every setting that is not the study's,
    or a hash of these where they are many.

    Args:
        data, config: the study's.
        studies: name -> settings of `type(config)` that differ from its defaults; the one that is nearest gives the name.
    """
    fields = type(config).model_fields
    defaults = {name: field.default for name, field in fields.items()}
    values = {name: getattr(config, name) for name in fields if name not in TOLD}
    differing = {
        name: [setting for setting in values if values[setting] != {**defaults, **settings}[setting]]
        for name, settings in studies.items()
    }
    study = min(differing, key=lambda name: len(differing[name]))
    other = "".join(f"-{setting}-{_in_name(values[setting])}" for setting in differing[study])
    if len(other.encode()) > MOST_TOLD or re.search(r"[/\\]", other):
        other = f"-{hashlib.sha256(other.encode()).hexdigest()[:10]}"
    widths = "x".join(map(str, config.filter_widths))
    what = f"{in_file_name(data.name)}-{data.fingerprint[:6]}-{config.keypoints}-{widths}-{config.channels}c-{config.batch_size}b"
    return outputs_dir() / "results" / f"{what}-{study}{other}"


def _in_name(value: object, between: str = ",") -> str:
    if isinstance(value, tuple):
        return between.join(_in_name(part, "x") for part in value)
    return f"{value:.15g}" if isinstance(value, float) else f"{value}"
