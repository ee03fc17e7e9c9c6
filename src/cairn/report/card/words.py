"""Metrics and intervals as text, and the verdict on a run in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cairn.metrics.evaluation import MODEL, Evaluation, Kpi, Score
from cairn.report.numbers import Interval, estimate, listed, number, places, span, to_ascii
from cairn.report.page import seen_future
from cairn.terminal import wrapped

Record = Mapping[str, Any]

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
MEASURES = {
    "selection_rate": "selection rate",
    "false_positive_rate": "false-positive rate",
    "false_negative_rate": "false-negative rate",
    "calibration": "predicted minus observed",
}
POLICIES = {"nothing": "doing nothing", "always": "always acting", "oracle": "perfect foresight"}

Tone = Literal["better", "unclear", "worse"]


@dataclass(frozen=True)
class Verdict:
    """The model compared with the best baseline, and in money where there is a cost model."""

    tone: Tone
    headline: str
    score: str
    money: str


def metric_name(name: str) -> str:
    """Return the metric's usual name, `roc_auc` as `ROC AUC`."""
    return NAMES.get(name, name.replace("_", " "))


def label(name: str, record: Evaluation) -> str:
    """Name a predictor or a policy: the model as in the settings, the fixed policies in words."""
    if name != MODEL:
        return POLICIES.get(name, name)
    return f"{record.model} (model)" if record.model in record.scores else record.model


def confidence(record: Evaluation) -> str:
    """Write the confidence level, `95%`."""
    return f"{100 * record.confidence:g}%"


def tone(gain: Interval) -> Tone:
    """Return what a gain shows: better or worse if its interval excludes 0, else unclear."""
    low, high = gain.low, gain.high
    if low is None or high is None or low <= 0 <= high:
        return "unclear"
    return "better" if low > 0 else "worse"


def bias_in_words(error: Interval) -> str:
    """Write a mean error whose interval excludes 0, `too low by 19.3 [18.1, 20.6] on average`."""
    if tone(error) == "better":
        return f"too high by {estimate(error)} on average"
    low, value, high = (None if end is None else -end for end in (error.high, error.value, error.low))
    return f"too low by {estimate(Score(value=value, low=low, high=high))} on average"


def best_other_policy(record: Evaluation, kpi: Kpi) -> str:
    """Return the policy that saves most, apart from the oracle, the model and its equals."""
    aside = (MODEL, "oracle", *record.same_as)
    others = {name: policy.saving.value or 0.0 for name, policy in kpi.policies.items() if name not in aside}
    return max(others, key=lambda name: others[name])


def verdict(record: Evaluation, split: Record) -> Verdict:
    """Say how good the model is and how much better than the best baseline; split is metrics/split.json."""
    best, model, gain = record.best_baseline, label(MODEL, record), record.gain
    ours, theirs = record.score, record.scores[best][record.primary]
    title = f"{metric_name(record.primary)} on {record.rows:,} test rows"
    if record.is_baseline:
        score = f"{title}: {estimate(ours)} for both {model} and {best}, whose predictions are equal."
        return Verdict("unclear", f"The model equals the best baseline, {best}.", score, money(record))
    proved = tone(gain)
    headline = {
        "better": f"Better than the best baseline, {best}.",
        "unclear": f"No evidence that the model beats the best baseline, {best}.",
        "worse": f"Worse than the best baseline, {best}.",
    }[proved]
    difference = {
        "better": f"The model is better by {estimate(gain)}.",
        "unclear": f"The model's gain, {estimate(gain)}, is not significant.",
        "worse": f"The model is worse: its gain is {estimate(gain)}.",
    }[proved]
    digits = places([ours, theirs])
    score = f"{title}: {model} {estimate(ours, digits)}, {best} {estimate(theirs, digits)}. {difference}"
    if proved == "better" and seen_future(split):
        proved, headline = "unclear", f"{headline[:-1]}, but the model was trained on later rows."
    return Verdict(proved, headline, score, money(record))


def money(record: Evaluation) -> str:
    """Say what the model saves compared with doing nothing, always acting and the best other policy."""
    kpi = record.kpi
    if not kpi:
        return ""
    saving, best = kpi.savings_of_model, best_other_policy(record, kpi)
    rivals = list(dict.fromkeys(["nothing", "always", best]))
    digits = places(saving[name] for name in rivals)
    parts = []
    for name in rivals:
        rival = label(name, record) if name in POLICIES else f"the best other policy, {name}"
        doubt = " (not significant)" if tone(saving[name]) == "unclear" else ""
        amount = f"{number(saving[name].value, digits)} {kpi.currency} {span(saving[name], digits)}"
        parts.append(f"{amount} compared with {rival}{doubt}")
    return f"Per 1,000 rows, the model saves {listed(parts)}."


def summary(record: Evaluation, split: Record, name: str, page: str) -> list[str]:
    """Return the run in a few lines of plain text for a terminal: `name` is the name of the data."""
    metric, best = record.primary, record.best_baseline
    ours, theirs = record.score, record.scores[best][metric]
    digits = places([ours, theirs])
    lines = [
        (metric, f"{estimate(ours, digits)} ({confidence(record)} interval)"),
        ("best baseline", f"{best}, {estimate(theirs, digits)}"),
        *(
            ("model equals", f"{name}: the same predictions, row by row")
            if name in record.same_as
            else (f"gain over {name}", f"{estimate(gain[metric])} {_PROOF[tone(gain[metric])]}")
            for name, gain in record.gains.items()
        ),
    ]
    if record.kpi:
        lines += [
            (f"saves against {label(policy, record)}", estimate(saved))
            for policy, saved in record.kpi.savings_of_model.items()
            if policy not in ("prior", *record.same_as)
        ]
        lines[-1] = (lines[-1][0], f"{lines[-1][1]} ({record.kpi.currency} per 1,000 rows)")
    error = record.mean_error
    if error:
        unclear = tone(error) == "unclear"
        lines.append(("bias", f"{estimate(error)} (not significant)" if unclear else bias_in_words(error)))
    if seen_future(split):
        lines.append(("caution", f"split.kind={split['kind']} ignores time; set split=time"))
    lines += [
        ("read", page),
        ("compare", "cairn board"),
    ]
    title = f"{name}: {record.target} by {record.model}, {record.rows:,} test rows"
    width = max(len(subject) for subject, _ in lines)
    rows = (wrapped(f"  {subject:<{width}}  {text}", " " * (width + 4)) for subject, text in lines)
    return [to_ascii(line) for line in (title, *(line for row in rows for line in row))]


_PROOF: dict[Tone, str] = {
    "better": "(better: interval above 0)",
    "unclear": "(not significant)",
    "worse": "(worse: interval below 0)",
}
