"""The made-up motion is a body's: bones keep their lengths, joints their limits, feet their place, actions a sense."""

import numpy as np
import pytest

from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.doctor import motion
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.sources.synthetic.gestures import read_postures
from pose3d_lib.data.sources.synthetic.motion import make_motion

FPS = 50.0
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
WALKS = ("Walking", "WalkTogether", "WalkDog")
STANDING = ("Directions", "Discussion", "Greeting", "Photo", "Posing", "Purchases", "Waiting")
LIMITS = {"Knee": 150, "Elbow": 150, "HipSwing": 165, "ShoulderSwing": 175, "Spine": 55, "Twist": 60, "Neck": 70}
J = {name: j for j, name in enumerate(H36M_17.joints)}


@pytest.fixture(scope="module")
def takes() -> dict[str, list[np.ndarray]]:
    """Action -> takes of 24 seconds, each by another subject."""
    return {
        action: [
            make_motion(action, body=make_body(subject, 0), frames=1200, fps=FPS, seed=[1, a, s])
            for s, subject in enumerate(SUBJECTS[:4])
        ]
        for a, action in enumerate(H36M_ACTIONS)
    }


def facing(positions: np.ndarray) -> np.ndarray:
    """(frames, 3), horizontal unit vector to where the hips face."""
    right = positions[:, J["RHip"]] - positions[:, J["LHip"]]
    ahead = np.stack([-right[:, 1], right[:, 0], np.zeros(len(right))], -1)
    return ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)


