"""A comparison in sentences: one line to act on, and what lies behind it."""

import json
import math
from typing import Any

from scipy import stats

from cairn.metrics.evaluation import Score
from cairn.metrics.kpi import PER_ROWS
from cairn.metrics.paired import SAVING, Difference
from cairn.report.card.rows import p_text
from cairn.report.card.words import metric_name, places, span
from cairn.report.numbers import number
from cairn.studies.compare.comparison import Candidate, Comparison, Slice, judged

MOST_SLICES, MOST_SETTINGS, MOST_INPUTS = 3, 12, 6
POWER = 0.8


def verdict(comparison: Comparison, candidate: Candidate) -> str:
    """Say in one line whether the candidate is better than the reference, or worse, or neither."""
    one, other, level = candidate.name, comparison.reference, comparison.level
    if candidate.outcome == "same":
        return f"{one} predicts the same as {other}, row by row."
    deciding = candidate.differences[comparison.decides]
    said = quantity_in_words(comparison, comparison.decides, deciding)
    if candidate.outcome == "unclear":
        text = f"Cannot tell {one} from {other}: {said}, p {p_text(known(deciding.corrected))}"
    else:
        text = f"{one} is {candidate.outcome} than {other}: {said}"
    saving = candidate.differences.get(SAVING)
    if saving and comparison.decides != SAVING:
        agrees = judged(saving, SAVING, level) in (candidate.outcome, "unclear")
        text += f", {'' if agrees else 'but '}{quantity_in_words(comparison, SAVING, saving)}"
    parts = slices_in_words(candidate, comparison)
    return f"{text}; {parts}." if parts else f"{text}."


def quantity_in_words(comparison: Comparison, quantity: str, difference: Difference) -> str:
    """Write `ROC AUC +0.013 [0.005, 0.021]`, or the saving with its currency."""
    interval = as_interval(difference)
    digits = places([interval])
    by = signed(difference.difference, digits)
    if quantity == SAVING:
        return f"saving {by} {comparison.currency} per {PER_ROWS:,} rows {span(interval, digits)}"
    return f"{metric_name(quantity)} {by} {span(interval, digits)}"


def slices_in_words(candidate: Candidate, comparison: Comparison) -> str:
    """Say in which slices the candidate is worse, or that it is in none."""
    if not candidate.slices:
        return ""
    worse = [one for one in candidate.slices if slice_outcome(one, comparison) == "worse"]
    total = len(candidate.slices)
    if not worse:
        return f"worse in none of {total} slices"
    worst = sorted(worse, key=lambda one: one.difference.p)[:MOST_SLICES]
    more = f" and {len(worse) - len(worst)} more" if len(worse) > len(worst) else ""
    return (
        f"worse in {len(worse)} of {total} slices: {', '.join(f'{s.column} {s.level}' for s in worst)}{more}"
    )


def slice_outcome(one: Slice, comparison: Comparison) -> str:
    """Say what the difference within a slice proves."""
    return judged(one.difference, comparison.decides, comparison.level)


def detectable(comparison: Comparison, difference: Difference) -> float:
    """Return the true difference that such a comparison finds four times in five.

    The usual (t(1 - alpha/2) + t(power)) · standard error (Bloom 1995, Evaluation Review 19:547-556).
    """
    quantiles = stats.t.ppf([1 - comparison.level / 2, POWER], comparison.units - 1)
    return float(quantiles.sum()) * difference.error


def background(comparison: Comparison) -> list[str]:
    """Say what was compared, and how."""
    drawn = f"{comparison.units} blocks of {comparison.block}" if comparison.block else "rows one by one"
    lines = [
        f"{comparison.rows:,} {comparison.part} rows; {100 * comparison.confidence:g}% intervals of the"
        f" difference to A: {comparison.resamples:,} paired draws of {drawn}, Student's t.",
        f"{metric_name(comparison.decides)} decides. p is corrected for the number of tests (Holm): over all"
        " candidates, over all other numbers, over all slices.",
    ]
    if comparison.other_prices:
        named = ", ".join(comparison.other_prices)
        lines.append(f"Priced by the kpi of A; that of {named} differs, and with it what it decided.")
    if comparison.part == "validation":
        lines.append("Models were chosen on these rows: good for choosing, not for a claim.")
    return lines


def sensitivity(comparison: Comparison, candidate: Candidate) -> str:
    """Say how large a difference would have been found."""
    deciding = candidate.differences[comparison.decides]
    found = detectable(comparison, deciding)
    if not found > 0:
        return ""
    size = number(found, places([as_interval(deciding)]))
    what = metric_name(comparison.decides)
    return f"A true difference of {size} in {what} is found in 4 of 5 such comparisons."


def changes(candidate: Candidate, most: int = MOST_SETTINGS) -> list[str]:
    """List what differs in settings, code and data."""
    lines = [f"{key}: {plain(ours)} → {plain(theirs)}" for key, ours, theirs in candidate.settings[:most]]
    if len(candidate.settings) > most:
        lines.append(f"and {len(candidate.settings) - most} more settings")
    named, more = ", ".join(candidate.inputs[:MOST_INPUTS]), len(candidate.inputs) - MOST_INPUTS
    lines.append(f"code and data: {named or 'unchanged'}{f' and {more} more' if more > 0 else ''}")
    return lines


def plain(value: Any) -> str:
    """Write a setting as YAML would, on one line."""
    return json.dumps(value, ensure_ascii=False)


def as_interval(difference: Difference) -> Score:
    """Return a difference as the model card's words take it: None where undefined."""
    return Score(value=difference.difference, low=difference.low, high=difference.high)


def known(value: float) -> float | None:
    """Return None for NaN, which the model card's words write as a dash."""
    return None if math.isnan(value) else value


def signed(value: float, digits: int) -> str:
    """Write a difference with its sign, and none where it rounds to 0; a dash where undefined."""
    text = number(known(value), digits)
    return f"+{text}" if value > 0 and text.strip("0.") else text
