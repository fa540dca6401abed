"""What the lower body of made-up motion does on its feet: walk along a path, or stand and step now and then.

Feet come first. A plan says when which foot goes where; a foot stays exactly in place between its steps, and the pelvis
follows the feet. That is why no standing foot ever slides.
"""

import numpy as np

from pose3d_lib.data.sources.synthetic.body import LEFT, RIGHT, SIDES, Body, Lower, Scene, level_axes, rotation, turn
from pose3d_lib.data.sources.synthetic.timing import (
    WARM_UP,
    below,
    blend_progress,
    event_times,
    minimum_jerk,
    smooth,
    smooth_noise,
)


def walk(
    scene: Scene, *, pace: float = 1.0, stops: float = 0.0, stop_seconds: tuple[float, float] = (1.0, 4.0)
) -> Lower:
    """Walking on closed curves that drift: rings, eights, there and back.

    `pace` is a factor on the person's own speed, `stops` the probability per step of standing for a while.
    """
    rng, body, time = scene.rng, scene.body, scene.time
    pace = pace * rng.uniform(0.9, 1.1)
    end = time[-1] + 2.0
    period = 1 / (body.cadence * pace**0.5)
    count = int((end + WARM_UP) / (period * 0.85)) + 4
    periods = period * (1 + 0.03 * rng.standard_normal(count).clip(-2.5, 2.5))
    pause = rng.random(count) < stops
    pause[1:] &= ~pause[:-1]
    # The step before a pause closes the feet, the step after it is a short one.
    length = body.stature * body.step * pace**0.5 * (1 + 0.04 * rng.standard_normal(count).clip(-2.5, 2.5))
    length[pause] = 0.0
    length[1:][pause[:-1]] *= 0.75
    pauses = np.where(pause, rng.uniform(*stop_seconds, size=count), 0.0)
    lands = -WARM_UP + np.cumsum(periods) + np.concatenate([[0.0], np.cumsum(pauses)[:-1]])

    place, heading = _path(rng, body, length)
    foot = np.arange(count) % 2
    # Turning, feet go apart, so as not to cross.
    turned = np.abs(np.gradient(heading))
    wider = 0.42 + 0.35 * np.minimum(turned, 0.8)
    half_width = body.hip * body.stance * wider * (1 + 0.1 * rng.standard_normal(count))
    splay = np.radians(0.6 * body.toe_out)
    _, right = level_axes(heading)
    side = np.where(foot == RIGHT, 1.0, -1.0)
    spots = place + (side * half_width)[:, None] * right
    # On a curve a foot swings round the one that stands: midway it is beside that one's place.
    beside = np.roll(place, 1, 0) + (side * half_width)[:, None] * np.roll(right, 1, 0)
    # A heel rises before the other foot lands: from then 64 % of the cycle of two steps until this foot lands.
    durations = 1.28 * periods
    durations[1:][pause[:-1]] = periods[1:][pause[:-1]]
    distance = length + np.roll(length, 1)  # a foot goes past the other: two steps
    lift = 0.05 + 0.095 * np.minimum(distance / (0.76 * body.stature), 1.15) * rng.uniform(0.9, 1.1)
    return _step(scene, lands, durations, foot, spots, heading - side * splay, lift, via=beside)


