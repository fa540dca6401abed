"""The benchmarks: what their tables say of made-up numbers, the FLOP they count, and a baseline that computes the same."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import bench_evaluation
import bench_functions
import bench_roofline
import bench_step
import bench_training
import drawing
import measuring
import write_reference
from plain import PlainLifter, PlainWindows, plain_evaluate, plain_training
from random_clips import lengths_adding_up_to, random_clips
from torch.utils.flop_counter import FlopCounterMode

from pose3d_lib.common.tables import to_markdown
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.metrics import mpjpe
from pose3d_lib.model.evaluate import METRICS, evaluate
from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.losses import Objective
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.steps import TrainingSteps
from pose3d_lib.training.windows import TrainingWindows

ROOT = Path(__file__).resolve().parent.parent
ROW = {"threads": 2, "processor": "made up", "torch": "2.13.0", "date": "2026-01-31"}


@pytest.fixture(scope="module")
def data() -> PoseDataset:
    return random_clips([40, 7], [50, 31, 2])


def lifter(widths: tuple[int, ...] = (3, 5), channels: int = 16, dropout: float = 0.0) -> TemporalLifter:
    torch.manual_seed(0)
    return TemporalLifter(17, 2, 17, widths, channels=channels, dropout=dropout)


def compared(**changes) -> measuring.Compared:
    rates = {"ours": [30.0, 10.0, 40.0], "baseline": [10.0, 5.0, 10.0], "limit": [60.0, 50.0, 50.0]}
    return measuring.Compared("work", "float32", "frames/s", 2, **{**rates, "promised_ratio": 2.5, **changes})


def test_a_row_has_medians_of_what_each_repetition_gives() -> None:
    row = compared().row()
    assert (row["ours"], row["baseline"], row["limit"]) == (30, 10, 50)
    assert row["ratio"] == 3  # of 3, 2 and 4; the medians' own ratio is 3 as well
    assert (row["ratio_low"], row["ratio_high"]) == (2.5, 3.5)
    assert row["share"] == 0.5  # of 0.5, 0.2 and 0.8, where the medians' own is 0.6
    assert (row["promised_ratio"], row["promised_share"], row["repetitions"], row["threads"]) == (2.5, None, 3, 2)


def test_a_table_reads_the_same_from_its_file(tmp_path: Path) -> None:
    table = pd.DataFrame([compared().row(), compared(promised_ratio=None, promised_share=0.65).row()])
    table.to_csv(tmp_path / "table.csv", index=False)
    shown = measuring.shown(table)
    pd.testing.assert_frame_equal(measuring.shown(pd.read_csv(tmp_path / "table.csv")), shown)
    assert shown.iloc[0].to_list() == [
        "work, float32",
        "30 frames/s",
        "10",
        "3",
        "3.00 (2.50 to 3.50)",
        "2.5",
        "50",
        "50%",
        "",
    ]
    assert shown.iloc[1].to_list()[5:] == ["", "50", "50%", "65%"]


def test_with_what_it_was_measured_is_one_sentence() -> None:
    table = pd.DataFrame([ROW, {**ROW, "threads": 1}])
    assert measuring.measured_with(table) == "Measured on made up, 2 threads or 1 thread, PyTorch 2.13.0, 2026-01-31."


def test_the_limit_is_the_best_of_all_and_in_float32_of_both_libraries() -> None:
    first = {"default": 5.0, "float32": 3.0, "bfloat16": 9.0}
    assert measuring.limits(first) == {"float32": 5.0, "bfloat16": 9.0}
    assert measuring.limits(first, {"default": 1.0, "float32": 7.0, "bfloat16": 2.0}) == {
        "float32": 7.0,
        "bfloat16": 9.0,
    }


def test_ours_limit_and_baseline_are_measured_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, taken = [], {"a": 2.0, "b": 4.0, "plain": 8.0}

    def rates() -> dict[str, float]:
        calls.append("limit")
        return {"default": 10.0 + len(calls), "float32": 1.0, "bfloat16": 90.0}

    def seconds(function: Callable[[], object]) -> float:
        return taken[function()]

    def work(name: str) -> Callable[[], str]:
        return lambda: calls.append(name) or name

    monkeypatch.setattr(measuring, "product_rates", rates)
    monkeypatch.setattr(measuring, "seconds_of", seconds)
    rows = measuring.compare(
        "work",
        "frames/s",
        ours={"float32": work("a"), "bfloat16": work("b")},
        baseline=work("plain"),
        units=16,
        flop=2,
        repetitions=2,
        promised_ratio=3.0,
    )
    assert calls == ["limit", "a", "b", "plain"] + 2 * ["limit", "a", "b", "limit", "plain"]
    assert [row.ours for row in rows] == [[8, 8], [4, 4]]
    assert [row.baseline for row in rows] == [[2, 2], [2, 2]]
    assert [row.limit for row in rows] == [[9, 11.5], [45, 45]]  # the later of two rates is the higher: 18 and 23
    assert [row.promised_ratio for row in rows] == [3.0, None]


def test_the_flop_of_a_step_are_those_counted_by_hand() -> None:
    # 27 frames: 9 rows of 102 x 4, 3 rows of 12 x 4 and 4 x 4, 1 row of each, 4 x 51; the first has no gradient of inputs.
    forward, first = 9 * 102 * 4 + 3 * (48 + 16) + (48 + 16) + 4 * 51, 9 * 102 * 4
    counted = bench_training.flop_per_window((3, 3, 3), 4, numbers_in=34, numbers_out=51)
    assert counted == 2 * (3 * forward - first)


@pytest.mark.parametrize("widths", [(3, 3, 3), (3,), (1, 5, 3)])
def test_the_flop_of_a_step_are_those_that_pytorch_counts(widths: tuple[int, ...]) -> None:
    model = lifter(widths)
    windows, targets = torch.randn(8, model.receptive_field, 17, 2), torch.randn(8, 17, 3)
    expected = 8 * bench_training.flop_per_window(widths, 16, numbers_in=34, numbers_out=51)
    plain = PlainLifter(model, strided=True)
    for predict in (model.forward_windows, lambda windows: plain(windows).squeeze(1)):
        with FlopCounterMode(display=False) as counter:
            mpjpe(predict(windows), targets).mean().backward()
        assert counter.get_total_flops() == expected


def test_the_flop_of_a_test_frame_are_those_that_pytorch_counts() -> None:
    model = lifter().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.forward_windows(torch.randn(2, 15, 17, 2))
    rows = 5 * 3 * 34 * 16 + 5 * 16 * 16 + 16 * 16 + 16 * 51  # a window has five rows of the first product
    assert counter.get_total_flops() == 2 * 2 * rows
    assert bench_evaluation.flop_per_frame(model) == 2 * 2 * (rows - 4 * 3 * 34 * 16)


def test_clips_are_as_long_as_those_of_human36m_and_enough_of_them() -> None:
    lengths = lengths_adding_up_to(20_000)
    assert (min(lengths), max(lengths)) == (1_000, 4_000)
    assert 20_000 <= sum(lengths) < 24_000
    data = random_clips([3, 4], [5])
    assert (data.train_clips().stop - data.train_clips().start).to_list() == [3, 4]
    assert (data.test_clips().stop - data.test_clips().start).to_list() == [5]


def test_the_baseline_gathers_the_same_windows(data: PoseDataset) -> None:
    config = make_config(RunConfig, {"keypoints": "gt", "device": "cpu", "filter_widths": "3,5"})
    windows = TrainingWindows(data, data.train_clips(), "gt", config.filter_widths)
    plain = PlainWindows(data, config)
    assert len(plain.windows) == len(windows) == 94
    ours = windows.gather(torch.arange(94))
    for own, theirs in zip((ours.inputs, ours.targets[:, 0]), plain.batch(range(94)), strict=True):
        torch.testing.assert_close(theirs, own)


def test_the_baseline_trains_the_same_network(data: PoseDataset) -> None:
    config = make_config(RunConfig, {"keypoints": "gt", "device": "cpu", "filter_widths": "3,5"})
    windows = TrainingWindows(data, data.train_clips(), "gt", config.filter_widths)
    model, plain = lifter(), PlainLifter(lifter(), strided=True)
    make_step = TrainingSteps(Objective(Lifters(model), windows), precision="float32", lr=0.01)
    plain_step = plain_training(plain, PlainWindows(data, config), 0.01)
    for numbers in torch.arange(64).split(32):
        make_step(numbers)
        plain_step(numbers)
    expected = PlainLifter(model, strided=True).state_dict()
    for name, value in plain.state_dict().items():
        if "running" not in name or name.endswith(("mean", "var")):
            torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=2e-4, msg=name)


def test_the_baseline_finds_the_same_errors(data: PoseDataset) -> None:
    model = bench_evaluation.warm_up(lifter((3, 5, 3)))
    plain = PlainLifter(model, strided=False).eval()
    ours = evaluate(model, data, data.test_clips(), "gt")[list(METRICS)]
    theirs = plain_evaluate(plain, data, data.test_clips(), "gt")
    assert len(ours) == 3
    assert np.abs(ours.to_numpy() - theirs[list(METRICS)].to_numpy()).max() < bench_evaluation.MILLIMETRES


def event(*names: str) -> SimpleNamespace:
    """An operation that the second called, which the third called, and so on."""
    return SimpleNamespace(name=names[0], cpu_parent=event(*names[1:])) if names else None


def test_operations_belong_to_the_part_that_called_them() -> None:
    assert bench_step.part_of(event("aten::copy_", "aten::convolution", "aten::conv1d")) == "matrix products"
    assert bench_step.part_of(event("autograd::engine::evaluate_function: MmBackward0")) == "matrix products"
    assert bench_step.part_of(event("aten::mul", "MulBackward0")) == "ReLU and dropout"
    assert bench_step.part_of(event("aten::index_select", "gathering")) == "gathering"
    assert bench_step.part_of(event("aten::add")) == bench_step.REST


def test_the_parts_of_a_step_add_up_to_its_time(data: PoseDataset) -> None:
    config = {"keypoints": "gt", "device": "cpu", "filter_widths": "3,5", "channels": 16, "batch_size": 32}
    ours, baseline = bench_training.both_trainings(data, make_config(RunConfig, config))
    for step in (*ours.values(), baseline):
        seconds = bench_step.seconds_by_part(step, 2)
        assert set(seconds) == {*bench_step.PARTS, bench_step.REST}
        assert all(seconds[part] > 0 for part in ("matrix products", "batch norm", "ReLU and dropout", "optimiser"))
        assert 0 < sum(seconds.values()) < 60


def test_functions_are_timed_beside_their_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_functions, "seconds_of", lambda function: function() or 0.01)
    table = bench_functions.time_pairs({"one": (lambda: None, lambda: None)}, repetitions=3)
    assert table.loc[0, ["ours", "plain", "ratio"]].to_list() == [2, 2, 1]  # 10 ms of five calls
    assert bench_functions.shown(table).iloc[0].to_list() == ["one", "2.00", "2.00", "1.0 (1.0 to 1.0)"]


def test_a_roofline_counts_flop_and_bytes() -> None:
    work = bench_roofline.convolution("one", batch=2, frames=6, width=3, channels=5, out=7)
    assert work.flop == 2 * 4 * 15 * 7
    assert work.bytes == 4 * (4 * 15 + 15 * 7 + 4 * 7)
    assert tuple(work.ours().shape) == (2, 2, 7)
    assert tuple(work.baseline().shape) == (2, 7, 2)
    config = make_config(RunConfig, {"device": "cpu", "channels": 8, "batch_size": 4})
    products = [work for work in bench_roofline.forward_pass(config) if not work.what.startswith(("batch", "ReLU"))]
    forward = bench_training.flop_per_window((3, 3, 3), 8, numbers_in=34, numbers_out=51) + 2 * 9 * 102 * 8
    assert sum(work.flop for work in products) == 4 * forward / 3


def test_figures_are_drawn_from_their_tables() -> None:
    work = {"what": "a", "flop": 8.0, "bytes": 4.0, "memory": 2e9, "limit_float32": 9e9, **ROW}
    table = pd.DataFrame([{**work, "how": how, "flops": flops} for how, flops in (("ours", 3e9), ("baseline", 1e9))])
    axes = drawing.draw_roofline(table, "caption").axes[0]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert (drawn["ours"], drawn["baseline"]) == ([[2.0, 3.0]], [[2.0, 1.0]])
    parts = [*bench_step.PARTS, bench_step.REST]
    steps = pd.DataFrame([{"channels": 8, "training": "ours", **dict.fromkeys(parts, 2.0), **ROW}])
    bars = drawing.draw_parts(steps, parts, "caption").axes[0].patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(2 * number, 2) for number in range(6)]
    assert bench_step.shown(steps).iloc[0].to_list() == ["8 channels, ours", *["2"] * 6, "12"]


def test_tables_are_put_where_a_text_has_a_place_and_again_change_nothing(tmp_path: Path) -> None:
    for file in ("training", "evaluation"):
        pd.DataFrame([{**compared().row(), **ROW}]).to_csv(tmp_path / f"{file}.csv", index=False)
    text = "before\n<!-- speed -->\nold\n<!-- /speed -->\nafter\n"
    once = write_reference.put_tables(text, tmp_path)
    assert once.count("work, float32") == 2
    assert "old" not in once
    assert once.endswith("2026-01-31.\n\n<!-- /speed -->\nafter\n")
    assert write_reference.put_tables(once, tmp_path) == once


def test_the_chapter_shows_the_reference_and_nothing_else() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for name in write_reference.TABLES:
        table, sentence = write_reference.readable(ROOT / "docs" / "performance", name)
        assert f"<!-- {name} -->\n\n{to_markdown(table)}\n\n{sentence}\n\n<!-- /{name} -->" in text
    for figure in re.findall(r"\]\((performance/\S+)\)", text):
        assert (ROOT / "docs" / figure).is_file()
    assert set(re.findall(r"performance/(\S+png)", text)) == set(write_reference.FIGURES)
