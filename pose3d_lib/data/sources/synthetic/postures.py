"""The tables from which made-up actions draw their postures; `gestures` says what a row means.

Hands are the right and the left one, each `at` some place and with some spread; a take may be mirrored as a whole.
"""

from dataclasses import replace

from pose3d_lib.data.sources.synthetic.gestures import Hand, Posture, both, mirrored

HANG = Hand()
SWING = Hand((0.10, 0.09, -0.96), 0.03, swing=1.0)
ON_HIP = Hand((0.11, 0.01, -0.72), 0.02, elbow=50)
BEHIND = Hand((-0.20, -0.26, -0.78), 0.02, elbow=72)
FOLDED = Hand((-0.42, 0.43, -0.42), 0.02, elbow=8)
CLASPED = Hand((-0.22, 0.36, -0.70), 0.03, elbow=12)
CHEST = Hand((-0.10, 0.52, -0.34), 0.10, elbow=8)
OPEN = Hand((0.28, 0.58, -0.30), 0.10, elbow=4)
WATCH = Hand((-0.22, 0.52, -0.22), 0.03, elbow=18)
EAR, MOUTH, CAMERA, KNEE, FLOOR = (Hand(place=place) for place in ("ear", "mouth", "camera", "knee", "floor"))
POCKET = Hand((0.12, 0.06, -0.80), 0.02, elbow=30)


def _point(at: tuple[float, float, float], yaw: float, other: Hand = HANG, **rest: float) -> Posture:
    return Posture(Hand(at, 0.08), other, yaw, head_yaw=0.6 * yaw, hold=(0.5, 2.2), loose=8, **rest)


_POINTING = (
    _point((0.05, 0.93, -0.05), 5),
    _point((0.85, 0.42, 0.02), -22),
    _point((0.92, 0.05, -0.02), -35),
    _point((-0.38, 0.84, -0.04), 24),
    _point((0.28, 0.78, 0.42), -6, pitch=-4, head_pitch=-14),
    _point((0.40, 0.62, -0.52), -10, pitch=8, head_pitch=12),
    _point((0.10, 0.72, -0.12), 0, ON_HIP),
)
DIRECTIONS = (
    *_POINTING,
    *(mirrored(row) for row in _POINTING[:6]),
    both(Hand((0.88, 0.30, 0.0), 0.08), hold=(0.5, 2.0)),
    both(Hand((0.08, 0.92, -0.02), 0.07), hold=(0.5, 2.0)),
    both(Hand((0.35, 0.55, 0.62), 0.08), head_pitch=-12, hold=(0.5, 1.5)),
    both(OPEN, hold=(0.4, 1.5)),
    both(HANG, weight=2.5, hold=(0.4, 1.8), loose=8),
    both(ON_HIP, weight=0.7),
)

_BEAT = (0.02, 0.035, 0.045)
DISCUSSION = (
    both(CHEST, weight=2, hold=(0.3, 1.5)),
    both(OPEN, weight=2, hold=(0.3, 1.5)),
    both(Hand((0.10, 0.60, -0.35), 0.12, shake=_BEAT), weight=2, hold=(0.8, 2.5)),
    Posture(Hand((0.12, 0.60, -0.22), 0.12, shake=_BEAT), HANG, weight=1.5, hold=(0.5, 2.5)),
    Posture(Hand((0.15, 0.62, -0.15), 0.12), Hand((0.0, 0.48, -0.5), 0.1), weight=1.5),
    Posture(Hand((0.45, 0.62, 0.05), 0.12), CHEST, yaw=-10, hold=(0.3, 1.5)),
    Posture(CHEST, Hand((0.45, 0.55, 0.0), 0.12), yaw=10, hold=(0.3, 1.5)),
    both(Hand((0.50, 0.45, -0.25), 0.10), head_roll=6, roll=3, hold=(0.3, 1.2)),
    both(CLASPED, weight=0.8),
    both(HANG, weight=0.8, hold=(0.4, 1.8)),
    both(FOLDED, weight=0.4),
    Posture(MOUTH, FOLDED, head_pitch=8, weight=0.3),
)

