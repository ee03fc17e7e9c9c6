"""Metrics of weighted rows for many weightings at once, on which the bootstrap is built.

A bootstrap draw is a whole number of copies per block of rows; rows that have weights of their own, as in a
survey, count by both. Most metrics are functions of sums
over rows (`Term`), so all draws together are one matrix product; the two ranking metrics need the
rows in order once, and cumulative sums of the counts after that (`Ranking`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.metrics import decisions
from cairn.metrics.decisions import ratio
from cairn.metrics.formulas import ECE_BINS, row_brier, row_log_loss
from cairn.settings.data import Task

if TYPE_CHECKING:
    from scipy import sparse

Sums = Mapping[str, Floats]
"""By term, the weighted sums over rows; shape (size of the term, draws)."""


@dataclass(frozen=True)
class Term:
    """Sums of `values` over rows, one for each of `size` codes."""

    values: NDArray[Any]
    codes: NDArray[np.int64] | None = None
    size: int = 1

    def matrix(self) -> "sparse.csr_array":
        """One row per example with its value in the column of its code, shape (n, size)."""
        from scipy import sparse

        n = len(self.values)
        codes = np.zeros(n, dtype=np.int64) if self.codes is None else self.codes
        values = self.values.astype(np.float64)
        return sparse.csr_array((values, codes, np.arange(n + 1)), shape=(n, self.size))


def class_terms(y: NDArray[np.int64], prediction: Floats, threshold: float) -> dict[str, Term]:
    """The sums behind the metrics of binary and multiclass predictions."""
    k = 2 if prediction.ndim == 1 else prediction.shape[1]
    decided = decisions.decide(prediction, threshold)
    if prediction.ndim == 1:
        believed, came_true = prediction, y
    else:
        believed, came_true = prediction.max(axis=1), (decided == y)
    # A probability of exactly 1 is a bin of its own, as in torchmetrics.
    bins = np.floor(believed * ECE_BINS).astype(np.int64)
    return {
        "cells": Term(np.ones(len(y)), y * k + decided, k * k),
        "log_loss": Term(row_log_loss(y, prediction)),
        "brier": Term(row_brier(y, prediction)),
        "gaps": Term(believed - came_true, bins, ECE_BINS + 1),
    }


def value_terms(y: Floats, prediction: Floats) -> dict[str, Term]:
    """The sums behind the metrics of predicted values; the target is centred first, for its variance."""
    error, centred, nonzero = prediction - y, y - y.mean(), y != 0
    return {
        "rows": Term(np.ones(len(y))),
        "squared": Term(error**2),
        "absolute": Term(np.abs(error)),
        "relative": Term(np.abs(ratio(error, y))),
        "nonzero": Term(nonzero),
        "target": Term(centred),
        "target_squared": Term(centred**2),
    }


def _cells(sums: Sums) -> Floats:
    k = round(len(sums["cells"]) ** 0.5)
    return sums["cells"].reshape(k, k, -1)


def _per_class(formula: Callable[[Floats], Floats]) -> Callable[[Sums], Floats]:
    """Binary: the positive class; multiclass: the mean over classes."""

    def value(sums: Sums) -> Floats:
        cells = _cells(sums)
        return formula(cells)[1] if len(cells) == 2 else decisions.macro(formula(cells), cells)

    return value


def _mean(term: str, over: str) -> Callable[[Sums], Floats]:
    return lambda sums: ratio(sums[term][0], sums[over].sum(axis=0), np.nan)


def _r2(sums: Sums) -> Floats:
    """1 - Σw·e² / Σw·(y - ȳ)², with Σw·(y - ȳ)² = Σw·y² - (Σw·y)²/Σw."""
    spread = sums["target_squared"][0] - ratio(sums["target"][0] ** 2, sums["rows"][0])
    # The rounding error of a difference of equal numbers is not a variance.
    constant = spread <= 1e-12 * sums["target_squared"][0]
    return np.where(constant, np.nan, 1 - ratio(sums["squared"][0], spread))


CLASS_VALUES: dict[str, Callable[[Sums], Floats]] = {
    "accuracy": lambda sums: decisions.accuracy(_cells(sums)),
    "precision": _per_class(decisions.precision),
    "recall": _per_class(decisions.recall),
    "f1": _per_class(decisions.f1),
    "balanced_accuracy": lambda sums: decisions.balanced_accuracy(_cells(sums)),
    "mcc": lambda sums: decisions.mcc(_cells(sums)),
    "log_loss": _mean("log_loss", over="cells"),
    "brier": _mean("brier", over="cells"),
    "ece": lambda sums: ratio(np.abs(sums["gaps"]).sum(axis=0), sums["cells"].sum(axis=0)),
}
VALUE_VALUES: dict[str, Callable[[Sums], Floats]] = {
    "rmse": lambda sums: np.sqrt(ratio(sums["squared"][0], sums["rows"][0])),
    "mae": _mean("absolute", over="rows"),
    "mape": _mean("relative", over="nonzero"),
    "r2": _r2,
}
CACHED_CELLS = 2**18
"""Rows of a ranking times draws at a time: about what a processor's cache holds."""
GROUPS = 2**12
"""A group of a long ranking has at most 1 / GROUPS of its rows, if these are not tied;"""
ALONE = 2**9
"""and at most 1 / ALONE of the rows above it, as the precision of the highest rows changes fastest."""
RANKED = ("roc_auc", "pr_auc")
MEDIANS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "median_ae": lambda y, prediction: np.abs(y - prediction)
}
"""Metrics that are the median of a value per row."""


