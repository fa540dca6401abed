"""The player in a real browser: it plays, stops, goes by frames, turns, and shows what was lifted where it belongs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.skeleton import COCO_17, H36M_17, LEFT
from pose3d_lib.data.sources.video.frames import VideoFile
from pose3d_lib.model.predict import Lifted, LiftedClip, lift
from pose3d_lib.report.player import player_frame, player_page
from tests.helpers.chromium import NEEDS_BROWSER
from tests.helpers.made_up_models import made_up_model
from tests.helpers.videos import SIZE, Blobs, blobs, write_video

pytestmark = NEEDS_BROWSER

ROWS = [("S9", "Walking", "0", 0, 90), ("S9", "Sitting", "1", 1, 1), ("S1", "Eating", "0", 0, 2)]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def lifted(hand_made) -> Lifted:
    """Clips of 90 frames, the first of them number 40, of one, and of two."""
    data = hand_made(ROWS, first_frames=(40, 0, 0))
    return lift(made_up_model(trajectory=True), data, data.clips, "simulated")


@pytest.fixture
def open_player(browser: Any, lifted: Lifted, tmp_path: Path) -> Iterator[Open]:
    """Opens the page with reduced motion; at the end nothing may have failed or been asked of a network."""
    problems: list[str] = []
    contexts = []

    def opened(*, content: str = "", **settings: object) -> Any:
        settings = {"reduced_motion": "reduce", "viewport": {"width": 1000, "height": 760}, "offline": True, **settings}
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        path = tmp_path / "player.html"
        page.on("request", lambda request: None if request.url == path.as_uri() else problems.append(request.url))
        path.write_text(content or player_page(lifted), encoding="utf-8")
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def frame(page: Any) -> int:
    return int(page.locator("#seek").input_value())


def wait_for_frame(page: Any, number: int) -> None:
    """Until it has played beyond a frame; the page forbids what playwright's own waiting is made of."""
    for _ in range(200):
        if frame(page) > number:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"still at frame {frame(page)}")


