"""Lifting as it happens: the same poses as of the whole clip, from a file, made-up images or a camera that is too fast."""

import json
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import COCO_17, H36M_17, ROOT
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.sources.video.frames import Frame
from pose3d_lib.model.card import TrainedModel
from pose3d_lib.model.predict import predict
from pose3d_lib.report import live
from pose3d_lib.report.live import Counts, LiveLifter, newest, seen_in_frames
from pose3d_lib.report.live_page import LivePage
from pose3d_lib.runs.models import save_model
from tests.helpers import detection_files
from tests.helpers.console import Called
from tests.helpers.made_up_models import made_up_model

METRES = 1e-5
SIZE = (1024, 512)
LWRIST = H36M_17.index("LWrist")
ROWS = [("S9", "Walking", "0", 0, 30)]


def causal(**settings) -> TrainedModel:
    return made_up_model(3, 3, 3, causal=True, trajectory=True, mirrored=False, **settings)


class MadeUpDetector:
    """Finds in the n-th image what it was given for it: (people, joints, 3)."""

    layout = "h36m"

    def __init__(self, people: list[np.ndarray]):
        self.people = people

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return self.people[image[0, 0, 0]]


def images(*numbers: int) -> Iterator[Frame]:
    """Each shows its number; the number of the detector's answer is that of the image."""
    for place, number in enumerate(numbers):
        yield Frame(number, number / 50, np.full((*SIZE[::-1], 3), place, np.uint8))


def scored(pixels: np.ndarray) -> np.ndarray:
    """(frames, joints, 2) -> (frames, joints, 3), all of them seen well."""
    return np.concatenate([pixels, np.full((*pixels.shape[:-1], 1), 0.75, np.float32)], axis=-1)


def lifted(model: TrainedModel, people: list[np.ndarray], numbers: tuple[int, ...] = ()) -> list[live.LiveFrame]:
    frames = images(*(numbers or range(len(people))))
    seen = seen_in_frames(frames, MadeUpDetector(people), H36M_17, Counts())
    return list(map(LiveLifter(model), seen))


def at_once(model: TrainedModel, data) -> tuple[np.ndarray, np.ndarray]:
    """What the whole clip is lifted to: poses, and places of the root."""
    given = (data, data.clips, "simulated")
    (poses,) = next(predict(model.lifters.pose, *given, mirror=False))
    (roots,) = next(predict(model.lifters.trajectory, *given, mirror=False, joints=ROOT))
    return poses.numpy(), roots[:, 0].numpy()


def test_images_one_by_one_are_lifted_as_the_whole_clip(hand_made) -> None:
    data, model = hand_made(ROWS), causal()
    found = lifted(model, list(scored(data.keypoints["simulated"])[:, None]))
    poses, roots = at_once(model, data)
    assert np.abs(np.stack([frame.pose for frame in found]) - poses).max() < METRES
    assert np.abs(np.stack([frame.root for frame in found]) - roots).max() < METRES


def test_what_is_missing_stays_where_it_was_with_a_score_of_0(hand_made) -> None:
    data, model = hand_made(ROWS), causal(in_features=3)
    held = scored(data.keypoints["simulated"])
    people = [person.copy()[None] for person in held]
    for frame, joint in ((3, LWRIST), (4, LWRIST), (9, 0)):
        people[frame][0, joint] = (np.nan, np.nan, 0.5)
        held[frame, joint] = (*held[frame - 1, joint, :2], 0)
    people[12] = people[12][:0]  # nobody is found
    held[12] = held[11] * [1, 1, 0]
    held[20, :, :2], held[20, :, 2] = held[19, :, :2], 0  # a frame that the video lacks
    numbers = tuple(number for number in range(30) if number != 20)
    found = lifted(model, [people[number] for number in numbers], numbers)
    assert [frame.seen.number for frame in found] == list(range(30))
    np.testing.assert_array_equal(np.stack([frame.points for frame in found]), held)
    changed = hand_made(ROWS, keypoints={"simulated": held[..., :2]}, layouts={"simulated": H36M_17},
                        scores={"simulated": held[..., 2]})  # fmt: skip
    poses, _ = at_once(model, changed)
    assert np.abs(np.stack([frame.pose for frame in found]) - poses).max() < METRES


