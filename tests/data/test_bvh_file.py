"""The BVH reader and forward kinematics: known answers in every channel order, and every broken file refused by line."""

import time
import tracemalloc
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.bvh.file import parse_bvh, read_bvh, read_joint_names
from pose3d_lib.data.sources.bvh.motion import fill_zero_positions, joint_positions
from tests.helpers.bvh_texts import PERSON, Joint, bvh_text, in_file_order, walk
from tests.helpers.fuzzing import fuzzed

ARM = """HIERARCHY
ROOT Shoulder
{
  OFFSET 1 2 3
  CHANNELS 3 Zrotation Xrotation Yrotation
  JOINT Elbow
  {
    OFFSET 10 0 0
    CHANNELS 4 Zrotation Xposition Xrotation Yrotation
    End Site
    {
      OFFSET 0 5 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.02
0 0 0 0 10 0 0
90 0 0 90 12 0 0
"""


def parse(text: str | bytes):
    return parse_bvh(text.encode() if isinstance(text, str) else text, "arm.bvh")


def positions(text: str) -> np.ndarray:
    bvh = parse(text)
    return joint_positions(bvh, range(len(bvh.names)))


def by_hand(joints: list[Joint], motion: np.ndarray) -> np.ndarray:
    """(frames, joints, 3) of joints in file order, one frame and joint at a time, rotations by scipy."""
    found = np.zeros((len(motion), len(joints), 3))
    names = [joint[0] for joint in joints]
    for frame, row in enumerate(motion):
        turns, column = [], 0
        for number, (_, parent, offset, channels) in enumerate(joints):
            values = dict(zip((channel.lower() for channel in channels), row[column:], strict=False))
            column += len(channels)
            place = [values.get(f"{axis}position", offset["xyz".index(axis)]) for axis in "xyz"]
            order = [name[0].upper() for name in values if "rotation" in name]
            turn = Rotation.identity()
            for axis in order:  # capital letters: about axes that turn along
                turn = turn * Rotation.from_euler(axis, values[f"{axis.lower()}rotation"], degrees=True)
            if parent:
                above = names.index(parent)
                found[frame, number] = found[frame, above] + turns[above].apply(place)
                turn = turns[above] * turn
            else:
                found[frame, number] = place
            turns.append(turn)
    return found


@pytest.mark.parametrize("order", ["Y", "ZX", *("".join(order) for order in permutations("XYZ"))])
def test_every_order_of_rotations_is_that_of_scipy_and_positions_take_the_place_of_the_offset(order) -> None:
    rng = np.random.default_rng(len(order))
    channels = ["Zposition", *(f"{axis}rotation" for axis in order), "Xposition"]
    joints = [("A", "", (1, 2, 3), channels), ("B", "A", (4, 5, 6), channels), ("B.end", "B", (7, 8, 9), ())]
    motion = rng.uniform(-180, 180, (4, 2 * len(channels)))
    np.testing.assert_allclose(positions(bvh_text(joints, motion)), by_hand(joints, motion), atol=1e-9)


def test_a_person_is_where_frame_by_frame_reckoning_says() -> None:
    joints, motion = in_file_order(PERSON), walk(200, speed=0.1).round(3)
    bvh = parse(bvh_text(PERSON, motion))
    assert bvh.names == tuple(joint[0] for joint in joints)
    some = [3, 120, 199]
    wanted = [bvh.names.index(name) for name in ("LeftWrist", "Head.end", "Hips")]
    expected = by_hand(joints, motion[some])[:, wanted]
    np.testing.assert_allclose(joint_positions(bvh, wanted)[some], expected, atol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n").replace("  ", "\t"),
        lambda text: " ".join(text.split()),
        lambda text: "\ufeff" + text,
        lambda text: text.upper().replace("SHOULDER", "Shoulder").replace("ELBOW", "Elbow"),
        lambda text: text.replace("\n{", " {").replace("ROOT Shoulder {", "root Shoulder{"),
        lambda text: text.replace("Frames: 2", "Frames:2").replace("Time: 0.02", "Time:\t.0200") + "   \n\n\n",
        lambda text: text.replace("90 0 0 90 12", "9e1 +0. -0 90.00 1.2E1"),
    ],
)
def test_blanks_letter_case_and_ways_to_write_numbers_make_no_difference(change) -> None:
    text = change(ARM)
    assert text != ARM
    bvh = parse(text)
    assert bvh.names == ("Shoulder", "Elbow", "Elbow.end")
    assert bvh.fps == 50
    np.testing.assert_array_equal(bvh.motion, [[0, 0, 0, 0, 10, 0, 0], [90, 0, 0, 90, 12, 0, 0]])


@pytest.mark.parametrize(("seconds", "fps"), [(".0083333", 120), ("0.033333", 30), ("0.0333667", 1 / 0.0333667)])
def test_a_frame_time_cut_off_by_its_writer_is_a_whole_number_of_frames_per_second(seconds, fps) -> None:
    assert parse(ARM.replace("0.02", seconds)).fps == fps


