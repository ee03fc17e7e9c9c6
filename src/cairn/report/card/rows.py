"""The tables of the model card as rows of text, from metrics/evaluation.json."""

from collections.abc import Sequence
from itertools import groupby
from statistics import mean, stdev
from typing import Any

from cairn.metrics.evaluation import MODEL, Evaluation, Score, SliceScore
from cairn.report.card.limits import worst_slices
from cairn.report.card.words import MEASURES, Record, label, metric_name, tone
from cairn.report.numbers import Interval, in_order, in_percent, number, p_value, percent, places, span

MARK_WIDTH = 140.0
"""Length of the axis that marks are drawn on, in units of the drawing."""

RATES = ("share_of_oracle", "acted", "precision", "recall")
Row = dict[str, Any]
NO_GAIN: Row = {"gain": None, "mark": None, "p": ""}


def cell(interval: Interval, digits: int) -> Row:
    """Return a value and its interval as text."""
    return {"value": number(interval.value, digits), "span": span(interval, digits)}


def gain_cells(gains: Sequence[Interval]) -> list[Row]:
    """Return each gain as text, all with the same decimals, and its mark on one axis that contains 0."""
    digits = places(gains)
    ends = [0.0, *(end for gain in gains for end in (gain.low, gain.high) if end is not None)]
    return [{"gain": cell(gain, digits), "mark": mark(gain, (min(ends), max(ends)))} for gain in gains]


def mark(interval: Interval, ends: tuple[float, float]) -> Row | None:
    """Place an interval on an axis of MARK_WIDTH; None where it is undefined."""
    low, high = interval.low, interval.high
    if low is None or high is None or interval.value is None:
        return None
    length = (ends[1] - ends[0]) or 1.0

    def at(value: float) -> float:
        return round(4 + (MARK_WIDTH - 8) * (value - ends[0]) / length, 1)

    return {
        "low": at(low),
        "high": at(high),
        "value": at(interval.value),
        "zero": at(0.0),
        "tone": tone(interval),
    }


def predictor_rows(record: Evaluation) -> list[Row]:
    """Return one row per predictor, best first: its primary score and the model's paired gain over it."""
    scores = {name: found[record.primary] for name, found in record.scores.items()}
    digits = places(scores.values())
    gains = {name: gain[record.primary] for name, gain in record.gains.items()}
    shown = {
        name: cells | {"p": p_value(gain.p)}
        for (name, gain), cells in zip(gains.items(), gain_cells([*gains.values()]), strict=True)
        if name not in record.same_as
    }
    return [
        {
            "name": label(name, record),
            "key": name,
            "same": name in record.same_as,
            "score": cell(scores[name], digits),
            **shown.get(name, NO_GAIN),
        }
        for name in _best_first(record)
    ]


def _best_first(record: Evaluation) -> list[str]:
    scores = {name: found[record.primary].value for name, found in record.scores.items()}
    known = {name: value for name, value in scores.items() if value is not None}
    ranked = sorted(known, key=lambda name: known[name], reverse=record.higher_is_better(record.primary))
    return [*ranked, *(name for name in scores if name not in known)]


def metric_rows(record: Evaluation) -> tuple[list[str], list[Row]]:
    """Return the names of the predictors, best first, and a row per metric with their scores."""
    from cairn.metrics.scores import METRICS

    best = record.best_baseline
    names = _best_first(record)
    rows = []
    for metric in record.scores[MODEL]:
        scores = [record.scores[name][metric] for name in names]
        digits, higher = places(scores), record.higher_is_better(metric)
        values = [e.value for e in scores if e.value is not None]
        top = (max if higher else min)(values, default=None)
        gain = record.gains[best][metric]
        rows.append(
            {
                "name": metric_name(metric),
                "meaning": METRICS[metric].meaning if metric in METRICS else "",
                "better": record.better[metric],
                "cells": [{**cell(e, digits), "top": top is not None and e.value == top} for e in scores],
                "validation": number(record.validation[MODEL][metric], digits),
                "gain": cell(gain, places([gain])),
                "tone": tone(gain),
                "primary": metric == record.primary,
            }
        )
    return [label(name, record) for name in names], rows