def joint_angles(positions: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> (frames,), degrees: the angles that anatomy bounds."""
    p = {name: positions[:, j] for name, j in J.items()}
    between = motion.angle_between
    down, upper = p["Hip"] - p["Thorax"], p["Thorax"] - p["Spine"]
    angles = {"Spine": between(p["Spine"] - p["Hip"], upper), "Neck": between(upper, p["Head"] - p["Thorax"])}
    for side in "RL":
        thigh, arm = (p[side + end] - p[side + start] for start, end in (("Hip", "Knee"), ("Shoulder", "Elbow")))
        angles[f"{side}Knee"] = motion.flexion(positions, f"{side}Hip", f"{side}Knee", f"{side}Foot")
        angles[f"{side}Elbow"] = motion.flexion(positions, f"{side}Shoulder", f"{side}Elbow", f"{side}Wrist")
        angles[f"{side}HipSwing"] = between(thigh, p["Hip"] - p["Spine"])
        angles[f"{side}ShoulderSwing"] = between(arm, -upper)
    across = [np.cross(p[f"R{joint}"] - p[f"L{joint}"], down) for joint in ("Shoulder", "Hip")]
    angles["Twist"] = between(*across)  # shoulders against hips about the trunk's axis
    return angles


def wrist_to(positions: np.ndarray, joint: str) -> np.ndarray:
    """(frames,), metres from the nearer wrist to a joint."""
    wrists = positions[:, [J["RWrist"], J["LWrist"]]]
    return np.linalg.norm(wrists - positions[:, [J[joint]]], axis=-1).min(1)


@pytest.mark.parametrize("table", [*H36M_ACTIONS, "PhoningWalking", "SmokingSeated"])
def test_a_table_of_postures_has_hands_that_are_somewhere(table):
    weight, hold, mean, spread = read_postures(table)
    assert weight.min() > 0
    assert (hold[:, 0] < hold[:, 1]).all()
    assert mean.shape == spread.shape == (len(weight), 36)
    places = mean[:, 8:].reshape(-1, 2, 14)[..., 8:]
    assert (places.sum(axis=-1) == 1).all()


@pytest.mark.parametrize("action", H36M_ACTIONS)
def test_is_a_body(takes, action):
    for positions in takes[action]:
        assert positions.shape == (1200, 17, 3)
        assert positions.dtype == np.float64
        assert np.isfinite(positions).all()
        assert np.ptp(motion.bone_lengths(positions, H36M_17), axis=0).max() < 1e-9
        assert positions[..., 2].min() > 0.005  # nothing below the floor
        assert np.abs(positions[:, 0, :2]).max() < 1.45

        for name, angle in joint_angles(positions).items():
            assert angle.max() < LIMITS[name.removeprefix("R").removeprefix("L")], name


@pytest.mark.parametrize("action", H36M_ACTIONS)
def test_moves_as_people_do(takes, action):
    positions = np.stack(takes[action])
    speeds = np.linalg.norm(np.diff(positions, axis=1), axis=-1).reshape(-1, 17) * FPS
    assert speeds.max() < 7.5
    assert np.percentile(speeds, 99) < 5.0
    assert np.median(speeds[:, J["Head"]]) > 0.005  # nobody is made of wood
    acceleration = np.linalg.norm(np.diff(positions, 2, axis=1), axis=-1) * FPS**2
    assert acceleration.max() < 130  # no jump: one of 5 cm within a frame would be 125
    assert np.percentile(acceleration, 99) < 45


@pytest.mark.parametrize("action", [*STANDING, *WALKS])
def test_knees_bend_forward(takes, action):
    for positions in takes[action]:
        ahead = facing(positions)
        for side in "RL":
            hip, knee, foot = (positions[:, J[f"{side}{part}"]] for part in ("Hip", "Knee", "Foot"))
            bend = ((knee - 0.5 * (hip + foot)) * ahead).sum(-1)
            assert np.percentile(bend, 1) > -0.01, side


@pytest.mark.parametrize("action", H36M_ACTIONS)
def test_feet_do_not_slide(takes, action):
    for positions in takes[action]:
        slide = motion.foot_slide(positions, FPS)
        contact = np.isfinite(slide)
        assert contact.mean() > 0.25
        assert np.nanmax(slide) < 0.1  # 2 mm per frame
        assert np.nanmedian(slide) < 1e-3
        if action not in (*WALKS, "Phoning"):
            assert contact.mean() > (0.65 if action in STANDING else 0.25)
            assert np.nanmax(slide) < 0.02


def test_walking_is_a_gait(takes):
    for positions in takes["Walking"]:
        hip = positions[:, 0]
        travelled = np.linalg.norm(np.diff(hip[:, :2], axis=0), axis=-1).sum()
        assert 0.6 < travelled / 24 < 1.5  # metres per second
        apart = ((positions[:, J["RFoot"]] - positions[:, J["LFoot"]]) * facing(positions)).sum(-1)
        steps = np.count_nonzero(np.diff(np.sign(apart)))
        assert 1.4 < steps / 24 < 2.3  # per second
        assert 0.01 < np.ptp(hip[200:300, 2]) < 0.10
        # Arms swing against legs.
        swing = ((positions[:, J["RWrist"]] - positions[:, J["LWrist"]]) * facing(positions)).sum(-1)
        assert np.corrcoef(apart, swing)[0, 1] < -0.5
        # The knee is nearly straight in stance and well bent in swing.
        knee = joint_angles(positions)["RKnee"]
        assert np.percentile(knee, 10) < 28
        assert 50 < np.percentile(knee, 97) < 90
        # They walk where they look.
        velocity = np.diff(hip, axis=0)
        assert np.mean((velocity * facing(positions)[1:]).sum(-1) > 0) > 0.99


def test_actions_are_what_they_are_called(takes):
    def heights(action: str, joint: str = "Hip") -> np.ndarray:
        return np.concatenate([p[:, J[joint], 2] for p in takes[action]])

    for action in ("Sitting", "Eating"):
        assert 0.36 < heights(action).min() < heights(action).max() < 0.56
    assert np.percentile(heights("SittingDown"), 20) < 0.18  # on the floor
    assert heights("SittingDown").max() > 0.7  # and somebody is seen to stand
    for action in (*STANDING, *WALKS):
        assert np.median(heights(action)) > 0.8
    assert np.percentile(heights("Purchases", "Thorax"), 10) < np.percentile(heights("Waiting", "Thorax"), 10) - 0.15

    def mean(measure) -> dict[str, float]:
        return {a: np.mean([measure(p) for p in takes[a]]) for a in H36M_ACTIONS}

    near_head = mean(lambda p: np.mean(wrist_to(p, "Neck") < 0.25))
    assert near_head["Phoning"] > 0.95
    assert near_head["Photo"] > 0.5
    assert near_head["Eating"] > 0.25
    assert near_head["Smoking"] > 0.2
    assert near_head["Walking"] == 0

    reach = mean(lambda p: np.ptp(p[:, J["RWrist"]] - p[:, J["RShoulder"]], axis=0).max())
    assert reach["Directions"] > 1.3 * reach["Walking"]
    travelled = mean(lambda p: np.linalg.norm(np.diff(p[:, 0, :2], axis=0), axis=-1).sum())
    assert min(travelled[a] for a in WALKS) > 2 * max(travelled[a] for a in STANDING)
    assert travelled["Walking"] > travelled["WalkTogether"]


def test_takes_vary(takes):
    for action in H36M_ACTIONS:
        first = np.array([facing(p)[0, :2] for p in takes[action]])
        assert np.linalg.norm(first.mean(0)) < 0.9  # not all to one side
    body = make_body("S1", 0)
    yaws = [facing(make_motion("Discussion", body=body, frames=1, fps=FPS, seed=s))[0] for s in range(60)]
    assert np.linalg.norm(np.mean(yaws, axis=0)) < 0.3
    # No take repeats itself: half a minute later the body has not gone through the same motion again.
    positions = make_motion("Walking", body=body, frames=3000, fps=FPS, seed=3)
    local = positions - positions[:, :1]
    again = [np.abs(local[:50] - local[k : k + 50]).max() for k in range(100, 2900, 7)]
    assert min(again) > 0.02


def test_same_arguments_same_motion():
    def made(subject: str, *seed: int) -> np.ndarray:
        return make_motion("Greeting", body=make_body(subject, 0), frames=80, fps=FPS, seed=seed)

    assert made("S5", 4, 2).tobytes() == made("S5", 4, 2).tobytes()
    assert np.abs(made("S5", 4, 2) - made("S5", 4, 3)).max() > 0.05
    assert np.abs(made("S5", 4, 2) - made("S9", 4, 2)).max() > 0.02


def test_bodies_differ():
    bodies = [make_body(subject, 0) for subject in SUBJECTS]
    assert bodies[0] != make_body("S1", 1)
    statures = sorted(body.stature for body in bodies)
    assert statures[0] > 1.57
    assert statures[-1] < 1.93
    assert statures[-1] - statures[0] > 0.2
    assert np.diff(statures).min() > 0.009
    assert np.ptp([body.femur / body.stature for body in bodies]) > 0.005
    assert 1.57 < make_body("somebody else", 0).stature < 1.94
    for body in bodies:
        # Mean proportions of the human body, within what people differ by.
        assert body.femur / body.stature == pytest.approx(0.256, abs=0.015)
        assert body.tibia / body.femur == pytest.approx(1.0, abs=0.06)
        assert body.forearm / body.humerus == pytest.approx(0.9, abs=0.08)


@pytest.mark.parametrize("action", H36M_ACTIONS)
@pytest.mark.parametrize(("frames", "fps"), [(1, 50.0), (40, 10.0)])
def test_any_length_and_rate(action, frames, fps):
    positions = make_motion(action, body=make_body("S6", 0), frames=frames, fps=fps, seed=9)
    assert positions.shape == (frames, 17, 3)
    assert np.isfinite(positions).all()
    assert positions[..., 2].min() > 0.005


def test_rate_does_not_change_the_motion():
    body = make_body("S7", 0)
    slow = make_motion("Walking", body=body, frames=100, fps=50.0, seed=1)
    fast = make_motion("Walking", body=body, frames=199, fps=100.0, seed=1)
    assert np.abs(fast[::2] - slow).max() < 0.03


def test_the_flexion_of_a_known_limb_and_the_slide_of_a_foot_are_found(takes):
    pose = np.zeros((2, 17, 3))
    pose[:, J["RKnee"]], pose[:, J["RFoot"]] = (0, 0, -1), [(0, 0, -2), (0, -1, -1)]
    np.testing.assert_allclose(motion.flexion(pose, "RHip", "RKnee", "RFoot"), [0, 90], atol=1e-6)
    positions = takes["Waiting"][0].copy()
    positions[..., 0] += np.linspace(0, 4.8, len(positions))[:, None]  # 0.2 m/s on a moving belt
    assert np.nanmedian(motion.foot_slide(positions, FPS)) == pytest.approx(0.2, rel=0.05)
