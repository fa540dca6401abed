"""What the upper body of made-up motion does: postures held for a while, blended by minimum jerk, hands at things.

A row of `postures.csv` is a posture: how often it is drawn (`weight`, as against others of its table), where hands are, angles
of the trunk and, as against it, of the head (yaw to the left, pitch forward, roll to the right, degrees), how far the pelvis goes
down (`crouch`, lengths of the leg) and to the right (`lean`, metres), from how many to how many seconds it is held, and the
standard deviation of its angles (`loose`, degrees). A take draws rows at random times, each time a little different.

A row of `hands.csv` is where a hand may be: at one of `PLACES` or, if that is `free`, outward, forward and up from the shoulder
(lengths of the arm, with the standard deviation `spread`), with its elbow turned outward (degrees), going to and fro (`shake`,
metres), and with how much of the arm's swing when walking.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pose3d_lib.data.sources.synthetic.body import SIDES, Body, Lower, Scene, Trunk, resting_shoulder, turn
from pose3d_lib.data.sources.synthetic.timing import WARM_UP, blend, blend_progress, minimum_jerk, smooth, smooth_noise

# What a hand can be at: somewhere about its shoulder, at the head, on its thigh, on the floor beside the pelvis.
PLACES = ("free", "mouth", "ear", "camera", "knee", "floor")
ANGLES = ["yaw", "pitch", "roll", "head_yaw", "head_pitch", "head_roll"]


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


@cache
def read_postures(table: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A table of `postures.csv`, most of them named like an action: how often and how long rows are held, and their numbers.

    Weights (rows,); seconds, from and to (rows, 2); means and standard deviations (rows, numbers) of the angles in radians,
    crouch and lean, then for either hand of its place, elbow in radians, shake, swing, and whether it is at each of `PLACES`.
    """
    hands = {row["hand"]: row for row in _read("hands.csv")}
    rows = [row for row in _read("postures.csv") if row["table"] == table]
    mean = [np.radians(_numbers(rows, *ANGLES)), _numbers(rows, "crouch", "lean")]
    loose = np.radians(_numbers(rows, "loose")) * (1, 0.5, 0.4, 1, 0.7, 0.5)
    spread = [loose, 0.12 * _numbers(rows, "crouch"), np.full((len(rows), 1), 0.012)]
    for side in ("right", "left"):
        own = [hands[row[side]] for row in rows]
        shake, swing = _numbers(own, "shake_outward", "shake_forward", "shake_up"), _numbers(own, "swing")
        place = np.array([[hand["place"] == place for place in PLACES] for hand in own])
        mean += [_numbers(own, "outward", "forward", "up"), np.radians(_numbers(own, "elbow")), shake, swing, place]
        elbow = np.full((len(own), 1), np.radians(8))
        spread += [_numbers(own, *["spread"] * 3), elbow, 0.2 * shake, 0.1 * swing, 0.0 * place]
    weight, hold = _numbers(rows, "weight")[:, 0], _numbers(rows, "hold_from", "hold_to")
    return weight, hold, np.hstack(mean), np.hstack(spread)


def _read(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _numbers(rows: list[dict[str, str]], *columns: str) -> np.ndarray:
    """(rows, columns)"""
    return np.array([[float(row[column]) for column in columns] for row in rows])


def perform(scene: Scene, table: str) -> Upper:
    """A take's upper body: postures of the table, drawn by weight, held, and blended into one another."""
    rng, body, time = scene.rng, scene.body, scene.time
    weights, hold, mean, spread = read_postures(table)
    weights = weights * rng.uniform(0.5, 1.6, len(weights))  # a person's preferences
    count = int((time[-1] + WARM_UP + 2.0) / (hold[:, 0] + 0.5).min()) + 3
    drawn = rng.choice(len(weights), size=count, p=weights / weights.sum())
    keys, spread = mean[drawn], spread[drawn]
    # What a person does in a take resembles itself: part of the spread is drawn once.
    habit = 0.6 * rng.standard_normal(keys.shape[1]).clip(-2, 2)
    keys = keys + spread * (habit + 0.8 * rng.standard_normal(keys.shape).clip(-2.2, 2.2))

    hands = keys[:, 8:].reshape(count, 2, -1)
    change = np.diff(hands, axis=0)
    travel = np.abs(change[..., :3]).max((1, 2)) + 0.7 * np.any(change[..., 8:], axis=(1, 2))
    bend = np.abs(np.diff(keys[:, :7], axis=0)) @ (0.25, 0.55, 0.25, 0.1, 0.1, 0.1, 1.6)
    durations = (0.42 + 0.42 * np.minimum(travel, 1.2) + bend) * rng.uniform(0.85, 1.3, count - 1) / body.tempo
    least, most = hold[drawn[1:]].T
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
