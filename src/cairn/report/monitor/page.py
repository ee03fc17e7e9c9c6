"""The page and the summary of monitoring: the verdict, the windows, what alarms since when, the scores."""

from cairn.metrics.bootstrap import Estimate
from cairn.metrics.kpi import PER_ROWS
from cairn.metrics.scores import METRICS
from cairn.monitor.record import Alarm, Delay, Monitored, Reason, Replay, Stretch
from cairn.report.card.words import metric_name
from cairn.report.monitor.timeline import lanes_figure, score_figure, window_figure
from cairn.report.numbers import estimate, listed, number, percent, places, short, signed, span
from cairn.report.plots.canvas import to_svg
from cairn.report.studies.sheet import Section, Sheet, to_html, to_text
from cairn.report.table import Table

TONES = {"no": "better", "undecided": "unclear", "yes": "worse"}
KINDS = {
    "contract": "values that break the contract",
    "missing": "missing values",
    "unseen": "categories not seen before",
    "grid": "numbers that were never measured",
    "stuck": "few different values",
    "drift": "distribution",
    "relation": "mean error given other columns",
    "outliers": "values that contradict other columns",
    "clock": "daily course fits another hour",
    "rows": "number of rows",
}
MOST_ALARMS = 40


def monitor_page(found: Monitored) -> str:
    """Return the page as HTML that loads nothing else."""
    return to_html(sheet_of(found))


def summary(found: Monitored) -> str:
    """Return what a terminal shows: the reasons, the latest scores and the verdict."""
    whole = sheet_of(found)
    brief = [section for section in whole.sections if section.title in ("Latest scores", "Alarms")]
    return to_text(Sheet(whole.kind, whole.title, whole.verdicts, brief, whole.notes[:1]))


def sheet_of(found: Monitored) -> Sheet:
    """Return monitoring ready to be shown."""
    sections = [
        Section("Windows", figures=lambda: _timeline(found)),
        Section("Alarms", _alarms(found)) if found.alarms else Section("Alarms", lines=["none"]),
        Section("Scores", _stretches(found), figures=lambda: _scores(found)),
        *([Section("Latest scores", _latest(found))] if _scored(found) and found.baseline else []),
        *([Section("Slices", _slices(found))] if found.slices else []),
        *([Section("Broken contract", _broken(found), lines=_suspects(found))] if found.broken else []),
        Section("False alarms", _calibration(found)),
        *([Section("Not assessable", lines=[_not_assessable(found)])] if found.not_assessable else []),
    ]
    return Sheet(
        kind="Monitoring",
        title=f"{found.model} on {found.source}",
        verdicts=[_verdict(found), *((_reason(reason, found), _tone(reason)) for reason in found.reasons)],
        sections=sections,
        notes=_notes(found),
        record=found.model_dump(),
    )


def _verdict(found: Monitored) -> tuple[str, str]:
    said = {
        "yes": "Retrain: yes. Train a challenger on newer rows; promote it only if it wins on the same rows.",
        "undecided": "Retrain: undecided. Look at the data first.",
        "no": "Retrain: no. Nothing alarms.",
    }
    return said[found.retrain], TONES[found.retrain]


def _tone(reason: Reason) -> str:
    return "worse" if reason.cause in ("score", "drift") else "unclear"


def _reason(reason: Reason, found: Monitored) -> str:
    columns = listed(reason.columns)
    whose = f" ({reason.group})" if reason.group else ""
    last = _scored(found)
    said = {
        "score": f"{metric_name(found.primary)} is worse than on validation"
        + (f": {_interval(last.change)}" if last and last.change else ""),
        "drift": f"Moved, although stable in the reference: {columns}{whose}",
        "fault": f"Look at the source of {columns}{whose}: {listed([KINDS[kind] for kind in reason.kinds])}",
        "unstable": f"Moved further than in the reference, where it varies too: {columns}{whose}",
        "labels": _late(found.delay),
        "rows": "The number of rows is unusual" if reason.kinds else "No window is complete yet",
    }[reason.cause]
    return f"{said}, since {reason.since}."


def _late(delay: Delay) -> str:
    if delay.behind_hours is None:
        return "No label has arrived"
    return f"Labels are late: the newest is {_hours(delay.behind_hours)} behind the newest row"


def _alarms(found: Monitored) -> Table:
    rows = [_alarm(alarm) for alarm in found.alarms[:MOST_ALARMS]]
    if len(found.alarms) > MOST_ALARMS:
        rows.append([f"and {len(found.alarms) - MOST_ALARMS} more", "", "", "", "", ""])
    return Table(["column", "latest", "usual worst", "ratio", "windows", "what, since"], rows)


def _alarm(alarm: Alarm) -> list[str]:
    return [
        alarm.column or "(rows)",
        number(alarm.value, 3),
        number(alarm.usual, 3),
        number(alarm.ratio, 1),
        f"{alarm.windows:,}",
        f"{KINDS[alarm.kind]}, since {alarm.since}",
    ]


def _scored(found: Monitored) -> Stretch | None:
    return next((stretch for stretch in reversed(found.stretches) if stretch.scores), None)


def _stretches(found: Monitored) -> Table:
    header = ["from", "rows", "labelled", metric_name(found.primary), "change", "estimate", "rate"]
    money = found.currency is not None
    header += [f"saving, {found.currency}/{PER_ROWS:,} rows"] if money else []
    rows = []
    for one in [*([found.baseline] if found.baseline else []), *found.stretches]:
        score = one.scores.get(found.primary)
        rows.append(
            [
                one.first or "validation",
                f"{one.rows:,}",
                f"{one.labelled:,}",
                estimate(score) if score else "",
                _interval(one.change) if one.change else "",
                number(one.estimate, 3),
                f"{percent(one.predicted)} / {percent(one.observed)}",
                *([estimate(one.saving) if one.saving else ""] if money else []),
            ]
        )
    return Table([*header, ""], [[*row, ""] for row in rows])


