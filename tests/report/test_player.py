"""The player's page: what is packed into it is what was lifted, it asks for nothing, and no name breaks out of it."""

import base64
import dataclasses
import html
import json
import re

import numpy as np
import pytest

from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.model.predict import Lifted, lift
from pose3d_lib.report import player, show
from pose3d_lib.report.player import player_frame, player_page, show_player
from pose3d_lib.runs.lease import CLAIM
from tests.helpers.made_up_models import made_up_model

ODD = "</script><script>alert(1)</script>&amp;<b>\u2028"


@pytest.fixture
def lifted(hand_made) -> Lifted:
    data = hand_made([("S9", "Walking", "0", 0, 6), ("S9", "Sitting", "1", 1, 1)], first_frames=(40, 0))
    return lift(made_up_model(trajectory=True), data, data.clips, "simulated")


def content_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def unpacked(packed: dict, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["int16"]), "<i2").reshape(-1, *shape) * packed["unit"]


def test_coordinates_are_those_that_were_lifted_to_half_a_unit(lifted: Lifted) -> None:
    content = content_of(player_page(lifted))
    for packed, clip in zip(content["clips"], lifted.clips, strict=True):
        for name, shape, array in (
            ("pixels", (17, 2), clip.pixels),
            ("pose", (17, 3), clip.positions),
            ("truth", (17, 3), clip.truth),
            ("root", (3,), clip.root),
        ):
            unit = packed[name]["unit"]
            assert unit == pytest.approx(np.abs(array).max() / 32767)
            np.testing.assert_allclose(unpacked(packed[name], *shape), array, atol=0.51 * unit)


def test_the_page_knows_what_every_clip_is(lifted: Lifted) -> None:
    content = content_of(player_page(lifted))
    walking, sitting = content["clips"]
    assert (walking["name"], walking["frames"], walking["first"], walking["fps"]) == (
        "S9, Walking, take 0, camera wide", 6, 40, 50.0
    )  # fmt: skip
    assert (walking["size"], sitting["size"], sitting["frames"]) == ([1024, 512], [512, 2048], 1)
    assert walking["errors"] == lifted.clips[0].errors.round().tolist()
    assert content["about"] == "Synthetic data, nobody was filmed · Keypoints simulated, model made-up"
    assert (content["joints"], content["root"]) == (list(H36M_17.joints), "Hip")
    assert content["bones"][0] == [0, 1, "right"]
    assert [0, 7, "middle"] in content["bones"]
    assert content["sides_in"][H36M_17.index("LWrist")] == "left"


def test_a_downsampled_clip_without_truth_trajectory_or_tree_of_keypoints(hand_made) -> None:
    data = hand_made([("S9", "Walking", "0", 0, 6)], first_frames=(40,), frame_step=5)
    lifted = lift(made_up_model(layout=COCO_17), data, data.clips.assign(labelled=False), "detected")
    content = content_of(player_page(lifted))
    (clip,) = content["clips"]
    assert (clip["first"], clip["step"]) == (40, 5)
    assert (clip["truth"], clip["root"], clip["errors"], clip["up"]) == (None, None, None, [0, -1, 0])
    assert len(content["bones_in"]) == 16
    assert [5, 6, "middle"] in content["bones_in"]


def test_no_name_breaks_out_of_the_page_which_asks_nothing_of_a_network(lifted: Lifted) -> None:
    page = player_page(lifted)
    assert "default-src 'none'" in page
    assert not re.findall(r"https?:|src=|href=|url\(|@import|import\(|fetch\(|XMLHttp|WebSocket", page)
    clip = dataclasses.replace(lifted.clips[0], subject=ODD, camera=Camera(ODD, 10, 10))
    page = player_page(dataclasses.replace(lifted, dataset=ODD, model=ODD, clips=(clip,)))
    assert page.count("<script") == 2
    assert "alert(1)</script>" not in page
    content = content_of(page)
    assert content["clips"][0]["name"].startswith(ODD)
    assert ODD in content["about"]
    assert f"<title>{html.escape(ODD)}, lifted to 3D</title>" in page


def test_of_many_clips_some_are_there_and_of_long_ones_the_beginning(lifted: Lifted, monkeypatch) -> None:
    monkeypatch.setattr(player, "MOST_CLIPS", 3)
    monkeypatch.setattr(player, "MOST_FRAMES", 9)
    many = dataclasses.replace(lifted, clips=lifted.clips * 5)
    content = content_of(player_page(many))
    assert [clip["frames"] for clip in content["clips"]] == [1, 1, 3]
    assert content["about"].endswith("3 of 10 clips · of long clips the first 3 frames")


def test_in_a_notebook_the_page_is_a_frame_with_words_instead(lifted: Lifted) -> None:
    shown = player_frame(lifted, "see <file>")
    source = re.search(r'srcdoc="(.*?)"', shown, re.DOTALL)[1]
    assert html.unescape(source) == player_page(lifted)
    assert shown.endswith("</iframe><p>see &lt;file&gt;</p>")


def test_a_notebook_shows_the_beginnings_of_clips_at_half_their_rate(hand_made, monkeypatch) -> None:
    data = hand_made([("S9", "Walking", "0", 0, 230)], first_frames=(40,))
    lifted, shown = lift(made_up_model(), data, data.clips, "simulated"), []
    monkeypatch.setattr(player, "display", lambda what: shown.append(what.data))
    show_player(lifted)
    (clip,) = content_of(html.unescape(shown[0]))["clips"]
    assert (clip["frames"], clip["first"], clip["step"], clip["fps"]) == (100, 40, 2, 25)
    pose = unpacked(clip["pose"], 17, 3)
    np.testing.assert_allclose(pose, lifted.clips[0].positions[:200:2], atol=0.51 * clip["pose"]["unit"])
    assert len(shown[0]) < 100_000


def test_of_frames_far_apart_in_time_the_first_is_shown(lifted: Lifted) -> None:
    slow = dataclasses.replace(lifted.clips[0], fps=0.1)
    assert slow.beginning(player.SECONDS, player.FRAMES_PER_SECOND).frames.tolist() == [40]


def test_a_run_of_a_sweep_is_kept_without_the_player(lifted: Lifted, monkeypatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(show, "display", lambda what: shown.append(what.data))
    monkeypatch.setenv(CLAIM, "token")
    show_player(lifted)
    assert shown == ["Run this cell to see the player; notebooks of a sweep are kept without it."]
