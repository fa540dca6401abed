"""Figures: what they show is what they were given, and no text lies on another, on the page's edge or on a legend."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.model.predict import lift
from pose3d_lib.report.figures import run as figures
from pose3d_lib.report.figures import skeletons as drawings
from pose3d_lib.report.figures.style import (
    ARM_COLOURS,
    DOUBLE,
    GREY,
    INK,
    LEFT,
    PALE,
    RIGHT,
    TRUTH,
    save_figure,
    to_png,
    wrap,
)
from pose3d_lib.report.show import Picture
from tests.helpers.figure_checks import check_legible, check_printable, texts_as_drawn
from tests.helpers.made_up_models import made_up_model

FRAMES = pd.Series(dict(zip(H36M_ACTIONS, range(4_876, 4_876 + 15 * 450, 450), strict=True)))


def history(rows: int) -> pd.DataFrame:
    k = np.arange(rows)
    columns = {
        "lr": 0.001 * 0.95**k, "bn_momentum": 0.1 * 0.5**k, "train_mpjpe": 500 / (k + 1), "test_mpjpe": 300 / (k + 1),
    }  # fmt: skip
    return pd.DataFrame({"unit_epochs": np.linspace(0.1, 1, rows), **columns})


def test_texts_on_each_other_are_found() -> None:
    figure, axes = plt.subplots()
    axes.text(0.5, 0.5, "one")
    axes.text(0.51, 0.5, "two")
    with pytest.raises(AssertionError, match="one"):
        check_legible(figure)


def test_the_two_trainings_have_titles_and_the_same_length() -> None:
    figure = figures.draw_training(FRAMES, "Directions", "Shown, made-up (synthetic data)")
    lengths = [max(bar.get_x() + bar.get_width() for bar in axes.containers[-1]) for axes in figure.axes]
    assert lengths == pytest.approx([FRAMES.sum(), FRAMES.sum()])
    above, below = (axes.get_title(loc="left") for axes in figure.axes)
    assert "Original" in above
    assert f"Directions, t = {FRAMES.sum() / FRAMES['Directions']:.2f}" in below
    assert "Shown, made-up (synthetic data)" in [text.get_text() for text in check_printable(figure)]
    uneven = pd.Series({"Walking": 44_088, "BasketballSignal": 31_796, "Running": 1_672})
    check_printable(figures.draw_training(uneven, "Running", "Shown"))


def test_names_that_look_like_formulas_and_very_long_ones_are_shown(hand_made) -> None:
    name = "$\\frac$ of $x^2$"
    frames = pd.Series({name: 100, "Carry" + "Box" * 100: 200})
    data = hand_made([("S9", name, "0", 0, 3)], name="$\\no_{such$")
    for figure in (
        figures.draw_shares(frames),
        figures.draw_training(frames, name, "Shown"),
        drawings.draw_actions(data, "S9"),
        drawings.draw_cameras(data, data.clips.iloc[0], 0, "simulated"),
    ):
        check_printable(figure)
        assert any(name in text for text in texts_as_drawn(figure))
    check_printable(figures.draw_training(frames, frames.index[1], "Shown"))


@pytest.mark.parametrize("widths", [(3, 3, 3), (3, 3, 3, 3, 3), (1,)])
def test_the_receptive_field_is_legible_and_named(widths: tuple[int, ...]) -> None:
    figure = figures.draw_receptive_field(widths)
    assert any(text.get_text().endswith(f"= {np.prod(widths)} frames") for text in check_printable(figure))


@pytest.mark.parametrize("rows", [1, 30])
def test_the_learning_curve_is_legible_and_ends_at_the_final_error(rows: int) -> None:
    figure = figures.draw_learning_curve(history(rows), "a$b$c", "a$b$c, seed 0", 55.0, 44.0)
    check_printable(figure)
    assert [line.get_ydata()[-1] for line in figure.axes[0].lines[-2:]] == [55.0, 44.0]


def test_the_schedule_falls_where_an_epoch_ends() -> None:
    rows = history(4)  # epochs that end at 0.1, 0.4, 0.7 and 1
    figure = figures.draw_learning_curve(rows, "Eating", "Eating, seed 0")
    rate = next(line for line in figure.axes[1].lines if line.get_label() == "learning rate")
    assert rate.get_drawstyle() == "steps-pre"
    np.testing.assert_allclose(rate.get_xdata(), [0, 0.1, 0.4, 0.7, 1])
    np.testing.assert_allclose(rate.get_ydata(), [1, 1, 0.95, 0.95**2, 0.95**3])


def test_moments_of_a_clip_show_their_errors(hand_made) -> None:
    data = hand_made([("S9", "Walking", "0", 0, 11)])
    wrong = data.positions + np.float32([0.03, 0, 0.04])
    figure = drawings.draw_moments(wrong, data.positions, data.skeleton)
    assert titles_of(figure) == [f"frame {frame}:\n50 mm" for frame in (0, 2, 4, 6, 8, 10)]
    assert "MPJPE 50 mm on average" in [text.get_text() for text in check_printable(figure)]


def sheet_of(hand_made, *rows: tuple, labelled: bool = True, **changes) -> Figure:
    data = hand_made(list(rows), **changes)
    lifted = lift(made_up_model(), data, data.clips.assign(labelled=labelled), "simulated")
    return drawings.draw_sheet(lifted, lifted.clips)


def titles_of(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


def test_a_contact_sheet_has_a_band_for_each_clip_with_frames_from_its_first_to_its_last(hand_made) -> None:
    rows = [("S9", "Walking", "0", 0, 51), ("S9", "Sitting", "1", 1, 2)]
    figure = sheet_of(hand_made, *rows, labelled=False, first_frames=(100, 0))
    above = [title for title in titles_of(figure) if title]
    assert above == [f"frame {number}" for number in (100, 110, 120, 130, 140, 150, 0, 1)], "each frame once"
    assert len(figure.axes) == 16
    said = [text.get_text() for text in check_printable(figure)]
    assert {"S9, Walking, take 0, camera wide", "S9, Sitting, take 1, camera tall"} < set(said)
    assert any("nobody was filmed" in text and "model made-up" in text for text in said)
    assert "ground truth" not in said


def test_a_contact_sheet_shows_the_truth_the_error_and_names_as_they_are(hand_made) -> None:
    figure = sheet_of(hand_made, ("S9", "$\\no_{such$", "0", 0, 51), name="$\\frac$")
    data = hand_made([("S9", "$\\no_{such$", "0", 0, 51)])
    (clip,) = lift(made_up_model(), data, data.clips, "simulated").clips
    errors = [f"MPJPE {clip.errors[frame]:.0f} mm" for frame in (0, 10, 20, 30, 40, 50)]
    assert titles_of(figure)[1::2] == errors
    assert "ground truth" in [text.get_text() for text in check_printable(figure)]
    said = texts_as_drawn(figure)
    assert "S9, $\\no_{such$, take 0, camera wide" in said
    assert any(text.startswith("$\\frac$: ") for text in said)


def test_a_colour_means_one_thing() -> None:
    colours = [*ARM_COLOURS.values(), LEFT, RIGHT, TRUTH, INK, GREY, PALE]
    assert len({*colours}) == len(colours)
    for figure in (figures.draw_receptive_field((3, 3)), figures.draw_learning_curve(history(4), "Eating", "Eating")):
        used = {to_hex(line.get_color()) for axes in figure.axes for line in axes.lines}
        assert used <= {INK, GREY}


def test_a_body_fills_the_box_that_is_drawn_around_its_clip() -> None:
    poses = np.random.default_rng(0).normal(0, 0.3, (20, 17, 3))
    axes = plt.figure().add_subplot(projection="3d")
    drawings.draw_3d(axes, poses[0], H36M_17, around=poses)
    limits = np.array([axes.get_xlim(), axes.get_ylim(), axes.get_zlim()])
    np.testing.assert_allclose(np.ptp(limits, axis=1), max(np.ptp(poses[..., axis]) for axis in range(3)), rtol=1e-5)
    drawn = np.stack([poses[..., 0], poses[..., 2], -poses[..., 1]], axis=-1)
    assert (drawn >= limits[:, 0] - 1e-6).all()
    assert (drawn <= limits[:, 1] + 1e-6).all()
    assert limits[2, 0] == pytest.approx(drawn[..., 2].min()), "it stands on the floor, upright"
    alone = plt.figure().add_subplot(projection="3d")
    drawings.draw_3d(alone, poses[0], H36M_17)
    assert alone.get_zlim()[0] == pytest.approx(-poses[0, :, 1].max())


def test_a_figure_is_saved_as_a_picture_and_as_lines_the_same_every_time(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        figure = figures.draw_receptive_field((3, 3))
        save_figure(figure, tmp_path / folder / "figure")
    for suffix, begins in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        one, other = ((tmp_path / folder / f"figure{suffix}").read_bytes() for folder in ("one", "other"))
        assert one.startswith(begins)
        assert one == other


def test_a_colour_scale_keeps_its_colours_and_a_picture_has_twice_the_pixels_of_a_screen() -> None:
    for draw, least in ((lambda axes: axes.pcolormesh(np.linspace(0, 1, 400).reshape(20, 20)), 256), (Axes.grid, 2)):
        figure, axes = plt.subplots(figsize=(DOUBLE, 2))
        draw(axes)
        picture = Image.open(io.BytesIO(to_png(figure)))
        colours = len(picture.convert("RGB").getcolors(1 << 20))
        assert colours >= least
        assert (picture.mode == "P") == (least == 2)
        _, about = Picture(figure, "What it shows")._repr_png_()
        assert about == {"width": picture.width / 2, "height": picture.height / 2, "alt": "What it shows"}


def test_a_picture_keeps_a_rare_colour_among_many_and_the_common_ones() -> None:
    figure, axes = plt.subplots(figsize=(DOUBLE, 2))
    rng = np.random.default_rng(0)
    axes.scatter(*rng.uniform(size=(2, 500)), c=[(0.5, 0.5, level) for level in rng.uniform(size=500)], alpha=0.5)
    axes.axhspan(0.1, 0.2, color="#d5dce3")
    axes.plot(0.5, 0.5, "o", color="#d4a017", ms=4)
    picture = Image.open(io.BytesIO(to_png(figure))).convert("RGB")
    for wanted, most in (((0xD4, 0xA0, 0x17), 8), ((0xD5, 0xDC, 0xE3), 1)):
        assert min(np.abs(np.subtract(own, wanted)).max() for _, own in picture.getcolors()) <= most


@pytest.mark.parametrize("inches", [2.0, 2.4, 3.2])
def test_lines_break_between_words(inches: float) -> None:
    title = "From one action to all, synthetic-tiny-every2 (synthetic data, 2 datasets)"
    text = plt.figure().text(0, 0, title, fontsize=9)
    wrap(text, inches)
    assert text.get_text().split() == title.split()
    plt.close("all")
