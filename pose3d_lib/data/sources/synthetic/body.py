"""A human body for made-up motion: proportions and habits per subject, and joints from a few controls per frame.

Two frames recur. World: metres, z up, floor at 0. Body: (right, forward, up), turned by yaw, pitch and roll.
Bones keep their lengths exactly, because every joint is its parent plus a length times a unit vector.
"""

from dataclasses import dataclass

import numpy as np

RIGHT, LEFT = 0, 1
SIDES = ((RIGHT, "R", 1.0), (LEFT, "L", -1.0))  # index, prefix of the joints' names, sign of the outward direction
KNEE_LIMITS, ELBOW_LIMITS = (2.0, 146.0), (4.0, 142.0)  # flexion in degrees; anatomy ends at about 0 and 150
_STATURES = {"S1": 1.68, "S5": 1.61, "S6": 1.76, "S7": 1.84, "S8": 1.89, "S9": 1.80, "S11": 1.72}

# Directions (outward, forward, up) at rest in which a limb points and in which its middle joint bends. Seen from them,
# the direction the formula cannot handle (straight opposite) is one that no arm or leg reaches.
_ARM_REST = (np.array([0.35, 0.65, -0.67]), np.array([0.30, -0.50, -0.80]))
_LEG_REST = (np.array([0.0, 0.5, -0.87]), np.array([0.0, 0.87, 0.5]))


@dataclass(frozen=True)
class Body:
    """Lengths in metres; habits as factors around 1 or in the unit that is given."""

    stature: float  # from the floor to the top of the head, standing upright
    hip: float  # half the distance of the hips
    femur: float
    tibia: float
    ankle: float  # height above the floor
    lumbar: float  # Hip to Spine
    thorax: float  # Spine to Thorax
    neck: tuple[float, float]  # Thorax to Neck, (forward, up) at rest
    head: tuple[float, float]  # Neck to Head, (forward, up) at rest
    clavicle: tuple[float, float]  # Thorax to the shoulder, (outward, up) at rest
    humerus: float
    forearm: float
    cadence: float  # steps per second when walking
    step: float  # length as a fraction of stature
    arm_swing: float
    tempo: float  # how quickly the person moves
    energy: float  # how widely
    stance: float  # distance of the ankles standing, as a fraction of the hips'
    toe_out: float  # degrees
    stoop: float  # forward pitch of the chest, degrees
    elbows_out: float  # swivel, degrees
    right_handed: float  # probability that a take is done with the right hand

    @property
    def leg(self) -> float:
        return self.femur + self.tibia

    @property
    def arm(self) -> float:
        return self.humerus + self.forearm


def make_body(subject: str, seed: int) -> Body:
    """The body of a subject: the same for the same name and seed, clearly another for another name."""
    rng = np.random.default_rng([seed, *subject.encode()])
    stature = _STATURES.get(subject, rng.uniform(1.58, 1.92)) + rng.uniform(-0.015, 0.015)

    def vary(fraction: float, spread: float = 0.03) -> float:
        return stature * fraction * (1 + spread * rng.uniform(-1.7, 1.7))

    legs, trunk, arms, broad = 1 + 0.018 * rng.uniform(-1.7, 1.7, size=4)
    hip = vary(0.0765, 0.035) * broad
    femur, tibia, ankle = vary(0.258, 0.012) * legs, vary(0.258, 0.012) * legs, vary(0.046)
    lumbar, thorax = vary(0.137, 0.015) * trunk, vary(0.148, 0.015) * trunk
    shoulder = vary(0.085, 0.03) * broad
    neck, head = (vary(0.030), vary(0.066)), (vary(-0.006), vary(0.070))
    # The trunk and the head share what the other parts leave, so that nothing looks odd. A marker set's top of the head
    # is a little below the crown.
    rest = 0.975 * stature - (ankle + femur + tibia + lumbar + thorax + neck[1] + head[1])
    lumbar, thorax, head = lumbar + 0.35 * rest, thorax + 0.35 * rest, (head[0], head[1] + 0.3 * rest)
    return Body(
        stature=stature, hip=hip, femur=femur, tibia=tibia, ankle=ankle, lumbar=lumbar, thorax=thorax,
        neck=neck, head=head, clavicle=(shoulder, vary(-0.022)),
        humerus=vary(0.163, 0.015) * arms, forearm=vary(0.146, 0.015) * arms,
        cadence=1.82 * np.sqrt(1.74 / stature) * rng.uniform(0.93, 1.07), step=0.415 * rng.uniform(0.93, 1.07),
        arm_swing=rng.uniform(0.7, 1.3), tempo=rng.uniform(0.88, 1.12), energy=rng.uniform(0.85, 1.15),
        stance=rng.uniform(0.85, 1.25), toe_out=rng.uniform(4, 16), stoop=rng.uniform(0, 8),
        elbows_out=rng.uniform(-6, 10), right_handed=0.9 if rng.random() < 0.8 else 0.25,
    )  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """Who moves in a take, when, and by which chance."""

    body: Body
    time: np.ndarray  # (frames,), seconds
    fps: float
    rng: np.random.Generator


