"""What a person should look at before trusting the table, in sentences, the gravest first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from cairn.report.explore.levels import FEW
from cairn.report.explore.study import Study
from cairn.report.future import seen_future
from cairn.report.numbers import number, percent, short
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig

MOSTLY_MISSING = 0.5
TELLING = 0.1
OFTEN = 0.01
FAR = 0.1
UNEVEN = 0.05
TAIL = 50.0
MOVED = 1.25
SMALL = 1_000
NAMED = 4
MEASURE = {"binary": "ROC AUC", "multiclass": "ROC AUC", "regression": "R²"}
CURES = {
    "trusted": "data.leakage.trusted lets it pass",
    "no feature": "it is no feature, and should not become one",
    "feature": "say known: after in the contract, or trust it by name",
}
WORDS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")

Tone = Literal["worse", "unclear", "better"]


class Finding(NamedTuple):
    """One thing about the table: worse is wrong, unclear wants a look, better is as it should be."""

    tone: Tone
    subject: str
    sentence: str


def findings(
    found: Study, contract: Contract, data: DataConfig, evaluate: EvaluateConfig, split: Mapping[str, Any]
) -> list[Finding]:
    """Return what there is to say, first what is wrong, then what wants a look, then what is well.

    Args:
        found: the study.
        contract: of the prepared table.
        data: the bounds of leaks, and data.group.
        evaluate: rows that a group needs to be scored.
        split: metrics/split.json.
    """
    every = [
        *_order(split),
        *_leaks(found, data),
        *_missing(found),
        *_repeated(found),
        *_levels(found),
        *_shift(found, split),
        *_target(found, data.event, split),
        *_groups(found, data.group, evaluate),
        *_size(found),
    ]
    order = ("worse", "unclear", "better")
    return sorted(every, key=lambda finding: order.index(finding.tone))


def headline(every: Sequence[Finding]) -> tuple[Tone, str]:
    """Return the tone of the page and its first sentence."""
    wrong = sum(finding.tone == "worse" for finding in every)
    look = sum(finding.tone == "unclear" for finding in every)
    if wrong:
        return "worse", f"{_things(wrong)} wrong, {_things(look, 'more ')} to look at."
    if look:
        return "unclear", f"{_things(look)} to look at before you trust this table."
    return "better", "Nothing here stands in the way of a model."


def _order(split: Mapping[str, Any]) -> Iterator[Finding]:
    sentence = seen_future(split)
    if sentence:
        yield Finding("worse", "Future", sentence)


def _leaks(found: Study, data: DataConfig) -> Iterator[Finding]:
    measure, bound = MEASURE[found.task], data.leakage.max_single_score
    flagged = [suspect for suspect in found.suspects if suspect.reason]
    for suspect in flagged:
        tone: Tone = "unclear" if suspect.role == "no feature" else "worse"
        yield Finding(tone, "Suspected leak", f"{suspect.column}: {suspect.reason}; {CURES[suspect.role]}.")
    if found.suspects and not flagged:
        best = found.suspects[0]
        score = f"{best.column}, reaches {measure} {number(best.score, 3)}, not above {short(bound)}"
        yield Finding("better", "Leaks", f"No column is suspect: the most telling alone, {score}.")


def _missing(found: Study) -> Iterator[Finding]:
    profiles = {name: found.profiles[name] for name in found.features}
    empty = [name for name, profile in profiles.items() if not profile.distinct]
    constant = [name for name, profile in profiles.items() if profile.distinct == 1]
    mostly = [
        f"{name} ({percent(profile.missing, 0)})"
        for name, profile in profiles.items()
        if profile.distinct and profile.missing > MOSTLY_MISSING
    ]
    if empty:
        yield Finding("worse", "Empty columns", f"{_named(empty)}: no value in train.")
    if constant:
        yield Finding("unclear", "Constant columns", f"{_named(constant)}: one value in train.")
    if mostly:
        yield Finding("unclear", "Mostly missing", f"{_named(mostly)} of the rows of train.")
    telling = sorted(
        (gap for gap in found.gaps if gap.tells is not None and abs(gap.tells) > TELLING),
        key=lambda gap: -abs(gap.tells or 0),
    )
    if telling:
        names = [f"{_group(gap.columns)} ({number(gap.tells, 2)})" for gap in telling]
        yield Finding(
            "unclear",
            "Telling gaps",
            f"Whether a value is there goes with the target: {_named(names)}. Will it be missing for the same"
            " reason when the model is used?",
        )
    if not found.gaps:
        yield Finding("better", "Missing", "No value is missing in train.")


def _repeated(found: Study) -> Iterator[Finding]:
    rows, contradicting = found.copies.rows, found.copies.contradicting
    if rows:
        share = percent(rows / found.rows)
        yield Finding("unclear", "Copied rows", f"{rows:,} rows of train ({share}) repeat an earlier one.")
    else:
        yield Finding("better", "Copied rows", "No row of train repeats another.")
    if contradicting:
        share = percent(contradicting / found.rows)
        yield Finding(
            "unclear",
            "Contradictions",
            f"{contradicting:,} rows of train ({share}) have every feature of a row with another target:"
            " no model can be right on all of them.",
        )
    if found.alike:
        pairs = [f"{pair.first} and {pair.second}" for pair in found.alike]
        yield Finding("unclear", "Twins", f"Columns that say nearly the same: {_named(pairs)}.")


def _levels(found: Study) -> Iterator[Finding]:
    names = [rare.column for rare in found.rare if rare.names_rows]
    rare = [
        f"{rare.column} ({percent(rare.rare_share)} of the values)"
        for rare in found.rare
        if not rare.names_rows and rare.rare_share > OFTEN
    ]
    unseen = [f"{r.column} ({percent(r.unseen_share)})" for r in found.rare if r.unseen_share > OFTEN]
    if names:
        sentence = f"{_named(names)}: most values are of levels with fewer than {FEW} rows of train."
        yield Finding("unclear", "Names of rows", sentence)
    if rare:
        yield Finding("unclear", "Rare levels", f"Fewer than {FEW} rows of train: {_named(rare)}.")
    if unseen:
        sentence = f"Validation has values that train has not: {_named(unseen)}."
        yield Finding("unclear", "New levels", sentence)


def _shift(found: Study, split: Mapping[str, Any]) -> Iterator[Finding]:
    far = _far(found.shifts)
    if far:
        count = f"{len(far)} of {len(found.shifts)} features are further than {FAR:g} from train"
        yield Finding("unclear", "Validation differs", f"{count}: {_named(far)}.")
    elif found.shifts:
        furthest = number(max(found.shifts.values()), 2)
        yield Finding("better", "Validation", f"Every feature is spread as in train, within {furthest}.")
    test = _far(split["shift"]["test"]["most"])
    if test:
        yield Finding("unclear", "Test differs", f"Further than {FAR:g} from train: {_named(test)}.")


def _target(found: Study, event: str, split: Mapping[str, Any]) -> Iterator[Finding]:
    rate = found.target.mean
    if found.task == "binary" and rate is not None and not UNEVEN <= rate <= 1 - UNEVEN:
        sentence = f"{percent(rate, 2)} of the rows are events ({event}): accuracy praises knowing nothing."
        yield Finding("unclear", "Imbalance", sentence)
    few = [level.name for level in found.target.levels if level.train < UNEVEN]
    if few:
        yield Finding("unclear", "Small classes", f"Less than {percent(UNEVEN, 0)} of train: {_named(few)}.")
    if found.task == "regression" and found.target.quantiles:
        low, first, middle, third, high = found.target.quantiles
        if max(high - third, first - low) > TAIL * (third - first):
            furthest = high if high - middle > middle - low else low
            yield Finding(
                "unclear",
                "Long tail",
                f"Half of the values are from {short(first)} to {short(third)}, the furthest is"
                f" {short(furthest)}: RMSE will be about a few rows.",
            )
    train, validation = (split["parts"][part].get("rate") for part in ("train", "validation"))
    if train is not None and not train / MOVED <= validation <= train * MOVED:
        sentence = (
            f"The rate of {event} is {percent(train)} in train and {percent(validation)} in validation."
        )
        yield Finding("unclear", "Target moves", sentence)


def _groups(found: Study, entity: str | None, evaluate: EvaluateConfig) -> Iterator[Finding]:
    small = [
        f"{column} = {group.name} ({group.rows:,})"
        for column, groups in found.groups.items()
        for group in groups
        if group.rows < evaluate.min_slice_rows
    ]
    if small:
        sentence = f"Fewer than {evaluate.min_slice_rows} rows of train: {_named(small)}."
        yield Finding("unclear", "Small groups", f"{sentence} What holds for all may not hold for them.")
    if found.entities and found.entities.largest_share > FAR:
        share = percent(found.entities.largest_share)
        yield Finding("unclear", "One large group", f"One {entity} has {share} of the rows of train.")


def _size(found: Study) -> Iterator[Finding]:
    if found.rows < SMALL:
        sentence = f"{found.rows:,} rows to learn from: intervals will be wide."
        yield Finding("unclear", "Few rows", sentence)
    if len(found.features) > found.rows:
        sentence = f"{len(found.features):,} features for {found.rows:,} rows of train."
        yield Finding("unclear", "Wide", sentence)


def _far(distances: Mapping[str, float]) -> list[str]:
    return [f"{name} ({number(distance, 2)})" for name, distance in distances.items() if distance > FAR]


def _group(columns: Sequence[str]) -> str:
    return columns[0] if len(columns) == 1 else f"{columns[0]} and {len(columns) - 1} beside it"


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    if more > 0:
        return f"{', '.join(names[:NAMED])} and {more} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _things(count: int, more: str = "") -> str:
    word = WORDS[count] if count < len(WORDS) else f"{count}"
    return f"{word.lower() if more else word} {more}{'thing' if count == 1 else 'things'}"
