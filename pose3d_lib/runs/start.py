"""Another run's weights to start with: found by its folder's name, and rejected where they do not belong to this run."""

from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import sha256_of
from pose3d_lib.common.paths import runs_dir
from pose3d_lib.data.actions import nearest
from pose3d_lib.model.card import read_weights
from pose3d_lib.runs.inventory import check_finished, run_names
from pose3d_lib.runs.layout import CONFIG, PROVENANCE, WEIGHTS, Origin, read_json
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import RunPlan, build_lifters

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
    origin, made = read_json(folder / PROVENANCE, Origin), read_json(folder / CONFIG, RunConfig)
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
