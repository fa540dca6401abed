"""Which way is up where the camera's place is not known: as people who stand tell, so that a tilted phone tilts nobody."""

from dataclasses import replace

import numpy as np

from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.motion_files import least_turns
from pose3d_lib.model.predict import Lifted

CAMERA_UP = np.array([0.0, -1.0, 0.0])
# From hip to ankle, as a share of the leg's bones: at least, of the straighter leg and of the other.
STRAIGHT, BENT = 0.966, 0.866
ERECT = 30.0  # degrees, at most, between the trunk and the line from the ankles to the hip
AHEAD = 0.05  # the base of the neck is ahead of the ankles by this share of its height over them, in two collections
LEAST_FRAMES, LEAST_SECONDS = 10, 0.5  # of standing that tell anything
SPREAD, TILT = 10.0, 45.0  # degrees, at most: between standing frames on average, and of a camera


def level(lifted: Lifted) -> Lifted:
    """Turn clips of cameras whose place is not known so that y is down along gravity.

    A note on each camera says how sure that is; where too little tells, its clips stay as they are, and the note says so.
    """
    from scipy.spatial.transform import Rotation  # takes half a second

    clips, notes = list(lifted.clips), []
    for camera in dict.fromkeys(clip.camera for clip in clips if not clip.camera.is_placed):
        own = [number for number, clip in enumerate(clips) if clip.camera == camera]
        ups = np.concatenate([standing_ups(clips[number].positions, lifted.skeleton) for number in own])
        frames = sum(len(clips[number].frames) for number in own)
        told = f"somebody stands in {len(ups):,} of {frames:,} frames of {camera.name}"
        if len(ups) < max(LEAST_FRAMES, LEAST_SECONDS * clips[own[0]].fps):
            notes.append(f"Not turned upright: {told}, too few to tell which way is up.")
            continue
        up = np.median(ups, axis=0)
        up /= np.linalg.norm(up)
        spread, tilt = degrees(ups @ up).mean(), degrees(up @ CAMERA_UP)
        told = f"{told}, tilted by {tilt:.0f} degrees, with {spread:.1f} degrees between a frame and all"
        if spread > SPREAD or tilt > TILT:
            notes.append(f"Not turned upright: {told}, which is too much to be sure.")
            continue
        notes.append(f"Turned upright: {told}.")
        turn = Rotation.from_quat(least_turns(CAMERA_UP, up[None])[0]).as_matrix().astype(np.float32)  # of rows
        for number in own:
            arrays = {name: getattr(clips[number], name) for name in ("positions", "root", "truth")}
            turned = {name: None if array is None else array @ turn for name, array in arrays.items()}
            clips[number] = replace(clips[number], **turned, upright=True)
    return replace(lifted, clips=tuple(clips), notes=(*lifted.notes, *notes))


def standing_ups(poses: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(frames that show somebody standing, 3) unit vectors: which way is up in each, by what is above the feet.

    Somebody stands who has straight legs and a trunk in line with them, whichever way the picture is held. Above the middle
    of the ankles is the base of the neck, a little ahead (AHEAD). `poses` are (frames, joints, 3) of any unit.
    """
    legs, parents, sides = skeleton.legs, skeleton.parents, skeleton.sides
    chests = [parent for joint, parent in enumerate(parents) if sides[joint] != "middle" and joint not in legs]
    ankles = [joint for joint in legs if joint not in parents]
    if len(ankles) != 2 or not chests:
        return np.empty((0, 3))
    poses = poses.astype(np.float64)
    lengths = {joint: np.linalg.norm(poses[:, joint] - poses[:, parents[joint]], axis=-1) for joint in legs}
    straightness = []
    for ankle in ankles:
        hip, bones = ankle, 0.0
        while parents[hip] in legs:
            bones, hip = bones + lengths[hip], parents[hip]
        straightness.append(np.linalg.norm(poses[:, ankle] - poses[:, hip], axis=-1) / np.maximum(bones, 1e-9))
    feet, root, chest = poses[:, ankles].mean(axis=1), poses[:, parents.index(-1)], poses[:, chests[0]]
    bend = degrees((_unit(chest - root) * _unit(root - feet)).sum(axis=-1))
    standing = (np.max(straightness, axis=0) >= STRAIGHT) & (np.min(straightness, axis=0) >= BENT) & (bend <= ERECT)
    pairs = [pair for pair in zip(skeleton.left, skeleton.right, strict=True) if sides[parents[pair[0]]] == "middle"]
    leftwards = sum(poses[standing, left] - poses[standing, right] for left, right in pairs)
    up = _unit((chest - feet)[standing])
    return _unit(up - AHEAD * _unit(np.cross(leftwards, up)))


def degrees(cosines: np.ndarray) -> np.ndarray:
    """Angles between unit vectors by their dot products."""
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-9)
