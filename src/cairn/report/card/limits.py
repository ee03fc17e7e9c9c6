"""What a model is not good for, as far as the numbers of its run can tell."""

from collections.abc import Iterable

from cairn.report.card.words import (
    MODEL,
    Interval,
    Record,
    bias_in_words,
    estimate,
    metric_name,
    places,
    tone,
)
from cairn.report.future import seen_future
from cairn.report.numbers import number, percent

Limit = tuple[str, str]
"""A subject and a sentence."""

NAMED = 3
MOSTLY_MISSING = 0.5
NOTABLE_SHIFT = 0.1


def limits(record: Record, parts: Record, data: Record, calibration: Iterable[Record]) -> list[Limit]:
    """Return what to know before relying on the model, most important first.

    Args:
        record: metrics/evaluation.json.
        parts: metrics/split.json.
        data: metrics/data.json.
        calibration: rows of plots/curves/calibration.csv (rows, predicted, observed, low, high); empty
            for tasks without one.
    """
    found = [
        _future(parts),
        _proof(record),
        _other_metrics(record),
        _slices(record),
        _weak_class(record),
        _calibration(record, list(calibration)),
        _bias(record, parts),
        _known_groups(parts),
        _worse_than_on_validation(record),
        _shift(parts),
        _period(parts),
        _dropped(data),
        _missing(data),
        _prices(record),
    ]
    return [limit for limit in found if limit]


def _future(parts: Record) -> Limit | None:
    sentence = seen_future(parts)
    return ("Future", sentence) if sentence else None


def _proof(record: Record) -> Limit | None:
    if record["best_baseline"] in record["same_as"]:
        return "Proof", (
            f"The model is {record['best_baseline']} itself: whether another model is worth more, this run"
            " does not ask."
        )
    gain = record["gains"][record["best_baseline"]][record["primary"]]
    if tone(gain) == "better":
        return None
    return "Proof", (
        f"The gain over {record['best_baseline']} is {estimate(gain)}: these rows do not show that the model"
        f" is worth more than {record['best_baseline']}, which is simpler."
    )


def _other_metrics(record: Record) -> Limit | None:
    gains = record["gains"][record["best_baseline"]]
    worse, better = (
        ", ".join(
            f"{metric_name(name)} (gain {estimate(gain)})"
            for name, gain in gains.items()
            if tone(gain) == side and name != record["primary"]
        )
        for side in ("worse", "better")
    )
    if not worse:
        return None
    paid = f"; the model in {better}" if better else ""
    return "Other metrics", f"{record['best_baseline']} is better in {worse}{paid}."


def primary_slices(record: Record) -> list[Record]:
    """Return the slices' records of one metric: the primary one, or the first that slices have."""
    rows = record["slices"]
    names = list(dict.fromkeys(row["metric"] for row in rows))
    chosen = record["primary"] if record["primary"] in names else next(iter(names), None)
    return [row for row in rows if row["metric"] == chosen]