def _latest(found: Monitored) -> Table:
    """Compare the metrics of the latest stretch with the metrics on validation."""
    last, before = _scored(found), found.baseline
    assert last is not None and before is not None
    rows = [
        [metric_name(name), estimate(before.scores[name]), estimate(score), _better(name)]
        for name, score in last.scores.items()
    ]
    return Table(["metric", "validation", f"{last.first} to {last.last}", "better"], rows)


def _better(metric: str) -> str:
    return "higher" if METRICS[metric].greater_is_better else "lower"


def _slices(found: Monitored) -> Table:
    rows = [
        [
            f"{one.column} = {one.level}" + (" (protected)" if one.protected else ""),
            f"{one.rows:,}",
            number(one.before, 3),
            number(one.value, 3),
            _interval(one.change),
            _judged(one.change.low, one.change.high),
        ]
        for one in found.slices
    ]
    return Table(["slice", "rows", "validation", "latest", "change", ""], rows)


def _judged(low: float | None, high: float | None) -> str:
    if low is None or high is None or low <= 0 <= high:
        return ""
    return "better" if low > 0 else "worse"


def _broken(found: Monitored) -> Table:
    share = {name: count / found.rows for name, count in found.broken.items()}
    rows = [[name, f"{found.broken[name]:,}", percent(share[name], 2)] for name in found.broken]
    return Table(["column", "rows", "share"], rows)


def _suspects(found: Monitored) -> list[str]:
    return [f"row {one.row:,} ({one.window}): {listed(one.columns)}" for one in found.suspects]


def _calibration(found: Monitored) -> Table:
    how = found.calibration
    named = [(f"{found.source}, to be judged", _replayed(found))]
    named += [("validation, after the reference", how.validation)] if how.validation else []
    named += [("reference, each fifth judged by the rest", how.folds)]
    rows = [
        [
            name,
            f"{one.windows:,}",
            f"{one.alarms:,}",
            f"{one.voted:,}",
            percent(one.voted / one.windows if one.windows else None),
        ]
        for name, one in named
    ]
    return Table(["windows of", "windows", "alarm", "by vote", "share"], rows)


def _replayed(found: Monitored) -> Replay:
    judged = [window for window in found.windows if not window.open]
    return Replay(
        windows=len(judged),
        alarms=sum(window.alarm for window in judged),
        voted=sum(window.voted for window in judged),
    )


def _notes(found: Monitored) -> list[str]:
    how = found.calibration
    early = f"; {how.warm_up} at its beginning, whose columns had no history yet, are left out"
    notes = [
        f"{found.rows:,} rows in {len(found.windows):,} windows of {found.window}; the reference has"
        f" {how.windows:,} windows, {how.first} to {how.last}{early if how.warm_up else ''}.",
        f"A window alarms if one of {how.statistics} statistics is more than {number(how.threshold, 2)} times"
        f" its usual worst, as one is in {percent(how.rate, 2)} of the windows of the reference. An alarm"
        f" counts if {found.votes} windows and the latest one alarm.",
        "Change is the difference to validation, positive where the model is better, with its interval;"
        " windows are drawn as blocks. Rate is the mean prediction and the observed one.",
    ]
    if found.backtest:
        notes.append(
            f"The estimate follows from the scores alone. It was off by"
            f" {number(found.backtest.mean_error, 3)} on average and"
            f" {number(found.backtest.worst_error, 3)} at worst in"
            f" {found.backtest.stretches} labelled stretches, and never decides."
        )
    if found.delay.median_hours is not None:
        notes.append(
            f"Labels arrive after {_hours(found.delay.median_hours)} (median), at most"
            f" {_hours(found.delay.worst_hours)}."
        )
    if found.delay.behind_hours is not None:
        notes.append(f"The newest label is {_hours(found.delay.behind_hours)} behind the newest row.")
    if found.not_measured:
        notes.append(f"Not in the source: {listed(found.not_measured, 20)}.")
    return notes


def _not_assessable(found: Monitored) -> str:
    return (
        "These vary with the season, and the reference lacks the latest one:"
        f" {listed(found.not_assessable, 20)}."
    )


def _interval(change: object) -> str:
    found = Estimate(*(float("nan") if end is None else end for end in _ends(change)))
    digits = places([found])
    return f"{signed(found.value, digits)} {span(found, digits)}"


def _ends(change: object) -> list[float | None]:
    return [getattr(change, name) for name in ("value", "low", "high")]


def _hours(hours: float | None) -> str:
    if hours is None:
        return "–"
    return f"{short(hours)} hours" if hours < 48 else f"{short(hours / 24)} days"


def _timeline(found: Monitored) -> list[tuple[str, str]]:
    caption = (
        "The largest statistic of each window over its usual worst, on a log scale; filled points alarm by"
        " vote, the line is the threshold."
    )
    figures = [(caption, to_svg(window_figure(found)))]
    if (lanes := lanes_figure(found)) is not None:
        figures.append(("What is beyond the threshold when, the most frequent first.", to_svg(lanes)))
    return figures


def _scores(found: Monitored) -> list[tuple[str, str]]:
    figure = score_figure(found)
    caption = f"{metric_name(found.primary)} of consecutive windows with its interval, and as estimated."
    return [] if figure is None else [(caption, to_svg(figure))]
