"""Numbers as people read them, and the verdict of a run in sentences, from metrics/evaluation.json."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cairn.report.future import seen_future
from cairn.report.numbers import ABSENT, MINUS, number

Record = Mapping[str, Any]
Interval = Mapping[str, float | None]
"""A value with its `low` and `high`; None where undefined."""

MODEL = "model"
MOST_PLACES = 9
NAMES = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
    "mcc": "MCC",
    "f1": "F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "median_ae": "median error",
    "mape": "MAPE",
    "r2": "R²",
}
POLICIES = {"nothing": "doing nothing", "always": "always acting", "oracle": "knowing the future"}

Tone = Literal["better", "unclear", "worse"]


@dataclass(frozen=True)
class Verdict:
    """What the run came to: the model against the best baseline, and in money where acting has a price."""

    tone: Tone
    headline: str
    score: str
    money: str


def metric_name(name: str) -> str:
    """Return the metric's usual name, `roc_auc` as `ROC AUC`."""
    return NAMES.get(name, name.replace("_", " "))


def label(name: str, record: Record) -> str:
    """Return what a predictor or policy is called: the model by its own name, the fixed policies in words."""
    if name != MODEL:
        return POLICIES.get(name, name)
    return f"{record['model']} (model)" if record["model"] in record["scores"] else record["model"]


def places(intervals: Iterable[Interval]) -> int:
    """Return the decimals for all to share: two digits of the narrowest interval.

    Intervals less than a hundredth as wide as the widest do not count. Without an interval of any width the
    largest value decides: four digits of it.
    """
    known = [e for e in intervals if e["value"] is not None]
    widths = [_or_zero(e.get("high")) - _or_zero(e.get("low")) for e in known]
    widest = max(widths, default=0.0)
    if widest > 0:
        digits = 1 - math.floor(math.log10(min(width for width in widths if width > widest / 100)))
    else:
        largest = max((abs(_or_zero(e["value"])) for e in known), default=0.0) or 1.0
        size = math.floor(math.log10(largest))
        digits = 3 - (max(size, 0) if largest >= 0.1 else size)
    return min(max(digits, 0), MOST_PLACES)


def _or_zero(value: float | None) -> float:
    return 0.0 if value is None else value


def confidence(record: Record) -> str:
    """Write the share of such intervals that hold the true value, `95%`."""
    return f"{100 * record['confidence']:g}%"


def span(interval: Interval, digits: int) -> str:
    """Write the ends of an interval, `[0.72, 0.75]`, or `[1,200 to 1,300]` where a comma would confuse."""
    low, high = number(interval["low"], digits), number(interval["high"], digits)
    return f"[{low}{' to ' if ',' in low + high else ', '}{high}]"


def estimate(interval: Interval, digits: int | None = None) -> str:
    """Write a value with its interval, `0.741 [0.728, 0.755]`."""
    digits = places([interval]) if digits is None else digits
    return f"{number(interval['value'], digits)} {span(interval, digits)}"


def tone(gain: Interval) -> Tone:
    """Say what a gain proves: better or worse where the whole interval is on one side of 0."""
    low, high = gain["low"], gain["high"]
    if low is None or high is None or low <= 0 <= high:
        return "unclear"
    return "better" if low > 0 else "worse"


def bias_in_words(error: Interval) -> str:
    """Write a mean error whose interval is on one side of 0, `too low by 19.3 [18.1, 20.6]`."""
    if tone(error) == "better":
        return f"too high by {estimate(error)}"
    turned = {"value": error["value"], "low": error["high"], "high": error["low"]}
    size = {end: None if value is None else -value for end, value in turned.items()}
    return f"too low by {estimate(size)}"


def best_other_policy(record: Record) -> str:
    """Return the policy that saves most; the oracle, the model and what predicts the same aside."""
    aside = (MODEL, "oracle", *record["same_as"])
    others = {name: p for name, p in record["kpi"]["policies"].items() if name not in aside}
    return max(others, key=lambda name: others[name]["saving"]["value"])


