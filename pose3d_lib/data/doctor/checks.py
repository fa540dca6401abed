"""The table of checks: what the data doctor measures, the values that pass, its words, and what mends it."""

from collections.abc import Collection
from dataclasses import dataclass
from math import inf

import numpy as np

from pose3d_lib.data.doctor import limits

NOTE, WARNING, ERROR = "note", "warning", "error"
LEVELS = (NOTE, WARNING, ERROR)
"""A note is for information, a warning asks to be looked at, an error teaches a model something false."""


@dataclass(frozen=True)
class Check:
    """One thing that is measured of clips, and the values that pass.

    Attributes:
        name: for tables.
        about: what is measured.
        unit: of the value, empty for shares.
        good: lowest and highest value without a finding.
        tolerable: lowest and highest value that is only a warning; beyond is an error.
        says: a sentence with {value}, {detail} and {source} to fill in.
        advice: what to do, whatever the source of the data, perhaps with {detail}.
        mends: parameters and what each does; the advice names the first that the source of the data takes.
        common: whether it is about all takes rather than one, so that leaving out a take is no cure.
        view: whether it is about one camera's view of a take, not about the take's motion.
    """

    name: str
    about: str
    unit: str
    good: tuple[float, float]
    tolerable: tuple[float, float]
    says: str
    advice: str
    mends: tuple[tuple[str, str], ...] = ()
    common: bool = False
    view: bool = False

    def level(self, value: float) -> str | None:
        """None for a value that passes."""
        if self.good[0] <= value <= self.good[1]:
            return None
        return WARNING if self.tolerable[0] <= value <= self.tolerable[1] else ERROR

    def shares(self, values: np.ndarray) -> np.ndarray:
        """How much of what is good each value uses up: 1 at the limit, more beyond it."""
        low, high = self.good
        used = values / high if high else (values > 0).astype(float)
        if low > 0:
            used = np.maximum(used, low / np.maximum(values, 1e-9))
        elif low > -inf:
            used = np.maximum(used, values / low)
        return np.where(np.isnan(values), inf, used)

    def advise(self, detail: str, parameters: Collection[str]) -> str:
        """What to do, with the first of `mends` that is among the parameters."""
        mends = [words for name, words in self.mends if name in parameters]
        return "; ".join([self.advice.format(detail=detail), *mends[:1]])

    @property
    def limits(self) -> str:
        """The limits in words: what warns and what is an error."""
        parts = [(WARNING, self.good)] if self.good != self.tolerable else []
        parts += [(ERROR, self.tolerable)] if self.tolerable != ANY else []
        return "; ".join(f"{level} {self._beyond(*bounds)}" for level, bounds in parts)

    def _beyond(self, low: float, high: float) -> str:
        above = f"above {self.show(high)}" if high < inf else ""
        below = f"below {self.show(low)}" if low > -inf else ""
        return " or ".join(part for part in (below, above) if part)

    def show(self, value: float) -> str:
        """The value with its unit, shares in per cent."""
        value, unit = (100 * value, "%") if self.unit == "%" else (value, self.unit)
        return f"{value:,.0f} {unit}".strip() if 1e3 <= abs(value) < 1e9 else f"{value:.3g} {unit}".strip()


def _most(value: float) -> tuple[float, float]:
    return -inf, value


ANY = (-inf, inf)
LOOK = "look at it, and repair the take"
UNIT = "positions must be metres: check the source's unit"
MAPPING = "check which joint is which in the source"
PERSON = "look whether it is the same person before and after"
CAMERA = "look whether camera, person and frame are the right ones"
TURN = (
    "if the images are turned, turn them upright and find the keypoints again: phones store how they were held in a flag of "
    "the video, which many programs ignore"
)

JOINTS = (("joints", "-p joints names another mapping"),)
UNITS = (("units", "-p units says what a unit of the files is"),)
UP = (("up", "-p up says which axis points upwards"),)
IMAGE_SIZE = (("image_size", "-p image_size gives the size of the images"),)
GAPS = "-p max_gap says how many frames in a row are filled in"
RECORDED = (
    (
        "recorded_fps",
        "if the files state a wrong Frame Time, -p recorded_fps gives the rate at which they were recorded",
    ),
    ("fps", "-p fps gives the rate at which it was recorded"),
)

