"""The table of checks: the values that pass, the data doctor's words, and what mends it; what they measure and find."""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import NamedTuple

TAKE = ["subject", "action", "take"]  # columns of the table of clips that name a take
NOTE, WARNING, ERROR = "note", "warning", "error"
# A note is for information, a warning asks to be looked at, an error teaches a model something false.
LEVELS = (NOTE, WARNING, ERROR)

# What a value is about: a take's motion, one camera's view of a take, a camera in all takes, or the data as a whole.
MOTION, VIEW, CAMERA, ALL = "motion", "view", "camera", "all"


class Measure(NamedTuple):
    """A number that a check found in a clip."""

    check: str
    value: float  # in the check's unit
    frame: int = -1  # of the clip, where the value was found; -1 where it is not of one frame
    count: int = 0  # frames whose value does not pass
    detail: str = ""  # which joint or bone
    clip: int = -1  # row number in the dataset's table; of a take's first camera for 3D, -1 for the whole dataset
    source: str = ""  # which 2D source, if it is about one


class Finding(NamedTuple):
    """Something that does not pass, or that a reader should know."""

    level: str  # error, warning or note
    check: str
    what: str  # one sentence
    advice: str = ""
    where: str = ""  # subject/action/take, as `leave_out` takes it; empty for what concerns more than one take
    camera: str = ""
    frame: int = -1  # as of `Measure`
    count: int = 0
    share: float = 0.0  # how much of the limit is used up, for sorting


def leave_out(parameters: Collection[str], before: str, names: Sequence[str]) -> str:
    """The parameter that leaves takes out, with some words before it.

    Empty if the source of the data does not take it, or if a name holds a comma, which parts names.
    """
    possible = "leave_out" in parameters and not any("," in name for name in names)
    return f"{before}-p leave_out {shlex.quote(','.join(names))}" if possible else ""


@dataclass(frozen=True)
class Check:
    """One thing that is measured of clips, and the values that pass."""

    name: str
    unit: str  # shares are shown in per cent
    good: tuple[float, float]  # lowest and highest value without a finding
    tolerable: tuple[float, float]  # lowest and highest value that is only a warning; beyond is an error
    says: str  # a sentence with {value}, {detail} and {source} to fill in
    advice: str  # what to do, whatever the source of the data, perhaps with {detail}
    mends: tuple[tuple[str, str], ...] = ()  # parameters and what each does; advice names the first that can be given
    scope: str = MOTION
    explained_by: tuple[str, ...] = ()  # checks that say the same of a take, where they found as much or worse

    def level(self, value: float) -> str | None:
        """None for a value that passes."""
        if self.good[0] <= value <= self.good[1]:
            return None
        return WARNING if self.tolerable[0] <= value <= self.tolerable[1] else ERROR

    def share(self, value: float) -> float:
        """How much of what is good a value uses up: 1 at the limit, more beyond it."""
        low, high = self.good
        if isnan(value):
            return inf
        used = value / high if high else float(value > 0)
        if low > 0:
            return max(used, low / max(value, 1e-9))
        return max(used, value / low) if low > -inf else used

    def advise(self, detail: str, parameters: Collection[str]) -> str:
        """What to do, with the first of `mends` that is among the parameters."""
        mends = [words for name, words in self.mends if name in parameters]
        return "; ".join([self.advice.format(detail=detail), *mends[:1]])

    def show(self, value: float) -> str:
        """The value with its unit, shares in per cent."""
        value = 100 * value if self.unit == "%" else value
        return f"{value:{',.0f' if 1e3 <= abs(value) < 1e9 else '.3g'}} {self.unit}".strip()


def _most(value: float) -> tuple[float, float]:
    return -inf, value


ANY = (-inf, inf)
RECEPTIVE_FIELD = 27  # frames that the default lifter sees; shorter clips are padded by repeating their ends
STEP_RATE = 1.8  # steps per second of adults who walk as they like

