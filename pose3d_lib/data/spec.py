"""`DataSpec`: which data to use, as parameters say it."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pose3d_lib.data.actions import check_name, tidy_name

SCALES = ("tiny", "small", "full")

Progress = Callable[[str], None]  # is called with a line of text when something slow begins, and as it proceeds


def split_list(values: object) -> object:
    """A tuple from "3,3,3", "[3, 3, 3]" or a single number, as a command line gives lists; anything else as it is."""
    if isinstance(values, str):
        values = values.strip()
        if values[:1] + values[-1:] in ("()", "[]"):
            values = values[1:-1]
        return tuple(part.strip(" '\"") for part in values.split(",") if part.strip())
    return (values,) if isinstance(values, int | float) else values


AsList = BeforeValidator(split_list)


def read_name(value: object) -> object:
    """Tidy a name, and turn a whole number into text; anything else is returned to be refused."""
    if type(value) is int:  # papermill's -p makes numbers of names such as 1
        return str(value)
    return tidy_name(value) if isinstance(value, str) else value


def number_as_text(value: object) -> object:
    return str(value) if type(value) in (int, float) else value


# Marks such fields: papermill's -p makes None of a name that reads so.
GIVEN = "a name: None does not stand for its default"

Name = Annotated[str, BeforeValidator(read_name), GIVEN]  # the name of something in the data
Names = Annotated[tuple[Annotated[str, BeforeValidator(read_name)], ...], AsList, GIVEN]


class DataSpec(BaseModel):
    """Which data to use; the part of every notebook's parameters that says so.

    Attributes:
        dataset: a name (synthetic, synthetic_h36m, h36m, humaneva15, humaneva20, a fetched collection) or a path, absolute or
            within POSE3D_DATA, of a file or folder whose content tells what it is, or of a `.toml` that describes it.
        keypoints: which 2D source the lifter sees: gt, simulated, or what the files call it.
        scale: size of synthetic data: tiny, small or full.
        data_seed: of synthetic people and takes, and of the detector-like error. In a study of synthetic data every seed has a
            dataset of its own, and this is added to it.
        fps: frames per second: of plain motion and detections what they were recorded at, of BVH and videos what they become.
        recorded_fps: frames per second at which BVH files were recorded, where their own header is wrong.
        train_subjects, test_subjects: who is trained on and tested on.
        leave_out: takes to leave out, each as subject/action/take; of Human3.6M also "drifting", the takes of S9 whose
            ground truth is displaced.
        pattern: how a BVH file's path names its subject, action and take: "{action}_{subject}_{take}.bvh".
        joints: how a BVH skeleton's joints become the 17: the name of a mapping, or the path of a `.toml` with one. Of
            detections without joint names, their layout: coco, h36m, ...
        units: what one unit of a BVH file is: m, cm, mm, inch, or a number of metres.
        up: the axis of a BVH file that points upwards: x, y or z.
        image_size: of detections, in pixels: "1920x1080".
        detector: of a video: mediapipe, or "module:attribute", what makes another one.
        person: which of several detected people: "score", "size", the id of a track, or "all", each by themselves.
        max_gap: frames without a detection that are filled in.
        scores: whether the dataset keeps how sure its 2D source is of each keypoint, so that networks see it as a third number
            beside x and y.
        held_out: number of the subject, from 0, who alone is tested on, all others being trained on. A study with leave_one_out
            gives each seed its own.
        downsample: of every so many frames of a clip, one is kept.
        one_camera: whether each take is seen by one of its cameras, in turn, and not by all of them.

    An origin of data uses some of these and refuses the others (`PARAMETERS` of its module). Empty stands for what the
    origin takes by itself, which it declares in the dataset's notes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: Annotated[str, GIVEN] = "synthetic"
    keypoints: str = "simulated"
    scale: Annotated[str, AfterValidator(lambda scale: check_name(scale, SCALES, "scale"))] = "small"
    data_seed: int = Field(0, ge=0, lt=2**63)
    fps: float | None = Field(None, gt=0, le=10_000)
    recorded_fps: float | None = Field(None, gt=0, le=10_000)
    train_subjects: Names = ()
    test_subjects: Names = ()
    leave_out: Names = ()
    held_out: int | None = Field(None, ge=0)
    pattern: str = ""
    joints: str = ""
    units: Annotated[str, BeforeValidator(number_as_text)] = ""
    up: str = ""
    image_size: str = ""
    detector: str = "mediapipe"
    person: Name = ""
    max_gap: int = Field(10, ge=0, le=1_000_000)
    scores: bool = False
    downsample: int = Field(1, ge=1, le=10_000)
    one_camera: bool = False

    @property
    def data(self) -> "DataSpec":
        """The part that says which data, of a config that says more."""
        return DataSpec(**{name: getattr(self, name) for name in DataSpec.model_fields})
