"""Pictures of a video's frames: the person in the middle, of the frame that was asked for."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.data.sources.video.frames import VideoFile
from pose3d_lib.model.predict import Lifted, LiftedClip
from pose3d_lib.report import pictures
from pose3d_lib.report.figures.skeletons import save_animation
from pose3d_lib.report.pictures import Picture, cut_pictures, follow
from pose3d_lib.report.player import player_page
from tests.helpers.videos import SIZE, Blobs, blobs, write_video

FRAMES = 30
PATH = np.column_stack([np.linspace(20, 76, FRAMES), np.linspace(20, 44, FRAMES)]).round()


@pytest.fixture(scope="module")
def lifted(tmp_path_factory) -> Lifted:
    """A red blob that moves through the picture, at 25 frames per second, and grows brighter."""
    images = [image * np.float32(0.5 + n / 60) for n, image in enumerate(blobs(PATH.tolist()))]
    path = write_video(
        tmp_path_factory.mktemp("video") / "walk.mp4", [image.astype(np.uint8) for image in images], fps=25
    )
    pixels = (Blobs.offsets + PATH[:, None]).astype(np.float32)
    poses = np.random.default_rng(0).normal(size=(FRAMES, 17, 3)).astype(np.float32)
    clip = LiftedClip("walk", "custom", "0", Camera("walk", *SIZE), 25.0, np.arange(FRAMES), pixels, poses)
    return Lifted("made-up", "walk", False, "coco", COCO_17, H36M_17, (clip,), video=VideoFile(path))


def red(picture: Picture) -> tuple[float, float, float]:
    """Where in the frame the blob is, and how bright."""
    amount = picture.image[..., 0].astype(float)
    rows, columns = np.nonzero(amount > 60)
    left, top, right, _ = picture.box
    scale = (right - left) / amount.shape[1]
    middle = left + (columns.mean() + 0.5) * scale, top + (rows.mean() + 0.5) * scale
    return *middle, float(np.median(amount[amount > 60]))


def test_pictures_are_of_their_frames_and_lie_where_the_keypoints_are(lifted):
    (found,) = cut_pictures(lifted, lifted.clips, [[0, 7, 29]])
    assert list(found) == [0, 7, 29]
    for place, picture in found.items():
        x, y, brightness = red(picture)
        assert (x, y) == pytest.approx(PATH[place] + 0.5, abs=1)
        assert brightness == pytest.approx(250 * (0.5 + place / 60), abs=20)
        left, top, right, bottom = picture.box
        assert 0 <= left < x < right <= SIZE[0]
        assert 0 <= top < y < bottom <= SIZE[1]


def test_frames_are_known_by_their_numbers_in_the_video(lifted):
    (found,) = cut_pictures(lifted, [lifted.clips[0].part(slice(4, None, 2))], [[3]])
    assert red(found[3])[0] == pytest.approx(PATH[10, 0] + 0.5, abs=1)


def test_without_a_video_or_beyond_what_is_read_there_are_none(lifted, monkeypatch):
    assert cut_pictures(replace(lifted, video=None), lifted.clips, [[0, 1]]) == [{}]
    monkeypatch.setattr(pictures, "MOST_READ", 5)
    assert list(cut_pictures(lifted, lifted.clips, [[3, 4, 5, 6]])[0]) == [3, 4]


def test_keypoints_out_of_the_picture_have_none(lifted):
    clip = replace(lifted.clips[0], pixels=lifted.clips[0].pixels + np.float32(500))
    assert cut_pictures(lifted, [clip], [[0, 1]]) == [{}]


def test_a_few_frames_of_somebody_else_do_not_make_the_person_small(lifted):
    clip = replace(lifted.clips[0], pixels=np.repeat(lifted.clips[0].pixels, 8, axis=0))
    middles, reach = follow(clip)
    pixels = clip.pixels.copy()
    pixels[100:103] += 300
    assert follow(replace(clip, pixels=pixels))[1] == reach
    assert follow(replace(clip, pixels=pixels))[0] == pytest.approx(middles, abs=3)


def test_the_player_holds_the_pictures_and_a_video_is_no_network(lifted):
    page = player_page(lifted)
    content = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
    packed = content["clips"][0]["pictures"]
    assert [place for place, *_ in packed] == list(range(0, FRAMES, 2))
    assert base64.b64decode(packed[0][-1]).startswith(b"\xff\xd8\xff")
    assert "img-src data:;" in page
    assert not re.findall(r"https?:|<img|<video|src=", page)
    many = replace(lifted, clips=lifted.clips * 12)
    content = json.loads(re.findall(r'id="data">(.*?)</script>', player_page(many), re.DOTALL)[0])
    assert [len(clip["pictures"]) for clip in content["clips"]] == [15] * 12


def test_the_animation_shows_the_video_behind_the_keypoints(lifted, tmp_path: Path):
    def reds(own: Lifted) -> int:
        save_animation(own, own.clips, tmp_path / "a.gif")
        with Image.open(tmp_path / "a.gif") as image:
            image.seek(image.n_frames - 1)
            frame = np.asarray(image.convert("RGB")).astype(int)
        return int(((frame[..., 0] > 200) & (frame[..., 1] < 60)).sum())

    assert reds(lifted) > 1000
    assert reds(replace(lifted, video=None)) < 100