def stand(scene: Scene, *, gap: tuple[float, float], turning: float = 40.0, roaming: float = 0.35) -> Lower:
    """Standing, with small steps now and then: every `gap` seconds, by `turning` degrees, within `roaming` metres."""
    rng, body, time = scene.rng, scene.body, scene.time
    stances, lands, feet, durations = [], [], [], []
    yaw, place = rng.uniform(-np.pi, np.pi), rng.uniform(-roaming, roaming, 2)
    centre = yaw
    half = body.hip * body.stance
    now = -WARM_UP
    for moment in [-WARM_UP, *event_times(rng, time[-1] + 2.0, gap)]:
        drawn = rng.normal(0, np.radians(turning))
        target = yaw + np.clip(drawn - 0.15 * (yaw - centre), -2.4, 2.4)
        there = rng.uniform(-roaming, roaming, 2)
        there = place + (there - place) * rng.uniform(0.2, 0.8)
        pieces = int(max(np.ceil(abs(target - yaw) / np.radians(55)), np.ceil(np.linalg.norm(there - place) / 0.3), 1))
        first = RIGHT if target < yaw else LEFT
        moment = max(moment, now + 0.2)
        for piece in range(1, pieces + 1):
            face, spot = yaw + (target - yaw) * piece / pieces, place + (there - place) * piece / pieces
            ahead, right = level_axes(face)
            spread, stagger = half * rng.uniform(0.8, 1.35), rng.normal(0, 0.035)
            for foot in (first, 1 - first):
                sign = 1.0 if foot == RIGHT else -1.0
                swing = rng.uniform(0.42, 0.62) / body.tempo
                toe = sign * np.radians(body.toe_out + rng.normal(0, 5))
                stances.append([*(spot + sign * spread * right + sign * stagger * ahead), face - toe])
                lands.append(moment + swing)
                durations.append(swing)
                feet.append(foot)
                moment += swing * rng.uniform(1.0, 1.15)
        yaw, place, now = target, there, moment
    stances, durations = np.array(stances), np.array(durations)
    lift = np.full(len(durations), 0.05) * rng.uniform(0.7, 1.4, len(durations))
    return _step(scene, np.array(lands), durations, np.array(feet), stances[:, :2], stances[:, 2], lift)


def settle(body: Body, lower: Lower, hip: np.ndarray, pelvis: np.ndarray, fps: float) -> np.ndarray:
    """The hip (frames, 3), metres, lowered where the legs would not reach the ankles; the pelvis as in `pose_trunk`."""
    # Beyond this reach the knee's softness would begin to move a planted ankle by more than hundredths of a millimetre.
    reach = body.leg - 0.006
    frame = rotation(*pelvis.T)
    ceiling = np.full(len(hip), np.inf)
    for s, _, out in SIDES:
        joint = turn(frame, (out * body.hip, 0.0, 0.0))
        apart = lower.ankles[:, s, :2] - (hip + joint)[:, :2]
        high = lower.ankles[:, s, 2] + np.sqrt(np.maximum(reach**2 - (apart**2).sum(-1), 0.01)) - joint[:, 2]
        ceiling = np.minimum(ceiling, high)
    return np.column_stack([hip[:, :2], below(np.minimum(hip[:, 2], ceiling), fps, 0.06)])


