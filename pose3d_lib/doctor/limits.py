"""What the data doctor measures of a clip, and from which value on it warns: every limit has a name and a reason."""

from dataclasses import dataclass
from math import inf, isnan

NOTE, WARNING, ERROR = "note", "warning", "error"
LEVELS = (NOTE, WARNING, ERROR)
"""A note is for information, a warning asks to be looked at, an error teaches a model something false."""

FASTEST_JOINT = 20.0
"""m/s relative to the root. A judgement: players in a game kick at 10 m/s (CMU's soccer), and only the hardest kicks and
throws of trained athletes come near 20."""

FAST_JOINT = 15.0
"""m/s relative to the root. A judgement: more is possible but so rare that it is worth a look."""

FASTEST_ROOT = 13.0
"""m/s. The fastest sprinter ever measured ran 12.4 m/s, and a pelvis cannot be flung about as a foot can."""

HIGH_ACCELERATION = 300.0
"""m/s2 relative to the root, averaged over two frames. At 60 Hz all but two of CMU's takes whose joints are slow enough stay
below 280, kicks, jumps and steps included."""

HIGHEST_ACCELERATION = 1000.0
"""m/s2: a hundred times gravity over two frames, which an outlier of 20 cm in one frame gives at 50 Hz. A judgement."""

BONE_CHANGE, WORST_BONE_CHANGE = 0.10, 0.25
"""Largest deviation of a bone from its median, as a share. CMU's bones stay below 0.01; where joints follow a shrug, 0.06 is
ordinary (Bandai-Namco). That markers on skin stay below 0.1, and that a quarter is a joint elsewhere, are judgements."""

SHORTEST_BONE = 0.03
"""Metres; shorter bones are not compared: a deviation in per cent says nothing about them."""

BONE_BETWEEN_TAKES = 0.05
"""Deviation of a take's median bone from its subject's: more than skin and fitting explain, so perhaps two people. A
judgement; one person's takes differ by 0.01 in CMU's clips and by 0.04 in Bandai-Namco's."""

ASYMMETRY = 0.10
"""Between the left and the right bone of a pair. A judgement: more than people's sides differ, less than a wrong joint."""

EXCHANGE = 0.20
"""Metres of path that a left and a right joint together must save by changing places to be called exchanged: the paths
are measured from where both were and from where both were going, so that hands and feet that pass each other save nothing."""

BACKWARD_KNEES = 0.65
"""Share of the knees' bend that points backward: near 0 in CMU's, Bandai-Namco's and the built-in takes, near 1 in the same
takes with exchanged sides. Where between them the limit lies is a judgement, in favour of knees that turn out."""

BENT_KNEE = 15.0
"""Degrees; the bend of straighter knees is as much an error of the joints as a bend."""

OPPOSED = 0.5
"""Share of frames in which the line of the shoulders opposes that of the hips: nobody is turned by more than 90 degrees."""

FROZEN_STEP = 1e-5
"""Metres per frame: ten times what float32 rounds at, and far below the sway of somebody who stands still (a judgement)."""

FROZEN_SECONDS = 0.5
"""Longest stretch without any motion that passes. A judgement: a repeated frame does little harm, half a second is wrong."""

LEG = (0.6, 1.1)
"""Metres from hip to ankle along the bones: about those of a child of eight and of a very tall adult."""

LEG_IN_METRES = (0.3, 1.6)
"""Outside, the unit or the skeleton is wrong: 800 for millimetres, 80 for centimetres, 2.6 for feet."""

REACH, REACH_IN_METRES = (0.5, 1.4), (0.25, 2.0)
"""Metres from the root to the joint that is farthest from it, where no joint is called a knee."""

FLOOR = (-0.15, 0.3)
"""Metres: height of the lowest ankle, median over the takes. An ankle stands about 0.08 above the sole; the room around
that is a judgement."""

UPRIGHT = 0.3
"""Share of the takes in which the head is below the feet or beside them: people lie down, but not most of the time. A
judgement."""

STEP_RATE = (1.2, 2.6)
"""Steps per second of people who walk, from a stroll to the change to running. A judgement; wide enough that only a wrong rate
of half or double is sure to be found."""

COMMON_STEP_RATE = 1.8
"""Steps per second of adults who walk as they like."""

