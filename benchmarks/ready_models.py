"""Trains the two models that come along, or measures them on motion that they never saw.

`make ready-model` runs the first, `make ready-measured` the second. Both resume where they were stopped.
"""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from ready_data import Clip, open_data, see
from reference import put_table

from pose3d_lib import metrics
from pose3d_lib.common.errors import RunStopped
from pose3d_lib.common.paths import project_root
from pose3d_lib.common.tables import to_markdown
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import complete_parameters, open_dataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.card import TrainedModel
from pose3d_lib.model.predict import end_to_end, predict
from pose3d_lib.report.export import export_model
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.models import READY, open_model
from pose3d_lib.runs.run import run_folder
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.history import HistoryRow
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run

TRAINED = {
    "action": "All", "scores": True, "filter_widths": (3, 3, 3), "channels": 512, "batch_size": 256, "threads": 1,
    "lr_decay": 0.7, "evaluate_at": (1, 3, 6), "recompute_at": "end", "precision": "auto",
}  # fmt: skip
DATA = {"dataset": "ready", "keypoints": "simulated", "scale": "full", "unit_epochs": 10}
ALONE = "synthetic alone"
MODELS = {
    "ready": DATA,
    "ready-causal": {**DATA, "causal": True},
    # What the ready models are compared with: the synthetic set as it is, at 25 frames per second, in its four fixed cameras.
    ALONE: {
        "dataset": "synthetic",
        "scale": "full",
        "downsample": 2,
        "test_subjects": "S9",
        "unit_epochs": 2,
        "lr_decay": 0.1,
    },
}
UNSEEN = {"dataset": "bandai-namco-2", "one_camera": True, "scores": True}
SEED = 0


def config_of(name: str) -> RunConfig:
    return make_config(RunConfig, {"keypoints": "simulated", **TRAINED, **MODELS[name]})


def data_of(config: RunConfig) -> PoseDataset:
    return open_data(config.scale) if config.dataset == "ready" else open_dataset(config.data, progress=print)


def train(names: list[str]) -> None:
    """Train models side by side, each in a process of its own, which resumes a run and reads a finished one."""
    data_of(config_of(names[0]))  # prepared once, not by each
    runs = [subprocess.Popen([sys.executable, __file__, "run", name]) for name in names]
    if sum(run.wait() != 0 for run in runs):
        raise SystemExit("a run was stopped or failed; the same command resumes it")


def run(name: str) -> None:
    config = config_of(name)

    def tell(row: HistoryRow) -> None:
        print(f"{name}: {row.unit_epochs:.2f} unit epochs, {row.train_mpjpe:.1f} mm in training", flush=True)

    try:
        execute_run(plan_run(config, data_of(config)), say=print, on_row=tell)
    except RunStopped as stopped:
        raise SystemExit(f"{name}: {stopped}") from stopped


def open_run(name: str) -> TrainedModel:
    config = config_of(name)
    return open_model(run_folder(config, data_of(config)))


def export() -> None:
    """Put the trained models where the package has them."""
    for name, path in READY.items():
        model = open_run(name)
        card = model.card.model_copy(
            update={"name": name, "origin": f"{model.card.origin} It comes along with pose3d-lib."}
        )
        for written in export_model(TrainedModel(model.lifters, card), path, overwrite=True, half=True):
            print(f"written: {written}")


def ways_to_see(data: PoseDataset) -> Iterator[tuple[str, PoseDataset, str]]:
    """The same motion as keypoints of several kinds: in words, the dataset, and its 2D source."""
    room = "Human3.6M's cameras"
    yield f"exact, {room}", data, "gt"
    yield f"simulated, {room}", data, "simulated"
    marked = partial(see, name=data.name, like=1.0)
    yield f"as a detector marks, {room}", marked(clips_of(data, own_camera=True)), "simulated"
    yield "as a detector marks, any camera", marked(clips_of(data)), "simulated"
    yield (
        "the same, every tenth take, everybody laid on the floor",
        marked(clips_of(data, every=10, lying=True)),
        "simulated",
    )


def clips_of(data: PoseDataset, *, own_camera: bool = False, every: int = 1, lying: bool = False) -> Iterator[Clip]:
    """The motion of every clip or some, to be seen by its own camera or any, as it is or turned by a right angle."""
    for number, (_, clip) in enumerate(data.clips.iloc[::every].iterrows()):
        camera, rng = data.camera_of(clip) if own_camera else None, np.random.default_rng([SEED, number])
        motion = data.world(clip)
        if lying:  # turned by a right angle around the x axis
            motion = motion[..., [0, 2, 1]] * (1, -1, 1)
        yield Clip(clip.subject, clip.action, clip.fps, motion, rng, camera)


def measure() -> pd.DataFrame:
    """A row for each model and kind of keypoints: means over all frames of every take, mm."""
    data = open_dataset(DataSpec(**complete_parameters(UNSEEN)), progress=print)
    trained_on = data_of(config_of("ready"))
    mean = end_to_end(trained_on.positions, trained_on.train_clips()).double().mean(dim=0)
    models = {name: open_model(name) for name in READY} | {ALONE: open_run(ALONE)}
    table = []
    for kind, seen, keypoints in ways_to_see(data):
        truth = torch.from_numpy(seen.positions).double()
        for name, model in models.items():
            groups = predict(model.lifters.pose, seen, seen.clips, keypoints)
            poses = torch.cat([pose for group in groups for pose in group])
            table.append(_row(kind, name, f"{model.card.training.windows / 1e6:.1f}", poses, truth))
            print(table[-1], flush=True)
        table.append(_row(kind, "the mean pose", "", mean.expand_as(truth), truth))
    return pd.DataFrame(table)


def _row(kind: str, name: str, windows: str, poses: torch.Tensor, truth: torch.Tensor) -> dict[str, object]:
    errors = {"MPJPE [mm]": metrics.mpjpe, "N-MPJPE [mm]": metrics.n_mpjpe, "P-MPJPE [mm]": metrics.p_mpjpe}
    parts = list(zip(poses.split(10_000), truth.split(10_000), strict=True))
    means = {title: 1000 * float(torch.cat([error(*part) for part in parts]).mean()) for title, error in errors.items()}
    row = {"Keypoints": kind, "Model": name, "Trained on [million windows]": windows}
    return row | {title: f"{mean:.1f}" for title, mean in means.items()}


def main() -> None:
    match sys.argv[1:]:
        case ["run", name]:  # one of those that `train` starts
            run(name)
        case ["train"]:
            train([*READY])
            export()
        case ["measure"]:
            train([ALONE])
            page = project_root() / "docs" / "ready.md"
            text = put_table(page.read_text(encoding="utf-8"), "ready", to_markdown(measure()))
            page.write_text(text, encoding="utf-8")
        case words:
            raise SystemExit(f"found {' '.join(words)!r}, expected train or measure")


if __name__ == "__main__":
    main()