LOOK = "look at it, and repair the take"
UNIT = "positions must be metres: check the source's unit"
MAPPING = "check which joint is which in the source"
PERSON = "look whether it is the same person before and after"
MIXED_UP = "look whether camera, person and frame are the right ones"
TURN = (
    "if the images are turned, turn them upright and find the keypoints again: phones store how they were held in a "
    "flag of the video, which many programs ignore"
)
JOINTS = (("joints", "-p joints names another mapping"),)
UNITS = (("units", "-p units says what a unit of the files is"),)
UP = (("up", "-p up says which axis points upwards"),)
IMAGE_SIZE = (("image_size", "-p image_size gives the size of the images"),)
GAPS = (("max_gap", "-p max_gap says how many frames in a row are filled in"),)
RECORDED = (
    ("recorded_fps", "if the files state a wrong Frame Time, -p recorded_fps gives the rate they were recorded at"),
    ("fps", "-p fps gives the rate at which it was recorded"),
)
DOWNSAMPLE = ("downsample", "-p downsample 4 keeps every fourth frame of faster ones")
BEHIND = "behind the camera"

# The comments say where the limits come from; limits without a source are judgements.
CHECKS = {check.name: check for check in (
    Check("numbers", "", _most(0), _most(0), "frames of {detail} with NaN or infinity: {value}",
          "repair the take's source", scope=VIEW),
    Check(BEHIND, "", _most(0), _most(0),
          "frames in which the person, or a part, is behind the camera, where nothing can be projected: {value}",
          "check the calibration and where the take was placed", scope=VIEW),

    # Relative to the root. Players kick at 10 m/s (CMU's soccer); only the hardest kicks and throws of trained athletes
    # come near 20.
    Check("joint speed", "m/s", _most(15), _most(20), "{detail} moves at {value}", LOOK),
    # The fastest sprinter ever measured ran 12.4 m/s, and a pelvis cannot be flung about as a foot can.
    Check("root speed", "m/s", _most(13), _most(13), "the whole body moves at {value}", LOOK),
    # Relative to the root, averaged over two frames. At 60 Hz nearly all of CMU's takes stay below 280, kicks and jumps
    # included. 1000 is an outlier of 20 cm in one frame at 50 Hz.
    Check("joint acceleration", "m/s²", _most(300), _most(1000), "{detail} accelerates by {value}, as in a jump of one frame",
          LOOK, explained_by=("joint speed",)),
    # Hands and feet that pass each other save nothing, see `side_exchanges`.
    Check("exchanged joints", "m", _most(0.2), _most(0.2),
          "{detail} change places from one frame to the next (saving {value} of path)", LOOK),
    # Near 0 in CMU's, Bandai-Namco's and the built-in takes, near 1 in the same takes with exchanged sides.
    Check("exchanged sides", "%", _most(0.65), _most(0.65),
          "the knees bend backward in {value} of their bend: left and right are exchanged",
          MAPPING + ": left and right, or a mirrored axis", JOINTS),
    # A body turns by less than 90 degrees.
    Check("opposed shoulders", "%", _most(0.5), _most(0.5), "shoulders and hips face opposite ways in {value} of the frames",
          MAPPING + ": arms or legs have left and right exchanged", JOINTS),
    # From its median in the clip. CMU's bones stay below 0.01; where joints follow a shrug, 0.06 is ordinary
    # (Bandai-Namco).
    Check("bone length", "%", _most(0.1), _most(0.25), "the bone to {detail} changes its length by {value}", LOOK),
    # One person's takes differ by 0.01 in CMU's clips and by 0.04 in Bandai-Namco's.
    Check("bones of a subject", "%", _most(0.05), ANY, "the bone to {detail} differs by {value} from the subject's other takes",
          "check whether this subject is one person"),
    Check("symmetry", "%", _most(0.1), ANY, "the bones to {detail} differ by {value}", MAPPING, JOINTS, ALL),
    # Hip to ankle along the bones, from a child of eight to a very tall adult; an error for millimetres (800),
    # centimetres (80) and feet (2.6).
    Check("leg", "m", (0.6, 1.1), (0.3, 1.6), "a leg is {value} long", UNIT, UNITS, ALL),
    # A repeated frame does little harm.
    Check("frozen", "s", _most(0.5), ANY, "no joint moves for {value}", "cut the stretch out"),
    # An ankle stands about 0.08 above the sole.
    Check("floor", "m", (-0.15, 0.3), ANY, "the lowest ankle is {value} high in the median take",
          "the floor must be at z = 0, with z upwards", scope=ALL),
    # People lie down, but not most of the time.
    Check("upright", "%", _most(0.3), _most(0.3), "in {value} of the takes the head is not above the feet",
          "z must point upwards: check the up axis", UP, ALL),
    # From a stroll to the change to running: only a wrong rate of half or double is sure to be found.
    Check("step rate", "", (1.2, 2.6), ANY,
          f"people who walk take {{value}} steps per second, {STEP_RATE} are common: the frame rate is wrong",
          "the true frame rate is about {detail} times the one that the files state or that was given", RECORDED, ALL),
    # Slower, the frames that a lifter sees hold several actions; faster, they hold none.
    Check("frame rate", "fps", (15, 250), (1, 2000), "recorded at {value}",
          f"{RECEPTIVE_FIELD} frames should last about half a second", (*RECORDED, DOWNSAMPLE), ALL),

    # float32 leaves 0.001.
    Check("projection", "px", _most(0.01), _most(0.01), "{source} keypoints are up to {value} from the projected 3D joints",
          "2D and 3D do not belong together: check the order of cameras, the clip and the calibration", scope=VIEW,
          explained_by=(BEHIND,)),
    # 0.02 is ordinary (the simulated detections), and 0.3 is another person or another camera.
    Check("detections", "%", _most(0.1), _most(0.3), "{source} keypoints are {value} of the person's size off in the median",
          MIXED_UP, scope=VIEW, explained_by=(BEHIND,)),
    # A detector sees none of them: most of them mean a wrong image size.
    Check("outside the image", "%", _most(0.1), ANY, "{value} of the {source} keypoints are outside the image",
          "check the image's size and the camera; see whether the person walks out of it", IMAGE_SIZE, VIEW, (BEHIND,)),
    # People lie, or stand on their heads, for a while; in most frames it is the picture that is turned.
    Check("upside down", "%", _most(0.5), ANY, "the head is below the feet in {value} of the frames of camera {detail}", TURN,
          scope=CAMERA),
    Check("sideways", "%", _most(0.5), ANY,
          "the head is beside the feet in {value} of the frames of camera {detail}: the person lies, or the image is "
          "turned", TURN, scope=CAMERA),
    # Diagonals of the boxes. A detector is off by some pixels, much of a person of 70; a box larger than the image is of
    # another image size.
    Check("person size", "%", (0.05, 1), ANY, "the person of the {source} keypoints has {value} of the image's diagonal",
          "keypoints must be pixels of the image, and the person neither tiny in it nor larger", IMAGE_SIZE, VIEW,
          (BEHIND,)),
    # None of CMU's and Bandai-Namco's takes without glitches comes to it.
    Check("exchanged keypoints", "%", _most(0.005), ANY, "left and right {source} change places in {value} of the steps", LOOK,
          scope=VIEW, explained_by=("exchanged joints",)),
    # The median of all keypoints in 0.04 s. Running past a camera reaches 0.13.
    Check("jumping person", "%", _most(0.3), ANY, "all {source} keypoints jump by {value} of the person's size", PERSON,
          (("person", "-p person chooses the person"),), VIEW, ("joint speed", "root speed", BEHIND)),
    # Against the others in 0.04 s. Lost joints of the simulated detections stay within 0.5 (in two million frames);
    # corners of an image are further.
    Check("jumping keypoint", "%", _most(0.6), ANY, "{detail} of the {source} keypoints jumps by {value} of the person's size",
          "if it was not found there, it must be missing (NaN), not somewhere in the image", scope=VIEW,
          explained_by=("joint speed", "exchanged keypoints", BEHIND, "jumping person")),
    Check("frozen keypoints", "s", _most(0.5), ANY, "the {source} keypoints are identical for {value}",
          "look whether frames without a detection were filled in", GAPS, VIEW, ("frozen",)),
    # Filled-in gaps are a small part of a video.
    Check("interpolated keypoints", "%", _most(0.4), ANY,
          "{value} of the frames look interpolated: their {source} keypoints are half-way between those before and "
          "behind", "find the keypoints of every frame", GAPS, VIEW, ("frozen keypoints",)),
)}  # fmt: skip
