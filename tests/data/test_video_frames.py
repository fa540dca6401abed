"""Frames of video files: upright, at a constant rate, one at a time."""

import av
import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.video.frames import VideoFile, webcam
from tests.helpers.videos import SIZE, grey, write_video


def shades(video):
    """Frame numbers and the mean brightness of each."""
    read = [(frame.number, float(frame.image.mean())) for frame in video]
    return [number for number, _ in read], np.array([shade for _, shade in read])


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "png"])
def test_frames_come_in_order_with_their_times(tmp_path, codec):
    video = VideoFile(write_video(tmp_path / "ramp.mp4", grey(range(20, 220, 20)), fps=25, codec=codec))
    assert (video.size, video.fps, video.count, video.notes) == (SIZE, 25.0, 10, [])
    for _ in range(2):  # it can be read again
        numbers, brightness = shades(video)
        assert numbers == list(range(10))
        assert brightness == pytest.approx(np.arange(20, 220, 20), abs=4)
    assert [frame.time for frame in video] == pytest.approx(np.arange(10) / 25)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_images_are_turned_as_players_turn_them(tmp_path, turn):
    image = np.zeros((*SIZE[::-1], 3), np.uint8)
    image[:32, :32] = (250, 0, 0)  # top left is red
    video = VideoFile(write_video(tmp_path / "turned.mp4", [image] * 3, rotation=turn))
    shown = np.rot90(image, turn // 90)
    assert video.size == shown.shape[1::-1]
    for frame in video:
        assert np.abs(frame.image.astype(int) - shown).mean() < 8


def test_a_variable_rate_becomes_constant_with_gaps_left_out(tmp_path):
    steps = np.full(30, 40)
    steps[10], steps[20] = 400, 120  # milliseconds: ten and three frames at 25 per second
    times = np.append(0, np.cumsum(steps)) / 1000
    video = VideoFile(write_video(tmp_path / "gaps.mkv", grey(range(20, 51)), times=times, codec="mpeg4"))
    numbers, _ = shades(video)
    assert video.fps == pytest.approx(25)
    assert numbers == np.rint(25 * times).astype(int).tolist()
    assert len(video.notes) == 1
    assert "25 per second" in video.notes[0]


def test_times_rounded_to_milliseconds_are_a_steady_rate(tmp_path):
    video = VideoFile(
        write_video(tmp_path / "ntsc.mkv", grey([100] * 60), times=np.arange(60) * 1001 / 30000, codec="mpeg4")
    )
    assert video.fps == pytest.approx(30000 / 1001, rel=1e-3)
    assert video.notes == []
    assert shades(video)[0] == list(range(60))


@pytest.mark.parametrize(("own", "asked", "given", "kept"), [(240, None, 60, 4), (60, 20, 20, 3), (1, None, 1, 1)])
def test_fast_videos_are_thinned(tmp_path, own, asked, given, kept):
    values = np.arange(20, 220, 8)
    video = VideoFile(write_video(tmp_path / "fast.mp4", grey(values), fps=own), asked)
    numbers, brightness = shades(video)
    assert video.fps == pytest.approx(given)
    assert video.count == len(numbers) == len(values[::kept])
    assert brightness == pytest.approx(values[::kept], abs=4)
    assert bool(video.notes) == (kept > 1)


def test_more_frames_than_the_video_has_are_refused(tmp_path):
    path = write_video(tmp_path / "slow.mp4", grey([50] * 5), fps=25)
    with pytest.raises(InputError, match=r"fps: found 50, but slow\.mp4 has 25"):
        VideoFile(path, 50)


def test_a_file_that_is_cut_off_gives_what_it_holds(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, *SIZE[::-1], 3), np.uint8)
    path = write_video(tmp_path / "cut.avi", list(noise))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    video = VideoFile(path)
    numbers, _ = shades(video)
    assert 5 <= len(numbers) < 15
    assert video.count >= len(numbers)
    assert "of the 20 frames" in " ".join(video.notes)


def test_damaged_frames_are_missing_and_said(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, *SIZE[::-1], 3), np.uint8)
    path = write_video(tmp_path / "damaged.mp4", list(noise))
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    content[place : place + 2000] = bytes(2000)
    path.write_bytes(content)
    video = VideoFile(path)
    numbers, _ = shades(video)
    assert 15 <= len(numbers) < 20
    assert "are damaged" in video.notes[-1]


def _beginning(path):
    write_video(path, grey([50] * 5))
    path.write_bytes(path.read_bytes()[:200])


def _sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _undecodable(path):
    write_video(path, grey([50] * 5), codec="mpeg4")
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4", b"V_XXXX4"))


def _playlist(path):
    write_video(path.with_name("other.ts"), grey([50] * 5), codec="mpeg2video")
    path.write_text("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("text.mp4", lambda path: path.write_text("no video"), "cannot be read as a video"),
        ("empty.mp4", lambda path: path.write_bytes(b""), "cannot be read as a video"),
        ("beginning.mp4", _beginning, "cannot be read as a video"),
        ("list.m3u8", _playlist, "cannot be read as a video"),
        ("sound.mkv", _sound, "there is no video in it"),
        ("codec.mkv", _undecodable, "no video in it that can be decoded"),
    ],
)
def test_what_is_no_video_is_refused_with_what_to_do(tmp_path, name, make, said):
    make(tmp_path / name)
    with pytest.raises(InputError, match=said):
        VideoFile(tmp_path / name)


def test_a_camera_that_is_not_there_is_said():
    with pytest.raises(InputError, match="camera 97: gives no image"):
        next(webcam(97))