def _path(rng: np.random.Generator, body: Body, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (steps, 2) and headings (steps,) of steps of the given lengths along a closed curve, shorter where it is tight."""
    shape = rng.choice(3, p=(0.62, 0.2, 0.18))
    wide = rng.uniform(0.92, 1.17)
    narrow = (wide * rng.uniform(0.65, 1.0), rng.uniform(0.4, 0.55), rng.uniform(0.08, 0.3))[shape]
    turns = int(length.sum() / 2.0) + 3
    phase = np.linspace(0, 2 * np.pi * turns, 240 * turns) + rng.uniform(0, 2 * np.pi)
    drift = smooth_noise(rng, phase, 5.0, (4,))
    x = (wide + 0.06 * drift[:, 0].clip(-2, 2)) * np.cos(phase)
    y = (narrow + 0.05 * drift[:, 1].clip(-2, 2)) * np.sin(2 * phase if shape == 1 else phase)
    angle = rng.uniform(0, 2 * np.pi) + 0.25 * drift[:, 2]
    curve = np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], -1)
    if rng.random() < 0.5:
        curve = curve * (1, -1)
    along = np.diff(curve, axis=0)
    heading = np.unwrap(np.arctan2(along[:, 1], along[:, 0]))
    travelled = np.linalg.norm(along, axis=-1)
    typical = 0.38 * body.stature
    effort = np.cumsum(np.hypot(travelled, typical * np.abs(np.gradient(heading)) / 1.15))
    at = np.cumsum(length)
    place = np.stack([np.interp(at, effort, curve[1:, i]) for i in range(2)], -1)
    return place, np.interp(at, effort, heading)


def _step(
    scene: Scene, lands: np.ndarray, durations: np.ndarray, foot: np.ndarray,
    spots: np.ndarray, yaws: np.ndarray, lift: np.ndarray, via: np.ndarray | None = None,
) -> Lower:  # fmt: skip
    """A lower body that takes steps: seconds (steps,), feet, spots (steps, 2) in metres, where feet point, lifts in metres.

    `via` (steps, 2), metres, is where a foot passes midway, if the heel rises before the foot travels, as in walking.
    """
    body, time = scene.body, scene.time
    ankles, yaw, lifted = np.empty((len(time), 2, 3)), np.empty((len(time), 2)), np.empty((len(time), 2))
    # The foot is off the floor before it travels and has arrived before it is down. Walking, it swings more evenly than
    # a hand that reaches: a pendulum rather than minimum jerk.
    late, away, there = (1.3, 0.06, 0.84) if via is not None else (1.0, 0.10, 0.90)
    early, level = (3.6, 3.4) if via is not None else (2.0, 2.0)
    peak = early / (early + level)
    for s in (RIGHT, LEFT):
        mine = np.flatnonzero(foot == s)
        values = np.column_stack([spots[mine], yaws[mine]])
        which, u = blend_progress(time, (lands - durations)[mine][1:], durations[mine][1:])
        v = np.clip((u**late - away) / (there - away), 0, 1)
        share = (minimum_jerk(v) if via is None else 0.5 * minimum_jerk(v) + 0.5 * v * v * (3 - 2 * v))[:, None]
        before = values[np.maximum(which - 1, 0)]
        track = before + share * (values[which] - before)
        bump = u**early * (1 - u) ** level / (peak**early * (1 - peak) ** level)
        ankles[:, s, :2], yaw[:, s] = track[:, :2], track[:, 2]
        if via is not None:
            aside = np.zeros((len(mine), 2))
            aside[1:] = via[mine][1:] - 0.5 * (spots[mine][1:] + spots[mine][:-1])
            ankles[:, s, :2] += 4 * share * (1 - share) * aside[which]
        ankles[:, s, 2] = body.ankle + lift[mine][which] * bump
        lifted[:, s] = bump
    return _pelvis_over_feet(scene, ankles, yaw, lifted, brisk=via is not None)


def _pelvis_over_feet(scene: Scene, ankles: np.ndarray, foot_yaw: np.ndarray, lifted: np.ndarray, brisk: bool) -> Lower:
    """A pelvis that follows feet: over their middle, towards the one that bears the weight, lower in long strides."""
    body, time, fps = scene.body, scene.time, scene.fps
    yaw = smooth(foot_yaw.mean(1), fps, 0.16)
    middle = smooth(ankles[..., :2].mean(1), fps, 0.13)
    ahead, right = level_axes(yaw)
    apart = ((ankles[:, RIGHT, :2] - ankles[:, LEFT, :2]) * ahead).sum(-1)
    stride = smooth(apart / (body.stature * body.step), fps, 0.03)
    bearing = smooth(lifted[:, LEFT] - lifted[:, RIGHT], fps, 0.07)  # 1: on the right foot alone
    sway = 0.022 * bearing if brisk else 0.035 * bearing
    wander = smooth_noise(scene.rng, time, 1.1, (3,))
    shift = sway + 0.006 * wander[:, 0]
    forward = 0.006 * wander[:, 1] - (0.0 if brisk else 0.02)
    place = middle + shift[:, None] * right + forward[:, None] * ahead
    height = body.ankle + body.leg * (0.970 if brisk else 0.992)
    z = height - 0.018 * stride**2 + 0.002 * wander[:, 2]
    turning = np.gradient(yaw) * fps
    speed = np.linalg.norm(np.gradient(place, axis=0), axis=-1) * fps
    lean_in = -0.5 * np.arctan(smooth(speed * turning, fps, 0.2) / 9.8)
    zeros = np.zeros(len(time))
    return Lower(
        hip=np.column_stack([place, z]),
        yaw=yaw,
        pitch=np.radians(1.5 + 2.5 * np.minimum(speed, 1.5)) if brisk else zeros,
        roll=lean_in - np.radians(3.5) * bearing,
        twist=np.radians(7) * np.tanh(stride),
        ankles=ankles,
        knee_yaw=0.55 * foot_yaw + 0.45 * yaw[:, None],
        knee_out=np.zeros((len(time), 2)),
        stride=stride,
        down=zeros,
    )
