"""How an error falls with the number of training frames: a + b (n / N)^-c, where N is the largest number."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar, nnls

LEAST_POINTS = 4  # one more than the curve has parameters
EXPONENTS = 0.05, 5.0  # below the first the curve is a logarithm, above the last it falls at the first point alone
AT_AN_END = 1.02  # a fit that is nearer to an end of EXPONENTS than by this factor has found none


class PowerLaw(NamedTuple):
    """A curve through the errors of one replicate."""

    a: float  # mm: the error that no number of frames takes away
    b: float  # mm: what is above it at N
    c: float  # the exponent
    most: float  # N, frames

    def at(self, frames: np.ndarray | float) -> np.ndarray | float:
        """The error with some numbers of frames, mm."""
        return self.a + self.b * (np.asarray(frames) / self.most) ** -self.c

    @property
    def found(self) -> bool:
        """Whether the points tell the curve: the error falls, and its exponent is none of the ends."""
        low, high = EXPONENTS
        return self.b > 1e-6 and low * AT_AN_END < self.c < high / AT_AN_END


def fit_power_law(frames: Sequence[float], errors: Sequence[float]) -> PowerLaw | None:
    """Least squares of the relative differences, with a and b at least 0; None with fewer than LEAST_POINTS points.

    For each exponent the best a and b are those of a linear problem, so only the exponent is searched for.
    """
    n, e = np.asarray(frames, float), np.asarray(errors, float)
    if len(np.unique(n)) < LEAST_POINTS:
        return None

    def solve(log_c: float) -> tuple[np.ndarray, float]:
        return nnls(np.stack([1 / e, (n / n.max()) ** -np.exp(log_c) / e], axis=1), np.ones(len(e)))

    grid = np.linspace(*np.log(EXPONENTS), 60)
    best = int(np.argmin([solve(place)[1] for place in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    place = minimize_scalar(lambda own: solve(own)[1], bounds=around, method="bounded").x
    (a, b), _ = solve(place)
    return PowerLaw(float(a), float(b), float(np.exp(place)), float(n.max()))
