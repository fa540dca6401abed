"""What the upper body of made-up motion does: postures held for a while, blended by minimum jerk, hands at things.

A posture is a row of a table: where each hand is, how the trunk and the head are turned, how far the knees bend. An
action is a table of such rows; a take draws rows from it at random times, each time a little different.
"""

from dataclasses import dataclass, replace

import numpy as np

from pose3d_lib.data.sources.synthetic.body import SIDES, Body, Lower, Scene, Trunk, resting_shoulder, turn
from pose3d_lib.data.sources.synthetic.timing import WARM_UP, blend, blend_progress, minimum_jerk, smooth, smooth_noise

# What a hand can be at: somewhere about its shoulder, at the head, on its thigh, on the floor beside the pelvis.
PLACES = ("free", "mouth", "ear", "camera", "knee", "floor")


@dataclass(frozen=True)
class Hand:
    """Where one hand is."""

    at: tuple[float, float, float] = (0.09, 0.07, -0.965)  # outward, forward, up from the shoulder, in arms, if "free"
    spread: float = 0.02  # standard deviation with which `at` is drawn
    place: str = "free"  # one of PLACES
    elbow: float = 0.0  # degrees by which the elbow is turned outward
    shake: tuple[float, float, float] = (0.0, 0.0, 0.0)  # outward, forward, up, metres, of a to and fro such as a wave
    swing: float = 0.0  # share of the arm's swing when walking


@dataclass(frozen=True)
class Posture:
    """One row: angles in degrees (yaw to the left, pitch forward, roll to the right), head as against the chest."""

    right: Hand = Hand()
    left: Hand = Hand()
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    head_yaw: float = 0.0
    head_pitch: float = 0.0
    head_roll: float = 0.0
    crouch: float = 0.0  # how far the pelvis goes down, in lengths of the leg
    lean: float = 0.0  # metres by which the pelvis shifts to the right
    weight: float = 1.0  # how often, as against other rows
    hold: tuple[float, float] = (0.8, 3.0)  # seconds
    loose: float = 6.0  # standard deviation of the angles, degrees


@dataclass(frozen=True)
class Upper:
    """A posture for every frame."""

    angles: np.ndarray  # (frames, 6), radians: yaw, pitch, roll, then those of the head
    crouch: np.ndarray  # (frames,), lengths of the leg
    lean: np.ndarray  # (frames,), metres
    at: np.ndarray  # (frames, 2, 3)
    places: np.ndarray  # (frames, 2, len(PLACES)), sums to 1
    elbow: np.ndarray  # (frames, 2), radians
    shake: np.ndarray  # (frames, 2, 3), metres, amplitude
    swing: np.ndarray  # (frames, 2)


def both(hand: Hand, **rest) -> Posture:
    """A posture with the same for both hands."""
    return Posture(right=hand, left=hand, **rest)


def mirrored(posture: Posture) -> Posture:
    """The posture seen in a mirror."""
    return replace(
        posture, right=posture.left, left=posture.right, yaw=-posture.yaw, roll=-posture.roll,
        head_yaw=-posture.head_yaw, head_roll=-posture.head_roll, lean=-posture.lean,
    )  # fmt: skip


def perform(scene: Scene, table: tuple[Posture, ...]) -> Upper:
    """A take's upper body: rows of the table, drawn by weight, held, and blended into one another."""
    rng, body, time = scene.rng, scene.body, scene.time
    end = time[-1] + WARM_UP + 2.0
    weights = np.array([row.weight for row in table]) * rng.uniform(0.5, 1.6, len(table))  # a person's preferences
    count = int(end / min(row.hold[0] + 0.5 for row in table)) + 3
    drawn = rng.choice(len(table), size=count, p=weights / weights.sum())
    keys = np.array([_row(row) for row in table])[drawn]
    spread = np.array([_spread(row) for row in table])[drawn]
    # What a person does in a take resembles itself: part of the spread is drawn once.
    habit = 0.6 * rng.standard_normal(keys.shape[1]).clip(-2, 2)
    keys = keys + spread * (habit + 0.8 * rng.standard_normal(keys.shape).clip(-2.2, 2.2))

    hands = keys[:, 8:].reshape(count, 2, -1)
    change = np.diff(hands, axis=0)
    travel = np.abs(change[..., :3]).max((1, 2)) + 0.7 * np.any(change[..., 8:], axis=(1, 2))
    bend = np.abs(np.diff(keys[:, :7], axis=0)) @ (0.25, 0.55, 0.25, 0.1, 0.1, 0.1, 1.6)
    durations = (0.42 + 0.42 * np.minimum(travel, 1.2) + bend) * rng.uniform(0.85, 1.3, count - 1) / body.tempo
    least, most = np.array([row.hold for row in table])[drawn[1:]].T
    holds = least + (most - least) * rng.random(count - 1) ** 1.5
    starts = -WARM_UP + np.cumsum(np.concatenate([[rng.uniform(0, 2)], (durations + holds)[:-1]]))
    which, u = blend_progress(time, starts, durations)
    around = _detours(hands[..., :3])[which] * (16 * u**2 * (1 - u) ** 2)[:, None, None]
    track = blend(time, starts, durations, keys)
    hands = track[:, 8:].reshape(len(time), 2, -1)
    return Upper(
        angles=track[:, :6], crouch=track[:, 6], lean=track[:, 7], at=hands[..., :3] + around, elbow=hands[..., 3],
        shake=hands[..., 4:7], swing=hands[..., 7], places=hands[..., 8:],
    )  # fmt: skip


