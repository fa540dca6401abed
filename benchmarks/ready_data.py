"""The data of the ready models: made-up and CMU's motion, each clip seen by a camera of its own and as by a detector.

Cameras, body sizes, frame rates and what a detector errs in are drawn at random, since nothing is known of a user's video.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import prepared_dir, source_data_dir
from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.cameras import Camera, view
from pose3d_lib.data.dataset import PoseDataset, load_dataset, save_dataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.bvh.motion import resample
from pose3d_lib.data.sources.filming import GT, NEAREST, SIMULATED, Seen, collect, with_scores
from pose3d_lib.data.sources.missing import interpolate
from pose3d_lib.data.sources.noise import simulate_detections, simulate_scores
from pose3d_lib.data.sources.plain_motion import list_takes
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.sources.synthetic.motion import make_motion
from pose3d_lib.data.sources.takes import paced
from pose3d_lib.data.spec import Progress
from pose3d_lib.data.untrusted.client import read_file

FILE = "cmu_mocap_17joints.npz"  # in the folder of POSE3D_DATA
TERMS = (
    "The motion is half a program's and half of the CMU Graphics Lab Motion Capture Database, which is free to use and to "
    "redistribute, but not to resell: obtained from mocap.cs.cmu.edu; created with funding from NSF EIA-0196217."
)
RECORDED = 60.0  # frames per second of FILE
RATES = (25.0, 30.0, 40.0, 50.0)
SECONDS = (2.0, 6.0)  # how long a clip is, from and to
# scale -> how often CMU's motion is seen, and how many made-up clips there are of each action
TIMES = {"tiny": (1, 1), "small": (4, 20), "full": (20, 120)}
FASTEST = 15.0  # m/s: takes in which a joint is faster, as it jumps, are left out
IMAGES = ((1920, 1080), (1280, 720), (1080, 1920), (720, 1280), (640, 480), (1000, 1000))  # pixels
LENSES = (0.6, 1.4)  # focal lengths in units of the image's longer side: 80 to 39 degrees
HEIGHTS = (0.3, 2.6)  # metres above the floor at which a camera stands
IN_VIEW = 0.98  # share of a clip's joints that must be in the picture
LONGEST_GAP = 10  # frames for which a joint is not found, as `max_gap` of detections is by default


@dataclass(frozen=True)
class Clip:
    """Some motion to be seen, and what is drawn of how."""

    subject: str
    action: str
    fps: float
    motion: np.ndarray  # (frames, 17, 3), world metres, z up
    rng: np.random.Generator
    camera: Camera | None = None  # drawn if not given


AT = {name: joint for joint, name in enumerate(H36M_17.joints)}
# Joints that detectors do not mark, but that are made of two others.
MIDDLES = {"Hip": ("RHip", "LHip"), "Thorax": ("RShoulder", "LShoulder"), "Spine": ("Hip", "Thorax")}


def open_data(scale: str, progress: Progress = print) -> PoseDataset:
    """The dataset of a scale, memory-mapped; made of FILE when it is first asked for."""
    prepared, source = prepared_dir() / f"ready-{scale}.safetensors", source_data_dir() / FILE
    if not prepared.is_file():
        if not source.is_file():
            raise InputError(
                f"{source}: there is no such file; docs/data.md (The studies on real motion) says what is in it"
            )
        save_dataset(make_data(source, scale, progress=progress), prepared)
    return load_dataset(prepared)


def make_data(path: Path, scale: str, seed: int = 0, progress: Progress = lambda line: None) -> PoseDataset:
    """The same file, scale (of TIMES) and seed give the same dataset bit for bit."""
    return replace(
        see(_clips(path, scale, seed), name=f"ready-{scale}", progress=progress),
        train_subjects=("made-up", "cmu"),
        test_subjects=("made-up-test", "cmu-test"),
        notes=("Cameras, body sizes, frame rates, errors and scores of keypoints are drawn at random for each clip.",),
        terms=TERMS,
    )


def see(
    clips: Iterable[Clip], *, name: str, like: float | None = None, progress: Progress = lambda line: None
) -> PoseDataset:
    """Clips as their cameras see them, in `gt`, and as a detector does, in `simulated`, with scores; `like` as of `detect`."""
    say = paced(progress)

    def seen() -> Iterator[Seen]:
        for number, clip in enumerate(clips):
            camera = clip.camera or place_camera(clip.motion, clip.rng, f"camera {number}")
            in_camera, exact = view(clip.motion, camera)
            found = detect(clip.motion, camera, fps=clip.fps, rng=clip.rng, like=like)
            keypoints = {GT: with_scores(exact), SIMULATED: found}
            yield Seen((clip.subject, clip.action, str(number)), camera, in_camera, keypoints, clip.fps)
            say(f"filmed {number + 1:,} clips")

    layouts = dict.fromkeys((GT, SIMULATED), H36M_17)
    known = {"name": name, "synthetic": False, "layouts": layouts, "train_subjects": (), "test_subjects": ()}
    return collect(seen(), {}, skeleton=H36M_17, **known)


def _clips(path: Path, scale: str, seed: int) -> Iterator[Clip]:
    """All clips, in order."""
    cmu_times, made_up = TIMES[scale]
    keys = ["/".join(key) for key in list_takes(path)]
    found = read_file(path, "npz", keys)
    for split, count in (("", made_up), ("-test", max(1, made_up // 30))):
        for place in range(count * len(H36M_ACTIONS)):
            action = H36M_ACTIONS[place % len(H36M_ACTIONS)]
            rng = np.random.default_rng([seed, 1 + bool(split), place])
            fps, body = rng.choice(RATES), make_body(f"ready{split} {place}", seed)
            frames = round(fps * rng.uniform(*SECONDS))
            motion = make_motion(action, body=body, frames=frames, fps=fps, seed=rng)
            yield Clip(f"made-up{split}", action, fps, motion, rng)
    for place, key in enumerate(keys):
        split, action, _ = key.split("/")
        whole = to_h36m(found[key].astype(np.float64))
        if np.linalg.norm(np.diff(whole, axis=0), axis=-1).max(initial=0) * RECORDED > FASTEST:
            continue
        for time in range(cmu_times if split == "train" else 1):
            rng, at = np.random.default_rng([seed, 3, place, time]), 0
            while at < len(whole) - RECORDED / 2:
                fps, stop = rng.choice(RATES), at + round(RECORDED * rng.uniform(*SECONDS))
                motion = resize(resample(whole[at:stop], RECORDED, fps), rng)
                yield Clip("cmu" if split == "train" else "cmu-test", action, fps, motion, rng)
                at = stop


def to_h36m(motion: np.ndarray) -> np.ndarray:
    """FILE's joints put where Human3.6M has them: (frames, 17, 3) -> the same.

    Its Hip lies above the hips, its Thorax below the shoulders and its Neck between them, its Head below the top of the head;
    its forearms end above the wrists (bodies have 0.146 of their stature there, this one 0.11).
    """
    joints = named(motion)
    neck, up = joints["Neck"], joints["Head"] - joints["Neck"]
    joints["Hip"] = (joints["RHip"] + joints["LHip"]) / 2
    joints["Thorax"], joints["Neck"], joints["Head"] = neck, neck + 0.7 * up, neck + 1.4 * up
    for side in "RL":
        elbow = joints[f"{side}Elbow"]
        joints[f"{side}Wrist"] = elbow + 1.3 * (joints[f"{side}Wrist"] - elbow)
    return np.stack([*joints.values()], axis=1)


def named(motion: np.ndarray) -> dict[str, np.ndarray]:
    """Joint -> where it is, in order: (frames, 17, 3) -> (frames, 3) each."""
    return {name: motion[:, joint] for name, joint in AT.items()}


def resize(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The motion of a body of another size, and each of its bones a little longer or shorter, on the same floor."""
    size = rng.uniform(0.88, 1.12)
    own = size * rng.uniform(0.9, 1.1, H36M_17.num_joints)
    own = (own + own[list(H36M_17.mirror)]) / 2
    legs = own[[AT["RKnee"], AT["RFoot"]]].mean()
    resized = motion * legs
    for parent, joint in H36M_17.bones:
        resized[:, joint] = resized[:, parent] + own[joint] * (motion[:, joint] - motion[:, parent])
    return resized


