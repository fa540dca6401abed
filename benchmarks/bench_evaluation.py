"""Test frames per second against the same protocol as it is commonly written, and against the processor's limit.

`make bench` runs it. The baseline, in plain.py, passes clip by clip through dilated convolutions and computes the errors of
each clip with NumPy. Both give the same errors, which is checked.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measuring import compare, save, shown
from plain import PlainLifter, plain_evaluate
from promises import promise, save_promises
from random_clips import lengths_adding_up_to, random_clips
from torch import nn

from pose3d_lib.data.dataset import save_dataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.model.card import ModelCard, TrainedModel, network_of
from pose3d_lib.model.evaluate import METRICS, evaluate
from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.runs.models import save_model
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import build_lifters

FRAMES = 20_000
"""The clips that are tested on have at least so many."""

LARGE, GIGABYTES = 434_868, 1.3
"""Frames, and the memory that measuring a model on them may take; VideoPose3D's own script takes 1.27 GB."""

START_SECONDS = 3.0
"""Of processor time, of which importing PyTorch is about the half."""

EVALUATE = """
import json, resource, sys
from pathlib import Path
from pose3d_lib.data import open as sources

def open_dataset(spec, *, progress=None):
    from pose3d_lib.data.dataset import load_dataset
    return load_dataset(Path(sys.argv[2]))

sources.open_dataset = open_dataset
from pose3d_lib.cli.main import cli
given = ["-p", "dataset", "synthetic", "-p", "scale", "tiny", "-p", "keypoints", "gt"]
cli(["evaluate", sys.argv[1], *given], standalone_mode=False)
used = resource.getrusage(resource.RUSAGE_SELF)
most = used.ru_maxrss * (1e-9 if sys.platform == "darwin" else 1024e-9)
status = Path("/proc/self/status")  # Linux begins ru_maxrss with the memory of the process that started this one
lines = status.read_text().splitlines() if status.is_file() else []
most = next((1024e-9 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), most)
print(json.dumps({"gigabytes": most, "seconds": used.ru_utime + used.ru_stime}))
"""
"""`pose3d evaluate` of a model's file on a dataset's file, and what it took."""

MILLIMETRES = 1e-4
"""What ours and the baseline may differ by."""


def flop_per_frame(model: TemporalLifter) -> float:
    """FLOP of one frame and its mirror image in matrix products: every product makes one row per frame."""
    products = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return 2 * 2 * sum(product.weight.numel() for product in products)


def warm_up(model: TemporalLifter) -> TemporalLifter:
    """For running statistics that are not those of a new network; ready to be tested."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model.forward_windows(torch.randn(64, model.receptive_field, model.num_joints_in, model.in_features))
    return model.eval()


def process_promises(model: TemporalLifter) -> list[dict[str, object]]:
    """Memory of `pose3d evaluate` on as many frames as the promise is about, and its processor time on a few."""
    card = ModelCard(
        name="random", network=network_of(model), trajectory=False, keypoints="gt", layout=H36M_17, skeleton=H36M_17,
        fps=(50.0,), licence="None.", origin="Made up.",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(TrainedModel(Lifters(model), card), folder / "model.safetensors")
        used = {}
        for size, lengths in (("large", lengths_adding_up_to(LARGE)), ("small", [300])):
            save_dataset(random_clips([2], lengths), folder / f"{size}.safetensors")
            arguments = [
                sys.executable,
                "-c",
                EVALUATE,
                str(folder / "model.safetensors"),
                str(folder / f"{size}.safetensors"),
            ]
            used[size] = json.loads(
                subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1]
            )
    return [
        promise(f"pose3d evaluate, {LARGE:,} frames: resident at most", "GB", [used["large"]["gigabytes"]], GIGABYTES),
        promise("pose3d evaluate, 300 frames: processor time", "s", [used["small"]["seconds"]], START_SECONDS),
    ]


def main() -> None:
    config = make_config(RunConfig, {"preset": "paper_27", "keypoints": "gt", "device": "cpu"})
    torch.set_num_threads(config.threads)
    torch.manual_seed(0)
    data = random_clips([2], lengths_adding_up_to(FRAMES))
    clips = data.test_clips()
    frames = int((clips.stop - clips.start).sum())
    model = warm_up(build_lifters(config, data).pose)
    plain = PlainLifter(model, strided=False).eval()
    found: dict[str, pd.DataFrame] = {}
    compared = compare(
        f"test, {config.receptive_field} frames, {config.channels} channels, mirrored, four errors",
        "frames/s",
        ours={"float32": lambda: found.update(ours=evaluate(model, data, clips, "gt"))},
        baseline=lambda: found.update(baseline=plain_evaluate(plain, data, clips, "gt")),
        units=frames,
        flop=flop_per_frame(model),
        repetitions=3,
        promised_ratio=4.0,
    )
    ours, baseline = (found[name][list(METRICS)].to_numpy() for name in ("ours", "baseline"))
    worst = np.abs(ours - baseline).max()
    print(f"the errors of {len(clips)} clips with {frames:,} frames differ by {worst:.1e} mm at most")
    if not worst <= MILLIMETRES:
        raise AssertionError(f"ours and the baseline differ by more than {MILLIMETRES} mm")
    table = pd.DataFrame([one.row() for one in compared])
    save("evaluation", table, shown(table))
    save_promises("evaluation_process", process_promises(model))


if __name__ == "__main__":
    main()
