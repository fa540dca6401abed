"""Test frames per second against the same protocol as it is commonly written, and against the processor's limit.

`make bench` runs it. The baseline, in plain.py, passes clip by clip through dilated convolutions and computes the errors of
each clip with NumPy. Both give the same errors, which is checked.
"""

import numpy as np
import pandas as pd
import torch
from measuring import compare, save, shown
from plain import PlainLifter, plain_evaluate
from random_clips import lengths_adding_up_to, random_clips
from torch import nn

from pose3d_lib.assignment import build_model
from pose3d_lib.config import RunConfig
from pose3d_lib.evaluation import METRICS, evaluate
from pose3d_lib.model import TemporalLifter
from pose3d_lib.parameters import make_config

FRAMES = 20_000
"""The clips that are tested on have at least so many."""

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


def main() -> None:
    config = make_config(RunConfig, {"preset": "paper_27", "keypoints": "gt", "device": "cpu"})
    torch.set_num_threads(config.threads)
    torch.manual_seed(0)
    data = random_clips([2], lengths_adding_up_to(FRAMES))
    clips = data.test_clips()
    frames = int((clips.stop - clips.start).sum())
    model = warm_up(build_model(config, data))
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


if __name__ == "__main__":
    main()
