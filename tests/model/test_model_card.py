"""A card says what a model is; what does not fit is refused with the reason, and what differs is said."""

from dataclasses import replace

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17, HUMANEVA_15
from pose3d_lib.model.card import (
    ActionErrors,
    Errors,
    Means,
    ModelCard,
    Network,
    Training,
    build_networks,
    check_fit,
    check_skeleton,
    licence_of,
    network_of,
)
from pose3d_lib.report.describe import card_markdown, describe_card
from pose3d_lib.training.config import RunConfig

ROWS = [("S1", "Eating", "0", 0, 9), ("S9", "Eating", "0", 1, 5)]

NETWORK = Network(filter_widths=(3, 5), channels=8, dropout=0.25, causal=False, dense=False, in_features=2)


@pytest.fixture
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


def card(**changes) -> ModelCard:
    fields = {
        "name": "mine", "network": NETWORK, "trajectory": False, "keypoints": "simulated", "layout": H36M_17,
        "skeleton": H36M_17, "fps": (50.0,), "licence": "For everybody.", "origin": "Made up.",
    }  # fmt: skip
    return ModelCard(**{**fields, **changes})


def seeing(**changes) -> Network:
    return NETWORK.model_copy(update=changes)


# What fits


def test_what_a_model_was_trained_on_fits_without_a_word(data: PoseDataset) -> None:
    assert check_fit(card(), data, "simulated", data.clips) == []
    check_skeleton(card(), data)


def test_other_keypoints_and_another_frame_rate_are_said(data: PoseDataset) -> None:
    (source,) = check_fit(card(keypoints="gt"), data, "simulated", data.clips)
    assert "The keypoints are 'simulated', and the model was trained on 'gt'" in source
    (rate,) = check_fit(card(fps=(25.0, 30.0)), data, "simulated", data.clips)
    assert "hand-made has 50 frames per second, and the model was trained on 25, 30" in rate
    assert check_fit(card(fps=(25.0, 50.0)), data, "simulated", data.clips) == []
    assert check_fit(card(fps=()), data, "simulated", data.clips) == [], "nobody knows, so nobody can say"
    assert len(check_fit(card(fps=(25.0,), keypoints="gt"), data, "simulated", data.clips)) == 2


TURNED = replace(H36M_17, joints=(*H36M_17.joints[:-2], "RWrist", "RElbow"))
SCORED = seeing(in_features=3)


@pytest.mark.parametrize(
    ("changes", "keypoints", "said"),
    [
        ({}, "detected", r"sees the 17 joints of h36m_17; the keypoints 'detected' of hand-made are the 17 joints of coco_17. In "
         "order, Nose, LEye, .*; expected Hip, RHip, "),
        ({"layout": TURNED}, "simulated", "LElbow, LWrist, RShoulder, RElbow, RWrist; expected .*, RWrist, RElbow. Choose other"),
        ({"network": SCORED}, "simulated", "sees x, y and the score of a keypoint; .* opened with x and y of a keypoint"),
    ],
    ids=["joints", "their order", "scores"],
)  # fmt: skip
def test_keypoints_that_a_model_cannot_see_are_refused(changes, keypoints, said, data: PoseDataset) -> None:
    with pytest.raises(InputError, match=f"model mine: .*{said}"):
        check_fit(card(**changes), data, keypoints, data.clips)


def test_joints_are_compared_by_their_names_and_scores_by_whether_there_are_any(data: PoseDataset, hand_made) -> None:
    assert check_fit(card(layout=replace(H36M_17, name="ours", parents=())), data, "simulated", data.clips) == []
    check_fit(card(layout=COCO_17), data, "detected", data.clips)
    scored = hand_made(ROWS, scores={"simulated": np.ones((14, 17), np.float32)})
    with pytest.raises(InputError, match=r"sees x and y of a keypoint; .* opened with x, y and the score of"):
        check_fit(card(), scored, "simulated", scored.clips)
    assert check_fit(card(network=SCORED), scored, "simulated", scored.clips) == []


def test_other_predicted_joints_are_refused(data: PoseDataset) -> None:
    said = "predicts the 15 joints of humaneva_15; the poses of hand-made have the 17 joints"
    with pytest.raises(InputError, match=said):
        check_skeleton(card(skeleton=HUMANEVA_15), data)


# What a card says


@pytest.mark.parametrize(
    "changes", [{}, {"causal": True, "dense": True, "in_features": 3, "dropout": 0.0, "channels": 5}], ids=str
)
def test_the_networks_of_a_card_are_those_that_it_describes(changes: dict) -> None:
    described = card(network=seeing(**changes), layout=COCO_17, skeleton=HUMANEVA_15, trajectory=True)
    lifters = build_networks(described)
    assert [network_of(network) for network in lifters.networks] == [described.network] * 2
    assert [network.num_joints_in for network in lifters.networks] == [17, 17]
    assert [network.num_joints_out for network in lifters.networks] == [15, 1]
    assert build_networks(card()).trajectory is None


def test_the_licence_is_that_of_the_data(hand_made) -> None:
    assert licence_of(hand_made(ROWS)).startswith("Trained on synthetic data")
    assert licence_of(hand_made(ROWS, synthetic=False, terms="For research.")) == "Trained on hand-made. For research."
    assert "Its terms are not known here" in licence_of(hand_made(ROWS, synthetic=False))


CONFIG = RunConfig(action="Eating", seed=3, lr=0.002, with_actions=("Sitting", "Photo"), evaluate_at=())


