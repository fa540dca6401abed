"""Open motion capture in BVH: a folder of files whose names say subject, action and take, a zip of these, or one file.

Units and the upward axis are recognised or given, sizes are kept, and the motion is seen through the four Human3.6M
cameras of S1, each clip centred in the room and cut where it would walk into a camera.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.catalogue import find_path
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.bvh.file import RATE_LIMIT, read_joint_names
from pose3d_lib.data.sources.bvh.joints import JointMapping, find_mapping
from pose3d_lib.data.sources.bvh.motion import REMARKS, Recording, read_motion, resample
from pose3d_lib.data.sources.bvh.names import TAKES, File, holds_bvh, is_zip, name_files
from pose3d_lib.data.sources.filming import GT, SIMULATED, Take, cut_to_fit, film, room_cameras
from pose3d_lib.data.sources.takes import Key, leave_out, read_takes, split_subjects
from pose3d_lib.data.spec import DataSpec, Progress

PARAMETERS = (
    "data_seed", "fps", "recorded_fps", "train_subjects", "test_subjects", "leave_out", "pattern", "joints", "units",
    "up",
)  # fmt: skip
KEYPOINTS = SIMULATED
recognise = holds_bvh

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}  # metres; CMU: inches over 0.45
LEGS = (0.65, 1.05)  # metres, hip to knee to ankle: between these are the legs of adults, so they tell the unit
ANY_LEGS = (0.4, 1.4)  # metres: of a file whose legs are shorter or longer the unit is doubtful
UP = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}  # axes that become x, y, z: even permutations keep left and right
UPRIGHT = 0.5
RATES = {"fps": (1.0, 500.0), "recorded_fps": (1.0, RATE_LIMIT)}  # frames per second that may be asked for
MIXED_RATE = 50.0  # frames per second of a collection whose files differ
FLOOR = 0.3  # metres; a take whose lowest ankle is further from height 0 is moved up or down
ANKLE = 0.08  # metres above the floor that its lowest ankle then is
SHORTEST = 1.0  # seconds; of clips that are cut, shorter pieces are dropped
FEET = [H36M_17.index("RFoot"), H36M_17.index("LFoot")]


@dataclass(frozen=True)
class _Plan:
    """What is read, and who is trained and tested on."""

    every: dict[Key, File]  # of the folder, zip or file
    kept: list[Key]  # the takes that are not left out
    files: dict[Key, File]  # of the kept takes of whom is trained and tested on, in order
    mapping: JointMapping
    train: tuple[str, ...]
    test: tuple[str, ...]
    notes: list[str]


def find(spec: DataSpec, path: Path) -> tuple[str, list[Path]]:
    check_name(spec.keypoints, (GT, SIMULATED), "keypoints of BVH")
    parse_units(spec.units)
    if spec.up:
        check_name(spec.up, UP, "up")
    for name, (low, high) in RATES.items():
        rate = getattr(spec, name)
        if rate is not None and not low <= rate <= high:
            raise InputError(f"{name} {rate:g}: expected {low:g} to {high:g} frames per second")
    every = _plan(spec, path).every
    files = [path] if is_zip(path) else list(every.values())
    if not spec.pattern and (path / TAKES).is_file():
        files.append(path / TAKES)
    files += [find_path(spec.joints)] if spec.joints.endswith(".toml") else []
    return _name(path), files


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(action for _, action, _ in _plan(spec, path).kept))


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    plan = _plan(spec, path)
    files = {"/".join(key): file for key, file in plan.files.items()}
    progress(f"reading {len(files):,} BVH files")
    recordings = read_takes(
        list(files), lambda take: read_motion(files[take], plan.mapping, spec.fps, spec.recorded_fps), progress
    )
    up, on_up = _find_up(spec.up, recordings, path)
    unit, on_unit = _find_unit(spec.units, recordings, list(files.values()))
    fps, motions, on_rate = _one_rate(recordings)
    notes = [*plan.notes, on_up, on_unit, on_rate]
    if spec.recorded_fps:
        rate = f"{spec.recorded_fps:g} frames per second"
        notes.append(f"Taken for recorded at {rate}, whatever the files say (`recorded_fps`).")
    counts = Counter(key for recording in recordings for key in recording.remarks)
    notes += [text.format(count=counts[key], all=len(files)) for key, text in REMARKS.items() if counts[key]]
    del recordings
    takes, placed = _place(list(plan.files), motions, unit=unit, axes=UP[up], fps=fps)
    if not takes:
        raise InputError(f"{path}: no take fits into the room. {' '.join(placed)}")
    progress(f"filming {sum(len(take.motion) for take in takes):,} frames with {len(room_cameras())} cameras")
    return film(
        takes,
        name=_name(path),
        synthetic=False,
        fps=fps,
        seed=spec.data_seed,
        scores=spec.scores,
        train_subjects=plan.train,
        test_subjects=plan.test,
        progress=progress,
        notes=[*notes, *placed],
    )


def parse_units(units: str) -> float | None:
    """Metres per unit, by name or as a number; None if nothing is given."""
    if not units:
        return None
    try:
        metres = float(units)
    except ValueError:
        return UNITS[check_name(units, UNITS, "units (or give a number of metres)")]
    if not 1e-6 <= metres <= 1e3:
        raise InputError(f"units {units!r}: expected {', '.join(UNITS)}, or metres per unit, such as 0.01")
    return metres


def _name(path: Path) -> str:
    return path.resolve().stem if path.is_file() else path.resolve().name


def _plan(spec: DataSpec, path: Path) -> _Plan:
    every, named = name_files(path, spec.pattern)
    kept, left = leave_out(list(every), spec.leave_out, path)
    subjects = [subject for subject, _, _ in kept]
    train, test, split = split_subjects(subjects, spec.train_subjects, spec.test_subjects, path)
    files = {key: every[key] for key in kept if key[0] in (*train, *test)}
    if not files:
        raise InputError(f"{path}: every take is left out")
    first = next(iter(files.values()))
    mapping = find_mapping(spec.joints, read_joint_names(first), first)
    made_of = f"The 17 joints are made of the BVH joints by mapping {mapping.name!r}."
    return _Plan(every, kept, files, mapping, train, test, [*named, *left, *split, made_of])


def _find_up(up: str, recordings: Sequence[Recording], path: Path) -> tuple[str, str]:
    """The upward axis, given or that along which bodies stand in most files, and a note on it."""
    head = H36M_17.index("Head")
    bodies = np.array([(r.motion[:, head] - r.motion[:, FEET].mean(axis=1)).mean(axis=0) for r in recordings])
    upwards = bodies / np.linalg.norm(bodies, axis=1, keepdims=True).clip(1e-9)
    axis = "xyz".index(up) if up else int(np.abs(np.median(upwards, axis=0)).argmax())
    upright = float(np.median(upwards[:, axis]))
    if upright < (0 if up else UPRIGHT):
        tried = f"{'with' if up else 'the best guess is'} {'xyz'[axis]} up"
        raise InputError(
            f"{path}: {tried}, but heads are not above feet in most files (from foot to head, {upright:.2f} of the way "
            "is upwards). `up` names the axis that points upwards: x, y or z"
        )
    lying = int((upwards[:, axis] < UPRIGHT).sum())
    said = f"{'xyz'[axis]} points upwards, as {'`up` says' if up else 'bodies stand along it (`up` says otherwise)'}"
    return "xyz"[axis], f"{said}; in {lying} of {len(recordings)} takes they do not." if lying else f"{said}."


def _find_unit(units: str, recordings: Sequence[Recording], files: Sequence[File]) -> tuple[float, str]:
    """Metres per unit, given or told by the length of the legs, and a note on it."""
    legs = np.array([recording.leg for recording in recordings])
    typical = float(np.median(legs))
    unit = parse_units(units)
    ask = f"`units` gives the unit: {', '.join(UNITS)}, or a number of metres"
    if unit is None:
        fitting = [name for name, metres in UNITS.items() if LEGS[0] <= metres * typical <= LEGS[1]]
        if len(fitting) != 1:
            raise InputError(
                f"{files[0].parent}: legs are {typical:.4g} units long (hip to knee to ankle), which in none of "
                f"{', '.join(UNITS)} is the {LEGS[0]} to {LEGS[1]} m of an adult. {ask}"
            )
        unit, units = UNITS[fitting[0]], f"{fitting[0]}, as the legs tell"
        odd = np.flatnonzero((legs * unit < ANY_LEGS[0]) | (legs * unit > ANY_LEGS[1]))
        if len(odd):
            shown = some([f"{files[number]} ({legs[number]:.4g} units)" for number in odd], 5)
            raise InputError(
                f"{len(odd)} files have legs of another size than the others' {typical:.4g} units: {shown}. "
                f"`leave_out` leaves takes out; {ask}"
            )
    elif not 0.2 <= unit * typical <= 3:
        raise InputError(f"units {units!r}: legs would be {unit * typical:.3g} m long ({typical:.4g} units). {ask}")
    return unit, (
        f"A unit of the files is {unit:.6g} m ({units}), and sizes are kept: legs are {legs.min() * unit:.2f} to "
        f"{legs.max() * unit:.2f} m long, hip to knee to ankle."
    )


def _one_rate(recordings: Sequence[Recording]) -> tuple[float, list[np.ndarray], str]:
    """One frame rate for all, the motion at it, and a note."""
    rates = sorted({round(recording.fps, 3) for recording in recordings})
    if len(rates) == 1:
        fps, motions = recordings[0].fps, [recording.motion for recording in recordings]
        return fps, motions, f"{fps:g} frames per second (`fps` gives another rate)."
    motions = [resample(recording.motion, recording.fps, MIXED_RATE).astype(np.float32) for recording in recordings]
    found = ", ".join(f"{rate:g}" for rate in rates[:5])
    note = f"Resampled to {MIXED_RATE:g} frames per second, as files have {found} (`fps` gives another)."
    return MIXED_RATE, motions, note


def _place(
    keys: Sequence[Key], motions: Sequence[np.ndarray], *, unit: float, axes: tuple[int, ...], fps: float
) -> tuple[list[Take], list[str]]:
    """The takes in metres with z up, on the floor and cut into pieces that fit into the room, and notes on that."""
    takes: list[Take] = []
    moved, cut, gone, dropped = [], [], [], 0
    for (subject, action, take), motion in zip(keys, motions, strict=True):
        motion, named = motion[..., axes] * np.float32(unit), f"{subject}/{action}/{take}"
        lowest = float(motion[:, FEET, 2].min())
        if abs(lowest) > FLOOR:
            motion[..., 2] += ANKLE - lowest
            moved.append(named)
        pieces = cut_to_fit(motion, max(1, round(SHORTEST * fps)))
        whole = pieces == [(0, len(motion))]
        if not whole:
            (cut if pieces else gone).append(named)
            dropped += len(motion) - sum(stop - start for start, stop in pieces)
        for number, (start, stop) in enumerate(pieces, start=1):
            takes.append(Take((subject, action, take if whole else f"{take}.{number}"), motion[start:stop]))
    told = {
        f"are moved so that the lowest ankle is {ANKLE} m above the floor: it was more than {FLOOR} m from height 0 in": moved,
        "walk further than the cameras see and are cut into pieces, each centred in the room and called as the take with .1, "
        ".2, ... behind it:": cut,
        "do not fit into the room even in pieces and are left out:": gone,
    }
    notes = [f"{len(names)} takes {text} {some(names, 5)}." for text, names in told.items() if names]
    if dropped:
        notes.append(f"Of these takes {dropped:,} frames are left out, as no piece of {SHORTEST:g} s with them fits.")
    return takes, notes
