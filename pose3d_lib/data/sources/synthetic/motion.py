"""Made-up motion of a human body: the fifteen actions of Human3.6M, each a lower body and a table of postures.

Nothing here comes from a recording. Takes of one action differ as people do: by body, habit, heading, hand and moment.
"""

from collections.abc import Callable

import numpy as np

from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.synthetic import postures
from pose3d_lib.data.sources.synthetic.body import (
    SIDES,
    Body,
    level_axes,
    pose_arms,
    pose_legs,
    pose_trunk,
    stack_joints,
)
from pose3d_lib.data.sources.synthetic.gait import Lower, settle, stand, walk
from pose3d_lib.data.sources.synthetic.gestures import Posture, Upper, level_frame, perform, wrist_targets
from pose3d_lib.data.sources.synthetic.seat import sit, sit_down
from pose3d_lib.data.sources.synthetic.timing import smooth_noise

Table = tuple[Posture, ...]

MARGIN = 0.8  # seconds made before and after a take for the sake of its ends


def make_motion(action: str, *, body: Body, frames: int, fps: float, seed) -> np.ndarray:
    """One take of an action of `H36M_ACTIONS`: (frames, 17, 3) float64, metres, z up, the floor at 0.

    `seed` is what `numpy.random.default_rng` accepts; the same arguments give the same array bit for bit.
    """
    rng = np.random.default_rng(seed)
    # Filters look to both sides: what they need beyond the ends is made and cut off again.
    margin = int(np.ceil(MARGIN * fps))
    time = np.arange(-margin, frames + margin) / fps
    lower, table = _ACTIONS[action](rng, body, time, fps)
    upper = perform(rng, body, time, table)
    positions = assemble(rng, body, time, fps, lower, upper)[margin : margin + frames]
    return positions if rng.random() < body.right_handed else mirror(positions)


def mirror(positions: np.ndarray) -> np.ndarray:
    """The motion (frames, 17, 3) seen in a mirror that stands along the y axis: right and left change places."""
    return positions[:, H36M_17.mirror] * (-1.0, 1.0, 1.0)


def assemble(
    rng: np.random.Generator, body: Body, time: np.ndarray, fps: float, lower: Lower, upper: Upper
) -> np.ndarray:
    """(frames, 17, 3), metres: a lower and an upper body put together, with the unrest of a living one."""
    unrest = np.radians(smooth_noise(rng, time, 1.3, (6,)) * (1.6, 1.2, 0.8, 2.5, 1.8, 1.2)) * body.energy
    breath = np.radians(0.5) * np.sin(2 * np.pi * 0.26 * time + rng.uniform(0, 6.3) + smooth_noise(rng, time, 4.0))
    yaw, pitch, roll, head_yaw, head_pitch, head_roll = (upper.angles + unrest).T
    chest = np.stack([
        lower.yaw - 0.6 * lower.twist + yaw,
        lower.pitch + np.radians(body.stoop) + pitch + breath,
        -0.4 * lower.roll + roll,
    ], -1)  # fmt: skip
    # Standing, a bend comes from the hips as much as from the back; sitting, the pelvis is tilted back and bends less.
    bend = np.where(pitch > 0, 0.55 - 0.25 * lower.down, 0.25) * pitch
    pelvis = np.stack([
        lower.yaw + lower.twist + 0.4 * (1 - lower.down) * yaw,
        lower.pitch + bend - np.radians(14) * lower.down,
        lower.roll + 0.35 * (1 - lower.down) * roll,
    ], -1)  # fmt: skip
    head = np.stack([
        head_yaw + 0.5 * lower.twist, head_pitch - 0.35 * pitch - 0.8 * np.radians(body.stoop), head_roll - 0.4 * roll
    ], -1)  # fmt: skip
    reach = np.radians([62, 38, 24])
    head = reach * np.tanh(head / reach)

    ahead, right = level_axes(lower.yaw)
    upright = 1 - lower.down
    back = upright * (0.16 * np.sin(np.maximum(bend, 0)) * body.stature / 1.7 + 0.28 * body.leg * upper.crouch)
    hip = lower.hip.copy()
    hip[:, :2] += (upright * upper.lean)[:, None] * right - back[:, None] * ahead
    hip[:, 2] -= upright * upper.crouch * body.leg
    hip = settle(body, lower, hip, pelvis, fps)

    trunk = pose_trunk(body, hip, pelvis, chest, head)
    joints = trunk.joints | pose_legs(body, trunk, lower.ankles, lower.knee_yaw, lower.knee_out)
    arm_frame = level_frame(*chest.T)
    floor = np.stack([
        np.column_stack([hip[:, :2] + out * 0.32 * right - 0.20 * ahead, np.full(len(hip), 0.07)])
        for _, _, out in SIDES
    ], 1)  # fmt: skip
    knees = np.stack([joints["RKnee"], joints["LKnee"]], 1)
    wrists = wrist_targets(rng, body, time, upper, trunk, knees, lower.stride, arm_frame, floor, lower.down)
    elbow_out = upper.elbow + np.radians(body.elbows_out)
    return stack_joints(joints | pose_arms(body, trunk, wrists, elbow_out, arm_frame))


Maker = Callable[[np.random.Generator, Body, np.ndarray, float], tuple[Lower, Table]]


def _standing(table: Table, **habits) -> Maker:
    return lambda rng, body, time, fps: (stand(rng, body, time, fps, **habits), table)


def _walking(table: Table, **habits) -> Maker:
    return lambda rng, body, time, fps: (walk(rng, body, time, fps, **habits), table)


def _seated(table: Table) -> Maker:
    return lambda rng, body, time, fps: (sit(rng, body, time), table)


def _either(chance: float, first: Maker, second: Maker) -> Maker:
    """The first with the given probability, otherwise the second."""
    return lambda rng, body, time, fps: (first if rng.random() < chance else second)(rng, body, time, fps)


_ACTIONS: dict[str, Maker] = {
    "Directions": _standing(postures.DIRECTIONS, gap=(2.0, 8.0), turning=50),
    "Discussion": _standing(postures.DISCUSSION, gap=(3.0, 12.0), turning=30),
    "Eating": _seated(postures.EATING),
    "Greeting": _standing(postures.GREETING, gap=(2.0, 7.0), turning=55, roaming=0.5),
    "Phoning": _either(
        0.35,
        _walking(postures.PHONING_WALKING, pace=0.55, stops=0.06),
        _standing(postures.PHONING, gap=(2.0, 8.0), turning=45, roaming=0.5),
    ),
    "Photo": _standing(postures.PHOTO, gap=(2.0, 7.0), turning=45, roaming=0.5),
    "Posing": _standing(postures.POSING, gap=(2.5, 6.0), turning=55),
    "Purchases": _standing(postures.PURCHASES, gap=(1.5, 5.0), turning=50, roaming=0.7),
    "Sitting": _seated(postures.SITTING),
    "SittingDown": lambda rng, body, time, fps: (sit_down(rng, body, time), postures.SITTING_DOWN),
    "Smoking": _either(0.4, _seated(postures.SMOKING_SEATED), _standing(postures.SMOKING, gap=(3.0, 10.0))),
    "Waiting": _standing(postures.WAITING, gap=(1.5, 6.0), turning=40),
    "WalkDog": _walking(postures.WALK_DOG, pace=0.75, stops=0.09, stop_seconds=(0.8, 3.0)),
    "Walking": _walking(postures.WALKING),
    "WalkTogether": _walking(postures.WALK_TOGETHER, pace=0.72, stops=0.015),
}
