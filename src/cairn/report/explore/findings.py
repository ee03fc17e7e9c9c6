"""What to check before trusting the table: each finding states a fact and what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cairn.report.explore.profile import FEW
from cairn.report.explore.statistics import ALIKE
from cairn.report.explore.study import Study
from cairn.report.numbers import listed, number, percent, short
from cairn.report.page import seen_future
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig

MOSTLY_MISSING = 0.5
INFORMATIVE = 0.1
OFTEN = 0.01
FAR = 0.1
UNEVEN = 0.05
TAIL = 50.0
MOVED = 1.25
SMALL = 1_000
MEASURE = {"binary": "ROC AUC", "multiclass": "ROC AUC", "regression": "R²"}

ADVICE = {
    "Leak": "Set known: after in the contract, or add the column to data.leakage.trusted if its value really"
    " is known before the prediction.",
    "Trusted column": "The split accepts it because data.leakage.trusted lists it.",
    "Leak outside the features": "It is not a feature; do not make it one.",
    "Empty columns": "Remove them from the features, or fix how they are read.",
    "Constant columns": "They carry no information; remove them from the features.",
    "Mostly missing": "Find out why, or remove them from the features.",
    "Informative gaps": "Check that values will be missing for the same reason when the model is used.",
    "Duplicate rows": "Remove them unless they are separate observations, or keep all copies of a row in one"
    " part with split.copies_together=true.",
    "Conflicting rows": "Check the target of these rows, or add a feature that distinguishes them.",
    "Redundant features": "Consider keeping one of each pair.",
    "Identifiers": "They identify rows more than they group them; remove them or derive coarser groups.",
    "Rare levels": "Merge related levels if these rows matter.",
    "New levels": "A model cannot tell new levels apart; check how often they will occur in use.",
    "Drift to validation": "Find out what changed, and whether it will change again when the model is used.",
    "Drift to test": "Expect scores on test to differ from those on validation.",
    "Imbalance": "Do not judge models by accuracy; PR AUC and log loss say more.",
    "Small classes": "Read their rows of the confusion matrix; overall accuracy hides them.",
    "Long tail": "A few rows will decide RMSE; consider MAE, or predict the logarithm.",
    "Target drift": "Expect biased probabilities; check the calibration on the model card.",
    "Small groups": "Do not assume that the overall score holds for them.",
    "Few rows": "Expect wide intervals; cross-validation makes better use of the rows.",
    "More features than rows": "Select features, or use a strongly regularised model.",
}
"""What to do about each kind of problem or warning."""

Tone = Literal["worse", "unclear", "better"]
TONES: tuple[Tone, ...] = ("worse", "unclear", "better")
LEAKS: dict[str, tuple[Tone, str]] = {
    "feature": ("worse", "Leak"),
    "trusted": ("worse", "Trusted column"),
    "not a feature": ("unclear", "Leak outside the features"),
}


@dataclass(frozen=True)
class Finding:
    """One observation: worse is a problem, unclear a warning, better is as it should be.

    Attributes:
        columns: those it is about, with what was measured.
    """

    tone: Tone
    subject: str
    fact: str
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def advice(self) -> str:
        """What to do; empty if all is well."""
        return "" if self.tone == "better" else ADVICE.get(self.subject, "")


def findings(
    found: Study, data: DataConfig, evaluate: EvaluateConfig, split: Mapping[str, Any]
) -> list[Finding]:
    """Return all findings, problems first, then warnings, then what is fine; split is metrics/split.json."""
    every = [
        *([Finding("worse", "Time order", late)] if (late := seen_future(split)) else []),
        *_leaks(found, data),
        *_missing(found),
        *_duplicates(found),
        *_levels(found),
        *_drift(found, split),
        *_target(found, data.event, split),
        *_groups(found, evaluate),
        *_size(found),
    ]
    return sorted(every, key=lambda finding: TONES.index(finding.tone))


def by_column(every: Sequence[Finding]) -> dict[str, list[tuple[Tone, str]]]:
    """Return the tone and a few words for each finding about a column, by column."""
    found: dict[str, list[tuple[Tone, str]]] = {}
    for finding in every:
        for column, measured in finding.columns.items():
            found.setdefault(column, []).append((finding.tone, f"{finding.subject} {measured}".strip()))
    return found


def headline(every: Sequence[Finding]) -> tuple[Tone, str]:
    """Return the tone of the page and its first sentence."""
    problems, warnings = (sum(finding.tone == tone for finding in every) for tone in ("worse", "unclear"))
    tone: Tone = "worse" if problems else "unclear" if warnings else "better"
    return tone, f"{_counted(problems, 'problem')} and {_counted(warnings, 'warning')}.".capitalize()


def _leaks(found: Study, data: DataConfig) -> Iterator[Finding]:
    flagged = [suspect for suspect in found.suspects if suspect.reason]
    for suspect in flagged:
        tone, subject = LEAKS[suspect.role]
        yield Finding(tone, subject, f"{suspect.column}: {suspect.reason}.", {suspect.column: ""})
    if found.suspects and not flagged:
        best, bound = found.suspects[0], short(data.leakage.max_single_score)
        score = f"{best.column} alone reaches {MEASURE[found.task]} {number(best.score, 3)} (limit {bound})"
        yield Finding("better", "Leaks", f"No column looks like a leak: {score}.")


def _missing(found: Study) -> Iterator[Finding]:
    profiles = {name: found.profiles[name] for name in found.features}
    empty = [name for name, profile in profiles.items() if not profile.distinct]
    constant = [name for name, profile in profiles.items() if profile.distinct == 1]
    mostly = {
        name: percent(profile.missing, 0)
        for name, profile in profiles.items()
        if profile.distinct and profile.missing > MOSTLY_MISSING
    }
    if empty:
        yield Finding(
            "worse", "Empty columns", f"No values in train: {listed(empty)}.", dict.fromkeys(empty, "")
        )
    if constant:
        fact = f"Only one value in train: {listed(constant)}."
        yield Finding("unclear", "Constant columns", fact, dict.fromkeys(constant, ""))
    yield from _warning("Mostly missing", "More than half of the values are missing in train", mostly)
    informative = [gap for gap in found.gaps if abs(gap.association or 0.0) > INFORMATIVE]
    strongest = sorted(informative, key=lambda gap: -abs(gap.association or 0.0))
    measured = {_gap(gap.columns): number(gap.association, 2) for gap in strongest}
    columns = {name: number(gap.association, 2) for gap in strongest for name in gap.columns}
    yield from _warning(
        "Informative gaps", "Missing values are associated with the target", measured, columns
    )
    if not found.gaps:
        yield Finding("better", "Missing values", "No values are missing in train.")


def _duplicates(found: Study) -> Iterator[Finding]:
    rows, conflicting = found.duplicates.rows, found.duplicates.conflicting
    if rows:
        fact = f"{rows:,} rows of train ({percent(rows / found.rows)}) repeat an earlier row."
        yield Finding("unclear", "Duplicate rows", fact)
    else:
        yield Finding("better", "Duplicate rows", "No row of train repeats another.")
    if conflicting:
        fact = (
            f"{conflicting:,} rows of train ({percent(conflicting / found.rows)}) have the same features as a"
            " row with a different target; no model can predict all of them."
        )
        yield Finding("unclear", "Conflicting rows", fact)
    pairs = {f"{pair.first} with {pair.second}": number(pair.association, 3) for pair in found.alike}
    partners: dict[str, list[str]] = {}
    for pair in found.alike:
        partners.setdefault(pair.first, []).append(pair.second)
        partners.setdefault(pair.second, []).append(pair.first)
    columns = {name: f"with {listed(others, 2)}" for name, others in partners.items()}
    yield from _warning(
        "Redundant features", f"Pairs of features with an association of at least {ALIKE:g}", pairs, columns
    )


def _levels(found: Study) -> Iterator[Finding]:
    identifiers = {rare.column: percent(rare.rare_share, 0) for rare in found.rare if rare.identifies_rows}
    rare_shares = {
        rare.column: percent(rare.rare_share)
        for rare in found.rare
        if not rare.identifies_rows and rare.rare_share > OFTEN
    }
    unseen = {rare.column: percent(rare.unseen_share) for rare in found.rare if rare.unseen_share > OFTEN}
    few = f"belong to levels with fewer than {FEW} rows of train"
    yield from _warning("Identifiers", f"Most values {few}", identifiers)
    yield from _warning("Rare levels", f"Some values {few}", rare_shares)
    yield from _warning("New levels", "Values of validation whose level does not occur in train", unseen)


def _drift(found: Study, split: Mapping[str, Any]) -> Iterator[Finding]:
    validation, test = _far(found.shifts), _far(split["shift"]["test"]["most"])
    if validation:
        count = f"{len(validation)} of {len(found.shifts)} features differ from train by more than {FAR:g}"
        yield from _warning("Drift to validation", count, validation)
    elif found.shifts:
        furthest = next(iter(found.shifts))
        largest = f"the largest distance is {number(found.shifts[furthest], 2)}, of {furthest}"
        fact = f"No feature differs from train by more than {FAR:g}: {largest}."
        yield Finding("better", "Drift to validation", fact)
    recorded = f"Features that differ from train by more than {FAR:g}, as recorded by the stage split"
    yield from _warning("Drift to test", recorded, test)


def _target(found: Study, event: str, split: Mapping[str, Any]) -> Iterator[Finding]:
    rate = found.target.mean
    if found.task == "binary" and rate is not None and not UNEVEN <= rate <= 1 - UNEVEN:
        fact = f"{percent(rate, 2)} of the rows of train are events ({event})."
        yield Finding("unclear", "Imbalance", fact)
    small = {level.name: percent(level.train) for level in found.target.levels if level.train < UNEVEN}
    yield from _warning(
        "Small classes", f"Classes with less than {percent(UNEVEN, 0)} of the rows of train", small, {}
    )
    if found.task == "regression" and found.target.quantiles:
        low, first, middle, third, high = found.target.quantiles
        if max(high - third, first - low) > TAIL * (third - first):
            furthest = high if high - middle > middle - low else low
            half = f"Half of the values of the target are between {short(first)} and {short(third)}"
            fact = f"{half}, but the most extreme is {short(furthest)}."
            yield Finding("unclear", "Long tail", fact)
    train, validation = (split["parts"][part].get("rate") for part in ("train", "validation"))
    if train is not None and not train / MOVED <= validation <= train * MOVED:
        fact = f"The rate of {event} is {percent(train)} in train and {percent(validation)} in validation."
        yield Finding("unclear", "Target drift", fact)


def _groups(found: Study, evaluate: EvaluateConfig) -> Iterator[Finding]:
    small = {
        f"{column} = {group.name}": f"{group.rows:,}"
        for column, groups in found.groups.items()
        for group in groups
        if group.rows < evaluate.min_slice_rows
    }
    yield from _warning(
        "Small groups", f"Groups with fewer than {evaluate.min_slice_rows} rows of train", small, {}
    )


def _size(found: Study) -> Iterator[Finding]:
    rows, features = found.rows, len(found.features)
    if rows < SMALL:
        yield Finding("unclear", "Few rows", f"Train has only {rows:,} rows.")
    if features > rows:
        fact = f"Train has {features:,} features and {rows:,} rows."
        yield Finding("unclear", "More features than rows", fact)


def _far(distances: Mapping[str, float]) -> dict[str, str]:
    return {name: number(distance, 2) for name, distance in distances.items() if distance > FAR}


def _gap(columns: Sequence[str]) -> str:
    return columns[0] if len(columns) == 1 else f"{columns[0]} and {_counted(len(columns) - 1, 'other')}"


def _warning(
    subject: str, fact: str, values: Mapping[str, str], columns: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Warn of what was measured by name, if anything was; None if the names are columns."""
    if values:
        named = listed(f"{name} ({value})" for name, value in values.items())
        yield Finding("unclear", subject, f"{fact}: {named}.", values if columns is None else columns)


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
