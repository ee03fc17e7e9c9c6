"""The decision threshold on the model card: what every other one would do on the validation rows."""

from typing import Any

import numpy as np

from cairn.data.predictions import Floats
from cairn.metrics.kpi import PER_ROWS
from cairn.report.numbers import number, percent
from cairn.settings.kpi import CostKpi, KpiConfig

STEPS = 100
"""Thresholds to choose from, besides the one in use: each decides about as many rows more as the next."""


def threshold_curve(y: Floats, prediction: Floats, threshold: float, kpi: KpiConfig) -> dict[str, Any]:
    """Return the decisions that each threshold leads to: a row is positive if its prediction is above it.

    Args:
        y: 1 for an event, shape (n,).
        prediction: P(event), shape (n,).
        threshold: the one in use, at position `at` of the result.
        kpi: its prices, if any, give `saved`, by what a decided event lowers the cost, and `action`.

    Returns:
        The counts `rows` and `events`; by ascending threshold, `thresholds` (three digits each), how many
        rows are `acted` on and how many of them are events, `caught`.
    """
    quantiles = np.quantile(prediction, np.linspace(0, 1, STEPS + 1))
    cuts = np.unique([0.0, threshold, *(float(f"{value:.3g}") for value in quantiles)])
    above = {
        name: len(values) - np.searchsorted(np.sort(values), cuts, side="right")
        for name, values in (("acted", prediction), ("caught", prediction[y == 1]))
    }
    prices = {}
    if isinstance(kpi, CostKpi):
        prices = {"saved": kpi.loss * kpi.share_saved, "action": kpi.action, "currency": kpi.currency}
    return {
        "rows": len(y),
        "events": int((y == 1).sum()),
        "at": int(np.searchsorted(cuts, threshold)),
        "thresholds": cuts.tolist(),
        **{name: counts.tolist() for name, counts in above.items()},
        **prices,
    }


def at_threshold(curve: dict[str, Any]) -> dict[str, Any]:
    """Return as text what the page shows of the threshold in use until the reader moves it."""
    rows, events = curve["rows"], curve["events"]
    acted, caught = (curve[name][curve["at"]] for name in ("acted", "caught"))
    shown = {
        "threshold": f"{curve['thresholds'][curve['at']]:#.3g}",
        "decided": percent(acted / rows),
        "precision": percent(caught / acted if acted else None),
        "recall": percent(caught / events if events else None),
        "caught": f"{caught:,}",
        "missed": f"{events - caught:,}",
        "false_alarms": f"{acted - caught:,}",
        "passed": f"{rows - events - acted + caught:,}",
    }
    if "saved" in curve:
        saving = caught * curve["saved"] - acted * curve["action"]
        shown["saving"] = number(saving * PER_ROWS / rows, 0)
    return shown
