"""Decisions in money under a cost model, compared with doing nothing, always acting and perfect foresight.

A row costs y x loss without acting, and action + y x loss x (1 - share_saved) with acting; y is 1 for an
event.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cairn.data.predictions import Floats
from cairn.metrics.bootstrap import Estimate, Resampling, bootstrap_sums
from cairn.metrics.decisions import ratio
from cairn.settings.kpi import CostKpi

PER_ROWS = 1000
"""Money is reported per this many rows."""

NOTHING, ALWAYS, ORACLE = "nothing", "always", "oracle"


@dataclass(frozen=True)
class KpiReport:
    """Policies compared.

    Attributes:
        policies: by policy, its `cost` and `spent` on acting, its `saving` against doing nothing (all
            per 1,000 rows), `share_of_oracle` (of the saving with perfect foresight), `roi` (saving per
            unit spent), the share `acted` on, `precision` and `recall`. NaN where undefined (roi if nothing
            is spent).
        savings: savings[a][b] is how much less policy a costs than policy b per 1,000 rows.
    """

    policies: dict[str, dict[str, Estimate]]
    savings: dict[str, dict[str, Estimate]]


def row_cost(y: ArrayLike, acted: ArrayLike, costs: CostKpi) -> Floats:
    """Return the cost of each row, shape (n,); y is 1 for an event, acted is 1 where it was acted on."""
    event, act = np.asarray(y, dtype=np.float64), np.asarray(acted, dtype=np.float64)
    return act * costs.action + event * costs.loss * (1 - act * costs.share_saved)


def row_saving(y: ArrayLike, acted: ArrayLike, costs: CostKpi) -> Floats:
    """Return what acting saves in each row compared with doing nothing, shape (n,); see row_cost."""
    return row_cost(y, np.zeros(len(np.asarray(y))), costs) - row_cost(y, acted, costs)


def kpi_report(
    y: ArrayLike, decisions: Mapping[str, ArrayLike], costs: CostKpi, resampling: Resampling
) -> KpiReport:
    """Compare decision policies on rows whose y is 1 for an event; see `decisions.decide`. Shapes (n,).

    Returns:
        The given policies and, always, `nothing`, `always` and `oracle` (acts on exactly the events).

    Raises:
        ValueError: a policy has the name of one of these three, or another number of rows than y.
    """
    names, rows = _policy_rows(y, decisions)
    drawn = bootstrap_sums(rows, resampling)
    values = _policies(names, np.concatenate([rows.sum(axis=0, keepdims=True), drawn]), costs)

    def estimated(series: Floats) -> Estimate:
        return resampling.estimate(series[0], series[1:])

    return KpiReport(
        policies={
            name: {key: estimated(series) for key, series in quantities.items()}
            for name, quantities in values.items()
        },
        savings={
            one: {
                other: estimated(values[other]["cost"] - values[one]["cost"])
                for other in values
                if other not in {one, ORACLE}
            }
            for one in decisions
        },
    )


def policy_values(
    y: ArrayLike, decisions: Mapping[str, ArrayLike], costs: CostKpi
) -> dict[str, dict[str, float]]:
    """Compare decision policies without intervals; see `kpi_report` for the arguments and policies.

    Returns:
        By policy, the quantities of `KpiReport.policies`.
    """
    names, rows = _policy_rows(y, decisions)
    values = _policies(names, rows.sum(axis=0, keepdims=True), costs)
    return {
        name: {key: float(series[0]) for key, series in quantities.items()}
        for name, quantities in values.items()
    }


def _policy_rows(y: ArrayLike, decisions: Mapping[str, ArrayLike]) -> tuple[list[str], Floats]:
    """Return the names of the policies and the columns whose sums `_policies` needs.

    Per policy only two sums matter: how often it acted, and how often it did so on an event.
    """
    event = np.asarray(y, dtype=np.float64)
    policies = {name: np.asarray(acts, dtype=np.float64) for name, acts in decisions.items()}
    for name, acts in policies.items():
        if name in {NOTHING, ALWAYS, ORACLE}:
            raise ValueError(f"a policy cannot be called '{name}', which the report adds itself")
        if acts.shape != event.shape:
            raise ValueError(f"policy '{name}' decides on {acts.shape} rows, the target has {event.shape}")
    policies = {NOTHING: np.zeros_like(event), ALWAYS: np.ones_like(event)} | policies | {ORACLE: event}
    columns = [np.ones_like(event), event]
    for acts in policies.values():
        columns += [acts, acts * event]
    return list(policies), np.stack(columns, axis=1)


def _policies(names: list[str], sums: Floats, costs: CostKpi) -> dict[str, dict[str, Floats]]:
    """Return the quantities of every policy from sums (m, 2 + 2 x policies), each of shape (m,)."""
    n, events = sums[:, 0], sums[:, 1]
    values = {
        name: _quantities(n, events, acted=sums[:, 2 + 2 * i], caught=sums[:, 3 + 2 * i], costs=costs)
        for i, name in enumerate(names)
    }
    for quantities in values.values():
        quantities["share_of_oracle"] = ratio(quantities["saving"], values[ORACLE]["saving"], np.nan)
    return values


def _quantities(
    n: Floats, events: Floats, *, acted: Floats, caught: Floats, costs: CostKpi
) -> dict[str, Floats]:
    spent = acted * costs.action
    saving = caught * costs.loss * costs.share_saved - spent
    scale = PER_ROWS / n
    return {
        "cost": (events * costs.loss - saving) * scale,
        "spent": spent * scale,
        "saving": saving * scale,
        "roi": ratio(saving, spent, np.nan),
        "acted": acted / n,
        "precision": ratio(caught, acted, np.nan),
        "recall": ratio(caught, events, np.nan),
    }