WALKING_SPEED, WALKING_SECONDS = 0.5, 2.0
"""m/s and seconds from which on a take has enough steps for a step rate."""

FRAME_RATE, POSSIBLE_FRAME_RATE = (15.0, 250.0), (1.0, 2000.0)
"""Frames per second: slower, 27 frames hold several actions; faster, they hold none. No motion capture is beyond the second."""

RECEPTIVE_FIELD = 27
"""Frames that the default lifter sees; shorter clips are padded by repeating their ends."""

PROJECTION = 0.01
"""Pixels between exact keypoints and projected joints: float32 leaves 0.001."""

DETECTION, WORST_DETECTION = 0.10, 0.30
"""Median distance between keypoints and projected joints as a share of the person's size. A judgement: 0.02 is ordinary (the
simulated detections), and 0.3 is another person or another camera."""

DETECTION_OUTLIER = 4.0
"""Times the median over all clips of a 2D source, taken for at least 0.01: clips that stand out. A judgement."""

OUTSIDE = 0.10
"""Share of a clip's keypoints outside the image: a detector sees none of them, and most of them mean a wrong image size. A
judgement."""

EXCHANGED_STEPS, EXCHANGE_2D = 0.005, 0.10
"""Share of the steps in which keypoints change sides, and what they must save by it as a share of the person's size. A
judgement: none of CMU's and Bandai-Namco's takes without glitches comes to it."""

PERSON_JUMP = 0.30
"""Median motion of the keypoints in 0.04 s as a share of the person's size: running past a camera reaches 0.13."""


@dataclass(frozen=True)
class Check:
    """One thing that is measured of clips, and the values that pass.

    Attributes:
        name: for tables.
        about: what is measured.
        unit: of the value, empty for shares.
        good: lowest and highest value without a finding.
        tolerable: lowest and highest value that is only a warning; beyond is an error.
        says: a sentence with {value}, {detail} and {limit} to fill in.
        advice: what to do.
        common: whether it is about all takes rather than one, so that leaving out a take is no cure.
    """

    name: str
    about: str
    unit: str
    good: tuple[float, float]
    tolerable: tuple[float, float]
    says: str
    advice: str
    common: bool = False

    def level(self, value: float) -> str | None:
        """None for a value that passes."""
        if self.good[0] <= value <= self.good[1]:
            return None
        return WARNING if self.tolerable[0] <= value <= self.tolerable[1] else ERROR

    def share(self, value: float) -> float:
        """How much of what is good is used up: 1 at the limit, more beyond it."""
        low, high = self.good
        if isnan(value):
            return inf
        if low > 0:
            return max(value / high, low / max(value, 1e-9))
        above = value / high if high else float(value > 0)
        return max(above, value / low) if -inf < low < 0 else above

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
LEAVE_OUT = "look at it, and repair the take or leave it out"
MAPPING = "check which joint is which in the source"

EXPLAINED_BY = {
    "joint acceleration": ("joint speed",),
    "exchanged keypoints": ("exchanged joints",),
    "jumping person": ("joint speed", "root speed"),
    "frozen keypoints": ("frozen",),
    "unlike the others": ("detections",),
}
"""Checks that say nothing new of a take of which one of the others already found as much or worse."""