def test_a_joint_that_was_never_seen_is_waited_for_and_a_person_who_comes_back_begins_a_clip(hand_made) -> None:
    people = list(scored(hand_made(ROWS).keypoints["simulated"])[:, None])
    people[0] = people[0].copy()
    people[0][0, LWRIST] = np.nan
    gap = [people[0][:0]] * (live.MAX_GAP + 1)
    found = lifted(causal(), [*people[:5], *gap, *people[:5]])
    there = [frame.pose is not None for frame in found]
    assert there == [False, *[True] * (4 + live.MAX_GAP), False, False, *[True] * 4]
    np.testing.assert_array_equal(found[1].pose, found[-4].pose)
    told = [LiveLifter(causal()).tell(found[place]) for place in (0, 1, 15)]
    assert told == ["Nothing is lifted yet · not seen: LWrist", "Model made-up", "Nobody is seen."]


def test_of_several_people_one_is_followed() -> None:
    walk = scored(detection_files.walk(6).astype(np.float32))
    other = scored(detection_files.walk(6, at=(700, 250)).astype(np.float32)) * [1, 1, 0.5]
    people = [np.stack([walk[n], other[n]] if n % 2 else [other[n], walk[n]]) for n in range(6)]
    people[3][:, :, 2] = [[0.1], [0.9]]  # the other one is surer now
    detector = MadeUpDetector(people)
    detector.layout = "coco"
    seen = list(seen_in_frames(images(*range(6)), detector, COCO_17, Counts()))
    np.testing.assert_allclose([own.points[:, :2] for own in seen], walk[..., :2])


def test_models_that_cannot_lift_it_are_refused() -> None:
    with pytest.raises(InputError, match="causal"):
        LiveLifter(made_up_model())
    with pytest.raises(InputError, match="told the action"):
        LiveLifter(made_up_model(causal=True, labels=("Eating", "Walking")))
    detector = MadeUpDetector([])
    detector.layout = "openpose_18"
    with pytest.raises(InputError, match="openpose_18"):
        next(seen_in_frames(images(0), detector, LAYOUTS["halpe_26"], Counts()))


def test_of_a_camera_that_is_faster_than_the_detector_the_newest_frame_is_taken() -> None:
    first_taken, all_there = Event(), Event()

    def camera() -> Iterator[Frame]:
        frames = images(*range(5))
        yield next(frames)
        first_taken.wait()
        yield from frames
        all_there.set()
        raise InputError("the camera was unplugged")

    counts = Counts()
    frames = newest(camera(), counts)
    assert next(frames).time == 0
    first_taken.set()
    all_there.wait()
    second = next(frames)
    assert (second.number, second.time, counts.dropped) == (1, 4 / 50, 3)
    with pytest.raises(InputError, match="unplugged"):
        next(frames)