def verdict(record: Record, parts: Record) -> Verdict:
    """Say in sentences how good the model is, and by how much better than the best baseline.

    Args:
        record: metrics/evaluation.json.
        parts: metrics/split.json.
    """
    metric, best, model = record["primary"], record["best_baseline"], label(MODEL, record)
    if best in record["same_as"]:
        score = (
            f"On {record['rows']:,} rows it had never seen, {model} reaches {metric_name(metric)}"
            f" {estimate(record['scores'][MODEL][metric])}, as {best} does: their predictions are equal."
        )
        return Verdict("unclear", f"The model is the best baseline itself, {best}.", score, money(record))
    gain = record["gains"][best][metric]
    proved = tone(gain)
    headline = {
        "better": f"Better than the best baseline, {best}.",
        "unclear": f"Not shown to be better than the best baseline, {best}.",
        "worse": f"Worse than the best baseline, {best}.",
    }[proved]
    ours, theirs = (record["scores"][name][metric] for name in (MODEL, best))
    digits = places([ours, theirs])
    difference = {
        "better": f"The model is better by {estimate(gain)}.",
        "unclear": f"The difference, {estimate(gain)} in the model's favour, may be chance.",
        "worse": f"The model is worse: its gain is {estimate(gain)}.",
    }[proved]
    score = (
        f"On {record['rows']:,} rows it had never seen, {model} reaches {metric_name(metric)}"
        f" {estimate(ours, digits)}, {best} {estimate(theirs, digits)}. {difference}"
    )
    if proved == "better" and seen_future(parts):
        proved, headline = "unclear", f"{headline[:-1]}, but on rows whose future it has seen."
    return Verdict(proved, headline, score, money(record))


def money(record: Record) -> str:
    """Say what acting on the model saves, against doing nothing, always acting and the best other policy."""
    kpi = record["kpi"]
    if not kpi:
        return ""
    saving, currency = kpi["savings_of_model"], kpi["currency"]
    best = best_other_policy(record)
    rivals = list(dict.fromkeys(["nothing", "always", best]))
    digits = places(saving[name] for name in rivals)
    parts = []
    for name in rivals:
        against = label(name, record) if name in POLICIES else f"the best other policy, {name}"
        doubt = " (may be chance)" if tone(saving[name]) == "unclear" else ""
        amount = f"{number(saving[name]['value'], digits)} {currency} {span(saving[name], digits)}"
        parts.append(f"{amount} against {against}{doubt}")
    return f"Per 1,000 rows, acting on it saves {_listed(parts)}."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def summary(record: Record, parts: Record, name: str, page: str) -> list[str]:
    """Return the run in a few lines of plain text for a terminal, a pipe or a log.

    Args:
        record: metrics/evaluation.json.
        parts: metrics/split.json.
        name: of the data.
        page: where the whole report is.
    """
    metric, best = record["primary"], record["best_baseline"]
    gains = {name: gain[metric] for name, gain in record["gains"].items()}
    digits = places([record["scores"][MODEL][metric], record["scores"][best][metric]])
    lines = [
        (metric, f"{estimate(record['scores'][MODEL][metric], digits)} ({confidence(record)} interval)"),
        ("best baseline", f"{best}, {estimate(record['scores'][best][metric], digits)}"),
        *(
            (f"gain over {name}", f"{estimate(gain)} {_PROOF[tone(gain)]}")
            if name not in record["same_as"]
            else ("the model is", f"{name} itself: the same predictions, row by row")
            for name, gain in gains.items()
        ),
    ]
    if record["kpi"]:
        lines += [
            (f"saves against {label(policy, record)}", estimate(saved))
            for policy, saved in record["kpi"]["savings_of_model"].items()
            if policy not in ("prior", *record["same_as"])
        ]
        lines[-1] = (lines[-1][0], f"{lines[-1][1]} ({record['kpi']['currency']} per 1,000 rows)")
    error = record["mean_error"]
    if error:
        doubt = tone(error) == "unclear"
        said = (
            f"{estimate(error)} on average (may be chance)" if doubt else f"{bias_in_words(error)} on average"
        )
        lines.append(("bias", said))
    if seen_future(parts):
        lines.append(("caution", f"split.kind={parts['kind']} ignores the rows' time; set split=time"))
    lines += [
        ("read", page),
        ("compare", "dvc exp show --only-changed, dvc metrics diff"),
    ]
    title = f"{name}: {record['target']} by {record['model']}, {record['rows']:,} test rows"
    width = max(len(subject) for subject, _ in lines)
    told = [title, *(f"  {subject:<{width}}  {text}" for subject, text in lines)]
    return [line.replace(MINUS, "-").replace(ABSENT, "-") for line in told]


_PROOF: dict[Tone, str] = {
    "better": "(better: the interval is above 0)",
    "unclear": "(may be chance: the interval holds 0)",
    "worse": "(worse: the interval is below 0)",
}