def picture(page: Any, canvas: str = "space") -> str:
    """What a canvas shows, after it was drawn again."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate(f"document.getElementById('{canvas}').toDataURL()")


def test_it_plays_at_once_and_stops_at_a_key(open_player: Open) -> None:
    page = open_player(reduced_motion="no-preference")
    wait_for_frame(page, 5)
    page.keyboard.press("Space")
    stopped, seen = frame(page), picture(page, "flat")
    page.wait_for_timeout(300)
    assert (frame(page), picture(page, "flat")) == (stopped, seen)
    page.keyboard.press("Space")
    wait_for_frame(page, stopped + 3)


def test_with_reduced_motion_it_stands_still_and_keys_go_by_frames(open_player: Open) -> None:
    page = open_player()
    before = picture(page)
    page.wait_for_timeout(300)
    assert (frame(page), picture(page)) == (0, before)
    assert not page.locator("#sway").is_checked()
    for key, expected in (("ArrowRight", 1), ("Shift+ArrowRight", 11), ("ArrowLeft", 10), ("End", 89), ("Home", 0)):
        page.keyboard.press(key)
        picture(page)
        assert frame(page) == expected, key
    page.keyboard.press("ArrowRight")
    picture(page)
    assert page.locator("#clock").inner_text() == "frame 41 · 0.82 s"
    before = picture(page, "flat"), picture(page)
    page.locator("#seek").fill("30")
    after = picture(page, "flat"), picture(page)
    assert (frame(page), page.locator("#play").get_attribute("aria-pressed")) == (30, "false")
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("has_touch", [False, True], ids=["mouse", "finger"])
def test_dragging_turns_the_body_and_nothing_else(has_touch: bool, open_player: Open) -> None:
    page = open_player(has_touch=has_touch)
    flat, before = picture(page, "flat"), picture(page)
    box = page.locator("#space").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if has_touch:
        touch = page.context.new_cdp_session(page)
        for kind, points in (("Start", [{"x": x, "y": y}]), ("Move", [{"x": x + 80, "y": y}]), ("End", [])):
            touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    else:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y, steps=4)
        page.mouse.up()
        page.mouse.move(x - 80, y)  # let go
    assert picture(page) != before
    assert page.evaluate("state.yaw") == pytest.approx(0.5 - 0.008 * 80)
    assert picture(page, "flat") == flat


def test_clips_are_chosen_in_the_list_and_by_key_and_play_at_their_speed(open_player: Open) -> None:
    page, factor = open_player(reduced_motion="no-preference"), 0.25
    for number, name in enumerate(("S9, Walking, take 0, camera wide", "S9, Sitting, take 1, camera tall")):
        page.locator("#clip").select_option(name)
        assert page.evaluate("state.clip.name") == name
        assert page.locator("#seek").get_attribute("max") == str(ROWS[number][4] - 1)
        page.wait_for_timeout(150)
    page.locator("#space").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("state.clip.name") == "S1, Eating, take 0, camera wide"
    page.wait_for_timeout(150)
    assert page.evaluate("state.at") < 1
    page = open_player()
    page.locator("#speed").select_option(str(factor))
    passed = page.evaluate(
        "[1020, 1070].map(now => { state.playing = true; state.last = 1000; tick(now); return state.at; })"
    )
    assert passed == pytest.approx([0.02 * 50 * factor, (0.02 + 0.07) * 50 * factor])


def test_joints_stand_where_they_were_lifted_to_and_a_tilted_camera_s_clip_upright(open_player, lifted) -> None:
    """In the camera's own view: x to the right, y (which points down) turned over, z away."""
    page = open_player()
    pose = np.array(page.evaluate("Array.from(state.clip.pose)")).reshape(90, 17, 3)
    np.testing.assert_allclose(pose, lifted.clips[0].positions * [1, -1, 1], atol=1e-3)
    page.keyboard.press("c")
    wrist, hip = (
        np.array(page.evaluate(f"viewer(state.clip, 400, 400)([{x}, {y}, {z}])"))
        for x, y, z in ((0.3, 0.9, -0.2), (0, 0.8, 0))
    )
    assert wrist[0] > hip[0] == 200
    assert wrist[1] < hip[1]
    assert wrist[3] == pytest.approx(hip[3] - 0.2), "nearer"
    found = np.array(page.evaluate("axes([0, -Math.cos(0.3), -Math.sin(0.3)])"))  # the camera looks down
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found[0], [1, 0, 0], atol=1e-12)
    assert found[2] @ [0, 0, 1] > 0.9
    assert np.linalg.det(found) == pytest.approx(-1), "y is turned over"


def test_the_drawing_follows_a_person_who_walks_across_the_image(open_player: Open, lifted: Lifted) -> None:
    pixels = lifted.clips[0].pixels.copy()
    pixels[..., 0] = 30 * np.arange(90)[:, None]
    page = open_player(content=player_page(replace(lifted, clips=(replace(lifted.clips[0], pixels=pixels),))))
    centred = [page.evaluate(f"zoom(state.clip, {frame}, 400, 400)(30 * {frame}, 0)[0]") for frame in (45, 55)]
    assert centred == pytest.approx([200, 200], abs=1)