def _detours(at: np.ndarray) -> np.ndarray:
    """How far out and forward hands swing so as not to pass through the shoulder, by their places: (events, 2, 3)."""
    unit = at / np.maximum(np.linalg.norm(at, axis=-1, keepdims=True), 0.2)
    apart = np.zeros(at.shape[:2])
    apart[1:] = (1 - (unit[1:] * unit[:-1]).sum(-1)) / 2
    around = (0.8 * np.maximum(apart - 0.25, 0))[..., None] * (0.5, 0.85, 0.0)
    # From behind the back to the front the way is around the hip.
    around[1:, :, 0] += 0.9 * np.maximum(np.abs(np.diff(at[..., 1], axis=0)) - 0.3, 0)
    return around


def _row(row: Posture) -> list[float]:
    """The numbers of a posture: six angles, crouch and lean, then per hand its place, elbow, shake and swing."""
    angles = np.radians([row.yaw, row.pitch, row.roll, row.head_yaw, row.head_pitch, row.head_roll])
    numbers = [*angles, row.crouch, row.lean]
    for hand in (row.right, row.left):
        numbers += [*hand.at, np.radians(hand.elbow), *hand.shake, hand.swing]
        numbers += [float(place == hand.place) for place in PLACES]
    return numbers


def _spread(row: Posture) -> list[float]:
    """The standard deviations with which the numbers of `_row` are drawn."""
    loose = np.radians(row.loose)
    numbers = [loose, 0.5 * loose, 0.4 * loose, loose, 0.7 * loose, 0.5 * loose, 0.12 * row.crouch, 0.012]
    for hand in (row.right, row.left):
        numbers += [hand.spread] * 3 + [np.radians(8), *(0.2 * np.array(hand.shake)), 0.1 * hand.swing]
        numbers += [0.0] * len(PLACES)
    return numbers


def wrist_targets(
    scene: Scene, lower: Lower, upper: Upper, trunk: Trunk, knees: np.ndarray, arm_frame: np.ndarray, floor: np.ndarray
) -> np.ndarray:
    """Where wrists should be, (frames, 2, 3) metres, as are knees and places on the floor; `Hand.at` is in `arm_frame`."""
    rng, body, time = scene.rng, scene.body, scene.time
    down = lower.down[:, None]
    scale = body.stature / 1.75
    nose = trunk.joints["Neck"]
    wrists = np.empty((len(time), 2, 3))
    noise = smooth_noise(rng, time, 0.45, (2, 3)) * 0.009 * body.energy + smooth_noise(rng, time, 1.6, (2, 3)) * 0.012
    for s, side, out in SIDES:
        shoulder = resting_shoulder(body, trunk, out)
        hanging = (1 - down) * (shoulder + body.arm * turn(arm_frame, (0.1 * out, 0.06, -0.95)))
        thigh = knees[:, s] + 0.28 * (trunk.joints[f"{side}Hip"] - knees[:, s]) + (0.0, 0.0, 0.085 * scale)
        against = -out * lower.stride * upper.swing[:, s] * body.arm_swing
        at = upper.at[:, s].copy()
        at[:, 1] += 0.30 * against + 0.03 * upper.swing[:, s]
        at[:, 2] += upper.swing[:, s] * (0.03 * against + 0.10 * against**2)
        at[:, 0] -= 0.05 * np.maximum(against, 0)
        places = {
            "free": shoulder + body.arm * turn(arm_frame, at * (out, 1.0, 1.0)),
            "mouth": nose + scale * turn(trunk.head, (out * 0.065, 0.105, -0.085)),
            "ear": nose + scale * turn(trunk.head, (out * 0.125, -0.005, -0.055)),
            "camera": nose + scale * turn(trunk.head, (out * 0.085, 0.165, -0.055)),
            "knee": hanging + down * thigh,
            "floor": hanging + down * floor[:, s],
        }
        target = sum(upper.places[:, s, i : i + 1] * places[place] for i, place in enumerate(PLACES))
        beat = 2 * np.pi * (1.9 * body.tempo * time + 0.35 * smooth_noise(rng, time, 1.2)) + rng.uniform(0, 6.3)
        wave = np.stack([np.sin(beat), np.sin(beat + 0.9), np.sin(beat + 0.3)], -1) * upper.shake[:, s] * (out, 1, 1)
        calm = 1 - 0.75 * upper.places[:, s, 4:].sum(-1, keepdims=True)
        wrists[:, s] = target + turn(arm_frame, wave) + calm * noise[:, s]
    wrists = _out_of_trunk(body, trunk, wrists)
    wrists[..., 2] = 0.04 + 0.02 * np.logaddexp(0, (wrists[..., 2] - 0.04) / 0.02)  # not through the floor
    return smooth(wrists, 1 / (time[1] - time[0]), 0.03)


def _out_of_trunk(body: Body, trunk: Trunk, wrists: np.ndarray) -> np.ndarray:
    """Wrists (frames, 2, 3) pushed out of the trunk: an elliptic cylinder from the hips to the shoulders."""
    hip, frame = trunk.joints["Hip"], trunk.chest
    axis = trunk.joints["Thorax"] - hip
    semi = np.array([0.115, 0.085]) * body.stature
    for s, _, _ in SIDES:
        local = np.einsum("fji,fj->fi", frame, wrists[:, s] - hip)
        height = local[:, 2] / np.linalg.norm(axis, axis=-1)
        middle = np.einsum("fji,fj->fi", frame, axis) * height[:, None]
        flat = (local - middle)[:, :2] / semi
        radius = np.maximum(np.linalg.norm(flat, axis=-1), 0.15)
        inside = minimum_jerk((height + 0.25) / 0.2) * minimum_jerk((1.08 - height) / 0.15)
        pushed = (radius**6 + 1) ** (1 / 6)
        change = (inside * (pushed / radius - 1))[:, None] * flat * semi
        wrists[:, s] += turn(frame, np.column_stack([change, np.zeros(len(change))]))
    return wrists