def test_names_may_hold_blanks_and_any_letters_and_a_joint_may_have_several_end_sites() -> None:
    end = "End Site\n{\nOFFSET 0 5 0\n}\n"
    text = ARM.replace("Elbow", "linker Ellbogen é").replace("    End Site", f"{end}End Site")
    assert parse(text).names == (
        "Shoulder", "linker Ellbogen é", "linker Ellbogen é.end", "linker Ellbogen é.end2"
    )  # fmt: skip
    assert parse(ARM.encode().replace(b"Elbow", b"Ellb\xf6gen")).names[1] == r"Ellb\xf6gen"


@pytest.mark.parametrize("channels", ["", "CHANNELS 0\n"])
def test_joints_without_channels_keep_their_offset(channels) -> None:
    joints = [("A", "", (1, 2, 3), ["Zrotation"]), ("B", "A", (4, 0, 0), ()), ("C", "B", (4, 0, 0), ())]
    text = bvh_text(joints, np.array([[90.0]])).replace("OFFSET 4.0 0.0 0.0\n", f"OFFSET 4 0 0\n{channels}")
    np.testing.assert_allclose(positions(text)[0, 2], [1, 10, 3], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("HIERARCHY", "solid cube", "not a BVH file: it begins with 'solid cube"),
        ("MOTION", "", "line 17: found 'Frames: 2.*expected ROOT"),
        ("\nMOTION", "\nROOT Two\n{\nOFFSET 0 0 0\n}\nMOTION", "line 16: a second ROOT"),
        ("JOINT Elbow", "MOTION\nJOINT Elbow", "line 6: 'MOTION' does not belong there"),
        ("ROOT Shoulder", "JOINT Shoulder", "line 2: 'JOINT Shoulder {' does not belong there"),
        ("JOINT Elbow", "JOINT", "line 6: the joint's name is ''"),
        ("JOINT Elbow", "JOINT Shoulder", "line 6: the joint's name is 'Shoulder'; .*different names"),
        ("ROOT Shoulder\n{", "ROOT }\n{", "line 2: found 'ROOT }"),
        ("OFFSET 10 0 0", "OFFSET 10 nan 0", "line 8: the OFFSET of 'Elbow' is '10 nan 0'"),
        ("    OFFSET 10 0 0\n", "", "'Elbow' has no OFFSET"),
        ("CHANNELS 4", "CHANNELS 3", "line 9: found 'CHANNELS 3 Z.*expected their number"),
        ("CHANNELS 4", "CHANNELS " + "9" * 5000, "line 9: found 'CHANNELS 9.*expected"),
        ("Xposition", "Wposition", "line 9: .*Wposition"),
        ("Xposition", "Xrotation", "line 9: .*different ones"),
        ("Frames: 2", "Frames: two", "line 16: expected 'Frames"),
        ("Frames: 2", "Frames: 0", "0 frames"),
        ("Frames: 2", "Frames: 3", "line 18: .*cut off"),
        ("Frames: 2\nFrame Time: 0.02\n", f"Frames: 3\nFrame Time: 0.02\n{' ' * 20}", "line 18: .*found 2 frames"),
        ("0.02", "0", "Frame Time between"),
        ("90 0 0 90 12 0 0", "90 0 0 90 12 0", "line 20: found 6 numbers, expected 7"),
        ("90 0 0 90", "90 0 x 90", "line 20: 'x' is not a number up to 10,000,000"),
        ("90 0 0 90", "90 0 nan 90", "line 20: 'nan'"),
        ("90 0 0 90", "90 0 1e30 90", "line 20: '1e30'"),
        ("90 0 0 90", "90 0 12.3456.789 90", r"line 20: '12\.3456\.789'"),
        ("90 0 0 90", "90 0 0,90", "line 20: '0,90'"),
        ("90 0 0 90", "90 0 \x00 90", r"x00"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_line(old, new, said) -> None:
    assert old in ARM
    with pytest.raises(InputError, match=said) as refusal:
        parse(ARM.replace(old, new, 1))
    assert str(refusal.value).startswith("arm.bvh")


def test_a_hierarchy_that_is_cut_off_is_refused_with_its_end() -> None:
    with pytest.raises(InputError, match="line 6: found the end, expected ROOT, JOINT"):
        parse(ARM.partition("  JOINT")[0])


def test_more_whole_frames_than_promised_are_read_and_part_of_one_is_not() -> None:
    bvh = parse(ARM.replace("Frames: 2", "Frames: 1"))
    assert len(bvh.motion) == 2
    with pytest.raises(InputError, match="line 20: found 6 numbers, expected 7"):
        parse(ARM.replace("Frames: 2", "Frames: 1").replace("90 12 0 0", "90 12 0"))


def test_positions_that_are_always_0_leave_a_joint_at_its_offset() -> None:
    six = ["Xposition", "Yposition", "Zposition", "Zrotation"]
    offsets = {"A": (1, 2, 3), "B": (4, 0, 0), "C": (5, 0, 0), "D": (0, 0, 0)}
    joints = [(name, parent, offset, six) for parent, (name, offset) in zip(["", *"ABC"], offsets.items(), strict=True)]
    motion = np.zeros((2, 16))
    motion[0, 8], motion[1, 3] = 6, 90  # C is moved in the first frame, A turned in the second
    found = joint_positions(fill_zero_positions(parse(bvh_text(joints, motion))), range(4))
    np.testing.assert_allclose(found[0, :, 0], [0, 4, 10, 10], atol=1e-12)
    np.testing.assert_allclose(found[1, :, 1], [0, 4, 4, 4], atol=1e-12)
    motion[0, 4] = 1
    moving = parse(bvh_text(joints, motion))
    assert fill_zero_positions(moving) is moving


def test_a_file_cut_off_anywhere_is_refused_and_never_read_short() -> None:
    whole = parse(ARM).motion
    for length in range(len(ARM) - 1):
        try:
            cut = parse(ARM[:length])
        except InputError:
            continue
        assert cut.motion.shape == whole.shape, length  # only the last number can have lost digits
        np.testing.assert_array_equal(cut.motion.ravel()[:-1], whole.ravel()[:-1])


def test_the_hierarchy_alone_is_read_whatever_the_motion_is(tmp_path: Path) -> None:
    path = tmp_path / "arm.bvh"
    path.write_text(ARM.replace("90 0 0 90", "broken"))
    assert read_joint_names(path) == ("Shoulder", "Elbow", "Elbow.end")


ROOT = b"HIERARCHY\nROOT r\n{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n"
ENDLESS = {
    "a name without end": b"HIERARCHY ROOT " + b"a " * 2_000_000,
    "a name of a megabyte": b"HIERARCHY ROOT " + b"a" * 3_000_000,
    "blanks without end": ROOT + b"}\nMOTION\nFrames:" + b" " * 3_000_000 + b"1",
    "empty lines": ROOT + b"}\nMOTION\nFrames: 1\nFrame Time: 1\n" + b"\n" * 1_000_000,
    "a hierarchy without end": ROOT + (b"OFFSET 0 0 " + b"0" * 300 + b"\n") * 10_000,
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_file_of_which_something_does_not_end_is_refused_at_once_with_little_memory(kind) -> None:
    tracemalloc.start()
    begun = time.process_time()
    try:
        with pytest.raises(InputError) as refusal:
            parse(ENDLESS[kind])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - begun < 5  # tracing makes it several times slower
    assert peak < 60e6
    assert len(str(refusal.value)) < 1000


def test_a_file_that_is_too_large_or_not_there_is_refused_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "large.bvh"
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse
    with pytest.raises(InputError, match=r"large\.bvh"):
        read_joint_names(path)
    for other in (tmp_path / "none.bvh", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_bvh(other)


CHANNELS = [axis + kind for kind in ("position", "rotation") for axis in "XYZ"]


@st.composite
def files(draw) -> tuple[list[Joint], np.ndarray]:
    numbers = st.floats(-1e6, 1e6, allow_nan=False)
    joints: list[Joint] = []
    for number in range(draw(st.integers(1, 8))):
        parent = "" if not joints else draw(st.sampled_from(joints))[0]
        channels = draw(st.lists(st.sampled_from(CHANNELS), unique=True, min_size=0 if joints else 1))
        joints.append((f"j{number}", parent, draw(st.tuples(numbers, numbers, numbers)), channels))
    width = sum(len(joint[3]) for joint in joints)
    frames = draw(st.integers(1, 4))
    values = draw(st.lists(numbers, min_size=frames * width, max_size=frames * width))
    return in_file_order(joints), np.array(values).reshape(frames, width)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(files())
def test_whatever_is_written_is_read_back(file) -> None:
    joints, motion = file
    bvh = parse(bvh_text(joints, motion))
    assert bvh.names == tuple(joint[0] for joint in joints)
    assert [bvh.names[p] if p >= 0 else "" for p in bvh.parents] == [joint[1] for joint in joints]
    assert bvh.channels == tuple(tuple(name.lower() for name in joint[3]) for joint in joints)
    np.testing.assert_array_equal(bvh.offsets, [joint[2] for joint in joints])
    np.testing.assert_allclose(bvh.motion, motion, rtol=1e-14)
    found = joint_positions(bvh, range(len(joints)))
    np.testing.assert_allclose(found, by_hand(joints, motion), rtol=1e-9, atol=1e-2)


@fuzzed
@given(st.data())
def test_a_file_changed_anywhere_is_read_or_refused_and_nothing_else(data) -> None:
    text = bytearray(ARM.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = min(len(text), start + data.draw(st.integers(0, 20)))
        piece = st.sampled_from([b"{", b"}", b"\n", b"0 ", b"JOINT ", b"End Site", b"MOTION", b"-", b"e", b"9" * 30])
        text[start:stop] = data.draw(st.one_of(st.binary(max_size=8), piece))
    try:
        bvh = parse(bytes(text))
    except InputError:
        return
    assert np.isfinite(bvh.motion).all()
    assert np.isfinite(joint_positions(bvh, range(len(bvh.names)))).all()
