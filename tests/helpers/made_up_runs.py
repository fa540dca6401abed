"""Finished runs made up in memory, with errors of known truth: what statistics, claims and their figures read of a run."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import pandas as pd

from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.evidence import Evidence

FRAMES = (200, 300, 400, 500)  # of the takes of every action, per camera: two of each of two subjects
CAMERAS = ("left", "right")


def make_run(
    errors: Mapping[str, np.ndarray],
    *,
    late: float = -5.0,
    tests: Sequence[float] = (1.0, 4.0, 8.0),
    processor_seconds: float = 100.0,
    windows: int = 1_000_000,
    device: str = "cpu",
    processor: str = "An Abacus",
    waited: float = 0.02,
) -> SimpleNamespace:
    """As much as the statistics read of a run of sixteen unit epochs, by its errors on the takes of an action: (4,), mm.

    Args:
        errors: action -> those, at the end.
        late: by how many per cent it improved from the test at unit epoch 4 to the end.
        tests: unit epochs of the tests on the way.
        processor_seconds: of training.
        waited: share of the time by the clock that the run waited for the processor.
    """
    rows = [
        (f"S{number // 2}", action, str(number % 2), camera, frames, error + offset)
        for action, own in errors.items()
        for number, (frames, error) in enumerate(zip(FRAMES, own, strict=True))
        for camera, offset in zip(CAMERAS, (-1.0, 1.0), strict=True)
    ]
    clips = pd.DataFrame(rows, columns=["subject", "action", "take", "camera", "frames", "mpjpe"])
    means = {action: float(np.average(own, weights=FRAMES)) for action, own in errors.items()}
    before = {4.0: 1 + late / 100}
    history = [
        {
            "unit_epochs": at + 0.01,
            "windows": round((at + 0.01) / 16 * windows),
            "test_actions": {action: 2 * mean for action, mean in means.items()},
            "test_recomputed": {action: mean / before.get(at, 0.5) for action, mean in means.items()},
        }
        for at in tests
    ]
    history.insert(1, {"unit_epochs": 2.0, "windows": windows // 8, "test_actions": None, "test_recomputed": None})
    return SimpleNamespace(
        config=SimpleNamespace(device=device, threads=1),
        clips=clips,
        actions=pd.DataFrame({"mpjpe": means}),
        timing={
            "train_cpu_seconds": processor_seconds,
            "train_seconds": processor_seconds / (1 - waited),
            "windows": windows,
        },
        history=pd.DataFrame(history),
        provenance={"processor": processor, "device": device.upper(), "dataset": {"fingerprint": "f" * 64}},
    )


def make_comparison(
    change: float | Mapping[str, float] = 0.0,
    *,
    actions: Sequence[str] = ("Eating", "Sitting", "Walking"),
    runs: tuple[int, int] = (5, 5),
    noise: float = 0.5,
    seed: int = 0,
    late: float = -5.0,
    faster: float = 0.0,
    original_change: float = 0.0,
    **settings: object,
) -> Comparison:
    """Both arms, whose errors differ by chance and by `change` per cent.

    Args:
        change: of the action-based models, for all actions or for each.
        runs: of the original, and of each action-based model.
        noise: standard deviation of runs and of takes between the arms, mm; alike for both arms, takes differ by 5 mm.
        late: by how many per cent, on average, the action-based models improve after unit epoch 4.
        faster: by how many per cent less time the action-based models take.
        original_change: of the original, relative to that of another comparison with the same seed.
        settings: further ones of `make_run`.
    """
    rng = np.random.default_rng(seed)
    truth = {action: 50 + 5 * number + rng.normal(0, 5, 4) for number, action in enumerate(actions)}
    by_action = change if isinstance(change, Mapping) else dict.fromkeys(actions, change)
    scale = 1 + original_change / 100
    original = [
        make_run(
            {
                action: scale * takes + rng.normal(0, noise) + rng.normal(0, noise / 5, 4)
                for action, takes in truth.items()
            },
            processor_seconds=100 + rng.normal(0, 0.5),
            **settings,
        )
        for _ in range(runs[0])
    ]
    based = {}
    for action in actions:
        own = truth[action] * (1 + by_action[action] / 100) + rng.normal(0, noise, 4)
        based[action] = [
            make_run(
                {action: own + rng.normal(0, noise)},
                late=late + rng.normal(0, 0.2),
                processor_seconds=100 - faster + rng.normal(0, 0.5),
                **settings,
            )
            for _ in range(runs[1])
        ]
    return Comparison(original, based, [])


def make_evidence(focus: tuple[str, ...] = (), as_many_frames: Mapping | None = None, **parts: Mapping) -> Evidence:
    """Evidence of `short`, `long`, `fifteen_short` and `fifteen_long`, each schedule -> comparison."""
    comparisons = {}
    for name, by_schedule in parts.items():
        budget = "fifteen" if name.startswith("fifteen_") else "equal_frames"
        for schedule, comparison in by_schedule.items():
            comparisons[name.removeprefix("fifteen_"), schedule, budget] = comparison
    return Evidence(comparisons, focus, as_many_frames or {})