def place_camera(motion: np.ndarray, rng: np.random.Generator, name: str) -> Camera:
    """A camera that has all of a motion, (frames, 17, 3) world metres, in its picture: as near as was drawn, or further away."""
    from scipy.spatial.transform import Rotation

    width, height = IMAGES[rng.integers(len(IMAGES))]
    focal, filled = rng.uniform(*LENSES) * max(width, height), rng.uniform(0.4, 0.95)
    lens = (focal, focal, width / 2, height / 2, rng.uniform(-0.15, 0.05), 0.0, 0.0, 0.0, 0.0)
    low, high = motion.min(axis=(0, 1)), motion.max(axis=(0, 1))
    aim = (low + high) / 2 + rng.uniform(-0.3, 0.3, 3)
    yaw, roll, own_height = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.04), low[2] + rng.uniform(*HEIGHTS)
    distance = max(1.2, focal * 1.7 / (filled * height))
    while True:
        place = np.array([aim[0] + distance * np.cos(yaw), aim[1] + distance * np.sin(yaw), own_height])
        forward = (aim - place) / np.linalg.norm(aim - place)
        right = np.cross(forward, (0, 0, 1))
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(forward, right), forward], axis=1)
        x, y, z, w = (Rotation.from_matrix(axes) * Rotation.from_euler("z", roll)).as_quat()
        camera = Camera(name, width, height, lens, (float(w), float(x), float(y), float(z)), tuple(map(float, place)))
        in_camera, pixels = view(motion, camera)
        inside = ((pixels > 0) & (pixels < (width, height))).all(axis=-1).mean()
        if inside >= IN_VIEW and in_camera[..., 2].min() >= NEAREST:
            return camera
        distance *= 1.1


