"""What the lower body of made-up motion does when it sits: on a chair, or down to the floor, about on it, and up again.

Legs are given by where the ankles are as against the pelvis, in lengths of the leg: (outward, forward, height), and by
how far the knee falls outward, degrees.
"""

import numpy as np

from pose3d_lib.data.sources.synthetic.body import SIDES, Lower, Scene, level_axes
from pose3d_lib.data.sources.synthetic.timing import (
    WARM_UP,
    blend,
    blend_progress,
    event_times,
    minimum_jerk,
    smooth_noise,
)

# (right leg, left leg), each outward, forward, height above the resting ankle, knee outward.
_CHAIR_LEGS = (
    ((0.15, 0.46, 0.0, 4), (0.15, 0.46, 0.0, 4)),
    ((0.14, 0.44, 0.0, 2), (0.14, 0.58, 0.0, 4)),
    ((0.14, 0.62, 0.0, 2), (0.13, 0.40, 0.0, 4)),
    ((0.16, 0.66, 0.0, 6), (0.17, 0.68, 0.0, 6)),
    ((0.24, 0.42, 0.0, 14), (0.25, 0.44, 0.0, 14)),
    ((0.02, 0.62, 0.02, 14), (0.06, 0.54, 0.0, 12)),
    ((0.13, 0.32, 0.03, 4), (0.13, 0.34, 0.03, 4)),
    ((-0.20, 0.64, 0.24, 2), (0.10, 0.47, 0.0, 2)),
    ((-0.05, 0.46, 0.50, 58), (0.17, 0.46, 0.0, 6)),
)  # fmt: skip
_CHAIR_WEIGHTS = np.array([3, 1.5, 1.5, 1.2, 1.2, 1.5, 1.0, 1.2, 0.6])


def sit(scene: Scene) -> Lower:
    """On a chair, with feet that change place now and then; the chair itself does not turn."""
    rng, body, time = scene.rng, scene.body, scene.time
    facing = rng.uniform(-np.pi, np.pi)
    seat = rng.uniform(-0.4, 0.4, 2)
    height = (body.tibia + body.ankle) * rng.uniform(0.88, 0.96)
    starts = event_times(rng, time[-1], (4.0, 14.0))
    usual = rng.choice(len(_CHAIR_LEGS), p=_CHAIR_WEIGHTS / _CHAIR_WEIGHTS.sum())
    drawn = rng.choice(len(_CHAIR_LEGS), size=len(starts) + 1, p=_CHAIR_WEIGHTS / _CHAIR_WEIGHTS.sum())
    drawn = np.where(rng.random(len(drawn)) < 0.35, usual, drawn)
    legs = _mirror_some(rng, np.array(_CHAIR_LEGS)[drawn])
    legs = legs + rng.normal(0, 1, legs.shape) * (0.012, 0.03, 0.0, 3.0)
    durations = rng.uniform(0.8, 1.3, len(starts)) / body.tempo
    noise = smooth_noise(rng, time, 1.5, (6,))
    forward, right = level_axes(facing)
    place = seat + (0.008 * noise[:, :1]) * forward + (0.008 * noise[:, 1:2]) * right
    pitch = np.radians(-6 + rng.normal(0, 4) + 2 * noise[:, 2])
    yaw = facing + np.radians(rng.normal(0, 5) + 3 * noise[:, 3])
    return _seated(
        scene, starts, durations, legs, seat, facing, hip=np.column_stack([place, height + 0.003 * noise[:, 4]]),
        yaw=yaw, pitch=pitch, roll=np.radians(1.5 * noise[:, 5]), down=np.ones(len(time)),
    )  # fmt: skip


# Postures between standing and the floor: pelvis (forward, height) in lengths of the leg, pitch in degrees, legs.
_LEGS_UNDER = ((0.16, 0.02, 0.0, 10), (0.16, 0.02, 0.0, 10))
_POSTURES = {
    "standing": ((0.0, 1.07, 0), _LEGS_UNDER),
    "squatting": ((-0.20, 0.43, 24), _LEGS_UNDER),
    "on a stool": ((-0.42, 0.40, 8), ((0.17, 0.04, 0.0, 8), (0.17, 0.02, 0.0, 8))),
    "knees up": ((-0.60, 0.135, 2), ((0.15, 0.02, 0.0, 6), (0.15, 0.03, 0.0, 6))),
    "cross-legged": ((-0.56, 0.135, 4), ((-0.10, -0.20, 0.0, 62), (-0.06, -0.10, 0.0, 62))),
    "legs out": ((-0.58, 0.13, -8), ((0.14, 0.33, 0.0, 4), (0.10, 0.33, 0.0, 4))),
    "one leg out": ((-0.58, 0.13, -2), ((0.16, 0.33, 0.0, 8), (0.12, -0.06, 0.0, 12))),
    "one leg flat": ((-0.58, 0.13, 0), ((0.14, 0.02, 0.0, 2), (-0.12, -0.24, 0.0, 66))),
    "kneeling": ((-0.40, 0.44, 6), ((0.12, -0.56, 0.0, 4), (0.12, -0.56, 0.0, 4))),
}
_ON_FLOOR = ("knees up", "cross-legged", "legs out", "one leg out", "one leg flat")