_TABLE = Hand((0.02, 0.66, -0.52), 0.05, elbow=10)
_PLATE = Hand((-0.16, 0.68, -0.46), 0.05, elbow=12)
EATING = (
    Posture(MOUTH, _TABLE, pitch=8, head_pitch=10, weight=3, hold=(0.3, 1.0), loose=4),
    Posture(_PLATE, _TABLE, pitch=10, head_pitch=18, weight=3, hold=(0.4, 1.8), loose=4),
    Posture(MOUTH, KNEE, pitch=4, head_pitch=6, weight=1.5, hold=(0.3, 1.2), loose=4),
    both(MOUTH, pitch=6, head_pitch=4, weight=0.8, hold=(0.4, 1.5), loose=4),
    both(_PLATE, pitch=14, head_pitch=20, weight=1.5, hold=(0.6, 2.5), loose=4),
    Posture(Hand((0.2, 0.85, -0.38), 0.06), _TABLE, pitch=18, weight=0.7, hold=(0.2, 0.8)),
    Posture(MOUTH, _TABLE, pitch=-4, head_pitch=-18, weight=0.6, hold=(0.5, 1.5), loose=4),
    both(KNEE, weight=0.8, loose=5),
)

_SHAKE = Hand((-0.05, 0.72, -0.38), 0.04, shake=(0.0, 0.01, 0.05))
_WAVE = Hand((0.40, 0.30, 0.38), 0.06, elbow=6, shake=(0.11, 0.02, 0.02))
GREETING = (
    Posture(_WAVE, HANG, weight=3, hold=(1.0, 3.0)),
    Posture(Hand((0.30, 0.25, 0.78), 0.06, shake=(0.14, 0.02, 0.0)), HANG, hold=(1.0, 3.0)),
    Posture(_SHAKE, HANG, pitch=6, weight=2, hold=(1.0, 2.5)),
    both(HANG, pitch=38, head_pitch=22, weight=1.6, hold=(0.3, 1.2)),
    Posture(Hand((-0.28, 0.36, -0.36), 0.04), HANG, pitch=24, head_pitch=14, hold=(0.4, 1.2)),
    both(Hand((0.32, 0.78, -0.05), 0.07), pitch=6, weight=0.8, hold=(0.5, 1.8)),
    Posture(Hand((0.10, 0.22, 0.20), 0.03, elbow=45), HANG, weight=0.6, hold=(0.5, 1.5)),
    both(HANG, weight=2, hold=(0.4, 1.6)),
    Posture(HANG, _WAVE, weight=0.6, hold=(1.0, 2.5)),
)

PHONING = (
    Posture(EAR, HANG, head_pitch=5, head_roll=6, weight=2.5, hold=(1.5, 5.0)),
    Posture(EAR, ON_HIP, head_roll=5, weight=1.2, hold=(1.5, 5.0)),
    Posture(EAR, Hand((0.15, 0.58, -0.35), 0.13, shake=_BEAT), weight=2, hold=(0.6, 2.5)),
    Posture(EAR, Hand((-0.36, 0.36, -0.48), 0.03), head_pitch=10, weight=1.2, hold=(1.5, 4.0)),
    Posture(EAR, POCKET, head_pitch=12, pitch=4, weight=1, hold=(1.5, 5.0)),
    Posture(EAR, Hand((0.55, 0.60, -0.1), 0.12), yaw=14, head_yaw=10, weight=0.6),
)
PHONING_WALKING = tuple(
    Posture(EAR, left, head_pitch=8, head_roll=5, weight=weight, hold=(1.5, 5.0))
    for left, weight in ((SWING, 3), (POCKET, 1), (Hand((0.15, 0.58, -0.35), 0.12, shake=_BEAT), 1))
)

