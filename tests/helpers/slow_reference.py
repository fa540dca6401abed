"""What windows and predictions have to be, one number at a time: the reference of tests, and nothing of the library's."""

import numpy as np
import torch

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.lifter import TemporalLifter


def normalised(data: PoseDataset, keypoints: str = "simulated") -> np.ndarray:
    """(frames, joints, 2) float64: x / w * 2 - 1, y / w * 2 - h / w, of every frame of a dataset."""
    screen = data.keypoints[keypoints].astype(np.float64)
    for clip in data.clips.itertuples():
        width, height = data.cameras[clip.camera].width, data.cameras[clip.camera].height
        screen[clip.start : clip.stop] = screen[clip.start : clip.stop] / width * 2 - [1, height / width]
    return screen


def exchanged(layout: Skeleton) -> list[int]:
    """The joints in the mirror, from their names: LKnee stands where RKnee stood."""
    names, other = list(layout.joints), {"L": "R", "R": "L"}
    images = [other.get(name[0], name[0]) + name[1:] for name in names]
    return [names.index(image) if image in names else place for place, image in enumerate(images)]


def lift_slowly(model: TemporalLifter, screen: np.ndarray) -> np.ndarray:
    """One clip, window by window, in training's strided form: (frames, joints, 2) -> (frames, joints_out, 3)."""
    length = model.receptive_field
    before = length - 1 if model.causal else length // 2
    places = np.arange(length) - before + np.arange(len(screen))[:, None]
    windows = screen[places.clip(0, len(screen) - 1)]
    with torch.no_grad():
        poses = [model.forward_windows(torch.tensor(window[None], dtype=torch.float32))[0] for window in windows]
    return torch.stack(poses).double().numpy()


def predict_slowly(model: TemporalLifter, screen: np.ndarray, seen: Skeleton, lifted: Skeleton) -> np.ndarray:
    """The same, averaged with the mirror image."""
    mirrored = lift_slowly(model, screen[:, exchanged(seen)] * [-1, 1])
    return (lift_slowly(model, screen) + mirrored[:, exchanged(lifted)] * [-1, 1, 1]) / 2