def policy_rows(record: Evaluation) -> list[Row]:
    """Return one row per policy in money, the largest saving first; empty without a cost model."""
    if not record.kpi:
        return []
    policies, savings = record.kpi.policies, record.kpi.savings_of_model
    on_validation = record.validation_kpi or {}
    digits = places(policy.saving for policy in policies.values())
    shown = dict(zip(savings, gain_cells([*savings.values()]), strict=True))
    rates = {name: [getattr(policy, name) for policy in policies.values()] for name in RATES}
    decimals = {name: places(map(in_percent, found)) for name, found in rates.items()}
    roi = places(policy.roi for policy in policies.values())
    return [
        {
            "name": label(name, record),
            "key": name,
            "saving": cell(policy.saving, digits),
            "roi": number(policy.roi.value, roi),
            "validation": number(on_validation[name]["saving"], digits) if on_validation else "",
            **{key: percent(getattr(policy, key).value, decimals[key]) for key in RATES},
            **shown.get(name, NO_GAIN),
        }
        for name, policy in sorted(policies.items(), key=lambda item: -(item[1].saving.value or 0.0))
    ]


def slice_rows(record: Evaluation) -> list[Row]:
    """Return one row per slice: the scores of model and reference, and the gain; the worst are marked."""
    slices = _ordered(record.primary_slices)
    worst = {(row.column, row.level) for row in worst_slices(record, slices)}
    digits = places(Score(value=row.value) for row in slices)
    rate = record.task == "binary"
    means = places(Score(value=row.mean) for row in slices)
    return [
        {
            "column": row.column,
            "level": row.level,
            "first": before is None or before.column != row.column,
            "rows": f"{row.rows:,}",
            "mean": percent(row.mean) if rate else number(row.mean, means),
            "value": number(row.value, digits),
            "reference": number(row.reference, digits),
            "worst": (row.column, row.level) in worst,
            **gain,
        }
        for row, before, gain in zip(
            slices, [None, *slices], gain_cells([row.interval for row in slices]), strict=False
        )
    ]


def _ordered(slices: Sequence[SliceScore]) -> list[SliceScore]:
    """Return the slices of each column in the order of the numbers in their levels, such as hours."""
    found = []
    for _, each in groupby(slices, key=lambda row: row.column):
        rows = list(each)
        found += [rows[at] for at in in_order([row.level for row in rows])]
    return found


def fairness_rows(record: Evaluation) -> list[Row]:
    """Return one row per measure and level of a protected column: its value, and its gap to the rest."""
    rows: list[Row] = []
    for measure, name in MEASURES.items():
        found = [row for row in record.fairness if row.measure == measure]
        digits = places(row.estimate for row in found)
        for at, (row, gap) in enumerate(zip(found, gain_cells([row.gap for row in found]), strict=True)):
            shown = {"measure": name, "first": at == 0, "level": row.name, "rows": f"{row.rows:,}"}
            rows.append(shown | {"value": cell(row.estimate, digits), **gap})
    return rows


def fold_rows(folds: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    """Return the cross-validation as header and rows: the folds, their mean and standard deviation."""
    if not folds:
        return [], []
    metrics = [key for key in folds[0] if key not in ("fit", "rows")]
    values = {m: [fold[m] for fold in folds if fold[m] is not None] for m in metrics}
    digits = {
        m: places(Score(value=mean(v), low=min(v), high=max(v)) for v in [values[m]] if v) for m in metrics
    }
    rows = [
        [str(i), f"{fold['fit']:,}", f"{fold['rows']:,}", *(number(fold[m], digits[m]) for m in metrics)]
        for i, fold in enumerate(folds, start=1)
    ]
    for name, summarise in (("mean", mean), ("standard deviation", stdev)):
        cells = [number(summarise(values[m]) if len(values[m]) > 1 else None, digits[m]) for m in metrics]
        rows.append([name, "", "", *cells])
    return ["fold", "fitted on", "scored", *map(metric_name, metrics)], rows
