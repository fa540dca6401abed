"""Lifting frame by frame: the same as the whole clip at once, later by a known delay."""

import pytest
import torch

from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.stream import StreamingLifter
from tests.model.test_model import clips, lifter


def streamed(lift: StreamingLifter, clip: torch.Tensor) -> torch.Tensor:
    """(T, 5, 2) -> (T, 4, 3): the last frame is given again until every pose has come out."""
    frames = [*clip, *clip[-1:].expand(lift.delay, -1, -1)]
    return torch.stack([lift(frame) for frame in frames])[lift.delay :]


def padded(model: TemporalLifter, clip: torch.Tensor) -> torch.Tensor:
    """(T, 5, 2) with its first and last frames repeated -> (1, ..., 5, 2)."""
    field = model.receptive_field - 1
    before, after = (field, 0) if model.causal else (field // 2, field // 2)
    return torch.cat([clip[:1].expand(before, -1, -1), clip, clip[-1:].expand(after, -1, -1)])[None]


@pytest.mark.parametrize("widths", [(3, 3, 3), (3, 1, 5), (5,)], ids=str)
@pytest.mark.parametrize("settings", [{}, {"causal": True}, {"dense": True}, {"causal": True, "dense": True}], ids=str)
def test_frames_one_by_one_are_lifted_as_the_clip_at_once(widths, settings) -> None:
    model = lifter(widths, **settings)
    lift = StreamingLifter(model)
    assert lift.delay == (0 if model.causal else model.receptive_field // 2)
    for clip in (clips(40, batch=1)[0], clips(1, batch=1, seed=2)[0]):
        with torch.no_grad():
            expected = model(padded(model, clip))[0]
        torch.testing.assert_close(streamed(lift, clip), expected, atol=1e-12, rtol=0)
        lift.reset()


def test_a_frame_of_other_joints_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5, 2\).*\(6, 2\)"):
        StreamingLifter(lifter())(torch.zeros(6, 2, dtype=torch.float64))