@dataclass(frozen=True)
class Lower:
    """The lower body over time: (frames,), radians, unless another shape or unit is given."""

    hip: np.ndarray  # (frames, 3), metres, where the pelvis wants to be; `settle` takes it within reach
    yaw: np.ndarray  # where the person faces
    pitch: np.ndarray  # forward lean of pelvis and chest
    roll: np.ndarray  # of the pelvis, to the right
    twist: np.ndarray  # of the pelvis as against the shoulders
    ankles: np.ndarray  # (frames, 2, 3), metres
    knee_yaw: np.ndarray  # (frames, 2)
    knee_out: np.ndarray  # (frames, 2)
    stride: np.ndarray  # how far the right foot is ahead of the left, in steps: what arms swing against
    down: np.ndarray  # 0 standing upright, 1 sitting: how little the pelvis can bend or crouch


def rotation(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Body frame to world: turn to `yaw` (0 faces along x), lean forward by `pitch`, then to the right by `roll`.

    (frames,) radians each -> (frames, 3, 3), whose columns are the body's right, forward and up in the world.
    """
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    level = np.zeros_like(cy)
    right, ahead = np.stack([sy, -cy, level], -1), np.stack([cy, sy, level], -1)
    z = np.array([0.0, 0.0, 1.0])
    forward = cp[:, None] * ahead - sp[:, None] * z
    up = cp[:, None] * z + sp[:, None] * ahead
    return np.stack([cr[:, None] * right - sr[:, None] * up, forward, cr[:, None] * up + sr[:, None] * right], -1)


def level_axes(yaw: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Ahead and right on the floor, (..., 2), of who faces `yaw` (...), radians."""
    return np.stack([np.cos(yaw), np.sin(yaw)], -1), np.stack([np.sin(yaw), -np.cos(yaw)], -1)


def turn(frame: np.ndarray, vector: np.ndarray | tuple[float, float, float]) -> np.ndarray:
    """World vectors (frames, 3) of body vectors (frames, 3) or (3,), by a frame (frames, 3, 3)."""
    return np.einsum("fij,fj->fi", frame, np.broadcast_to(vector, (len(frame), 3)))


def two_bones(
    root: np.ndarray, target: np.ndarray, lengths: tuple[float, float], frame: np.ndarray, *,
    rest: tuple[np.ndarray, np.ndarray], out: float, swivel: np.ndarray, limits: tuple[float, float],
    softness: float, floor: float = -np.inf,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The middle and the end, (frames, 3) each, of a limb that reaches for a target as far as its joint allows.

    The plane of bending follows the limb's direction by the least rotation from its rest position, so it never flips.
    At rest, in the body frame (frames, 3, 3), limb and middle joint point along `rest` (outward, forward, up). `swivel`
    (frames,) turns the joint outward, radians; `limits` are of its flexion, degrees; over `softness` metres the reach
    ends, so that a limb about to be stretched does not jerk; at `floor`, metres, the joint gives way sideways.
    """
    upper, lower = lengths
    longest, shortest = (np.sqrt(upper**2 + lower**2 + 2 * upper * lower * np.cos(np.radians(f))) for f in limits)
    reach = target - root
    distance = np.maximum(np.linalg.norm(reach, axis=-1), 1e-6)
    direction = reach / distance[:, None]
    distance = longest - _soft_positive(longest - distance, softness)
    distance = shortest + _soft_positive(distance - shortest, softness)

    mirror = np.array([out, 1.0, 1.0])
    along = rest[0] / np.linalg.norm(rest[0])
    bend = rest[1] - (rest[1] @ along) * along
    along, bend = turn(frame, mirror * along), turn(frame, mirror * bend / np.linalg.norm(bend))
    cosine = (direction * along).sum(-1)
    bend = bend - ((direction * bend).sum(-1) / np.maximum(1 + cosine, 1e-3))[:, None] * (direction + along)
    bend = bend - (bend * direction).sum(-1, keepdims=True) * direction
    bend /= np.linalg.norm(bend, axis=-1, keepdims=True)
    bend = np.cos(swivel)[:, None] * bend + (out * np.sin(swivel))[:, None] * np.cross(direction, bend)

    to_foot = (upper**2 - lower**2 + distance**2) / (2 * distance)
    height = np.sqrt(np.maximum(upper**2 - to_foot**2, 0))
    middle = root + to_foot[:, None] * direction + height[:, None] * bend
    if np.isfinite(floor):
        up = np.array([0.0, 0.0, 1.0]) - direction[:, 2:] * direction
        missing = _soft_positive(floor - middle[:, 2], 0.008) / np.maximum(height * up[:, 2], 0.05)
        bend = bend + missing[:, None] * up
        bend /= np.linalg.norm(bend, axis=-1, keepdims=True)
        middle = root + to_foot[:, None] * direction + height[:, None] * bend
    return middle, root + distance[:, None] * direction


def _soft_positive(x: np.ndarray, softness: float) -> np.ndarray:
    """x where it is well above 0, and never below 0."""
    return softness * np.logaddexp(0, x / softness)


@dataclass(frozen=True)
class Trunk:
    """Where the trunk is."""

    chest: np.ndarray  # body frame (frames, 3, 3)
    head: np.ndarray  # body frame
    joints: dict[str, np.ndarray]  # name -> (frames, 3), metres


def pose_trunk(body: Body, hip: np.ndarray, pelvis: np.ndarray, chest: np.ndarray, head: np.ndarray) -> Trunk:
    """Hips, spine, thorax, neck and head, for a hip (frames, 3) in metres.

    Pelvis, chest and head are yaw, pitch and roll (frames, 3), radians, in the world; the head's as against the chest.
    """
    pelvis_frame, chest_frame = rotation(*pelvis.T), rotation(*chest.T)
    lumbar_frame = rotation(*(0.6 * pelvis + 0.4 * chest).T)
    neck_frame, head_frame = rotation(*(chest + 0.4 * head).T), rotation(*(chest + head).T)
    joints = {"Hip": hip}
    for _, side, out in SIDES:
        joints[f"{side}Hip"] = hip + turn(pelvis_frame, (out * body.hip, 0.0, 0.0))
    joints["Spine"] = hip + body.lumbar * lumbar_frame[..., 2]
    joints["Thorax"] = joints["Spine"] + body.thorax * chest_frame[..., 2]
    joints["Neck"] = joints["Thorax"] + turn(neck_frame, (0.0, *body.neck))
    joints["Head"] = joints["Neck"] + turn(head_frame, (0.0, *body.head))
    return Trunk(chest_frame, head_frame, joints)


def pose_legs(body: Body, trunk: Trunk, lower: Lower) -> dict[str, np.ndarray]:
    """Knees and ankles by joint name, each (frames, 3), metres."""
    joints = {}
    level = np.zeros(len(lower.ankles))
    for s, side, out in SIDES:
        frame = rotation(lower.knee_yaw[:, s], level, level)
        joints[f"{side}Knee"], joints[f"{side}Foot"] = two_bones(
            trunk.joints[f"{side}Hip"], lower.ankles[:, s], (body.femur, body.tibia), frame,
            rest=_LEG_REST, out=out, swivel=lower.knee_out[:, s], limits=KNEE_LIMITS, softness=0.001, floor=0.05,
        )  # fmt: skip
    return joints


def resting_shoulder(body: Body, trunk: Trunk, out: float) -> np.ndarray:
    """(frames, 3), metres: where a shoulder is while its arm hangs."""
    return trunk.joints["Thorax"] + turn(trunk.chest, (out * body.clavicle[0], 0.0, body.clavicle[1]))


def pose_arms(
    body: Body, trunk: Trunk, wrists: np.ndarray, elbow_out: np.ndarray, arm_frame: np.ndarray
) -> dict[str, np.ndarray]:
    """Shoulders, elbows and wrists by joint name, (frames, 3) each, from where wrists (frames, 2, 3) should be, metres.

    Elbows are turned outward by `elbow_out` (frames, 2), radians; in `arm_frame` arms hang down and bend backward.
    """
    joints = {}
    for s, side, out in SIDES:
        reach = (wrists[:, s] - resting_shoulder(body, trunk, out)) / body.arm
        local = np.einsum("fji,fj->fi", trunk.chest, reach)
        # A raised arm takes its shoulder up, one that reaches forward takes it forward.
        raised = np.clip(0.5 + 0.6 * local[:, 2], 0, 1)
        lift = np.radians(24) * (raised * raised * (3 - 2 * raised))
        ahead = np.radians(16) * np.tanh(local[:, 1] - 0.6 * out * local[:, 0])
        length = np.hypot(*body.clavicle)
        slope = np.arctan2(body.clavicle[1], body.clavicle[0]) + lift
        clavicle = np.stack([out * np.cos(slope) * np.cos(ahead), np.cos(slope) * np.sin(ahead), np.sin(slope)], -1)
        shoulder = trunk.joints["Thorax"] + length * turn(trunk.chest, clavicle)
        joints[f"{side}Shoulder"] = shoulder
        # An elbow is turned outward by the opposite sense of rotation from a knee's: it points back, not forward.
        joints[f"{side}Elbow"], joints[f"{side}Wrist"] = two_bones(
            shoulder, wrists[:, s], (body.humerus, body.forearm), arm_frame,
            rest=_ARM_REST, out=out, swivel=-elbow_out[:, s], limits=ELBOW_LIMITS, softness=0.02,
        )  # fmt: skip
    return joints