def worst_slices(record: Record, rows: Iterable[Record]) -> list[Record]:
    """Return the slices with the worst scores, worst first: three, but no more than half of them.

    Those without a score are left out.
    """
    known = [row for row in rows if row["value"] is not None]
    higher = {row["metric"]: record["better"][row["metric"]] == "higher" for row in known}
    ordered = sorted(known, key=lambda row: row["value"] if higher[row["metric"]] else -row["value"])
    return ordered[: min(NAMED, len(known) // 2)]


def slice_name(row: Record) -> str:
    """Name a slice, `carrier = HA`."""
    return f"{row['column']} = {row['level']}"


def _slices(record: Record) -> Limit:
    rows = primary_slices(record)
    small = small_slices(record)
    if not rows:
        return "Slices", small or "No part of the table was scored on its own (evaluate.slices)."
    metric, reference = rows[0]["metric"], record["best_baseline"]
    worst = worst_slices(record, rows)
    digits = places({"value": row["value"]} for row in worst)
    weakest = ", ".join(
        f"{slice_name(row)} ({number(row['value'], digits)}, {row['rows']:,} rows)" for row in worst
    )
    says = f"{metric_name(metric)} is weakest in {weakest}." if worst else ""
    gains = _gains_by_slice(rows, reference) if reference not in record["same_as"] else ""
    chance = (1 - record["confidence"]) * len(rows)
    looks = f"{len(rows)} slices were looked at: about {number(chance, 1)} of their intervals miss by chance."
    return "Slices", " ".join(filter(None, (says, gains, looks, small)))


def small_slices(record: Record) -> str:
    """Say how many slices were too small to be scored; empty where none was."""
    if not record["small_slices"]:
        return ""
    named = ", ".join(
        f"{small['levels']} of {column} ({small['rows']:,} rows)"
        for column, small in record["small_slices"].items()
    )
    return f"Smaller ones were not scored (evaluate.min_slice_rows): {named}."


def _gains_by_slice(rows: list[Record], reference: str) -> str:
    proved = {
        key: [row for row in rows if tone(slice_gain(row)) == key] for key in ("better", "unclear", "worse")
    }
    says = (
        f"The model is shown to be better than {reference} in {len(proved['better'])} of {len(rows)} slices"
    )
    for key, words in (("unclear", "not shown to be in"), ("worse", "worse in")):
        if proved[key]:
            says += f", {words} {_some([slice_name(row) for row in proved[key]])}"
    return f"{says}."


def _some(names: list[str]) -> str:
    """List the first few names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def slice_gain(row: Record) -> Interval:
    """Return the model's gain in a slice with its interval."""
    return {"value": row["gain"], "low": row["low"], "high": row["high"]}


def _weak_class(record: Record) -> Limit | None:
    if record["task"] != "multiclass" or not record["confusion"]:
        return None
    actual: dict[str, int] = {}
    right: dict[str, int] = {}
    for cell in record["confusion"]:
        actual[cell["actual"]] = actual.get(cell["actual"], 0) + cell["rows"]
        if cell["actual"] == cell["predicted"]:
            right[cell["actual"]] = cell["rows"]
    recall = {name: right.get(name, 0) / rows for name, rows in actual.items() if rows}
    name = min(recall, key=lambda label: recall[label])
    return "Classes", (
        f"It finds {name} least often: {percent(recall[name])} of its {actual[name]:,} test rows are"
        " called so."
    )


def _calibration(record: Record, bins: list[Record]) -> Limit | None:
    error = record["scores"][MODEL].get("ece")
    if error is None:
        return None
    says = f"Probabilities are off by {estimate(error)} on average (calibration error)"
    if bins:
        widest = max(bins, key=lambda row: abs(row["predicted"] - row["observed"]))
        says += (
            f"; the widest gap of {len(bins)} groups: where it says {percent(widest['predicted'])} on"
            f" average, {percent(widest['observed'])} of {widest['rows']:,.0f} rows come true"
        )
    return "Calibration", f"{says}."


def _bias(record: Record, parts: Record) -> Limit | None:
    error = record["mean_error"]
    if not error:
        return None
    if tone(error) == "unclear":
        return "Bias", (
            "Predictions are not shown to be too high or too low on average: predicted less actual is"
            f" {estimate(error)}."
        )
    mean, share = parts["parts"]["test"]["mean"], ""
    if mean:
        share = f", {percent(abs(error['value'] / mean))} of the mean of test"
    return "Bias", f"Predictions are {bias_in_words(error)} on average{share}."


def _known_groups(parts: Record) -> Limit | None:
    count = parts["shared"].get("groups")
    if not count:
        return None
    return "Groups", (
        f"{count:,} groups of rows (data.group) are in more than one part: it is scored on groups it has met,"
        " and may be worse on new ones. split=group asks the harder question."
    )


def _worse_than_on_validation(record: Record) -> Limit | None:
    metric = record["primary"]
    before, now = record["validation"][MODEL][metric], record["scores"][MODEL][metric]
    if None in (before, now["low"], now["high"]):
        return None
    worse = before > now["high"] if record["better"][metric] == "higher" else before < now["low"]
    if not worse:
        return None
    return "Steadiness", (
        f"{metric_name(metric)} was {number(before, places([now]))} on validation, outside the interval on"
        f" test, {estimate(now)}: the choices were made on easier rows, and the next ones may differ again."
    )


def _shift(parts: Record) -> Limit | None:
    train, test = parts["parts"]["train"], parts["parts"]["test"]
    key = next((key for key in ("rate", "mean") if key in train), None)
    if key is None or not train[key] or abs(test[key] / train[key] - 1) < NOTABLE_SHIFT:
        return None
    digits = places([{"value": train[key]}, {"value": test[key]}])
    both = [percent(p[key]) if key == "rate" else number(p[key], digits) for p in (train, test)]
    return "Shift", f"The target's {key} was {both[0]} in train and {both[1]} in test: it moves."


def _period(parts: Record) -> Limit | None:
    test = parts["parts"]["test"]
    if "from" not in test:
        return None
    return (
        "Time",
        f"Scored on rows from {test['from']} to {test['until']}; nothing is known about later ones.",
    )


def _dropped(data: Record) -> Limit | None:
    reasons = {reason: rows for reason, rows in data["dropped"].items() if rows}
    if not reasons:
        return None
    listed = ", ".join(f"{reason.replace('_', ' ')} ({rows:,})" for reason, rows in reasons.items())
    return "Left out", f"It says nothing about rows like those that were dropped: {listed}."


def _missing(data: Record) -> Limit | None:
    empty = {name: share for name, share in data["missing"].items() if share > MOSTLY_MISSING}
    if not empty:
        return None
    worst = sorted(empty, key=lambda name: (-empty[name], name))
    named = [f"{name} ({percent(empty[name], 0)})" for name in worst]
    return "Missing", f"Missing in most rows: {_some(named)}."


def _prices(record: Record) -> Limit | None:
    if not record["kpi"]:
        return None
    oracle = record["kpi"]["policies"][MODEL]["share_of_oracle"]["value"]
    share = "" if oracle is None else f" It reaches {percent(oracle)} of what knowing the future would."
    return "Money", f"The savings hold for the prices in the settings below (kpi) and no others.{share}"
