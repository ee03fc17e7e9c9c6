"""Where a learning curve leads: score = a - b x^-c in the number of rows x, and whether it may be trusted.

The law and its weights, larger sets counting more, are those of Figueroa, Zeng-Treitler, Kandula and Ngo
(2012, Predicting sample size required for classification performance, BMC Medical Informatics and Decision
Making 12:8); Viering and Loog (2023, The Shape of Learning Curves: A Review, IEEE TPAMI 45:7799-7819) list
where it fails. For a given c the rest is linear least squares (Golub and Pereyra 1973), so c is looked up on
a grid, for all bootstrap draws at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cairn.metrics.bootstrap import Estimate, estimate
from cairn.studies.ablation.measure import Jury, Measured

Floats = NDArray[np.float64]
EXPONENTS = np.geomspace(0.02, 3, 200)
UNKNOWN = Estimate(*[float("nan")] * 3)
FEWEST = 5
"""Points from which a law of three numbers can be tested on the last one."""


@dataclass(frozen=True)
class Forecast:
    """What twice the rows would bring, if the law holds; higher is better.

    Attributes:
        gain: of the next doubling, in the deciding quantity; NaN where undefined.
        miss: the score of all rows less what the law fitted to the smaller sets says of it.
        honest: there are points enough, and the miss may be 0.
    """

    gain: Estimate
    miss: Estimate
    honest: bool


@dataclass(frozen=True)
class PowerLaw:
    """score = a - b x^-c, for d curves at once: a, b and c have shape (d,)."""

    a: Floats
    b: Floats
    c: Floats

    def at(self, x: float) -> Floats:
        """The scores at x, shape (d,)."""
        return self.a - self.b * x**-self.c


def fit(x: Floats, scores: Floats) -> PowerLaw:
    """Fit the law to d curves by weighted least squares.

    Args:
        x: rows as a share of all, shape (p,), rising.
        scores: shape (p, d).
    """
    weights = np.sqrt(np.arange(1, len(x) + 1) / len(x))[:, None]
    best = np.full(scores.shape[1], np.inf)
    found = np.zeros((3, scores.shape[1]))
    for c in EXPONENTS:
        design = np.stack([np.ones_like(x), -(x**-c)], axis=1)
        line = np.linalg.lstsq(weights * design, weights * scores)[0]
        error = np.square(weights * (design @ line - scores)).sum(axis=0)
        better = error < best
        best = np.where(better, error, best)
        found[:, better] = np.vstack([line, np.full(line.shape[1], c)])[:, better]
    return PowerLaw(*found)


def forecast(jury: Jury, rows: Sequence[int], measured: Sequence[Measured]) -> Forecast:
    """Fit the law to the points, and test it on the last one.

    Draws of a point are those of its score over the validation rows, each with its own draw of refit noise
    (Student's t with the degrees of freedom of the seeds), so points share the former and not the latter.
    """
    name, x = jury.decides, np.array(rows) / rows[-1]
    values = np.array([[one.values[name].mean()] for one in measured])
    if len(rows) < FEWEST or not np.isfinite(values).all():
        return Forecast(UNKNOWN, UNKNOWN, honest=False)
    rng = np.random.default_rng(jury.seed)
    draws = np.array([one.draws[name] + _refits(one.values[name], jury.resamples, rng) for one in measured])
    curves = np.hstack([values, draws[:, np.isfinite(draws).all(axis=0)]])
    law, before = fit(x, curves), fit(x[:-1], curves[:-1])
    gain, miss = law.at(2.0) - law.at(1.0), curves[-1] - before.at(1.0)
    missed = estimate(miss[0], miss[1:], jury.confidence)
    return Forecast(
        estimate(gain[0], gain[1:], jury.confidence), missed, honest=missed.low <= 0 <= missed.high
    )


def _refits(values: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Draw how far the mean over other seeds might be from this one, shape (resamples,)."""
    seeds = len(values)
    if seeds < 2:
        return np.zeros(resamples)
    return rng.standard_t(seeds - 1, resamples) * values.std(ddof=1) / seeds**0.5
