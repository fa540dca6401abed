"""Naming CMU's takes: which descriptions stand for which action, and that nothing is named by guessing."""

import csv
from pathlib import Path

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.fetch import cmu_actions
from pose3d_lib.data.sources.fetch.cmu_actions import name_action, write_takes

INDEX = """A made-up index
  with prose in front, version 1.00

Person #1 (walks)

01_01\twalk, "slowly",   über
01_2   walk, then run
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in ("103/103_12.bvh", "001/01_02.bvh", "001/01_01.BVH", "002/02_05.bvh", "004/04_01.bvh", "odd/pose.bvh"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def test_takes_are_written_with_subject_and_take_of_their_file_and_the_description_that_named_them(
    folder: Path,
) -> None:
    (folder / "index.txt").write_text(INDEX, encoding="utf-8")
    assert write_takes(folder, folder / "index.txt").startswith("2 takes have an action; 4 without")
    with (folder / "takes.csv").open(encoding="utf-8", newline="") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == [
            ("001/01_01.BVH", "001", "Walking", "01", 'walk, "slowly", über'),
            ("103/103_12.bvh", "103", "Walking", "12", "DrunkWalk CleanedXY"),
        ]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"Subject #1 (walk)\n", b"01_01\t\n", b"07_01\twalk\n"])
def test_an_index_that_names_no_action_is_refused_by_name(content, folder: Path) -> None:
    (folder / "index.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"index\.txt: none of the BVH files in .* gets an action"):
        write_takes(folder, folder / "index.txt")
    assert not (folder / "takes.csv").exists()