PHOTO = (
    both(CAMERA, weight=3, hold=(1.2, 4.0), loose=4),
    both(CAMERA, crouch=0.16, pitch=8, weight=1.0, hold=(1.0, 3.0), loose=5),
    both(CAMERA, crouch=0.34, pitch=14, weight=0.6, hold=(1.0, 3.0), loose=5),
    both(CAMERA, pitch=-4, head_pitch=-14, weight=0.8, hold=(1.0, 3.0), loose=5),
    both(CAMERA, yaw=22, roll=5, head_yaw=8, weight=0.8, hold=(0.8, 3.0)),
    both(CAMERA, yaw=-22, roll=-5, head_yaw=-8, weight=0.8, hold=(0.8, 3.0)),
    both(Hand((-0.20, 0.52, -0.32), 0.05, elbow=8), head_pitch=24, pitch=6, weight=1.2, hold=(0.6, 2.5)),
    Posture(CAMERA, Hand((0.45, 0.5, 0.15), 0.1), weight=0.5, hold=(0.5, 2.0)),
)

_POSES = (
    Posture(ON_HIP, HANG, yaw=12, roll=-4, lean=0.05, head_yaw=14),
    both(ON_HIP, yaw=-8, roll=3),
    both(Hand((0.82, 0.10, 0.35), 0.08), head_pitch=-8),
    Posture(Hand((0.42, 0.18, 0.78), 0.07), ON_HIP, roll=-6, lean=0.05),
    Posture(Hand((0.30, 0.05, 0.30), 0.04, elbow=45), Hand((0.9, 0.1, 0.0), 0.08)),
    both(Hand((0.34, -0.06, 0.26), 0.03, elbow=58), head_pitch=-6, weight=0.8),
    both(FOLDED, yaw=14, head_yaw=-14, pitch=-4),
    Posture(MOUTH, FOLDED, head_pitch=12, roll=4, pitch=6),
    Posture(Hand((0.1, 0.85, 0.28), 0.08), Hand((0.3, -0.48, -0.76), 0.05, elbow=30), pitch=14, crouch=0.10),
    both(Hand((0.18, 0.60, -0.62), 0.05, elbow=12), pitch=34, crouch=0.16, head_pitch=-14),
    Posture(Hand((0.62, 0.2, -0.62), 0.06), Hand((0.25, 0.25, 0.75), 0.06), roll=14, lean=-0.04),
    Posture(HANG, BEHIND, yaw=-18, head_yaw=22, lean=0.05),
    both(Hand((0.30, 0.30, 0.80), 0.05), head_pitch=-16, pitch=-6),
)
POSING = tuple(replace(row, hold=(1.2, 3.5), loose=7.0) for pose in _POSES for row in (pose, mirrored(pose)))

_BASKET = Hand((0.16, 0.34, -0.62), 0.04, elbow=6)
_BAG = Hand((0.14, 0.04, -0.93), 0.03)
PURCHASES = (
    Posture(Hand((0.10, 0.86, 0.0), 0.10), _BASKET, pitch=10, weight=2, hold=(0.4, 1.3)),
    Posture(Hand((0.25, 0.62, 0.50), 0.10), _BASKET, pitch=2, head_pitch=-14, hold=(0.4, 1.3)),
    Posture(Hand((0.0, 0.45, -0.86), 0.06), _BASKET, pitch=55, crouch=0.10, head_pitch=6, weight=2, hold=(0.3, 1.2)),
    Posture(Hand((0.05, 0.50, -0.80), 0.06), _BASKET, pitch=38, crouch=0.36, weight=1.5, hold=(0.4, 1.5)),
    both(Hand((0.02, 0.42, -0.86), 0.05), pitch=58, crouch=0.18, weight=1.2, hold=(0.3, 1.2)),
    both(Hand((0.0, 0.58, -0.40), 0.06), pitch=6, head_pitch=16, weight=1.5, hold=(0.6, 2.0)),
    Posture(Hand((-0.35, 0.42, -0.55), 0.05), _BASKET, pitch=14, head_pitch=24, yaw=8, weight=2, hold=(0.3, 1.0)),
    Posture(HANG, _BAG, weight=1.2, hold=(0.5, 1.8)),
    both(_BAG, weight=0.8, pitch=4, hold=(0.6, 2.0)),
)