def _floor_sequence(rng: np.random.Generator, count: int) -> list[str]:
    """A person's way through the postures: standing to squatting to sitting, about, and now and then up again."""
    names = [str(rng.choice(("standing", *_ON_FLOOR, *_ON_FLOOR)))]
    while len(names) < count:
        now = names[-1]
        if now == "standing":
            names += ["squatting", str(rng.choice(("knees up", "knees up", "on a stool", "kneeling")))]
        elif now in ("on a stool", "kneeling"):
            names += ["squatting", "knees up"] if rng.random() < 0.6 else ["squatting", "standing"]
        elif rng.random() < 0.16:
            names += ([] if now == "knees up" else ["knees up"]) + ["squatting", "standing"]
        else:
            names.append(str(rng.choice([name for name in _ON_FLOOR if name != now])))
    return names[:count]


def sit_down(scene: Scene) -> Lower:
    """From standing down to the floor or a low stool, from one way of sitting there to another, and up again."""
    rng, body, time = scene.rng, scene.body, scene.time
    facing = rng.uniform(-np.pi, np.pi)
    centre = rng.uniform(-0.3, 0.3, 2)
    most = int((time[-1] + WARM_UP) / 2.2) + 3
    names = _floor_sequence(rng, most)
    passing = np.array([name == "squatting" for name in names])
    durations = np.where(passing[1:], 1.1, 1.5) * rng.uniform(0.85, 1.3, most - 1) / body.tempo
    holds = np.where(passing[1:], 0.0, 0.7 + rng.exponential(3.0, most - 1))
    starts = -WARM_UP + np.cumsum(np.concatenate([[rng.uniform(0, 3)], (durations + holds)[:-1]]))
    seat, legs = (np.array(keys, float) for keys in zip(*(_POSTURES[name] for name in names), strict=True))
    legs = _mirror_some(rng, legs)
    loose = np.array([name in _ON_FLOOR for name in names])[:, None, None]
    legs = legs + loose * rng.normal(0, 1, legs.shape) * (0.02, 0.04, 0.0, 4.0)
    turned = np.cumsum(np.where(loose[:, 0, 0], rng.normal(0, np.radians(9), most), 0.0)) * 0.5

    pelvis = blend(time, starts, durations, seat)
    yaw = facing + blend(time, starts, durations, turned)
    noise = smooth_noise(rng, time, 1.4, (5,))
    forward, right = level_axes(facing)
    place = centre + (pelvis[:, :1] * body.leg) * forward + 0.006 * noise[:, :1] * right
    height = pelvis[:, 1] * body.leg + 0.002 * noise[:, 1]
    return _seated(
        scene, starts, durations, legs, centre, facing, hip=np.column_stack([place, height]),
        yaw=yaw + np.radians(2 * noise[:, 2]), pitch=np.radians(pelvis[:, 2] + 1.5 * noise[:, 3]),
        roll=np.radians(1.2 * noise[:, 4]), down=np.clip(1.6 - 1.5 * pelvis[:, 1], 0, 1),
    )  # fmt: skip


def _mirror_some(rng: np.random.Generator, legs: np.ndarray) -> np.ndarray:
    """Legs (events, 2, 4), half of them with right and left exchanged."""
    return np.where((rng.random(len(legs)) < 0.5)[:, None, None], legs[:, ::-1], legs)


def _seated(
    scene: Scene, starts: np.ndarray, durations: np.ndarray, legs: np.ndarray, origin: np.ndarray, facing: float,
    **pelvis: np.ndarray,
) -> Lower:  # fmt: skip
    """A lower body whose legs (events + 1, 2, 4) are blended about an origin (2,), metres; `pelvis` says the rest."""
    body, time, legs = scene.body, scene.time, legs.copy()
    # A foot that would hardly move stays: people do not shuffle both feet at every change.
    for k in range(1, len(legs)):
        small = np.linalg.norm(legs[k, :, :3] - legs[k - 1, :, :3], axis=-1) < 0.09
        legs[k, small] = legs[k - 1, small]
    # A foot is off the floor before it travels and has arrived before it is down.
    track = blend(time, starts, durations, legs, ease=lambda u: minimum_jerk((u - 0.12) / 0.76))
    moved = body.leg * np.linalg.norm(np.diff(legs[..., :3], axis=0, prepend=legs[:1, :, :3]), axis=-1)
    which, u = blend_progress(time, starts, durations)
    # A foot is lifted to get over the distance; one that stays is not.
    lift = np.where(moved > 0, 0.025 + 0.10 * np.minimum(moved, 0.5), 0.0)
    hop = lift[which] * (16 * u**2 * (1 - u) ** 2)[:, None]
    ahead, right = level_axes(np.full(len(time), facing))
    ankles = np.empty((len(time), 2, 3))
    for s, _, out in SIDES:
        outward, forward, high = body.leg * track[:, s, 0], body.leg * track[:, s, 1], body.leg * track[:, s, 2]
        ankles[:, s, :2] = origin + (out * outward)[:, None] * right + forward[:, None] * ahead
        ankles[:, s, 2] = body.ankle + high + hop[:, s]
    still = np.zeros(len(time))
    return Lower(
        ankles=ankles, knee_yaw=np.full((len(time), 2), facing), knee_out=np.radians(track[..., 3]),
        twist=still, stride=still, **pelvis,
    )  # fmt: skip
