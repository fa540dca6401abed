"""The joints of the common 2D detectors, and how Human3.6M's 17 and COCO's 17 follow from them.

Missing joints are NaN, in what is given and in what is returned.
"""

from functools import reduce

import numpy as np

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.skeleton import COCO_17, H36M_17, sided_skeleton

# How many times as far from the middle of the shoulders as the middle of the ears Human3.6M's Head is. On the
# built-in body, made to Human3.6M's proportions, the Head lies 0.15 to 0.16 of the stature above the middle of the
# shoulders, and Thorax 0.02. That ears lie 0.12 above them is a judgement: 0.11 and 0.13 would give 1.4 and 1.2.
HEAD_REACH = 1.3

_OPENPOSE_ARMS = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist"
_OPENPOSE_LEGS = "RHip RKnee RAnkle LHip LKnee LAnkle"
_OPENPOSE_FACE = "REye LEye REar LEar"

# Joints in the order in which files have them, of layouts without a tree.
_JOINTS = {
    "openpose_18": f"{_OPENPOSE_ARMS} {_OPENPOSE_LEGS} {_OPENPOSE_FACE}",
    "body_25": f"{_OPENPOSE_ARMS} MidHip {_OPENPOSE_LEGS} {_OPENPOSE_FACE} "
    "LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel",
    "halpe_26": f"{' '.join(COCO_17.joints)} Head Neck MidHip LBigToe RBigToe LSmallToe RSmallToe LHeel RHeel",
    "mediapipe_33": "Nose LEyeInner LEye LEyeOuter REyeInner REye REyeOuter LEar REar LMouth RMouth "
    "LShoulder RShoulder LElbow RElbow LWrist RWrist LPinky RPinky LIndex RIndex LThumb RThumb "
    "LHip RHip LKnee RKnee LAnkle RAnkle LHeel RHeel LFootIndex RFootIndex",
}

# What `joints` may say and what a 2D source is called -> its joints.
LAYOUTS = {
    "h36m": H36M_17,
    "coco": COCO_17,
    **{name: sided_skeleton(name, joints) for name, joints in _JOINTS.items()},
}

# Joints per person -> the layout. Of whole bodies (COCO-WholeBody 133, Halpe 136) the first joints, without hands and
# face.
OF_COUNT = {layout.num_joints: name for name, layout in LAYOUTS.items()} | {133: "coco", 136: "halpe_26"}


def choose_layout(count: int, joints: str, where: object, *, named: bool = True) -> str:
    """The name of the layout that a file's joints have: `joints` if it is given, or what their number tells.

    Of files that do not name the detector, 17 joints may be COCO's or Human3.6M's.
    """
    if count == COCO_17.num_joints and not (named or joints):
        raise InputError(
            f"{where}: 17 joints, in the order of COCO (nose first) or of Human3.6M (hip first)? "
            'The parameter `joints` says so: "coco" or "h36m"'
        )
    told = OF_COUNT.get(count, "")
    name = joints or told
    if not told or LAYOUTS[name].num_joints != LAYOUTS[told].num_joints:
        known = ", ".join(f"{layout.num_joints} ({name})" for name, layout in LAYOUTS.items())
        expected = f"layout {joints!r} has {LAYOUTS[joints].num_joints}; " if joints else ""
        raise InputError(f"{where}: {count} joints per person; {expected}known are {known}, 133 and 136")
    return name


def convert(points: np.ndarray, layout: str) -> dict[str, np.ndarray]:
    """Every 2D source that follows from detections: the detector's own layout, "h36m", and "coco" if it has all of COCO.

    The points are (frames, joints of `layout`, 2 or 3): pixels, and perhaps scores; NaN where missing.
    """
    joints = LAYOUTS[layout].joints
    sources = {"h36m": to_h36m(points, layout)}
    if set(COCO_17.joints) <= set(joints):
        sources["coco"] = points[:, [joints.index(joint) for joint in COCO_17.joints]]
    return {**sources, layout: points}