@pytest.fixture
def call(console: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Called:
    """`pose3d live` of a made-up model, with a made-up video, in which somebody walks, or a camera."""

    class Film:
        fps, notes = 5.0, ("made up.",)

        def __init__(self, path: Path, fps: float | None):
            if path.suffix != ".mp4":
                raise InputError(f"{path}: not a video")
            self.rate = fps or self.fps

        def __iter__(self) -> Iterator[Frame]:
            for frame in images(*range(3)):
                yield frame._replace(time=frame.number / self.rate)
            raise KeyboardInterrupt

    people = list(scored(detection_files.walk(3).astype(np.float32))[:, None])
    monkeypatch.setattr(live, "VideoFile", Film)
    monkeypatch.setattr(live, "webcam", lambda index: images(*range(index)))
    monkeypatch.setattr(live, "open_detector", lambda name: MadeUpDetector(people))
    save_model(causal(), tmp_path / "model.safetensors")
    return partial(console, "live", "--model", str(tmp_path / "model.safetensors"))


def test_a_video_becomes_lines_until_ctrl_c_and_a_camera_as_fast_as_it_can(call: Called) -> None:
    code, out, err = call("film.mp4", "--json", "--fps", "10")
    about, *frames = map(json.loads, out.splitlines())
    assert (code, about["format"], about["video"]) == (0, live.FORMAT, "film.mp4")
    assert about["joints"] == list(H36M_17.joints)
    assert [(frame["frame"], frame["time"]) for frame in frames] == [(0, 0), (1, 0.1), (2, 0.2)]
    assert np.shape(frames[2]["positions"]) == np.shape(frames[2]["keypoints"]) == (17, 3)
    assert len(frames[2]["trajectory"]) == 3
    assert err.splitlines()[:2] == ["made up.", "Warning: 5 frames per second; the model was trained on 50 to 50."]
    assert err.splitlines()[-1] == "3 frames, 3 lifted, 0 dropped to keep up."
    code, out, err = call("--camera", "3", "--json")
    frames = [json.loads(line)["frame"] for line in out.splitlines()[1:]]
    assert (code, frames) == (0, list(range(len(frames))))
    assert f"{len(frames)} frames, {len(frames)} lifted" in err
    assert f"{3 - len(frames)} dropped to keep up" in err
    code, _, err = call("phone.json")
    assert (code, err) == (2, "error: phone.json: not a video\n")


def ask(address: str, path: str = "/", *, host: str = "", token: str = "") -> tuple[int, bytes]:
    """Status and body; of the messages their first line."""
    where = urlsplit(address)
    connection = HTTPConnection(where.hostname, where.port, timeout=20)
    headers = {"Host": host or where.netloc}
    connection.request("GET", f"{path}?{token or where.query}", headers=headers)
    answer = connection.getresponse()
    body = answer.readline() if path == "/events" and answer.status == 200 else answer.read()
    connection.close()
    return answer.status, body


def test_the_page_is_for_this_machine_and_its_token_alone(hand_made) -> None:
    (frame,) = lifted(causal(), list(scored(hand_made(ROWS).keypoints["simulated"])[:1, None]))
    odd = "</script><script>alert(1)</script>&amp;"
    with LivePage(odd, causal().card) as page:
        where = urlsplit(page.address)
        assert where.hostname == "127.0.0.1"
        assert page.server_address[0] == "127.0.0.1"
        for path in ("/", "/events"):
            assert ask(page.address, path, token="token=wrong")[0] == 403
            assert ask(page.address, path, token="nothing=1")[0] == 403
            assert ask(page.address, path, host=f"evil.example:{where.port}")[0] == 403
            assert ask(page.address, path, host="127.0.0.1")[0] == 403, "the port belongs to it"
        assert ask(page.address, "/etc/passwd")[0] == 404
        status, body = ask(page.address, host=f"localhost:{where.port}")
        assert (status, body.count(b"<script>")) == (200, 1)
        assert b"default-src 'none'" in body
        page.show(frame, odd)
        status, line = ask(page.address, "/events")
        message = json.loads(line.removeprefix(b"data: "))
        assert (status, message["told"], message["clip"]["frames"], message["over"]) == (200, odd, 1, False)


def test_the_page_is_told_every_pose_of_a_video_and_when_it_is_over(call: Called, monkeypatch) -> None:
    messages: list[dict] = []

    def look(address: str) -> None:
        where = urlsplit(address)
        connection = HTTPConnection(where.hostname, where.port, timeout=20)
        connection.request("GET", f"/events?{where.query}")
        answer = connection.getresponse()
        while not messages or not messages[-1]["over"]:
            line = answer.readline()
            if line.startswith(b"data: "):
                messages.append(json.loads(line.removeprefix(b"data: ")))
        connection.close()

    threads: list[Thread] = []

    def open_browser(address: str) -> None:
        threads.append(Thread(target=look, args=(address,)))
        threads[0].start()

    monkeypatch.setattr("webbrowser.open", open_browser)
    code, out, err = call("film.mp4", "--fps", "100")
    threads[0].join(20)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("3 frames, 3 lifted")
    assert messages[-1]["over"]
    clips = [message["clip"] for message in messages if message["clip"]]
    assert [clip["frames"] for clip in clips] == sorted({clip["frames"] for clip in clips}), "a frame more each time"
    assert clips[-1]["fps"] == pytest.approx(100)
