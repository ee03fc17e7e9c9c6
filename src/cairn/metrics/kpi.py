"""Decisions in money under a cost model, compared with doing nothing, always acting and perfect foresight.

A row costs y x loss without acting, and action + y x loss x (1 - share_saved) with acting; y is 1 for an
event.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from cairn.data.predictions import Floats
from cairn.metrics.bootstrap import Resampling, bootstrap_sums
from cairn.metrics.decisions import ratio
from cairn.metrics.weighted import weighted_rows
from cairn.settings.kpi import CostKpi

PER_ROWS = 1000
"""Money is reported per this many rows."""

NOTHING, ALWAYS, ORACLE = "nothing", "always", "oracle"


def row_cost(y: ArrayLike, acted: ArrayLike, costs: CostKpi) -> Floats:
    """Return the cost of each row, shape (n,); y is 1 for an event, acted is 1 where it was acted on."""
    event, act = np.asarray(y, dtype=np.float64), np.asarray(acted, dtype=np.float64)
    return act * costs.action + event * costs.loss * (1 - act * costs.share_saved)


def row_saving(y: ArrayLike, acted: ArrayLike, costs: CostKpi) -> Floats:
    """Return what acting saves in each row compared with doing nothing, shape (n,); see row_cost."""
    return np.asarray(y, dtype=np.float64) * costs.loss - row_cost(y, acted, costs)


def policy_series(
    y: ArrayLike,
    decisions: Mapping[str, ArrayLike],
    costs: CostKpi,
    resampling: Resampling | None = None,
    weights: Floats | None = None,
) -> dict[str, dict[str, Floats]]:
    """Compare decision policies on rows whose y is 1 for an event; see `decisions.decide`. Shapes (n,).

    A row with a weight counts as so many; without resampling, weights are given by themselves.

    Returns:
        The given policies and, always, `nothing`, `always` and `oracle` (acts on exactly the events): by
        policy, its `cost` and `spent` on acting, its `saving` against doing nothing (all per 1,000 rows),
        `share_of_oracle` (of the saving with perfect foresight), `roi` (saving per unit spent), the share
        `acted` on, `precision` and `recall`. Each has shape (1 + resamples,): the value of all rows, then
        in each resample, if any; NaN where undefined (roi if nothing is spent).
    """
    event = np.asarray(y, dtype=np.float64)
    policies = {NOTHING: np.zeros_like(event), ALWAYS: np.ones_like(event), **decisions, ORACLE: event}
    acts = np.column_stack([np.asarray(policy, dtype=np.float64) for policy in policies.values()])
    # Per policy only two sums matter: how often it acted, and how often it did so on an event.
    rows = np.column_stack([np.ones_like(event), event, acts, acts * event[:, None]])
    rows = weighted_rows(rows, weights if resampling is None else resampling.weights)
    sums = rows.sum(axis=0, keepdims=True)
    if resampling is not None:
        sums = np.concatenate([sums, bootstrap_sums(rows, resampling)])
    n, events, acted, caught = np.split(sums.T, [1, 2, 2 + len(policies)])
    spent = acted * costs.action
    saving = caught * costs.loss * costs.share_saved - spent
    scale = PER_ROWS / n
    quantities = {
        "cost": (events * costs.loss - saving) * scale,
        "spent": spent * scale,
        "saving": saving * scale,
        "roi": ratio(saving, spent, np.nan),
        "acted": acted / n,
        "precision": ratio(caught, acted, np.nan),
        "recall": ratio(caught, events, np.nan),
        "share_of_oracle": ratio(saving * scale, saving[-1] * scale, np.nan),
    }
    return {name: {key: v[i] for key, v in quantities.items()} for i, name in enumerate(policies)}
