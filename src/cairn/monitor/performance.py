"""How good the predictions are: measured where labels are known, estimated from the scores where not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.metrics.bootstrap import Estimate, Resampling, bootstrap, on_all_rows
from cairn.metrics.decisions import decide
from cairn.metrics.kpi import policy_series
from cairn.metrics.scores import METRICS
from cairn.metrics.slices import SLICE_METRICS, slice_levels
from cairn.monitor.rows import Rows, Windowed
from cairn.settings.data import Task
from cairn.settings.kpi import CostKpi

MODEL = "model"
FEWEST_LABELS = 100
"""Labelled rows that a score needs."""
FEWEST_BLOCKS = 5
"""Windows with labels that an interval needs: they are drawn as blocks."""
ESTIMATED = ("roc_auc", "log_loss", "brier")
"""Metrics that can be estimated from the probabilities of a binary task."""


@dataclass(frozen=True)
class Judging:
    """How predictions are judged.

    Attributes:
        task: binary, multiclass or regression.
        primary: the metric that decides.
        threshold: of binary decisions.
        costs: of decisions; None without prices.
        resamples, confidence, seed: of the intervals.
        slices: columns whose levels are scored one by one.
        min_slice_rows: rows; smaller slices are not scored.
    """

    task: Task
    primary: str
    threshold: float = 0.5
    costs: CostKpi | None = None
    resamples: int = 200
    confidence: float = 0.95
    seed: int = 0
    slices: Sequence[str] = ()
    min_slice_rows: int = 200

    def resampling(self, blocks: NDArray[np.int64], salt: int = 0) -> Resampling:
        """Return the draws of windows as blocks; another salt gives independent draws."""
        codes = pd.factorize(blocks)[0].astype(np.int64)
        return Resampling(self.resamples, self.seed + salt, codes, self.confidence)


@dataclass(frozen=True)
class Scored:
    """Labelled rows, scored.

    Attributes:
        rows: that are labelled.
        scores: by metric, with intervals that are NaN for few windows.
        draws: of the primary metric, shape (resamples,); empty for few windows.
        predicted, observed: mean prediction and target; NaN for several classes.
        saving: per 1,000 rows, with its interval; None without prices.
    """

    rows: int
    scores: dict[str, Estimate]
    draws: Floats
    predicted: float
    observed: float
    saving: Estimate | None


@dataclass(frozen=True)
class SliceChange:
    """The primary metric of a slice, now and in the rows that the model was validated on.

    `change` is positive where it has become better.
    """

    column: str
    level: str
    rows: int
    value: float
    before: float
    change: Estimate


def scored(part: Windowed, judging: Judging, salt: int = 0) -> Scored | None:
    """Score the labelled rows, with windows drawn as blocks; None if there are too few labels.

    For the salt of the draws see Judging.resampling.
    """
    rows = part.rows
    there = rows.labelled
    if there.sum() < FEWEST_LABELS or rows.scores is None:
        return None
    y, prediction, blocks = (
        _target(rows.y[there], judging.task),
        rows.scores[there],
        part.windows.of_row[there],
    )
    points = on_all_rows(judging.task, y, prediction, threshold=judging.threshold)
    if len(np.unique(blocks)) < FEWEST_BLOCKS:
        estimates = {name: Estimate(value, np.nan, np.nan) for name, value in points.items()}
        draws, resampling = np.empty(0), None
    else:
        resampling = judging.resampling(blocks, salt)
        drawn = bootstrap(
            judging.task, y, {MODEL: prediction}, resampling, thresholds={MODEL: judging.threshold}
        )[MODEL]
        estimates = {name: resampling.estimate(value, drawn[name]) for name, value in points.items()}
        draws = drawn[judging.primary]
    level = judging.task != "multiclass"
    return Scored(
        int(there.sum()),
        estimates,
        draws,
        float(prediction.mean()) if level else np.nan,
        float(y.mean()) if level else np.nan,
        _saving(y, prediction, judging, resampling),
    )


def _saving(
    y: NDArray[Any], prediction: Floats, judging: Judging, resampling: Resampling | None
) -> Estimate | None:
    if judging.costs is None:
        return None
    decisions = {MODEL: decide(prediction, judging.threshold)}
    saving = policy_series(y, decisions, judging.costs, resampling)[MODEL]["saving"]
    if resampling is None:
        return Estimate(float(saving[0]), np.nan, np.nan)
    return resampling.estimate(saving[0], saving[1:])


def change(now: Scored, before: Scored, judging: Judging) -> Estimate:
    """Return by how much the primary metric has become better; both samples are independent."""
    sign, primary = METRICS[judging.primary].sign, judging.primary
    value = sign * (now.scores[primary].value - before.scores[primary].value)
    if len(now.draws) == 0 or len(before.draws) == 0:
        return Estimate(value, np.nan, np.nan)
    plain = Resampling(judging.resamples, judging.seed, None, judging.confidence)
    return plain.estimate(value, sign * (now.draws - before.draws))


def slice_changes(now: Windowed, before: Windowed, judging: Judging) -> list[SliceChange]:
    """Compare every slice with the same slice of the rows that the model was validated on.

    The metric is the primary one if slices have it, else the first that they have.
    """
    known = SLICE_METRICS[judging.task]
    metric = judging.primary if judging.primary in known else known[0]
    sign = METRICS[metric].sign
    plain = Resampling(judging.resamples, judging.seed, None, judging.confidence)
    found = []
    for column in judging.slices:
        if column not in now.rows.frame.columns or column not in before.rows.frame.columns:
            continue
        levels, earlier = (_levels(one.rows, column, judging.min_slice_rows) for one in (now, before))
        for level in [level for level in levels if level in earlier]:
            value, drawn = _drawn(now, levels[level], metric, judging, salt=0)
            old, old_drawn = _drawn(before, earlier[level], metric, judging, salt=1)
            difference = plain.estimate(sign * (value - old), sign * (drawn - old_drawn))
            found.append(SliceChange(column, level, len(levels[level]), value, old, difference))
    return found


def _levels(rows: Rows, column: str, min_rows: int) -> dict[str, NDArray[np.int64]]:
    labelled = np.flatnonzero(rows.labelled)
    levels = slice_levels(rows.frame[column].iloc[labelled], min_rows)
    return {level: labelled[at] for level, at in levels.items()}


def _drawn(
    part: Windowed, at: NDArray[np.int64], metric: str, judging: Judging, *, salt: int
) -> tuple[float, Floats]:
    assert part.rows.scores is not None
    y, prediction = _target(part.rows.y[at], judging.task), part.rows.scores[at]
    resampling = judging.resampling(part.windows.of_row[at], salt)
    value = on_all_rows(judging.task, y, prediction, metrics=[metric])[metric]
    return value, bootstrap(judging.task, y, {MODEL: prediction}, resampling, metrics=[metric])[MODEL][metric]


def _target(y: Floats, task: Task) -> NDArray[Any]:
    return y if task == "regression" else y.astype(np.int64)


def expected(probabilities: Floats) -> dict[str, float]:
    """Return the metrics of a binary task that are expected if the probabilities (n,) are right.

    The ROC AUC is the expected number of correctly ordered pairs over the number of pairs of
    an event and a non-event; the log loss and the Brier score are the means over both outcomes.
    """
    p = np.clip(probabilities, 1e-15, 1 - 1e-15)
    _, place = np.unique(p, return_inverse=True)
    events = np.bincount(place, p)
    others = np.bincount(place, 1 - p)
    below = np.cumsum(others) - others
    ordered = (events * (below + others / 2)).sum() - (p * (1 - p)).sum() / 2
    pairs = events.sum() * others.sum() - (p * (1 - p)).sum()
    return {
        "roc_auc": float(ordered / pairs) if pairs > 0 else np.nan,
        "log_loss": float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()),
        "brier": float((p * (1 - p)).mean()),
    }


def estimated(rows: Rows, judging: Judging) -> float | None:
    """Return the primary metric that the scores lead to expect; None where it cannot be estimated."""
    if judging.task != "binary" or judging.primary not in ESTIMATED or rows.scores is None:
        return None
    known = rows.scores[~np.isnan(rows.scores)]
    return expected(known)[judging.primary] if len(known) >= FEWEST_LABELS else None


def stretches(n_windows: int, length: int) -> list[tuple[int, int]]:
    """Return the first and last window of consecutive stretches, counted back from the last window.

    The first stretch is left out if it is shorter than half of the others, unless it is the only one.
    """
    ends = list(range(n_windows - 1, -1, -length))[::-1]
    found = [(max(0, end - length + 1), end) for end in ends]
    short = found[0][1] - found[0][0] + 1 < length / 2
    return found[1:] if short and len(found) > 1 else found