def terms_of(
    task: Task, y: NDArray[Any], prediction: Floats, threshold: float
) -> tuple[dict[str, Term], dict[str, Callable[[Sums], Floats]]]:
    """Return the sums that a task's metrics need, and the metrics as functions of them."""
    if task == "regression":
        return value_terms(y, prediction), VALUE_VALUES
    return class_terms(y, prediction, threshold), CLASS_VALUES


def block_sums(rows: "sparse.csr_array", blocks: NDArray[np.int64] | None) -> "sparse.csr_array":
    """Adds up rows (n, c) by block code, shape (largest code + 1, c); the rows themselves without blocks."""
    from scipy import sparse

    if blocks is None:
        return rows
    n = len(blocks)
    member = sparse.csr_array((np.ones(n), (blocks, np.arange(n))), shape=(int(blocks.max()) + 1, n))
    return sparse.csr_array(member @ rows)


def weighted_sums(matrix: "sparse.csr_array", counts: NDArray[np.int32]) -> Floats:
    """Sums under each draw, shape (c, draws), from matrix (b, c) and counts (at least b, draws).

    The sparse product adds in one fixed order; BLAS would make the last bits depend on its threads.
    """
    return np.asarray(matrix.T @ counts[: matrix.shape[0]].astype(np.float64))


