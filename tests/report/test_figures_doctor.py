"""The data doctor's figure shows every take and is legible."""

from collections.abc import Callable
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import Checkup, check_dataset
from pose3d_lib.data.doctor.checks import ERROR
from pose3d_lib.data.sources.takes import thin
from pose3d_lib.report.figures import run as figures_run
from pose3d_lib.report.figures.run import LEVEL_COLOURS, PASSES
from tests.helpers.figure_checks import check_printable
from tests.helpers.source_files import without_3d


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def few(h36m_data) -> PoseDataset:
    """The first three takes of the tiny data, through four cameras."""
    return thin(h36m_data, h36m_data.clips.iloc[:12], 1)


@pytest.fixture(scope="module")
def flawed(few) -> PoseDataset:
    """A wrist jumps by a metre at frame 7 of the third take."""
    positions, clip = few.positions.copy(), few.clips.iloc[8]
    positions[clip.start + 7 : clip.stop, 16] += np.float32(1)
    return replace(few, positions=positions)


def dots(axes, colour: str) -> int:
    rgb = plt.matplotlib.colors.to_rgb(colour)
    return sum(len(c.get_offsets()) for c in axes.collections if tuple(c.get_facecolor()[0][:3]) == rgb)


@pytest.fixture(scope="module")
def checkup_of_flawed(flawed) -> Checkup:
    return check_dataset(flawed)


def test_every_take_has_a_dot_in_every_check_and_what_does_not_pass_lies_beyond_the_line(checkup_of_flawed) -> None:
    checkup = checkup_of_flawed
    figure = figures_run.draw_checks(checkup)
    axes = figure.axes[0]
    colours, takes = LEVEL_COLOURS, checkup.measures.drop_duplicates(["check", "take"])
    assert sum(dots(axes, colour) for colour in colours.values()) == len(takes) > 3 * 15
    assert dots(axes, colours[ERROR]) > 0
    for collection in axes.collections:
        if tuple(collection.get_facecolor()[0][:3]) != plt.matplotlib.colors.to_rgb(colours[PASSES]):
            assert (collection.get_offsets()[:, 0] > 1).all()
    speed = next(f for f in checkup.findings if f.check == "joint speed")
    assert any(text.get_text().endswith(speed.where) for text in axes.texts)
    check_printable(figure)


def test_long_and_strange_names_are_legible(flawed) -> None:
    name = r"Ünïcode $\frac{$ take" + "a" * 120
    checkup = check_dataset(replace(flawed, clips=flawed.clips.assign(subject=name), name=name))
    check_printable(figures_run.draw_checks(checkup))


def test_a_flaw_in_one_camera_shows(few) -> None:
    keypoints, clip = few.keypoints["simulated"].copy(), few.clips.iloc[9]
    keypoints[clip.start + 4 : clip.stop, 4:] += np.float32(1500)
    checkup = check_dataset(replace(few, keypoints={"simulated": keypoints}))
    all_takes = figures_run.draw_checks(checkup).axes[0]
    assert dots(all_takes, LEVEL_COLOURS[ERROR]) > 0  # although the take's first camera is clean


def broken(data: PoseDataset) -> PoseDataset:
    positions = data.positions.copy()
    positions[:5] = np.nan
    return replace(data, positions=positions)


@pytest.mark.parametrize("change", [without_3d, broken], ids=lambda f: f.__name__)
def test_any_data_can_be_drawn(few, change: Callable[[PoseDataset], PoseDataset]) -> None:
    checkup = check_dataset(change(few))
    assert figures_run.draw_checks(checkup).axes