SITTING = (
    both(KNEE, weight=3, hold=(1.0, 5.0), loose=7),
    both(Hand((-0.20, 0.44, -0.66), 0.04, elbow=12), weight=2, hold=(1.0, 5.0), loose=7),
    both(FOLDED, pitch=-6, weight=1.2, hold=(1.0, 5.0), loose=7),
    both(Hand((0.02, 0.70, -0.56), 0.05), pitch=32, head_pitch=-8, weight=1, hold=(1.0, 4.0), loose=8),
    Posture(MOUTH, FOLDED, pitch=10, head_pitch=10, weight=0.8, hold=(1.0, 4.0)),
    Posture(OPEN, KNEE, weight=1.2, hold=(0.4, 2.0)),
    both(OPEN, weight=1, hold=(0.4, 2.0)),
    both(Hand((0.34, -0.06, 0.24), 0.03, elbow=58), pitch=-10, head_pitch=-8, weight=0.6, hold=(1.0, 4.0)),
    Posture(Hand((0.25, -0.20, -0.90), 0.04, elbow=25), KNEE, yaw=-14, pitch=-8, weight=0.6),
    Posture(KNEE, Hand((0.40, -0.10, -0.50), 0.05, elbow=20), yaw=18, head_yaw=20, weight=0.6),
    both(Hand((0.30, 0.25, 0.82), 0.07), pitch=-6, head_pitch=-10, weight=0.3, hold=(0.5, 1.5)),
    Posture(Hand((0.05, 0.55, -0.80), 0.05), KNEE, pitch=48, head_pitch=10, weight=0.5, hold=(0.5, 2.0)),
)

SITTING_DOWN = (
    both(KNEE, weight=2.5, hold=(1.0, 4.0), loose=8),
    both(FLOOR, pitch=-26, head_pitch=18, weight=1.6, hold=(1.0, 4.0)),
    Posture(FLOOR, KNEE, pitch=-12, roll=9, weight=1.5, hold=(1.0, 4.0)),
    Posture(KNEE, FLOOR, pitch=-12, roll=-9, weight=1.5, hold=(1.0, 4.0)),
    both(CLASPED, pitch=18, head_pitch=6, weight=1.5, hold=(1.0, 4.0), loose=8),
    both(Hand((0.0, 0.80, -0.42), 0.05), pitch=24, weight=1.2, hold=(1.0, 4.0), loose=8),
    Posture(OPEN, KNEE, weight=1, hold=(0.4, 2.0)),
    Posture(MOUTH, KNEE, pitch=10, head_pitch=8, weight=0.5, hold=(0.6, 2.0)),
    both(Hand((0.10, 0.62, -0.66), 0.06), pitch=34, head_pitch=4, weight=0.8, hold=(0.6, 2.5)),
)

SMOKING = (
    Posture(MOUTH, HANG, head_pitch=3, weight=2.5, hold=(0.7, 2.0), loose=5),
    Posture(MOUTH, FOLDED, head_pitch=4, weight=1.5, hold=(0.7, 2.0), loose=5),
    Posture(Hand((0.22, 0.42, -0.42), 0.07, elbow=10), HANG, weight=2, hold=(1.0, 4.0)),
    Posture(Hand((0.20, 0.28, -0.80), 0.05), POCKET, weight=1.5, hold=(1.0, 4.0)),
    Posture(Hand((0.20, 0.36, -0.10), 0.05, elbow=14), FOLDED, head_pitch=-6, weight=1.5, hold=(1.0, 4.0)),
    Posture(Hand((0.32, 0.52, -0.50), 0.05, shake=(0.0, 0.01, 0.03)), HANG, head_pitch=18, weight=0.8, hold=(0.4, 1.0)),
)
SMOKING_SEATED = tuple(replace(row, left=KNEE) if row.left in (HANG, POCKET) else row for row in SMOKING)

