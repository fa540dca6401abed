"""One step is PyTorch's Adam on the model's loss; recorded once and replayed, steps are the same and read nothing back."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.model.precision import PRECISIONS
from pose3d_lib.training import steps
from pose3d_lib.training.losses import Objective
from pose3d_lib.training.steps import AmsGrad, TrainingSteps
from pose3d_lib.training.windows import TrainingWindows

ON_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def windows(hand_made) -> TrainingWindows:
    """200 windows of nine frames."""
    data = hand_made([("S1", "Walking", "0", 0, 60), ("S1", "Sitting", "0", 1, 40)])
    return TrainingWindows(data, data.clips, "simulated", (3, 3))


def lifter(*, p: float = 0.25, seed: int = 0, device: str = "cpu") -> TemporalLifter:
    torch.manual_seed(seed)
    return TemporalLifter(17, 2, 17, (3, 3), dropout=p, channels=8).to(device)


def supervised(model: TemporalLifter, windows: TrainingWindows) -> Objective:
    return Objective(Lifters(model), windows)


def batches(*sizes: int, windows: int = 200) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randperm(windows, generator=generator)[:size] for size in sizes]


def numbers_of(model: TemporalLifter) -> dict[str, bytes]:
    """Every number of a network, running statistics included."""
    return {name: value.cpu().numpy().tobytes() for name, value in model.state_dict().items()}


# AmsGrad


@pytest.mark.parametrize("every", [1, 3], ids=["all gradients", "some without a gradient"])
def test_the_optimiser_is_pytorch_s_adam_with_amsgrad_bit_for_bit(every) -> None:
    torch.manual_seed(0)
    ours = [torch.randn(shape, requires_grad=True) for shape in ((64, 102), (37,), (3, 5, 7), (1,))]
    plain = [parameter.detach().clone().requires_grad_() for parameter in ours]
    adam = torch.optim.Adam(plain, amsgrad=True, fused=True)
    optimizer = AmsGrad(ours, 0.25)
    for step in range(20):
        rate = torch.tensor(0.25 * 0.9**step)
        optimizer.lr.fill_(rate)
        adam.param_groups[0]["lr"] = float(rate)
        for place, (parameter, other) in enumerate(zip(ours, plain, strict=True)):
            given = torch.randn(parameter.shape) * 10.0 ** (3 - step % 7) if (place + step) % every == 0 else None
            parameter.grad, other.grad = given, None if given is None else given.clone()
        optimizer.step()
        adam.step()
        assert all(parameter.grad is None for parameter in ours)
        assert all(torch.equal(parameter, other) for parameter, other in zip(ours, plain, strict=True)), step


# A step


# Nothing is read back


class Call:
    def __init__(self, func: Callable, args: tuple, kwargs: dict, result: object):
        self.func, self.args, self.kwargs, self.result = func, args, kwargs, result


class Operations(TorchDispatchMode):
    """Keeps all that PyTorch does below its gradients, in order."""

    def __init__(self):
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls.append(Call(func, args, kwargs or {}, func(*args, **(kwargs or {}))))
        return self.calls[-1].result


READS = {"_local_scalar_dense", "item", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2", "unique_dim"}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_step_reads_anything_back_from_the_device(precision, windows) -> None:
    make_step = TrainingSteps(supervised(lifter(), windows), precision=precision, lr=0.01)
    with Operations() as operations:
        for step, numbers in enumerate(batches(16, 16, 40)):
            make_step.set_schedule(0.01 * 0.5**step, 0.1)
            make_step(numbers)
    names = {call.func.overloadpacket.__name__ for call in operations.calls}
    assert {"_fused_adam_", "native_batch_norm_backward", "index_select"} <= names
    assert not names & READS
    with Operations() as operations:  # as it would be seen
        float(make_step.loss_sum)
    assert {call.func.overloadpacket.__name__ for call in operations.calls} & READS


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_first_and_the_last_product_are_in_float32_backward_too(precision, windows) -> None:
    make_step = TrainingSteps(supervised(lifter(), windows), precision=precision, lr=0.01)
    with Operations() as operations:
        make_step(batches(16)[0])
    products = {
        (call.result.shape, call.args[-2].shape[-1]): call.result.dtype
        for call in operations.calls
        if call.func.overloadpacket.__name__ in ("mm", "addmm")
    }
    outer = {((48, 8), 102), ((8, 102), 48), ((16, 51), 8), ((16, 8), 51), ((51, 8), 16)}
    inner = {((16, 8), 24), ((8, 24), 16), ((16, 24), 8), ((16, 8), 8), ((8, 8), 16)}
    assert products == {**dict.fromkeys(outer, torch.float32), **dict.fromkeys(inner, getattr(torch, precision))}


# Recorded steps


class Recorder:
    """CUDA graphs in miniature, on a CPU: what a step does is kept call by call and replayed on the same memory.

    Like a CUDA graph, a replay sees nothing of Python: numbers that a step computed there are those of the recording.
    Random numbers are drawn anew.
    """

    def __init__(self, make_step: TrainingSteps):
        self.aside: list[int] = []
        self.recorded: list[int] = []
        self.replayed: list[int] = []
        self._state = list(make_step.state.values())

    def make_aside(self, step: Callable[[Tensor], None], numbers: Tensor) -> None:
        self.aside.append(len(numbers))
        step(numbers)

    def record(self, step: Callable[[Tensor], None], numbers: Tensor) -> Callable[[Tensor], None]:
        self.recorded.append(len(numbers))
        given, random = numbers.clone(), torch.get_rng_state()
        before = [value.detach().clone() for value in self._state]
        with Operations() as operations:
            step(given)
        with torch.no_grad():  # a graph is recorded without making the step
            for value, old in zip(self._state, before, strict=True):
                value.copy_(old)
        torch.set_rng_state(random)

        def replay(numbers: Tensor) -> None:
            self.replayed.append(len(numbers))
            given.copy_(numbers)
            with torch.no_grad():
                for call in operations.calls:
                    self._repeat(call)

        return replay

    @staticmethod
    def _repeat(call: Call) -> None:
        again = call.func(*call.args, **call.kwargs)
        results = [again, call.result] if not isinstance(again, Tensor) else [(again,), (call.result,)]
        for new, place in zip(*(own or () for own in results), strict=True):
            if isinstance(new, Tensor) and new.data_ptr() != place.data_ptr():  # neither a view nor in place
                place.copy_(new)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[TrainingSteps], Recorder]:
    """Makes steps believe that they are on a GPU, whose graphs a `Recorder` keeps."""

    def pretend(make_step: TrainingSteps) -> Recorder:
        recorder, arithmetic = Recorder(make_step), steps.arithmetic
        make_step._device = torch.device("cuda")
        monkeypatch.setattr(steps, "_aside", recorder.make_aside)
        monkeypatch.setattr(steps, "_record", recorder.record)
        monkeypatch.setattr(steps, "arithmetic", lambda precision, device: arithmetic(precision, "cpu"))
        monkeypatch.setattr(torch, "autocast", lambda device, *arguments, **named: nullcontext())
        return recorder

    return pretend


SIZES = (16, 16, 40, 16, 16, 16, 40, 16, 7, 40, 40, 40, 16, 7)
"""Batches of three sizes that take turns; of 7 there are too few to record."""


def scheduled(make_step: TrainingSteps) -> None:
    """Steps on batches of SIZES, whose learning rate and momentum change with every step or stay."""
    torch.manual_seed(5)
    for step, numbers in enumerate(batches(*SIZES)):
        make_step.set_schedule(0.01 * 0.8 ** (step // 2), 0.3 * 0.8 ** (step // 3))
        make_step(numbers)


@pytest.mark.parametrize("asked", [False, True])
def test_each_size_of_batch_is_recorded_once_after_three_steps_if_it_is_asked_for(asked, windows, as_on_a_gpu) -> None:
    make_step = TrainingSteps(supervised(lifter(), windows), precision="float32", lr=0.01, record=asked)
    recorder = as_on_a_gpu(make_step)
    scheduled(make_step)
    assert steps.STEPS_BEFORE_RECORDING == 3
    assert recorder.aside == [16, 16, 40, 16, 40, 7, 40, 7] * asked
    assert recorder.recorded == [16, 40] * asked
    assert recorder.replayed == [16, 16, 16, 40, 40, 16] * asked


@pytest.mark.parametrize("p", [0.0, 0.25])
def test_replayed_steps_are_those_made_one_by_one_bit_for_bit(p, windows, as_on_a_gpu) -> None:
    plain, replayed = (
        TrainingSteps(supervised(lifter(p=p), windows), precision="float32", lr=0.01, record=True)
        for _ in ("one by one", "replayed")
    )
    scheduled(plain)
    recorder = as_on_a_gpu(replayed)
    scheduled(replayed)
    assert len(recorder.replayed) == 6
    assert numbers_of(replayed._lifters.pose) == numbers_of(plain._lifters.pose)
    assert replayed.loss_sum == plain.loss_sum
    assert replayed._lifters.pose.expand.norm.num_batches_tracked == len(SIZES)


@ON_A_GPU
@pytest.mark.parametrize("precision", PRECISIONS)
def test_on_a_gpu_replayed_steps_are_those_made_one_by_one(precision, hand_made, monkeypatch) -> None:
    data = hand_made([("S1", "Walking", "0", 0, 60), ("S1", "Sitting", "0", 1, 40)])
    windows = TrainingWindows(data, data.clips, "simulated", (3, 3), device="cuda")
    made = []
    for steps_before_recording in (3, 10**9):
        monkeypatch.setattr(steps, "STEPS_BEFORE_RECORDING", steps_before_recording)
        objective = supervised(lifter(p=0.0, device="cuda"), windows)
        made.append(TrainingSteps(objective, precision=precision, lr=1e-2, record=True))
        for step, numbers in enumerate(batches(*SIZES)):
            made[-1].set_schedule(1e-2 * 0.5 ** (step // 2), 0.3 * 0.8 ** (step // 3))
            made[-1](numbers.cuda())
    assert (len(made[0]._recorded), len(made[1]._recorded)) == (2, 0)
    for found, expected in zip(*(make_step._lifters.pose.state_dict().values() for make_step in made), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(made[0].loss_sum, made[1].loss_sum, rtol=1e-4, atol=0)