CHECKS = {
    check.name: check
    for check in (
        Check("numbers", "frames that hold NaN or infinity", "", _most(0), _most(0),
              "frames of {detail} with NaN or infinity: {value}", "repair the take's source or leave it out"),
        Check("joint speed", "fastest joint relative to the root", "m/s", _most(FAST_JOINT), _most(FASTEST_JOINT),
              "{detail} moves at {value}", LEAVE_OUT),
        Check("root speed", "fastest step of the root", "m/s", _most(FASTEST_ROOT), _most(FASTEST_ROOT),
              "the whole body moves at {value}", LEAVE_OUT),
        Check("joint acceleration", "greatest acceleration relative to the root", "m/s2", _most(HIGH_ACCELERATION),
              _most(HIGHEST_ACCELERATION), "{detail} accelerates by {value}, as in a jump of one frame", LEAVE_OUT),
        Check("exchanged joints", "path that left and right joints save by changing places", "m", _most(EXCHANGE),
              _most(EXCHANGE), "{detail} change places from one frame to the next (saving {value} of path)", LEAVE_OUT),
        Check("exchanged sides", "share of the knees' bend that points backward", "%", _most(BACKWARD_KNEES),
              _most(BACKWARD_KNEES), "the knees bend backward in {value} of their bend: left and right are exchanged",
              MAPPING + ": left and right, or a mirrored axis"),
        Check("opposed shoulders", "share of frames with shoulders turned against the hips", "%", _most(OPPOSED),
              _most(OPPOSED), "shoulders and hips face opposite ways in {value} of the frames",
              MAPPING + ": arms or legs have left and right exchanged"),
        Check("bone length", "largest deviation of a bone from its median in the clip", "%", _most(BONE_CHANGE),
              _most(WORST_BONE_CHANGE), "the bone to {detail} changes its length by {value}", LEAVE_OUT),
        Check("bones of a subject", "largest deviation of a take's bone from its subject's", "%",
              _most(BONE_BETWEEN_TAKES), ANY, "the bone to {detail} differs by {value} from the subject's other takes",
              "check whether this subject is one person"),
        Check("symmetry", "largest difference between a left and a right bone", "%", _most(ASYMMETRY), ANY,
              "the bones to {detail} differ by {value}", MAPPING, common=True),
        Check("leg", "length from hip to ankle along the bones", "m", LEG, LEG_IN_METRES, "a leg is {value} long",
              "positions must be metres: check the source's unit", common=True),
        Check("reach", "distance from the root to its farthest joint", "m", REACH, REACH_IN_METRES,
              "the farthest joint is {value} from the root", "positions must be metres: check the source's unit", common=True),
        Check("frozen", "longest stretch without any motion", "s", _most(FROZEN_SECONDS), ANY,
              "no joint moves for {value}", "cut the stretch out, or leave the take out"),
        Check("floor", "height of the lowest ankle, median over the takes", "m", FLOOR, ANY,
              "the lowest ankle is {value} high in the median take", "the floor must be at z = 0, with z upwards"),
        Check("upright", "share of takes whose head is not above the feet", "%", _most(UPRIGHT), _most(UPRIGHT),
              "in {value} of the takes the head is not above the feet", "z must point upwards: check the up axis"),
        Check("step rate", "steps per second, median over the takes that walk", "", STEP_RATE, ANY,
              "people who walk take {value} steps per second; at about {detail} frames per second it would be 1.8", "check fps"),
        Check("frame rate", "frames per second", "fps", FRAME_RATE, POSSIBLE_FRAME_RATE,
              "recorded at {value}", "check fps; resample to about 50", common=True),
        Check("projection", "distance of exact keypoints to the projected joints", "px", _most(PROJECTION),
              _most(PROJECTION), "{detail} keypoints are up to {value} from the projected 3D joints",
              "2D and 3D do not belong together: check the order of cameras, the clip and the calibration"),
        Check("detections", "median distance of keypoints to the projected joints over the person's size", "%",
              _most(DETECTION), _most(WORST_DETECTION), "{detail} keypoints are {value} of the person's size off in the median",
              "look whether camera, person and frame are the right ones"),
        Check("unlike the others", "that distance over its median in all clips", "times", _most(DETECTION_OUTLIER), ANY,
              "{detail} keypoints are {value} as far off as those of the median clip",
              "look whether camera, person and frame are the right ones"),
        Check("outside the image", "share of keypoints outside the image", "%", _most(OUTSIDE), ANY,
              "{value} of the {detail} keypoints are outside the image",
              "check the image's size and the camera; see whether the person walks out of it"),
        Check("exchanged keypoints", "share of steps in which left and right keypoints change places", "%",
              _most(EXCHANGED_STEPS), ANY, "left and right {detail} change places in {value} of the steps", LEAVE_OUT),
        Check("jumping person", "median motion of the keypoints in 0.04 s over the person's size", "%",
              _most(PERSON_JUMP), ANY, "all {detail} keypoints jump by {value} of the person's size",
              "look whether it is the same person before and after"),
        Check("frozen keypoints", "longest stretch of identical keypoints", "s", _most(FROZEN_SECONDS), ANY,
              "the {detail} keypoints are identical for {value}", "look whether frames without a detection were filled in"),
    )
}  # fmt: skip