def test_distance_error_and_truth_are_shown_and_the_truth_can_be_hidden(open_player: Open, lifted: Lifted) -> None:
    page = open_player()
    with_truth, clip = picture(page), lifted.clips[0]
    away = np.linalg.norm(clip.root[0])
    assert page.locator("#made").inner_text() == f"{away:.2f} m from the camera · MPJPE {clip.errors[0]:.0f} mm"
    assert page.locator("#seen").inner_text() == "1024 × 512 pixels"
    page.keyboard.press("t")
    assert picture(page) != with_truth
    assert not page.locator("#truth").is_checked()
    page.locator("#truth").check()
    assert picture(page) == with_truth


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1600, "dark")])
def test_it_fits_any_width_and_is_light_or_dark_as_the_reader_s_system(width, scheme, open_player) -> None:
    page = open_player(viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    panes = [page.locator(f"#{name}").bounding_box() for name in ("flat", "space")]
    assert all(pane["width"] > 200 for pane in panes)
    assert (panes[0]["y"] == panes[1]["y"]) == (width == 1600), "below each other where there is little room"
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert min(colour) > 240 if scheme == "light" else max(colour) < 40


def test_in_a_frame_it_takes_the_colours_of_the_notebook_around_it(open_player: Open, lifted: Lifted) -> None:
    body = f'<body data-jp-theme-light="false">{player_frame(lifted, "instead")}'
    page = open_player(content=body, color_scheme="light")
    inside = page.frame_locator("iframe")
    inside.locator(":root[data-theme=dark]").wait_for(state="attached")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    inside.locator(":root[data-theme=light]").wait_for(state="attached")
    inside.locator("#seek").fill("3")
    assert inside.locator("#clock").inner_text().startswith("frame 4")
    height = inside.locator(":root").evaluate("root => root.scrollHeight")
    assert height <= page.locator("iframe").bounding_box()["height"]


def test_left_has_its_colour_and_is_on_the_side_where_the_keypoints_have_it(open_player: Open, lifted: Lifted) -> None:
    page = open_player()
    picture(page, "flat")
    place = lifted.clips[0].pixels[0, H36M_17.index("LWrist")].astype(float).tolist()
    found = page.evaluate(
        """([x, y]) => {
             const canvas = document.getElementById('flat'), ratio = devicePixelRatio;
             const at = zoom(state.clip, 0, canvas.clientWidth, canvas.clientHeight)(x, y);
             return Array.from(canvas.getContext('2d').getImageData(at[0] * ratio, at[1] * ratio, 1, 1).data.slice(0, 3));
           }""",
        place,
    )
    assert found == list(bytes.fromhex(LEFT[1:]))


def test_a_take_s_cameras_are_seen_beside_each_other_and_the_chosen_one_is_marked(
    open_player, lifted, hand_made
) -> None:
    data = hand_made([("S9", "Walking", "0", 0, 9), ("S9", "Walking", "0", 1, 9)])
    take = lift(made_up_model(), data, data.clips, "simulated")
    page = open_player(content=player_page(replace(take, model="")))
    page.locator("#seek").fill("3")
    first = picture(page, "flat"), picture(page)
    page.keyboard.press("ArrowDown")
    second = picture(page, "flat"), picture(page)
    assert frame(page) == 3, "the same moment in another camera"
    assert second[0] != first[0], "another one is marked"
    assert second[1] != first[1]
    assert page.locator("#in").inner_text() == "what the cameras see"


def test_on_a_phone_the_controls_come_first(open_player: Open) -> None:
    page = open_player(viewport={"width": 400, "height": 800})
    tops = [page.locator(name).bounding_box()["y"] for name in ("h1", "#play", "#clip", "#flat", "#space", "#about")]
    assert tops == sorted(tops)
    assert page.evaluate("document.documentElement.scrollHeight") <= 800


def test_a_video_lies_behind_its_keypoints_until_it_is_switched_off(open_player: Open, tmp_path: Path) -> None:
    places = [(20 + n, 30) for n in range(30)]
    path = write_video(tmp_path / "walk.mp4", blobs(places), fps=25)
    pixels = (Blobs.offsets + np.array(places)[:, None]).astype(np.float32)
    poses = np.random.default_rng(0).normal(size=(30, 17, 3)).astype(np.float32)
    clip = LiftedClip("walk", "custom", "0", Camera("walk", *SIZE), 25.0, np.arange(30), pixels, poses)
    lifted = Lifted("made-up", "walk", False, "coco", COCO_17, H36M_17, (clip,), video=VideoFile(path))
    page = open_player(content=player_page(lifted))
    reds = """() => {
      const flat = document.getElementById('flat'), pen = new OffscreenCanvas(flat.width, flat.height).getContext('2d');
      pen.drawImage(flat, 0, 0);
      const data = pen.getImageData(0, 0, flat.width, flat.height).data;
      let count = 0;
      for (let n = 0; n < data.length; n += 4) count += data[n] > 180 && data[n + 1] < 60 && data[n + 2] < 60;
      return count / (data.length / 4);
    }"""
    for key in ("End", "Home"):
        page.keyboard.press(key)
        picture(page, "flat")
        page.wait_for_timeout(200)
        assert page.evaluate(f"({reds})()") > 0.1
    page.keyboard.press("v")
    picture(page, "flat")
    assert page.evaluate(f"({reds})()") < 0.01
    assert page.locator("#pictures").is_visible()
