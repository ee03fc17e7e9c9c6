"""Monitor a model: its windows against those it was made from, its scores, and what follows from both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from cairn.monitor.relations import halves_of
from cairn.monitor.rows import Rows, score_columns
from cairn.monitor.statistics import FLOORS, Measured, Reference, learn, mean_by_window, measure
from cairn.monitor.verdict import Evidence, decide_verdict
from cairn.monitor.windows import Length, Windows, naive, windows_of
from cairn.settings.contract import Contract

MOST_NAMED = 3
"""Statistics that a window names."""
MOST_SUSPECTS = 20


@dataclass(frozen=True)
class Settings:
    """How a source is monitored.

    Attributes:
        length: of a window.
        rate: share of windows that may alarm although nothing is wrong, before votes.
        votes: which alarms count.
        recent: windows that are scored together.
        labels_within: how far the newest label may be behind the newest row; None for any.
    """

    length: Length
    rate: float = 0.02
    votes: Votes = Votes()
    recent: int = 28
    labels_within: pd.Timedelta | None = None


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
        reference: rows of train, drawn as those of production are.
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
    rows: Rows,
    known: Known,
    validation: Rows | None,
    classes: Sequence[str],
    judging: Judging,
    settings: Settings,
    *,
    model: str,
    source: str,
    kind: str,
    protected: Sequence[str] = (),
) -> Monitored:
    """Compare the windows of a source with the reference, score them where they have labels, and decide.

    Args:
        rows: to monitor.
        known: what is usual.
        validation: rows that the model was validated on, which the scores are compared with.
        classes: of the model.
        judging: how predictions are scored.
        settings: how windows are made.
        model, source, kind: names for the record.
        protected: columns whose levels are marked.
    """
    windows = windows_of(rows.time, len(rows), settings.length)
    measured = measure(rows.with_scores(classes), windows, known.reference, rows.broken)
    still_open = _open(windows, known.earliest_end)
    judged = np.arange(len(windows) - int(still_open))
    ratios = known.scale.ratios(measured, windows.months)[judged]
    maxima = largest_ratio(ratios)
    alarms = maxima > known.scale.threshold
    voted = settings.votes.count(alarms)
    found = alarms_of(ratios, measured, known, windows, settings)
    before = None if validation is None else _scored_before(validation, judging, settings)
    parts = _stretches(rows, windows, before, judging, settings)
    delay = _delay(rows)
    evidence = Evidence(
        found, parts, delay, settings.labels_within, len(judged), windows.names
    )
    verdict = decide_verdict(evidence)
    return Monitored(
        model=model,
        source=source,
        kind=kind,
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
        windows=_window_rows(rows, windows, ratios, maxima, alarms, voted, known),
        stretches=parts,
        baseline=before and _stretch("", "", len(validation or []), before[0], None, before[1]),
        backtest=_backtest(validation, parts, judging, settings),
        slices=_slices(rows, windows, parts, validation, judging, settings, protected),
        delay=delay,
        broken={name: int(bad.sum()) for name, bad in rows.broken.items() if bad.any()},
        suspects=_suspects(rows, windows),
        not_measured=[name for name in known.reference.columns if name not in rows.with_scores(classes)],
        not_assessable=_not_assessable(known, windows, judged),
    )


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


def _scored_before(
    validation: Rows, judging: Judging, settings: Settings
) -> tuple[Scored, float | None] | None:
    windows = windows_of(validation.time, len(validation), settings.length)
    found = scored(validation, windows.of_row, judging, salt=1)
    return None if found is None else (found, estimated(validation, judging))


def _stretches(
    rows: Rows,
    windows: Windows,
    before: tuple[Scored, float | None] | None,
    judging: Judging,
    settings: Settings,
) -> list[Stretch]:
    found = []
    for first, last in stretches(windows, len(windows) - 1, settings.recent):
        at = windows.within(first, last)
        part = rows.of(at)
        now = scored(part, windows.of_row[at], judging)
        changed = change(now, before[0], judging) if now and before else None
        found.append(
            _stretch(
                windows.names[first],
                windows.names[last],
                len(part),
                now,
                None if changed is None else Score.model_validate(changed),
                estimated(part, judging),
            )
        )
    return found


def _stretch(
    first: str, last: str, rows: int, now: Scored | None, changed: Score | None, estimate: float | None
) -> Stretch:
    return Stretch(
        first=first,
        last=last,
        rows=rows,
        labelled=now.rows if now else 0,
        scores={name: Score.model_validate(value) for name, value in now.scores.items()} if now else {},
        change=changed,
        estimate=estimate,
        predicted=now.predicted if now else None,
        observed=now.observed if now else None,
        saving=Score.model_validate(now.saving) if now and now.saving else None,
    )


def _backtest(
    validation: Rows | None, parts: list[Stretch], judging: Judging, settings: Settings
) -> Backtest | None:
    """Compare estimates with scores in the stretches of validation and of the source that have labels."""
    pairs = [(part.estimate, part.scores.get(judging.primary)) for part in parts]
    if validation is not None:
        windows = windows_of(validation.time, len(validation), settings.length)
        for first, last in stretches(windows, len(windows) - 1, settings.recent):
            part = validation.of(windows.within(first, last))
            now = scored(part, np.zeros(len(part), dtype=np.int64), judging)
            value = Score(value=now.scores[judging.primary].value) if now else None
            pairs.append((estimated(part, judging), value))
    errors = [abs(guess - s.value) for guess, s in pairs if guess is not None and s and s.value is not None]
    if not errors:
        return None
    return Backtest(stretches=len(errors), mean_error=float(np.mean(errors)), worst_error=max(errors))


def _slices(
    rows: Rows,
    windows: Windows,
    parts: list[Stretch],
    validation: Rows | None,
    judging: Judging,
    settings: Settings,
    protected: Sequence[str],
) -> list[Slice]:
    """Compare the slices of the latest stretch that is scored with those of validation."""
    last = next((part for part in reversed(parts) if part.scores), None)
    if last is None or validation is None:
        return []
    at = windows.within(windows.names.index(last.first), windows.names.index(last.last))
    earlier = windows_of(validation.time, len(validation), settings.length).of_row
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
        for one in slice_changes(rows.of(at), windows.of_row[at], validation, earlier, judging)
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


def _window_rows(
    rows: Rows,
    windows: Windows,
    ratios: Floats,
    maxima: Floats,
    alarms: NDArray[np.bool_],
    voted: NDArray[np.bool_],
    known: Known,
) -> list[WindowRow]:
    labelled = np.bincount(windows.of_row, ~np.isnan(rows.y), minlength=len(windows))
    bad = np.any([*rows.broken.values(), np.zeros(len(rows), dtype=bool)], axis=0)
    broken = np.bincount(windows.of_row, bad, minlength=len(windows))
    found = []
    for at, name in enumerate(windows.names):
        judged = at < len(maxima)
        most = []
        if judged and alarms[at]:
            order = np.argsort(-np.nan_to_num(ratios[at]))[:MOST_NAMED]
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
    """Return the latest rows that break the contract, those of most columns first."""
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
