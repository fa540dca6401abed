"""Figures: what they show is what they were given, and no text lies on another, on the page's edge or on a legend."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figure_checks import check_legible, texts_that_collide

from pose3d_lib import drawings, figures
from pose3d_lib.actions import H36M_ACTIONS

FRAMES = pd.Series(dict(zip(H36M_ACTIONS, range(4_876, 4_876 + 15 * 450, 450), strict=True)))


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def history(path: Path, rows: int = 8) -> pd.DataFrame:
    seen = np.linspace(0.1, 1, rows)
    lines = [
        {
            "unit_epochs": s, "lr": 0.001 * 0.95**k, "bn_momentum": 0.1 * 0.5**k, "train_mpjpe": 500 / (k + 1),
            "test_mpjpe": 300 / (k + 1), "test_actions": dict.fromkeys(H36M_ACTIONS, 300 / (k + 1)),
        }
        for k, s in enumerate(seen)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return pd.read_json(path, lines=True)


def test_texts_on_each_other_are_found() -> None:
    figure, axes = plt.subplots()
    axes.text(0.5, 0.5, "one")
    axes.text(0.51, 0.5, "two")
    assert ("one", "two") in texts_that_collide(figure)


@pytest.mark.parametrize("action", ["Directions", "WalkTogether"])
def test_the_two_trainings_are_drawn_equally_high(action: str) -> None:
    figure = figures.draw_training(FRAMES, action, "What either model is shown")
    heights = [
        max(bar.get_y() + bar.get_height() for bar in axes.patches if hasattr(bar, "get_height"))
        for axes in figure.axes
    ]
    assert heights == pytest.approx([FRAMES.sum(), FRAMES.sum()])
    check_legible(figure)


def test_a_training_on_very_unequal_actions_is_legible() -> None:
    check_legible(
        figures.draw_training(
            pd.Series({"Walking": 44_088, "BasketballSignal": 31_796, "Running": 1_672}), "Running", "Shown"
        )
    )


def test_shares_are_labelled_with_t() -> None:
    figure = figures.draw_shares(FRAMES)
    labels = {text.get_text() for text in figure.axes[0].texts}
    assert {f"{t:.1f}" for t in FRAMES.sum() / FRAMES} <= labels
    check_legible(figure)


@pytest.mark.parametrize("widths", [(3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3, 3), (1,), (5, 7)])
def test_the_receptive_field_is_legible_and_named(widths: tuple[int, ...]) -> None:
    figure = figures.draw_receptive_field(widths)
    assert f"= {np.prod(widths)} frames" in figure.axes[0].get_title()
    check_legible(figure)


@pytest.mark.parametrize("rows", [1, 2, 30])
def test_the_learning_curve_is_legible(rows: int, tmp_path: Path) -> None:
    check_legible(figures.draw_learning_curve(history(tmp_path / "history.jsonl", rows), 55.0))


def test_the_learning_curve_ends_at_the_final_error(tmp_path: Path) -> None:
    figure = figures.draw_learning_curve(history(tmp_path / "history.jsonl"), 12.5)
    curves = {line.get_label(): line for line in figure.axes[0].lines}
    assert curves["test error, own actions"].get_ydata()[-1] == 12.5


def test_pictures_of_poses_are_legible(tiny_data) -> None:
    clip = tiny_data.test_clips().iloc[0]
    predicted = tiny_data.positions[clip.start : clip.stop] + 0.01
    check_legible(drawings.draw_cameras(tiny_data, clip, 0, "simulated"))
    check_legible(drawings.draw_actions(tiny_data, "S1"))
    figure = drawings.draw_prediction(tiny_data, clip, "simulated", predicted, [0, 3, 6, 9, 12])
    assert [axes.get_title() for axes in figure.axes[1::2]] == ["MPJPE 17 mm"] * 5
    check_legible(figure)


def test_the_body_stands_upright_in_the_3d_picture(tiny_data) -> None:
    clip = tiny_data.select(["S1"], ["Walking"]).iloc[0]
    axes = plt.figure().add_subplot(projection="3d")
    drawings.draw_3d(axes, tiny_data.positions[clip.start], tiny_data.skeleton)
    heads, feet = (max, min)[0], (max, min)[1]
    heights = [z for line in axes.lines for z in line.get_data_3d()[2]]
    assert heads(heights) > 0.4
    assert feet(heights) < -0.6


def test_the_schedule_falls_where_an_epoch_ends(tmp_path: Path) -> None:
    rows = history(tmp_path / "history.jsonl", 4)  # epochs that end at 0.1, 0.4, 0.7 and 1
    figure = figures.draw_learning_curve(rows)
    rate = next(line for line in figure.axes[1].lines if line.get_label() == "learning rate")
    assert rate.get_drawstyle() == "steps-pre"
    np.testing.assert_allclose(rate.get_xdata(), [0, 0.1, 0.4, 0.7, 1])
    np.testing.assert_allclose(rate.get_ydata(), [1, 1, 0.95, 0.95**2, 0.95**3])


def test_a_figure_is_saved_as_a_picture_and_as_lines_the_same_every_time(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        figure = figures.draw_receptive_field((3, 3))
        figures.save_figure(figure, tmp_path / folder / "figure")
    for suffix, begins in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        one, other = ((tmp_path / folder / f"figure{suffix}").read_bytes() for folder in ("one", "other"))
        assert one.startswith(begins)
        assert one == other