def weighted_rows(rows: NDArray[Any], weights: Floats | None) -> Floats:
    """Return rows (n, c) times their weights (n,); as they are without weights."""
    return rows if weights is None else rows * weights[:, None]


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the median of values (n,) with weights (n,): the mean of both middle ones if half is below each.

    As scikit-learn's median_absolute_error; NaN if no row has a weight.
    """
    order = np.argsort(values, kind="stable")
    order = order[weights[order] > 0]
    if len(order) == 0:
        return float("nan")
    reached = np.cumsum(weights[order])
    first, last = (np.searchsorted(reached, reached[-1] / 2, side) for side in ("left", "right"))
    return float((values[order[first]] + values[order[last]]) / 2)


class Ranking:
    """One binary ranking, sorted once, whose ROC AUC and average precision follow for any weights.

    With weights w, a positive row i, and the rows ordered by score:

    ROC AUC = Σᵢ wᵢ (N⁻(below i) + ½ N⁻(tied with i)) / (W⁺ W⁻)
    average precision = Σᵢ wᵢ TPᵢ / (TPᵢ + FPᵢ) / W⁺, where TPᵢ and FPᵢ count the positive and negative
    rows that score at least as high as i

    N⁻, TP and FP are differences of cumulative weights at positions that do not depend on the weights.
    """

    def __init__(
        self,
        positive: NDArray[np.bool_],
        prediction: Floats,
        blocks: NDArray[np.int64] | None,
        weights: Floats | None = None,
    ) -> None:
        order = np.argsort(prediction, kind="stable")
        codes = order if blocks is None else blocks[order]
        ranked, is_positive = prediction[order], positive[order]
        self.positive_codes, self.negative_codes = codes[is_positive], codes[~is_positive]
        self.positive_weights = None if weights is None else weights[order][is_positive]
        self.negative_weights = None if weights is None else weights[order][~is_positive]
        above, below = ranked[is_positive], ranked[~is_positive]
        self.negatives_below = np.searchsorted(below, above, side="left")
        self.negatives_to_tie = np.searchsorted(below, above, side="right")
        self.positives_below = np.searchsorted(above, above, side="left")

    def areas(self, counts: NDArray[np.int32]) -> tuple[Floats, Floats]:
        """ROC AUC and average precision under counts (blocks, draws), two arrays of shape (draws,).

        NaN for a draw that has only one class.
        """
        step = max(1, CACHED_CELLS // (len(self.positive_codes) + len(self.negative_codes)))
        draws = np.ascontiguousarray(counts.T)
        parts = [draws[start : start + step] for start in range(0, len(draws), step)]
        found = [self._areas(part, alone=len(draws) == 1) for part in parts]
        roc_auc, pr_auc = (np.concatenate(values) for values in zip(*found, strict=True))
        return roc_auc, pr_auc

    def _areas(self, counts: NDArray[np.int32], *, alone: bool) -> tuple[Floats, Floats]:
        """Do the same for counts (draws, blocks). Every array has one row for each draw."""
        weights, others = (
            counts.take(codes, axis=1) if of_rows is None else counts.take(codes, axis=1) * of_rows
            for codes, of_rows in (
                (self.positive_codes, self.positive_weights),
                (self.negative_codes, self.negative_weights),
            )
        )
        positives, negatives = (
            np.cumulative_sum(rows, axis=1, dtype=rows.dtype, include_initial=True)
            for rows in (weights, others)
        )
        all_positive, all_negative = positives[:, -1].astype(np.float64), negatives[:, -1].astype(np.float64)
        weights = weights.astype(np.float64)
        below = negatives.take(self.negatives_below, axis=1)
        not_above = below + negatives.take(self.negatives_to_tie, axis=1)
        wins = np.einsum("dp,dp->d", weights, not_above) / 2  # no BLAS, as in weighted_sums
        true = positives[:, -1:] - positives.take(self.positives_below, axis=1)
        called = true + negatives[:, -1:] - below
        precision = np.divide(true, called, out=np.zeros(true.shape), where=called > 0)
        precision *= weights
        # One by one, so that a draw's bits do not depend on how many there are; a single one in pairs.
        if alone or not len(self.positive_codes):
            found = precision.sum(axis=1)
        else:
            found = np.cumsum(precision, axis=1, out=precision)[:, -1]
        roc_auc = ratio(wins, all_positive * all_negative, np.nan)
        pr_auc = ratio(found, all_positive, np.nan)
        pr_auc[all_negative == 0] = np.nan
        return roc_auc, pr_auc


class GroupedRanking:
    """A long ranking by groups of neighbours, for many weightings in a fraction of the time.

    In ROC AUC the rows of a group count as tied; in average precision each has the precision in the middle of
    the group. Rows of one score are in one group, and many of them in a group of their own. Both differ from
    those of `Ranking` by far less than they vary between draws, and not at all where every group has one
    score.
    """

    def __init__(
        self,
        positive: NDArray[np.bool_],
        prediction: Floats,
        blocks: NDArray[np.int64],
        weights: Floats | None = None,
    ) -> None:
        from scipy import sparse

        ranked = np.sort(prediction)
        edges = np.unique(ranked[_starts(len(ranked))])
        first, after = (np.searchsorted(ranked, edges, side) for side in ("left", "right"))
        edges = np.union1d(edges, ranked[after[(after - first > 1) & (after < len(ranked))]])
        last = np.append(np.searchsorted(ranked, edges[1:]), len(ranked)) - 1
        self.half = np.where(ranked[last] == edges, 0.0, 0.5)[:, None]
        groups, shape = np.searchsorted(edges, prediction, "right") - 1, (len(edges), int(blocks.max()) + 1)
        values = np.ones(len(blocks)) if weights is None else weights
        self.positives, self.negatives = (
            sparse.csr_array((values[rows], (groups[rows], blocks[rows])), shape=shape)
            for rows in (positive, ~positive)
        )

    def areas(self, counts: NDArray[np.int32]) -> tuple[Floats, Floats]:
        """ROC AUC and average precision under counts (blocks, draws), see Ranking.areas."""
        of_blocks = counts[: self.positives.shape[1]].astype(np.float64)
        positives, negatives = self.positives @ of_blocks, self.negatives @ of_blocks
        above, below = np.cumsum(positives, axis=0), np.cumsum(negatives, axis=0)
        all_positive, all_negative = above[-1].copy(), below[-1].copy()
        below -= negatives
        wins = np.cumsum(positives * (below + negatives / 2), axis=0)[-1]
        true = all_positive - above + positives
        called = true + all_negative - below - self.half * (positives + negatives)
        true -= self.half * positives
        precision = np.divide(true, called, out=np.zeros(true.shape), where=called > 0)
        found = np.cumsum(precision * positives, axis=0)[-1]
        roc_auc = ratio(wins, all_positive * all_negative, np.nan)
        pr_auc = ratio(found, all_positive, np.nan)
        pr_auc[all_negative == 0] = np.nan
        return roc_auc, pr_auc


def _starts(rows: int) -> list[int]:
    """Return where groups of sorted rows start: the highest rows alone, below them more and more together."""
    starts = [rows]
    while starts[-1] > 0:
        above = rows - starts[-1]
        starts.append(max(0, starts[-1] - min(max(1, above // ALONE), -(-rows // GROUPS))))
    return starts[1:]
