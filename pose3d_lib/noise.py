"""The detector-like error of 2D keypoints that the synthetic and the motion-capture sources share.

A detector does not err independently from frame to frame: a joint sits beside its true place for a while, extremities
err more than the trunk, and now and then a joint is lost for some frames and drawn elsewhere. All three parts scale
with the person's size in the picture. The sizes are a model of such errors, not measurements of a particular detector.
"""

import numpy as np

from pose3d_lib.skeleton import H36M_17

PERSON_HEIGHT = 450.0
"""Pixels; a person this tall in the picture has the errors below, one half as tall half of them."""

JITTER = {
    "Hip": 4, "RHip": 5, "LHip": 5, "RKnee": 5, "LKnee": 5, "RFoot": 7, "LFoot": 7, "Spine": 5, "Thorax": 4, "Neck": 4,
    "Head": 5, "LShoulder": 5, "RShoulder": 5, "LElbow": 7, "RElbow": 7, "LWrist": 9, "RWrist": 9,
}  # fmt: skip
"""Standard deviation per coordinate of the part that is correlated in time, pixels."""

CORRELATION_TIME = 0.12
"""Seconds after which that part has forgotten 63 % of its value."""

OFFSET_SHARE = 0.35
"""Of the standard deviation above, the share that stays the same over a clip."""

OUTLIERS_PER_SECOND = 0.04
"""How often, per joint, a detection is lost; extremities are lost in proportion to their jitter."""

OUTLIER_DURATION = 0.2
"""Mean length of a loss, seconds."""

OUTLIER_DISTANCE = 45.0
"""Standard deviation per coordinate of where a lost joint is drawn, pixels."""


def simulate_detections(pixels: np.ndarray, *, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Keypoints as a detector might have found them: (frames, 17, 2) true pixels -> (frames, 17, 2) pixels.

    Args:
        pixels: projected joints in the order of `H36M_17`.
        fps: frames per second, so that the error's memory is in seconds whatever the frame rate.
        rng: source of all randomness.
    """
    from scipy.signal import lfilter  # takes most of a second, which only those who make data should wait

    frames, joints, _ = pixels.shape
    extent = np.ptp(pixels, axis=1)  # (frames, 2): size of the person, the sitting one no smaller than its torso
    scale = np.median(np.hypot(extent[:, 0], extent[:, 1])) / PERSON_HEIGHT
    sigma = np.array([JITTER[name] for name in H36M_17.joints], float)[:, None]  # (17, 1)

    offset = OFFSET_SHARE * sigma * rng.standard_normal((joints, 2))
    memory = np.exp(-1 / (fps * CORRELATION_TIME))
    white = rng.standard_normal((frames, joints, 2))
    white[1:] *= np.sqrt(1 - memory**2)  # the first frame starts in the stationary state
    wander = np.sqrt(1 - OFFSET_SHARE**2) * sigma * lfilter([1], [1, -memory], white, axis=0)

    before = round(5 * OUTLIER_DURATION * fps)  # losses may begin before the clip does, or short clips would have fewer
    rate = OUTLIERS_PER_SECOND * sigma[:, 0] / sigma.mean() / fps  # (17,): new losses per frame
    starts = rng.random((before + frames, joints)) < rate
    lost = np.zeros((before + frames, joints, 2))
    for frame, joint in zip(*np.nonzero(starts), strict=True):
        length = rng.geometric(1 / max(1.0, OUTLIER_DURATION * fps))
        lost[frame : frame + length, joint] = OUTLIER_DISTANCE * rng.standard_normal(2)
    return pixels + scale * (offset + wander + lost[before:])