NOT_SEEN = ("behind the camera", "jumping person")
EXPLAINED_BY = {
    "joint acceleration": ("joint speed",),
    "exchanged keypoints": ("exchanged joints",),
    "jumping person": ("joint speed", "root speed", "behind the camera"),
    "jumping keypoint": ("joint speed", "exchanged keypoints", *NOT_SEEN),
    "frozen keypoints": ("frozen",),
    "interpolated keypoints": ("frozen keypoints",),
    "unlike the others": ("detections",),
    "projection": ("behind the camera",),
    "detections": ("behind the camera",),
    "outside the image": ("behind the camera",),
    "person size": ("behind the camera",),
    "opposed keypoints": ("opposed shoulders",),
}
"""Checks that say nothing new of a take of which one of the others already found as much or worse."""

CHECKS = {
    check.name: check
    for check in (
        Check("numbers", "frames that hold NaN or infinity", "", _most(0), _most(0),
              "frames of {detail} with NaN or infinity: {value}", "repair the take's source", view=True),
        Check("behind the camera", "frames in which a joint is behind the camera", "", _most(0), _most(0),
              "frames in which the person, or a part, is behind the camera, where nothing can be projected: {value}",
              "check the calibration and where the take was placed", view=True),
        Check("joint speed", "fastest joint relative to the root", "m/s", _most(limits.FAST_JOINT),
              _most(limits.FASTEST_JOINT), "{detail} moves at {value}", LOOK),
        Check("root speed", "fastest step of the root", "m/s", _most(limits.FASTEST_ROOT), _most(limits.FASTEST_ROOT),
              "the whole body moves at {value}", LOOK),
        Check("joint acceleration", "greatest acceleration relative to the root", "m/s2", _most(limits.HIGH_ACCELERATION),
              _most(limits.HIGHEST_ACCELERATION), "{detail} accelerates by {value}, as in a jump of one frame", LOOK),
        Check("exchanged joints", "path that left and right joints save by changing places", "m", _most(limits.EXCHANGE),
              _most(limits.EXCHANGE), "{detail} change places from one frame to the next (saving {value} of path)", LOOK),
        Check("exchanged sides", "share of the knees' bend that points backward", "%", _most(limits.BACKWARD_KNEES),
              _most(limits.BACKWARD_KNEES), "the knees bend backward in {value} of their bend: left and right are exchanged",
              MAPPING + ": left and right, or a mirrored axis", JOINTS),
        Check("opposed shoulders", "share of frames with shoulders turned against the hips", "%", _most(limits.OPPOSED),
              _most(limits.OPPOSED), "shoulders and hips face opposite ways in {value} of the frames",
              MAPPING + ": arms or legs have left and right exchanged", JOINTS),
        Check("bone length", "largest deviation of a bone from its median in the clip", "%", _most(limits.BONE_CHANGE),
              _most(limits.WORST_BONE_CHANGE), "the bone to {detail} changes its length by {value}", LOOK),
        Check("bones of a subject", "largest deviation of a take's bone from its subject's", "%",
              _most(limits.BONE_BETWEEN_TAKES), ANY, "the bone to {detail} differs by {value} from the subject's other takes",
              "check whether this subject is one person"),
        Check("symmetry", "largest difference between a left and a right bone", "%", _most(limits.ASYMMETRY), ANY,
              "the bones to {detail} differ by {value}", MAPPING, JOINTS, common=True),
        Check("leg", "length from hip to ankle along the bones", "m", limits.LEG, limits.LEG_IN_METRES,
              "a leg is {value} long", UNIT, UNITS, common=True),
        Check("reach", "distance from the root to its farthest joint", "m", limits.REACH, limits.REACH_IN_METRES,
              "the farthest joint is {value} from the root", UNIT, UNITS, common=True),
        Check("frozen", "longest stretch without any motion", "s", _most(limits.FROZEN_SECONDS), ANY,
              "no joint moves for {value}", "cut the stretch out"),
        Check("floor", "height of the lowest ankle, median over the takes", "m", limits.FLOOR, ANY,
              "the lowest ankle is {value} high in the median take", "the floor must be at z = 0, with z upwards"),
        Check("upright", "share of takes whose head is not above the feet", "%", _most(limits.UPRIGHT), _most(limits.UPRIGHT),
              "in {value} of the takes the head is not above the feet", "z must point upwards: check the up axis", UP),
        Check("step rate", "steps per second, median over the takes that walk", "", limits.STEP_RATE, ANY,
              f"people who walk take {{value}} steps per second, {limits.COMMON_STEP_RATE} are common: the frame rate is wrong",
              "the true frame rate is about {detail} times the one that the files state or that was given", RECORDED),
        Check("frame rate", "frames per second", "fps", limits.FRAME_RATE, limits.POSSIBLE_FRAME_RATE,
              "recorded at {value}", f"{limits.RECEPTIVE_FIELD} frames should last about half a second",
              (*RECORDED, ("downsample", "-p downsample 4 keeps every fourth frame of faster ones")), common=True),
        Check("projection", "distance of exact keypoints to the projected joints", "px", _most(limits.PROJECTION),
              _most(limits.PROJECTION), "{source} keypoints are up to {value} from the projected 3D joints",
              "2D and 3D do not belong together: check the order of cameras, the clip and the calibration", view=True),
        Check("detections", "median distance of keypoints to the projected joints over the person's size", "%",
              _most(limits.DETECTION), _most(limits.WORST_DETECTION),
              "{source} keypoints are {value} of the person's size off in the median", CAMERA, view=True),
        Check("unlike the others", "that distance over its median in all clips", "times", _most(limits.DETECTION_OUTLIER), ANY,
              "{source} keypoints are {value} as far off as those of the median clip", CAMERA, view=True),
        Check("outside the image", "share of keypoints outside the image", "%", _most(limits.OUTSIDE), ANY,
              "{value} of the {source} keypoints are outside the image",
              "check the image's size and the camera; see whether the person walks out of it", IMAGE_SIZE, view=True),
        Check("upside down", "share of a camera's frames with the head below the feet in the image", "%",
              _most(limits.TURNED), ANY, "the head is below the feet in {value} of the frames of camera {detail}", TURN,
              common=True, view=True),
        Check("sideways", "share of a camera's frames with the head beside the feet in the image", "%",
              _most(limits.TURNED), ANY, "the head is beside the feet in {value} of the frames of camera {detail}: the person "
              "lies, or the image is turned", TURN, common=True, view=True),
        Check("person size", "diagonal of the box around the person over the image's", "%", limits.PERSON_SIZE, ANY,
              "the person of the {source} keypoints has {value} of the image's diagonal",
              "keypoints must be pixels of the image, and the person neither tiny in it nor larger", IMAGE_SIZE, view=True),
        Check("opposed keypoints", "share of a camera's frames with shoulders turned against the hips in the image", "%",
              _most(limits.OPPOSED_2D), ANY, "shoulders and hips of the {source} keypoints face opposite ways in {value} of the "
              "frames of camera {detail} that show it", MAPPING + ": arms or legs have left and right exchanged", JOINTS,
              common=True, view=True),
        Check("exchanged keypoints", "share of steps in which left and right keypoints change places", "%",
              _most(limits.EXCHANGED_STEPS), ANY, "left and right {source} change places in {value} of the steps", LOOK,
              view=True),
        Check("jumping person", "median motion of the keypoints in 0.04 s over the person's size", "%",
              _most(limits.PERSON_JUMP), ANY, "all {source} keypoints jump by {value} of the person's size", PERSON,
              (("person", "-p person chooses the person"),), view=True),
        Check("jumping keypoint", "motion of a keypoint against the others in 0.04 s over the person's size", "%",
              _most(limits.KEYPOINT_JUMP), ANY, "{detail} of the {source} keypoints jumps by {value} of the person's size",
              "if it was not found there, it must be missing (NaN), not somewhere in the image", view=True),
        Check("frozen keypoints", "longest stretch of identical keypoints", "s", _most(limits.FROZEN_SECONDS), ANY,
              "the {source} keypoints are identical for {value}", "look whether frames without a detection were filled in",
              (("max_gap", GAPS),), view=True),
        Check("interpolated keypoints", "share of frames whose keypoints are half-way between their neighbours", "%",
              _most(limits.INTERPOLATED), ANY, "{value} of the frames look interpolated: their {source} keypoints are half-way "
              "between those before and behind", "find the keypoints of every frame", (("max_gap", GAPS),), view=True),
    )
}  # fmt: skip
