"""Made-up motion of a human body: the fifteen actions of Human3.6M, each a lower body and a table of postures.

Nothing here comes from a recording. Takes of one action differ as people do: by body, habit, heading, hand and moment.
"""

from functools import partial

import numpy as np

from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.synthetic.body import (
    SIDES,
    Body,
    Lower,
    Scene,
    level_axes,
    pose_arms,
    pose_legs,
    pose_trunk,
    rotation,
)
from pose3d_lib.data.sources.synthetic.gait import settle, stand, walk
from pose3d_lib.data.sources.synthetic.gestures import Upper, perform, wrist_targets
from pose3d_lib.data.sources.synthetic.seat import sit, sit_down
from pose3d_lib.data.sources.synthetic.timing import smooth_noise

MARGIN = 0.8  # seconds made before and after a take for the sake of its ends


def make_motion(action: str, *, body: Body, frames: int, fps: float, seed) -> np.ndarray:
    """One take of an action of `H36M_ACTIONS`: (frames, 17, 3) float64, metres, z up, the floor at 0.

    `seed` is what `numpy.random.default_rng` accepts; the same arguments give the same array bit for bit.
    """
    rng = np.random.default_rng(seed)
    # Filters look to both sides: what they need beyond the ends is made and cut off again.
    margin = int(np.ceil(MARGIN * fps))
    time = np.arange(-margin, frames + margin) / fps
    scene, move, table = Scene(body, time, fps, rng), _MOVES[action], action
    if action in _SOMETIMES and rng.random() < _SOMETIMES[action][0]:
        _, move, table = _SOMETIMES[action]
    lower = move(scene)
    positions = _assemble(scene, lower, perform(scene, table))[margin : margin + frames]
    return positions if rng.random() < body.right_handed else mirror(positions)


def mirror(positions: np.ndarray) -> np.ndarray:
    """The motion (frames, 17, 3) seen in a mirror that stands along the y axis: right and left change places."""
    return positions[:, H36M_17.mirror] * (-1.0, 1.0, 1.0)


def _assemble(scene: Scene, lower: Lower, upper: Upper) -> np.ndarray:
    """(frames, 17, 3), metres: a lower and an upper body put together, with the unrest of a living one."""
    rng, body, time = scene.rng, scene.body, scene.time
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
    hip = settle(body, lower, hip, pelvis, scene.fps)

    trunk = pose_trunk(body, hip, pelvis, chest, head)
    joints = trunk.joints | pose_legs(body, trunk, lower)
    # Gravity keeps hanging arms from following all of the chest's lean.
    arm_frame = rotation(chest[:, 0], 0.45 * chest[:, 1], 0.45 * chest[:, 2])
    beside = [hip[:, :2] + out * 0.32 * right - 0.20 * ahead for _, _, out in SIDES]
    floor = np.stack([np.column_stack([place, np.full(len(hip), 0.07)]) for place in beside], 1)
    knees = np.stack([joints["RKnee"], joints["LKnee"]], 1)
    wrists = wrist_targets(scene, lower, upper, trunk, knees, arm_frame, floor)
    joints |= pose_arms(body, trunk, wrists, upper.elbow + np.radians(body.elbows_out), arm_frame)
    return np.stack([joints[name] for name in H36M_17.joints], axis=1)


# Action -> its lower body; its postures are those of the table of the same name.
_MOVES = {
    "Directions": partial(stand, gap=(2.0, 8.0), turning=50),
    "Discussion": partial(stand, gap=(3.0, 12.0), turning=30),
    "Eating": sit,
    "Greeting": partial(stand, gap=(2.0, 7.0), turning=55, roaming=0.5),
    "Phoning": partial(stand, gap=(2.0, 8.0), turning=45, roaming=0.5),
    "Photo": partial(stand, gap=(2.0, 7.0), turning=45, roaming=0.5),
    "Posing": partial(stand, gap=(2.5, 6.0), turning=55),
    "Purchases": partial(stand, gap=(1.5, 5.0), turning=50, roaming=0.7),
    "Sitting": sit,
    "SittingDown": sit_down,
    "Smoking": partial(stand, gap=(3.0, 10.0)),
    "Waiting": partial(stand, gap=(1.5, 6.0), turning=40),
    "WalkDog": partial(walk, pace=0.75, stops=0.09, stop_seconds=(0.8, 3.0)),
    "Walking": walk,
    "WalkTogether": partial(walk, pace=0.72, stops=0.015),
}
# Action -> the share of its takes that have another lower body, that body, and its table of postures.
_SOMETIMES = {
    "Phoning": (0.35, partial(walk, pace=0.55, stops=0.06), "PhoningWalking"),
    "Smoking": (0.4, sit, "SmokingSeated"),
}
