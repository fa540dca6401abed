"""How made-up motion passes in time: events at random instants, smooth blends between them, and smooth noise."""

import numpy as np

WARM_UP = 8.0  # seconds before the first frame at which processes start, so that a clip begins in the midst of them


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """0 to 1 as u goes from 0 to 1, the way a hand moves from rest to rest (Flash and Hogan, 1985)."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 + u * (6 * u - 15))


def event_times(rng: np.random.Generator, end: float, gap: tuple[float, float]) -> np.ndarray:
    """Instants from -WARM_UP to `end`, seconds, a random time in `gap` apart, short gaps likelier than long."""
    least, most = gap
    count = int((end + WARM_UP) / least) + 2
    times = -WARM_UP - rng.uniform(0, most) + np.cumsum(least + (most - least) * rng.random(count) ** 1.5)
    return times[times < end]


def blend(
    time: np.ndarray, starts: np.ndarray, durations: np.ndarray, values: np.ndarray, ease=minimum_jerk
) -> np.ndarray:
    """A track (frames, ...) through `values` (events + 1, ...): each holds until an event, then blends into the next.

    Events start and last (events,) seconds and end before the next starts; `ease` is the progress of a blend, 0 to 1.
    """
    which, progress = blend_progress(time, starts, durations)
    share = ease(progress).reshape(len(time), *[1] * (values.ndim - 1))
    before = values[np.maximum(which - 1, 0)]
    return before + share * (values[which] - before)


def blend_progress(time: np.ndarray, starts: np.ndarray, durations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per frame, how many events have started, and how far the latest has come, 0 to 1 (1 before any)."""
    which = np.searchsorted(starts, time, side="right")
    latest = np.maximum(which - 1, 0)
    if len(starts) == 0:
        return which, np.ones(len(time))
    progress = np.clip((time - starts[latest]) / durations[latest], 0, 1)
    return which, np.where(which == 0, 1.0, progress)


def smooth_noise(rng: np.random.Generator, time: np.ndarray, scale: float, shape: tuple[int, ...] = ()) -> np.ndarray:
    """(frames, *shape): twice differentiable noise of standard deviation about 1 that changes within `scale` seconds."""
    # A uniform cubic B-spline through random knots: no frame depends on the one before, so it costs no loop.
    first = time[0] / scale
    u = time / scale - np.floor(first)
    knots = rng.standard_normal((int(u[-1]) + 4, *shape)) / 0.69  # 0.69: what the spline leaves of the knots' spread
    base = u.astype(int)
    w = (u - base).reshape(len(time), *[1] * len(shape))
    weights = ((1 - w) ** 3, 3 * w**3 - 6 * w**2 + 4, -3 * w**3 + 3 * w**2 + 3 * w + 1, w**3)
    return sum(weight * knots[base + i] for i, weight in enumerate(weights)) / 6


def smooth(values: np.ndarray, fps: float, seconds: float) -> np.ndarray:
    """values (frames, ...) under a bell of the given standard deviation, made of three running means, the ends held."""
    half = round(seconds * fps)  # three boxes of width 2 half + 1: variance about half (half + 1)
    if half == 0:
        return values
    width, beyond = 2 * half + 1, [(half + 1, half)] + [(0, 0)] * (values.ndim - 1)
    for _ in range(3):
        total = np.cumsum(np.pad(values, beyond, mode="edge") - values[:1], axis=0)
        values = values[:1] + (total[width:] - total[:-width]) / width
    return values


def below(limit: np.ndarray, fps: float, seconds: float) -> np.ndarray:
    """A smooth track (frames,) that never exceeds `limit` (frames,) and follows it within `seconds`."""
    # The least value in a window, averaged inside the same window, is at most the value at its centre.
    half = max(round(seconds * fps), 1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(limit, half, mode="edge"), 2 * half + 1)
    bell = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(np.pad(around.min(axis=-1), half, mode="edge"), bell / bell.sum(), mode="valid")
