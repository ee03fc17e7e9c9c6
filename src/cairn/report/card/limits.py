"""The limits of a model, as far as the numbers of its run show them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from cairn.metrics.evaluation import MODEL, Evaluation, Score, SliceScore
from cairn.report.card.words import MEASURES, Record, bias_in_words, metric_name, tone
from cairn.report.numbers import estimate, listed, number, percent, places
from cairn.report.page import seen_future

Limit = tuple[str, str]
"""A subject and a sentence."""

NAMED = 3
MOSTLY_MISSING = 0.5
NOTABLE_DRIFT = 0.1


def limits(
    record: Evaluation,
    split: Record,
    data: Record,
    calibration: Sequence[Record],
    notes: Sequence[str] = (),
) -> list[Limit]:
    """Return what to know before relying on the model, most important first.

    `split` is metrics/split.json, `data` is metrics/data.json; `calibration` has the rows of
    plots/curves/calibration.csv and is empty for tasks without one; `notes` are of the fit.
    """
    found = [
        ("Future", seen_future(split)),
        ("Fit", " ".join(notes)),
        ("Evidence", _evidence(record)),
        ("Other metrics", _other_metrics(record)),
        ("Slices", _slices(record)),
        ("Fairness", _fairness(record)),
        ("Classes", _weak_class(record)),
        ("Calibration", _calibration(record, calibration)),
        ("Bias", _bias(record, split)),
        ("Groups", _known_groups(split)),
        ("Stability", _worse_than_on_validation(record)),
        ("Target drift", _target_drift(split)),
        ("Time", _period(split)),
        ("Dropped rows", _dropped(data)),
        ("Missing values", _missing(data)),
        ("Money", _prices(record)),
    ]
    return [(subject, sentence) for subject, sentence in found if sentence]


def _evidence(record: Evaluation) -> str:
    best = record.best_baseline
    if record.is_baseline:
        return f"The model is {best} itself: this run does not show whether another model would be better."
    if tone(record.gain) == "better":
        return ""
    return (
        f"The gain over {best} is {estimate(record.gain)}: these rows do not show that the model is better"
        f" than {best}, which is simpler."
    )


def _other_metrics(record: Evaluation) -> str:
    gains = record.gains[record.best_baseline]
    worse, better = (
        ", ".join(
            f"{metric_name(name)} (gain {estimate(gain)})"
            for name, gain in gains.items()
            if tone(gain) == side and name != record.primary
        )
        for side in ("worse", "better")
    )
    if not worse:
        return ""
    return f"{record.best_baseline} is better in {worse}{f'; the model in {better}' if better else ''}."


def worst_slices(record: Evaluation, rows: Iterable[SliceScore]) -> list[SliceScore]:
    """Return the slices of one metric with the worst scores, worst first: three, but at most half of them."""
    known = [row for row in rows if row.value is not None]
    lower = any(not record.higher_is_better(row.metric) for row in known)
    ordered = sorted(known, key=lambda row: row.value or 0.0, reverse=lower)
    return ordered[: min(NAMED, len(known) // 2)]


def _slices(record: Evaluation) -> str:
    rows, small = record.primary_slices, small_slices(record)
    if not rows:
        return small or "No slices were scored (evaluate.slices)."
    worst = worst_slices(record, rows)
    digits = places(Score(value=row.value) for row in worst)
    named = listed(f"{row.name} ({number(row.value, digits)}, {row.rows:,} rows)" for row in worst)
    chance = number((1 - record.confidence) * len(rows), 1)
    sentences = (
        f"{metric_name(rows[0].metric)} is worst in {named}." if worst else "",
        "" if record.is_baseline else _gains_by_slice(rows, record.best_baseline),
        f"With {len(rows)} slices, expect about {chance} of the intervals to miss the true value by chance.",
        small,
    )
    return " ".join(filter(None, sentences))


def small_slices(record: Evaluation) -> str:
    """Say how many slices were too small to be scored; empty if none were."""
    if not record.small_slices:
        return ""
    named = ", ".join(
        f"{small.levels} of {column} ({small.rows:,} rows)" for column, small in record.small_slices.items()
    )
    return f"Smaller slices were not scored (evaluate.min_slice_rows): {named}."


def _gains_by_slice(rows: list[SliceScore], reference: str) -> str:
    better, unclear, worse = (
        [row.name for row in rows if tone(row.interval) == shown] for shown in ("better", "unclear", "worse")
    )
    text = f"The model is better than {reference} in {len(better)} of {len(rows)} slices"
    text += f", not significantly different in {listed(unclear, NAMED)}" if unclear else ""
    return f"{text}, worse in {listed(worse, NAMED)}." if worse else f"{text}."


def _fairness(record: Evaluation) -> str:
    rows = record.fairness
    if not rows:
        return ""
    proved = [row for row in rows if tone(row.gap) != "unclear"]
    chance = number((1 - record.confidence) * len(rows), 1)
    expected = f"With {len(rows)} gaps, expect about {chance} of the intervals to exclude 0 by chance."
    if not proved:
        return f"No evidence that levels of the protected columns are treated differently. {expected}"
    named = "; ".join(
        f"{row.name}: {MEASURES[row.measure]} {estimate(row.estimate)},"
        f" {'above' if tone(row.gap) == 'better' else 'below'} the other rows by {estimate(_size(row.gap))}"
        for row in proved
    )
    return f"{named}. {expected}"


def _size(gap: Score) -> Score:
    """Return a gap whose interval excludes 0 without its sign."""
    ends = sorted(abs(end) for end in (gap.low, gap.value, gap.high) if end is not None)
    return Score(low=ends[0], value=ends[1], high=ends[2])


def _weak_class(record: Evaluation) -> str:
    if record.task != "multiclass":
        return ""
    actual, right = Counter[str](), Counter[str]()
    for cell in record.confusion or []:
        actual[cell.actual] += cell.rows
        right[cell.actual] += cell.rows if cell.actual == cell.predicted else 0
    recall = {name: right[name] / rows for name, rows in actual.items() if rows}
    if not recall:
        return ""
    name = min(recall, key=lambda label: recall[label])
    return f"Recall is lowest for {name}: {percent(recall[name])} of its {actual[name]:,} test rows."


def _calibration(record: Evaluation, bins: Sequence[Record]) -> str:
    error = record.scores[MODEL].get("ece")
    if error is None:
        return ""
    text = f"The expected calibration error is {estimate(error)}"
    if bins:
        widest = max(bins, key=lambda row: abs(row["predicted"] - row["observed"]))
        text += (
            f"; the largest gap of {len(bins)} bins: {percent(widest['predicted'])} predicted,"
            f" {percent(widest['observed'])} observed in {widest['rows']:,.0f} rows"
        )
    return f"{text}."


def _bias(record: Evaluation, split: Record) -> str:
    error = record.mean_error
    if not error:
        return ""
    if tone(error) == "unclear":
        return f"No evidence of bias: the mean of predicted minus actual is {estimate(error)}."
    mean = split["parts"]["test"]["mean"]
    share = f", {percent(abs(error.value / mean))} of the test mean" if mean and error.value else ""
    return f"Predictions are {bias_in_words(error)}{share}."


def _known_groups(split: Record) -> str:
    count = split["shared"].get("groups")
    if not count:
        return ""
    return (
        f"{count:,} groups (data.group) have rows in more than one part, so the scores say little about new"
        " groups; split=group scores the model on groups that it was not trained on."
    )


def _worse_than_on_validation(record: Evaluation) -> str:
    before, now = record.validation[MODEL][record.primary], record.score
    if before is None or now.low is None or now.high is None:
        return ""
    worse = before > now.high if record.higher_is_better(record.primary) else before < now.low
    if not worse:
        return ""
    return (
        f"{metric_name(record.primary)} was {number(before, places([now]))} on validation, better than the"
        f" interval on test, {estimate(now)}; new rows may differ again."
    )


def _target_drift(split: Record) -> str:
    train, test = split["parts"]["train"], split["parts"]["test"]
    key = next((key for key in ("rate", "mean") if key in train), None)
    if key is None or not train[key] or abs(test[key] / train[key] - 1) < NOTABLE_DRIFT:
        return ""
    digits = places(Score(value=part[key]) for part in (train, test))
    before, after = (percent(p[key]) if key == "rate" else number(p[key], digits) for p in (train, test))
    return f"The {key} of the target is {before} in train and {after} in test."


def _period(split: Record) -> str:
    test = split["parts"]["test"]
    if "from" not in test:
        return ""
    return f"Scored on rows from {test['from']} to {test['until']}; later rows may differ."


def _dropped(data: Record) -> str:
    reasons = [f"{reason.replace('_', ' ')} ({rows:,})" for reason, rows in data["dropped"].items() if rows]
    if not reasons:
        return ""
    return f"The model was neither trained nor scored on rows like those dropped: {', '.join(reasons)}."


def _missing(data: Record) -> str:
    empty = {name: share for name, share in data["missing"].items() if share > MOSTLY_MISSING}
    worst = sorted(empty, key=lambda name: (-empty[name], name))
    named = listed((f"{name} ({percent(empty[name], 0)})" for name in worst), NAMED)
    return f"Missing in most rows: {named}." if named else ""


def _prices(record: Evaluation) -> str:
    if not record.kpi:
        return ""
    share = record.kpi.policies[MODEL].share_of_oracle.value
    reached = "" if share is None else f" The model saves {percent(share)} of what perfect foresight would."
    return f"The savings hold only for the prices in the settings below (kpi).{reached}"
