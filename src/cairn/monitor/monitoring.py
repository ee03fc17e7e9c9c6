"""Monitor a model: its windows against those it was made from, its scores, and what follows from both."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.metrics.evaluation import Score
from cairn.monitor.alarms import Scale, Votes, calibrate, largest_ratio, replayed
from cairn.monitor.performance import (
    Judging,
    Scored,
    change,
    estimated,
    scored,
    slice_changes,
    stretches,
)
from cairn.monitor.record import (
    Alarm,
    Backtest,
    Calibration,
    Delay,
    Monitored,
    Replay,
    Slice,
    Stretch,
    Suspect,
    WindowRow,
)
from cairn.monitor.rows import Rows, Windowed, score_columns
from cairn.monitor.statistics import FLOORS, Measured, Reference, learn, mean_by_window, measure
from cairn.monitor.verdict import Evidence, decide_verdict
from cairn.monitor.windows import Length, Windows, halves_of, naive, windows_of
from cairn.settings.contract import Contract

MOST_NAMED = 6
"""Statistics that a window names."""
MOST_SUSPECTS = 20


@dataclass(frozen=True)
class Settings:
    """How a source is monitored.

    Attributes:
        length: of a window.
        judging: how predictions are scored.
        rate: share of windows that may alarm although nothing is wrong, before votes.
        votes: which alarms count.
        recent: windows that are scored together.
        labels_within: how far the newest label may be behind the newest row; None for any.
    """

    length: Length
    judging: Judging
    rate: float = 0.02
    votes: Votes = field(default_factory=Votes)
    recent: int = 28
    labels_within: timedelta | None = None


@dataclass(frozen=True)
class Subject:
    """What is monitored: the model, its source, what the source holds, its classes and protected columns."""

    model: str
    source: str
    kind: str
    classes: Sequence[str] = ()
    protected: Sequence[str] = ()


@dataclass(frozen=True)
class Known:
    """What the reference says: what is usual in a window, and the scale of alarms.

    Attributes:
        reference: what is usual.
        scale: of the statistics.
        calibration: how they were calibrated.
        earliest_end: share of its span after which the last row of a window of the reference came, at least.
        columns: features and scores.
    """

    reference: Reference
    scale: Scale
    calibration: Calibration
    earliest_end: float
    columns: Contract


def know(
    reference: Rows, validation: Rows | None, contract: Contract, classes: Sequence[str], settings: Settings
) -> Known:
    """Learn what is usual from the rows that a model was made from.

    Args:
        reference: rows of train, drawn as production draws its rows.
        validation: rows that come after them, to replay; None without such rows.
        contract: of the features.
        classes: of the model, for the names of several scores.
        settings: how.

    Raises:
        UserError: too few windows.
    """
    columns = _with_scores(contract, reference, classes)
    frame = reference.with_scores(classes)
    windows = windows_of(reference.time, len(reference), settings.length)
    skipped = warm_up(frame[[name for name in contract.columns if name in frame.columns]], windows)
    if skipped:
        reference = reference.of(windows.within(skipped, len(windows) - 1))
        frame = reference.with_scores(classes)
        windows = windows_of(reference.time, len(reference), settings.length)
    usual = learn(frame, windows, columns)
    measured = measure(frame, windows, usual, reference.broken, halves_of(len(windows)))
    scale = calibrate(measured, windows.months, settings.rate)
    calibration = Calibration(
        windows=len(windows),
        warm_up=skipped,
        first=windows.names[0],
        last=windows.names[-1],
        statistics=len(measured.statistics),
        rate=settings.rate,
        threshold=scale.threshold,
        validation=_replay_validation(validation, usual, scale, classes, settings),
        folds=_counted(*replayed(measured, windows.months, settings.rate, settings.votes)),
    )
    return Known(usual, scale, calibration, float(windows.ends.min()), columns)


def warm_up(features: pd.DataFrame, windows: Windows) -> int:
    """Return how many windows at the beginning miss more values of a column than any later one does.

    Columns that look back have nothing to look at when a table begins; no later window is like that. At most
    a quarter of the windows count.
    """
    missing = [mean_by_window(values.isna().to_numpy(float), windows) for _, values in features.items()]
    values = np.column_stack(missing) if missing else np.zeros((len(windows), 1))
    most = np.maximum.accumulate(values[::-1])[::-1]
    for at in range(len(values) // 4):
        if not (values[at] > most[at + 1] + FLOORS["missing"]).any():
            return at
    return len(values) // 4


def monitor(
    rows: Rows, known: Known, validation: Rows | None, settings: Settings, subject: Subject
) -> Monitored:
    """Compare the windows of a source with the reference, score them where they have labels, and decide.

    Args:
        rows: to monitor.
        known: what is usual.
        validation: rows that the model was validated on, which the scores are compared with.
        settings: how windows are made and judged.
        subject: what is monitored.
    """
    watched = _windowed(rows, settings)
    earlier = None if validation is None else _windowed(validation, settings)
    windows, classes, judging = watched.windows, subject.classes, settings.judging
    frame = rows.with_scores(classes)
    measured = measure(frame, windows, known.reference, rows.broken)
    judged = np.arange(len(windows) - int(_open(windows, known.earliest_end)))
    ratios = known.scale.ratios(measured, windows.months)[judged]
    found = alarms_of(ratios, measured, known, windows, settings)
    before = None if earlier is None else scored(earlier, judging, salt=1)
    parts = _stretches(watched, before, settings)
    delay = _delay(rows)
    verdict = decide_verdict(
        Evidence(found, parts, delay, settings.labels_within, len(judged), windows.names)
    )
    return Monitored(
        model=subject.model,
        source=subject.source,
        kind=subject.kind,
        window=str(settings.length),
        primary=judging.primary,
        currency=judging.costs.currency if judging.costs else None,
        rows=len(rows),
        retrain=verdict.retrain,
        alarm=bool(verdict.reasons),
        since=min((reason.since for reason in verdict.reasons), key=windows.names.index, default=None),
        reasons=verdict.reasons,
        alarms=found,
        calibration=known.calibration,
        votes=f"{settings.votes.needed} of {settings.votes.of}",
        windows=_window_rows(watched, ratios, known, settings.votes),
        stretches=parts,
        baseline=_baseline(validation, before, judging),
        backtest=_backtest(earlier, parts, settings),
        slices=_slices(watched, earlier, parts, judging, subject.protected),
        delay=delay,
        broken={name: int(bad.sum()) for name, bad in rows.broken.items() if bad.any()},
        suspects=_suspects(rows, windows),
        not_measured=[name for name in known.reference.columns if name not in frame.columns],
        not_assessable=_not_assessable(known, windows, judged),
    )


def _windowed(rows: Rows, settings: Settings) -> Windowed:
    return Windowed(rows, windows_of(rows.time, len(rows), settings.length))


def _with_scores(contract: Contract, rows: Rows, classes: Sequence[str]) -> Contract:
    several = rows.scores is not None and rows.scores.ndim == 2
    return Contract(columns=dict(contract.columns) | score_columns(classes, several))


def _replay_validation(
    validation: Rows | None, usual: Reference, scale: Scale, classes: Sequence[str], settings: Settings
) -> Replay | None:
    if validation is None:
        return None
    windows = windows_of(validation.time, len(validation), settings.length)
    measured = measure(validation.with_scores(classes), windows, usual, validation.broken)
    alarms = largest_ratio(scale.ratios(measured, windows.months)) > scale.threshold
    return _counted(alarms, settings.votes.count(alarms))


def _counted(alarms: NDArray[np.bool_], voted: NDArray[np.bool_]) -> Replay:
    return Replay(windows=len(alarms), alarms=int(alarms.sum()), voted=int(voted.sum()))


def _open(windows: Windows, earliest_end: float) -> bool:
    """Return whether more rows of the last window are to come: it ends earlier than any of the reference."""
    return len(windows) > 1 and bool(windows.ends[-1] < earliest_end)


def alarms_of(
    ratios: Floats, measured: Measured, known: Known, windows: Windows, settings: Settings
) -> list[Alarm]:
    """Return what alarms by vote in the latest window that was judged, the largest ratio first."""
    if not len(ratios):
        return []
    scale, last = known.scale, len(ratios) - 1
    over = np.nan_to_num(ratios) > scale.threshold
    voted = settings.votes.count(over)
    place = {statistic: at for at, statistic in enumerate(measured.statistics)}
    usual = scale.worst_of(windows.months[last : last + 1])[0]
    found = []
    for at in np.flatnonzero(voted[last]):
        statistic = scale.statistics[at]
        first = start_of(over[:, at], settings.votes)
        column = known.columns.columns.get(statistic.column)
        found.append(
            Alarm(
                kind=statistic.kind,
                column=statistic.column,
                group=(column.group or "") if column else "",
                since=windows.names[first],
                windows=int(over[first:, at].sum()),
                value=float(measured.values[last, place[statistic]]),
                usual=float(usual[at]),
                ratio=float(ratios[last, at]),
            )
        )
    return sorted(found, key=lambda alarm: -(alarm.ratio or 0))


def start_of(over: NDArray[np.bool_], votes: Votes) -> int:
    """Return the window in which the alarm that lasts until the last one began.

    It lasts as long as enough of so many consecutive windows alarm.
    """
    first = len(over) - 1
    for at in range(len(over) - 1, -1, -1):
        if over[max(0, at - votes.of + 1) : at + 1].sum() < votes.needed:
            break
        if over[at]:
            first = at
    # The first of the windows that voted is before the first one that was outvoted.
    early = np.flatnonzero(over[max(0, first - votes.of + 1) : first + 1])
    return max(0, first - votes.of + 1) + int(early[0])


def _baseline(validation: Rows | None, before: Scored | None, judging: Judging) -> Stretch | None:
    if validation is None or before is None:
        return None
    return _stretch(("", ""), len(validation), before, None, estimated(validation, judging))


def _stretches(watched: Windowed, before: Scored | None, settings: Settings) -> list[Stretch]:
    found, names = [], watched.windows.names
    for first, last in stretches(len(names), settings.recent):
        part = watched.part(first, last)
        now = scored(part, settings.judging)
        changed = Score.model_validate(change(now, before, settings.judging)) if now and before else None
        guess = estimated(part.rows, settings.judging)
        found.append(_stretch((names[first], names[last]), len(part.rows), now, changed, guess))
    return found


def _stretch(
    ends: tuple[str, str], rows: int, now: Scored | None, changed: Score | None, estimate: float | None
) -> Stretch:
    return Stretch(
        first=ends[0],
        last=ends[1],
        rows=rows,
        labelled=now.rows if now else 0,
        scores={name: Score.model_validate(value) for name, value in now.scores.items()} if now else {},
        change=changed,
        estimate=estimate,
        predicted=now.predicted if now else None,
        observed=now.observed if now else None,
        saving=Score.model_validate(now.saving) if now and now.saving else None,
    )


def _backtest(earlier: Windowed | None, parts: list[Stretch], settings: Settings) -> Backtest | None:
    """Compare estimates with scores in the stretches of validation and of the source that have labels."""
    primary = settings.judging.primary
    old = _stretches(earlier, None, settings) if earlier else []
    errors = []
    for part in [*old, *parts]:
        score = part.scores.get(primary)
        if part.estimate is not None and score is not None and score.value is not None:
            errors.append(abs(part.estimate - score.value))
    if not errors:
        return None
    return Backtest(stretches=len(errors), mean_error=float(np.mean(errors)), worst_error=max(errors))


def _slices(
    watched: Windowed,
    earlier: Windowed | None,
    parts: list[Stretch],
    judging: Judging,
    protected: Sequence[str],
) -> list[Slice]:
    """Compare the slices of the latest scored stretch with validation."""
    last = next((part for part in reversed(parts) if part.scores), None)
    if last is None or earlier is None:
        return []
    names = watched.windows.names
    now = watched.part(names.index(last.first), names.index(last.last))
    judging = replace(judging, slices=[*dict.fromkeys([*judging.slices, *protected])])
    return [
        Slice(
            column=one.column,
            level=one.level,
            rows=one.rows,
            protected=one.column in protected,
            value=one.value,
            before=one.before,
            change=Score.model_validate(one.change),
        )
        for one in slice_changes(now, earlier, judging)
    ]


def _delay(rows: Rows) -> Delay:
    labelled = ~np.isnan(rows.y)
    behind = median = worst = None
    if rows.time is not None and labelled.any():
        time = naive(rows.time)
        behind = (time.max() - time[labelled].max()) / pd.Timedelta("1h")
        if rows.known_at is not None:
            late = ((naive(rows.known_at) - time) / pd.Timedelta("1h")).dropna()
            median, worst = (float(late.median()), float(late.max())) if len(late) else (None, None)
    return Delay(
        labelled=int(labelled.sum()),
        behind_hours=None if behind is None else float(behind),
        median_hours=median,
        worst_hours=worst,
    )


def _window_rows(watched: Windowed, ratios: Floats, known: Known, votes: Votes) -> list[WindowRow]:
    rows, windows = watched.rows, watched.windows
    maxima = largest_ratio(ratios)
    alarms = maxima > known.scale.threshold
    voted = votes.count(alarms)
    labelled = np.bincount(windows.of_row, ~np.isnan(rows.y), minlength=len(windows))
    bad = np.any([*rows.broken.values(), np.zeros(len(rows), dtype=bool)], axis=0)
    broken = np.bincount(windows.of_row, bad, minlength=len(windows))
    found = []
    for at, name in enumerate(windows.names):
        judged = at < len(maxima)
        most = []
        if judged and alarms[at]:
            order = np.argsort(-np.nan_to_num(ratios[at]), kind="stable")[:MOST_NAMED]
            over = [k for k in order if ratios[at, k] > known.scale.threshold]
            most = [" ".join(filter(None, known.scale.statistics[k])) for k in over]
        found.append(
            WindowRow(
                name=name,
                rows=int(windows.rows[at]),
                open=not judged,
                ratio=float(maxima[at]) if judged else None,
                alarm=bool(judged and alarms[at]),
                voted=bool(judged and voted[at]),
                most=most,
                labelled=int(labelled[at]),
                broken=int(broken[at]),
            )
        )
    return found


def _suspects(rows: Rows, windows: Windows) -> list[Suspect]:
    """Return the latest rows that break the contract, those with the most columns first."""
    if not rows.broken:
        return []
    counts = np.sum(list(rows.broken.values()), axis=0)
    bad = np.flatnonzero(counts)
    order = bad[np.lexsort((-counts[bad], -windows.of_row[bad]))][:MOST_SUSPECTS]
    return [
        Suspect(
            row=int(at),
            window=windows.names[windows.of_row[at]],
            columns=[name for name, wrong in rows.broken.items() if wrong[at]],
        )
        for at in order
    ]


def _not_assessable(known: Known, windows: Windows, judged: NDArray[np.int64]) -> list[str]:
    if not len(judged):
        return []
    month = windows.months[judged[-1]]
    return [
        name
        for name, usual in known.reference.columns.items()
        if usual.seasonal and np.isnan(usual.by_season[month]).any()
    ]