def to_h36m(points: np.ndarray, layout: str) -> np.ndarray:
    """(frames, 17, 2 or 3): the joints of Human3.6M, of which a joint is NaN where what it follows from is missing.

    - Hip: the detector's own middle of the hips, otherwise the middle of both hips.
    - Thorax: the detector's own neck, otherwise the middle of both shoulders.
    - Spine: the middle of Hip and Thorax.
    - Neck (which Human3.6M puts between neck and nose): the nose; unseen, the eyes; unseen, the ears.
    - Head: on the line from the middle of the shoulders through the ears, `HEAD_REACH` times as far; ears unseen, the eyes;
      unseen, the nose. A shoulder unseen, Thorax stands for the middle.
    - RFoot and LFoot: the ankles.

    Where there are scores, a middle has the mean of the scores, and Head that of the part of the face it follows from.
    """
    if layout == "h36m":
        return points
    joints = LAYOUTS[layout].joints

    def of(name: str) -> np.ndarray:
        if name in joints:
            return points[:, joints.index(name)]
        return np.full((len(points), points.shape[2]), np.nan, points.dtype)

    ears, eyes = _seen(of("LEar"), of("REar")), _seen(of("LEye"), of("REye"))
    hip = _first(of("MidHip"), (of("LHip") + of("RHip")) / 2)
    between_shoulders = (of("LShoulder") + of("RShoulder")) / 2
    thorax = _first(of("Neck"), between_shoulders)
    below_head, face = _first(between_shoulders, thorax), _first(ears, eyes, of("Nose"))
    head = below_head + HEAD_REACH * (face - below_head)
    head[:, 2:] = face[:, 2:]  # beyond the face, a line through two scores is not between them
    derived = {
        "Hip": hip,
        "Spine": (hip + thorax) / 2,
        "Thorax": thorax,
        "Neck": _first(of("Nose"), eyes, ears),
        "Head": head,
        "RFoot": of("RAnkle"),
        "LFoot": of("LAnkle"),
    }
    return np.stack([derived[joint] if joint in derived else of(joint) for joint in H36M_17.joints], axis=1)


def match_names(names: list[str], joints: str, where: object) -> tuple[str, list[str]]:
    """The layout that has joints of these names, and its joints by these names.

    Names are compared without case and signs: LShoulder, left_shoulder and LEFT_SHOULDER are one; other names are passed
    over. Without `joints`, the name of a layout, it is the largest whose joints are all there.
    """
    named = {fold(name): name for name in names}
    missing = {
        name: [joint for joint in LAYOUTS[name].joints if fold(joint) not in named]
        for name in ([joints] if joints else sorted(LAYOUTS, key=lambda name: -LAYOUTS[name].num_joints))
    }
    nearest = min(missing, key=lambda name: len(missing[name]))
    if missing[nearest]:
        raise InputError(
            f"{where}: joints {some(names)} are those of no known layout ({', '.join(LAYOUTS)}); the nearest, {nearest}, "
            f"also needs {some(missing[nearest])}"
        )
    return nearest, [named[fold(joint)] for joint in LAYOUTS[nearest].joints]


def fold(name: str) -> str:
    """One spelling of a joint's name: side first, "l" or "r", no signs."""
    text = "".join(character for character in name.casefold() if character.isalnum())
    for side in ("left", "right"):
        if text.startswith(side):
            text = side[0] + text.removeprefix(side)
        elif text.endswith(side):
            text = side[0] + text.removesuffix(side)
    return text


def _seen(*points: np.ndarray) -> np.ndarray:
    """The middle of those that are seen."""
    seen = np.isfinite(points)
    total = np.where(seen, points, 0).sum(axis=0)
    return np.where(seen.any(axis=0), total / seen.sum(axis=0).clip(1), np.nan).astype(points[0].dtype)


def _first(*points: np.ndarray) -> np.ndarray:
    """The first that is seen."""
    return reduce(lambda chosen, other: np.where(np.isfinite(chosen), chosen, other), points)