def mark(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where a detector marks the joints, once its joints became the 17: (frames, 17, 3) metres -> the same.

    Detectors know a nose and ears, and hips and shoulders where people point at them in pictures, not where motion capture
    has the joints: `layouts.to_h36m` makes the 17 of those. How far they are off is drawn once for a clip.
    """
    joints = named(motion)
    size = np.linalg.norm(joints["Thorax"] - joints["Hip"], axis=-1).mean() / 0.5

    def unit(vectors: np.ndarray) -> np.ndarray:
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-6)

    up, right = unit(joints["Thorax"] - joints["Hip"]), unit(joints["RShoulder"] - joints["LShoulder"])
    axes = np.stack([right, unit(np.cross(up, right)), up], axis=1)  # (frames, 3, 3): right, forward, up of the trunk
    for joint in "Knee", "Foot", "Elbow", "Wrist":
        for side in "RL":
            joints[side + joint] = joints[side + joint] + rng.normal(0, 0.015 * size, 3) @ axes
    for pair, lift in (("Hip", rng.uniform(-0.02, 0.06)), ("Shoulder", rng.uniform(-0.03, 0.04))):
        middle, wider = (joints[f"R{pair}"] + joints[f"L{pair}"]) / 2, rng.uniform(0.85, 1.25)
        for side in "RL":
            joints[side + pair] = middle + wider * (joints[side + pair] - middle) + lift * size * up
    shoulders = (joints["RShoulder"] + joints["LShoulder"]) / 2
    ears = shoulders + rng.uniform(0.65, 0.85) * (joints["Head"] - shoulders) + rng.uniform(0, 0.04) * size * axes[:, 1]
    nose = ears + size * (rng.uniform(0.07, 0.13) * axes[:, 1] + rng.uniform(-0.04, 0.02) * up)
    for middle, (one, other) in MIDDLES.items():
        joints[middle] = (joints[one] + joints[other]) / 2
    joints["Neck"], joints["Head"] = nose, shoulders + 1.3 * (ears - shoulders)
    return np.stack([*joints.values()], axis=1)


def detect(
    motion: np.ndarray, camera: Camera, *, fps: float, rng: np.random.Generator, like: float | None = None
) -> np.ndarray:
    """Keypoints as some detector might find them, in pixels, and their scores: (frames, 17, 3).

    `like` is how much the joints are those that a detector marks, from 0 to 1; drawn if not given. Some joints are lost for
    a while: interpolated, and their scores 0. Detectors' scores differ: some are nearly always sure, some files have none.
    """
    if like is None:
        like = rng.choice([0.0, rng.uniform(0.5, 1)], p=[0.2, 0.8])
    true = view((1 - like) * motion + like * mark(motion, rng), camera)[1]
    found = true + rng.uniform(0.2, 1.2) * (simulate_detections(true, fps=fps, rng=rng) - true)
    scores = simulate_scores(found, true, fps=fps, rng=rng)
    doubt = rng.choice([1.0, 0.2, 0.0], p=[0.4, 0.35, 0.25])  # of one that is sure, and of a file without scores
    points = with_scores(found, 1 - doubt * (1 - scores))
    interpolate(points, _lose(points.shape[:2], fps, rng))
    return points


def _lose(shape: tuple[int, int], fps: float, rng: np.random.Generator) -> np.ndarray:
    """(frames, 17) bool: what a detector does not find, in half of the clips nothing."""
    missing = np.zeros(shape, bool)
    rate = rng.choice([0.0, 0.08]) / fps  # new losses of a joint per frame
    for frame, joint in zip(*np.nonzero(rng.random(shape) < rate), strict=True):
        missing[frame : frame + min(LONGEST_GAP, rng.geometric(0.2)), joint] = True
    if rate and rng.random() < 0.3:
        at = rng.integers(shape[0])
        missing[at : at + rng.integers(1, LONGEST_GAP)] = True
    for joint, sources in MIDDLES.items():
        missing[:, AT[joint]] |= missing[:, [AT[name] for name in sources]].any(axis=1)
    return missing
