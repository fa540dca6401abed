"""Naming CMU's takes: which descriptions stand for which action, and that nothing is named by guessing."""

import csv
from pathlib import Path

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.fetch import cmu_actions
from pose3d_lib.data.sources.fetch.cmu_actions import name_action, name_takes, read_index, write_takes

INDEX = """A made-up index
  with prose in front, version 1.00

Person #1 (walks)

01_01\tslow walk
01_2   run in a circle
  2_01\tsits  down,   with two blanks

Subject #3 (no line of its own)

103_12\tDrunkWalk CleanedXY
"""


NAMED = {
    "Walking": ("slow walk", "walking around", "HurtWalk8", "Walking003", "walk on stilts, turn"),
    "Running": ("run/jog", "RunningStraight", "start to jog"),
    "Jumping": ("JumpSideways", "hops on the left foot"),
    "Climbing": ("climbs a ladder",),
    "Sitting": ("sit on a bench, stand up",),
    "Basketball": ("basketball - dribble and jump", "Basketball Shot", "basketball - free style dribble"),
    "BasketballSignals": ("basketball signals",),
    "Soccer": ("soccer - kick ball hard",),
    "Boxing": ("boxing",),
    "Dancing": ("Macarena Dance", "salsa", "lindyHop3", "dance - leap, run"),
    "DirectingTraffic": ("direct traffic, point",),
    "Drinking": ("drinking tea",), "Marching": ("soldiers march",), "Sweeping": ("mop the floor",),
    "Swimming": ("Back Stroke", "Free Style"), "Washing": ("wash the car", "wipe window"),
}  # fmt: skip
UNNAMED = (
    "", "Unknown", "standing", "walk, then run", "climb, sit, swing", "run jump", "wash a pan; boxing", "walk, stretch",
    "walk and pick up a hat", "Punching", "jump kick", "walk hand in hand (2 subjects - subject A)",
    "dancing bear (human subject)", "moonwalk", "sideways sidestep", "brunch", "truncated", "vignettes - walk",
    "jumping jacks",
)  # fmt: skip


def test_a_description_of_one_action_names_it_and_others_name_none() -> None:
    assert {action: tuple(map(name_action, texts)) for action, texts in NAMED.items()} == {
        action: (action,) * len(texts) for action, texts in NAMED.items()
    }
    assert set(NAMED) == {*cmu_actions.NAMED, *cmu_actions.PLAIN}
    assert [text for text in UNNAMED if name_action(text)] == []


def test_lines_of_the_index_are_read_and_headings_are_not(tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_text(INDEX)
    assert read_index(tmp_path / "index.txt") == {
        (1, 1): "slow walk",
        (1, 2): "run in a circle",
        (2, 1): "sits down, with two blanks",
        (103, 12): "DrunkWalk CleanedXY",
    }


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"Subject #1 (walk)\n", b"01_01\t\n"])
def test_an_index_without_a_line_is_refused_by_name(content, tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"index\.txt: has no line"):
        read_index(tmp_path / "index.txt")


def test_takes_get_the_subject_and_take_of_their_file_name() -> None:
    index = {(1, 1): "walk", (103, 12): "jog", (1, 2): "walk, run", (2, 5): "stand"}
    files = ["103/103_12.bvh", "001/01_02.bvh", "001/01_01.BVH", "002/02_05.bvh", "004/04_01.bvh", "odd/pose.bvh"]
    rows = [("001/01_01.BVH", "001", "Walking", "01", "walk"), ("103/103_12.bvh", "103", "Running", "12", "jog")]
    assert name_takes(files, index) == rows


def test_the_takes_are_written_with_the_description_that_named_them(tmp_path: Path) -> None:
    (tmp_path / "01_01.bvh").touch()
    (tmp_path / "index.txt").write_text(INDEX.replace("slow walk", 'walk, "slowly", über'), encoding="utf-8")
    write_takes(tmp_path, tmp_path / "index.txt")
    with (tmp_path / "takes.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert tuple(row.values()) == ("01_01.bvh", "001", "Walking", "01", 'walk, "slowly", über')


def test_files_without_any_action_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pose.bvh").touch()
    (tmp_path / "index.txt").write_text(INDEX)
    with pytest.raises(InputError, match="gets an action"):
        write_takes(tmp_path, tmp_path / "index.txt")
    assert not (tmp_path / "takes.csv").exists()