WAITING = (
    both(FOLDED, weight=2, lean=0.04, hold=(1.5, 6.0)),
    both(FOLDED, weight=1, lean=-0.05, pitch=-3, hold=(1.5, 6.0)),
    both(ON_HIP, weight=2, lean=0.05, hold=(1.5, 5.0)),
    Posture(ON_HIP, HANG, roll=-3, lean=-0.06, weight=1.5, hold=(1.5, 5.0)),
    both(POCKET, lean=0.05, head_yaw=20, weight=1.5, hold=(1.5, 5.0)),
    Posture(Hand((-0.10, 0.42, -0.40), 0.03), WATCH, head_pitch=26, head_yaw=6, pitch=4, weight=1.5, hold=(0.8, 2.0)),
    both(BEHIND, weight=1.2, pitch=-2, hold=(1.5, 5.0)),
    both(CLASPED, weight=1.2, hold=(1.5, 5.0)),
    both(HANG, head_yaw=40, yaw=14, weight=1, hold=(0.8, 2.5), loose=9),
    both(HANG, head_yaw=-40, yaw=-14, weight=1, hold=(0.8, 2.5), loose=9),
    Posture(Hand((0.24, 0.06, 0.28), 0.03, elbow=40), HANG, head_pitch=10, weight=0.5),
)

WALKING = (
    both(SWING, weight=6, hold=(2.0, 6.0), loose=4),
    both(SWING, head_yaw=18, weight=0.7, hold=(0.6, 1.5), loose=5),
    both(SWING, head_yaw=-18, head_pitch=8, weight=0.7, hold=(0.6, 1.5), loose=5),
)

_LEASH = Hand((0.10, 0.80, -0.42), 0.06, shake=(0.02, 0.03, 0.02))
_TUG = Hand((0.40, 0.72, -0.45), 0.07, shake=(0.02, 0.03, 0.02))
WALK_DOG = (
    Posture(_LEASH, SWING, pitch=5, head_pitch=8, weight=4, hold=(1.5, 4.0), loose=5),
    Posture(_TUG, SWING, pitch=6, yaw=-10, head_yaw=-14, head_pitch=12, weight=2, hold=(1.0, 3.0)),
    Posture(Hand((-0.15, 0.78, -0.50), 0.05), SWING, pitch=8, yaw=8, head_pitch=14, weight=1, hold=(1.0, 3.0)),
    both(Hand((-0.04, 0.70, -0.48), 0.05), pitch=-5, weight=1, hold=(0.8, 2.5)),
    Posture(_LEASH, Hand((0.05, 0.48, -0.84), 0.05), pitch=44, crouch=0.12, head_pitch=2, weight=1.2, hold=(0.5, 1.8)),
)

_TOGETHER = Hand((0.14, 0.08, -0.955), 0.03, swing=0.6)
WALK_TOGETHER = (
    Posture(_TOGETHER, SWING, head_yaw=-38, yaw=-5, weight=3, hold=(1.0, 4.0), loose=6),
    Posture(_TOGETHER, SWING, head_yaw=-12, weight=2, hold=(1.0, 3.0), loose=6),
    Posture(Hand((0.30, 0.58, -0.30), 0.10, shake=_BEAT), SWING, head_yaw=-34, yaw=-6, weight=1.2, hold=(0.6, 2.0)),
    Posture(_TOGETHER, Hand((0.12, 0.56, -0.30), 0.10, shake=_BEAT), head_yaw=-28, weight=1.2, hold=(0.6, 2.0)),
    Posture(_TOGETHER, POCKET, head_yaw=-20, weight=0.8, hold=(1.0, 4.0)),
)