def training(**changes) -> Training:
    fields = {
        "run": "mine", "dataset": "theirs", "fingerprint": "ab" * 32, "synthetic": False, "subjects": ("S1", "S5"),
        "actions": ("Eating",), "clips": 4, "frames": 1200, "windows": 24_000, "unlabelled_clips": 7, "notes": ("A note.",),
        "unlabelled_subjects": (),
        "config": CONFIG.model_dump(mode="json"), "commit": None,
        "packages": {"torch": "2.13.0"},
    }  # fmt: skip
    return Training(**{**fields, **changes})


def errors(**changes) -> Errors:
    means = {"mpjpe": 50.5, "p_mpjpe": 40.25, "n_mpjpe": 48.0, "mpjve": 3.0}
    fields = {
        "dataset": "theirs", "subjects": ("S9",), "mirrored": True,
        "actions": {"Eating": ActionErrors(frames=100, **means), "Sitting": ActionErrors(frames=300, **{**means, "mpjpe": 70.5})},
        "action_wise": Means(**{**means, "mpjpe": 60.5}), "frame_wise": Means(**{**means, "mpjpe": 65.5}),
        "trajectory": {"Eating": 100.0, "Sitting": 200.0},
    }  # fmt: skip
    return Errors(**{**fields, **changes})


def test_the_words_say_everything_that_the_card_does() -> None:
    full = card(
        network=seeing(causal=True), trajectory=True, epochs=12.5, lr=0.0003, errors=errors(),
        training=training(unlabelled_subjects=("S6", "S7")),
        assumed=("One thing.", "Another."),
    )  # fmt: skip
    told = dict(describe_card(full))
    parameters = 2 * (34 * 3 * 8 + 16 + 8 * 8 * 5 + 16 + 8 * 8 + 16) + 8 * 51 + 51 + 8 * 3 + 3
    expected = {
        "Origin": ["Made up."],
        "Network": [
            "filter widths 3,5, so 15 frames; 8 channels; causal",
            f"{parameters:,} parameters in two networks",
        ],
        "Sees": [f"17 of h36m_17, x and y of each: {', '.join(H36M_17.joints)}", "frames per second: 50"],
        "Predicts": ["trajectory: where Hip is in the camera's axes, metres"],
        "Licence": ["For everybody."],
        "Not in its file, and assumed": ["One thing.", "Another."],
        "Trained on": [
            "dataset: theirs\nfingerprint: abab",
            "subjects: S1,S5\nactions: Eating\nclips: 4\nframes: 1,200\n", "windows: 24,000",
            "unlabelled_subjects: S6,S7", "commit: None", "packages: torch 2.13.0",
        ],
        "Trained for": ["12.5 epochs of its own frames"],
        "Settings": ["action: Eating\nseed: 3\nlr: 0.002\nevaluate_at: none\nwith_actions: Photo,Sitting\nall others"],
        "Of the data": ["A note."],
    }  # fmt: skip
    for title, parts in expected.items():
        assert all(part in told[title] for part in parts), told[title]
    table = told["Errors on theirs, test subjects S9, averaged with the mirror image"].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[0][2:] == ["MPJPE [mm]", "P-MPJPE [mm]", "N-MPJPE [mm]", "MPJVE [mm/frame]", "MRPE [mm]"]
    assert cells[2] == ["Eating", "100", "50.50", "40.25", "48.00", "3.00", "100.00"]
    assert cells[5] == ["Frame-wise mean", "400", "65.50", "40.25", "48.00", "3.00", "175.00"]


def test_what_nobody_knows_is_said_too() -> None:
    told = dict(describe_card(card(fps=())))
    assert told["Trained on"] == "not known"
    assert told["Trained for"] == "not known"
    assert told["Errors"] == "not known; `pose3d evaluate` measures them"
    assert "frames per second: not known" in told["Sees"]
    assert not {"Settings", "Trained with", "Of the data", "Not in its file, and assumed"} & told.keys()


def test_names_in_a_card_read_as_they_are_in_a_terminal_and_as_markdown() -> None:
    name = "a|b *c* <img>"
    written = "a\\|b \\*c\\* &#60;img>"
    made = card(
        name=name,
        training=training(actions=(name,)),
        errors=errors(dataset=name, actions={name: errors().actions["Eating"]}, trajectory={}),
    )
    told = dict(describe_card(made))
    assert f"actions: {name}" in told["Trained on"]
    assert f"| {name} " in told[f"Errors on {name}, test subjects S9, averaged with the mirror image"]
    text = card_markdown(made)
    assert text.startswith(f"# {written}\n")
    for line in (f"- actions: {written}", f"## Errors on {written}, test subjects S9, averaged with the mirror image"):
        assert line in text.splitlines()
    assert f"\n| {written} | " in text


def test_no_word_of_a_card_acts_upon_a_terminal() -> None:
    evil = "\x1b[2J\r\n# nice"
    hostile = card(
        name=evil, keypoints=evil, licence=evil, origin=evil, assumed=(evil,),
        layout=replace(H36M_17, name=evil), skeleton=replace(H36M_17, joints=(evil, *H36M_17.joints[1:])),
        training=training(dataset=evil, fingerprint=evil, subjects=(evil,), actions=(evil,), notes=(evil,), commit=evil,
                          packages={evil: evil}, config={"action": evil, evil: [evil], "a": {evil: 1}}),
        errors=errors(dataset=evil, subjects=(evil,), actions={evil: errors().actions["Eating"]}, trajectory={evil: 1.0}),
    )  # fmt: skip
    told = [part for pair in describe_card(hostile) for part in pair]
    for text in (*told, card_markdown(hostile)):
        assert not set(text) & {"\x1b", "\r"}
        assert "\n# nice" not in text
