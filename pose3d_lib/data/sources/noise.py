"""The detector-like error of 2D keypoints that the synthetic and the motion-capture sources share, and its scores.

A detector does not err independently from frame to frame: a joint sits beside its true place for a while, extremities
err more than the trunk, and now and then a joint is lost for some frames and drawn elsewhere. All three parts scale
with the person's size in the picture. A detector is also less sure of a keypoint the further it is from its place, but
judges itself badly: it doubts good ones and trusts bad ones, for a while each. The sizes are a model of such errors and
scores, not measurements of a particular detector.
"""

import numpy as np

from pose3d_lib.data.skeleton import H36M_17

PERSON_HEIGHT = 450.0  # pixels; a person half as tall in the picture has half of the errors below
# Standard deviation per coordinate of the part that is correlated in time, pixels.
JITTER = {
    "Hip": 4, "RHip": 5, "LHip": 5, "RKnee": 5, "LKnee": 5, "RFoot": 7, "LFoot": 7, "Spine": 5, "Thorax": 4, "Neck": 4,
    "Head": 5, "LShoulder": 5, "RShoulder": 5, "LElbow": 7, "RElbow": 7, "LWrist": 9, "RWrist": 9,
}  # fmt: skip
CORRELATION_TIME = 0.12  # seconds after which that part has forgotten 63 % of its value
OFFSET_SHARE = 0.35  # of that standard deviation, the share that stays the same over a clip
OUTLIERS_PER_SECOND = 0.04  # per joint; extremities are lost in proportion to their jitter
OUTLIER_DURATION = 0.2  # seconds, mean length of a loss
OUTLIER_DISTANCE = 45.0  # standard deviation per coordinate of where a lost joint is drawn, pixels
SUREST = 2.5  # log-odds of the score of a keypoint in its very place when the detector judges well: 0.92
DOUBTED = 30.0  # pixels from its place at which a keypoint's log-odds are 0, its score 0.5
# Standard deviation, in log-odds, of what a detector misjudges. It lasts as long as the errors do: otherwise, the mean
# of some frames' scores would tell the error after all.
MISJUDGEMENT = 1.0


def simulate_detections(pixels: np.ndarray, *, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Keypoints as a detector might have found them: (frames, 17, 2) true pixels -> (frames, 17, 2) pixels."""
    frames, joints, _ = pixels.shape
    sigma = np.array([JITTER[name] for name in H36M_17.joints], float)[:, None]  # (17, 1)

    offset = OFFSET_SHARE * sigma * rng.standard_normal((joints, 2))
    wander = np.sqrt(1 - OFFSET_SHARE**2) * sigma * _wandering((frames, joints, 2), fps, rng)

    before = round(5 * OUTLIER_DURATION * fps)  # losses may begin before the clip does, or short clips would have fewer
    rate = OUTLIERS_PER_SECOND * sigma[:, 0] / sigma.mean() / fps  # (17,): new losses per frame
    starts = rng.random((before + frames, joints)) < rate
    lost = np.zeros((before + frames, joints, 2))
    for frame, joint in zip(*np.nonzero(starts), strict=True):
        length = rng.geometric(1 / max(1.0, OUTLIER_DURATION * fps))
        lost[frame : frame + length, joint] = OUTLIER_DISTANCE * rng.standard_normal(2)
    return pixels + _scale(pixels) * (offset + wander + lost[before:])


def simulate_scores(detected: np.ndarray, pixels: np.ndarray, *, fps: float, rng: np.random.Generator) -> np.ndarray:
    """How sure a detector might be of what it found, (frames, 17), from 0 to 1.

    `detected` are the pixels of `simulate_detections` for `pixels`, (frames, 17, 2); `rng` is another than theirs, so that
    they are the same without scores.
    """
    from scipy.special import expit

    distance = np.linalg.norm(detected - pixels, axis=-1) / _scale(pixels)
    return expit(SUREST * (1 - distance / DOUBTED) + MISJUDGEMENT * _wandering(distance.shape, fps, rng))


def _scale(pixels: np.ndarray) -> float:
    """How large a person is in the picture, in units of PERSON_HEIGHT: (frames, 17, 2) true pixels."""
    extent = np.ptp(pixels, axis=1)  # (frames, 2): size of the person, the sitting one no smaller than its torso
    return np.median(np.hypot(extent[:, 0], extent[:, 1])) / PERSON_HEIGHT


def _wandering(shape: tuple[int, ...], fps: float, rng: np.random.Generator) -> np.ndarray:
    """(frames, ...) normal numbers with standard deviation 1 that keep their values for CORRELATION_TIME."""
    from scipy.signal import lfilter  # takes most of a second, which only those who make data should wait

    memory = np.exp(-1 / (fps * CORRELATION_TIME))
    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - memory**2)  # the first frame starts in the stationary state
    return lfilter([1], [1, -memory], white, axis=0)
