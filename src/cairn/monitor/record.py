"""The result of monitoring, typed: what metrics/monitor.json holds and the page shows."""

from typing import Literal

from cairn.metrics.evaluation import Frozen, Number, Score
from cairn.monitor.statistics import Kind

Retrain = Literal["yes", "no", "undecided"]
Cause = Literal["score", "drift", "fault", "unstable", "labels", "rows"]


class Alarm(Frozen):
    """A statistic that alarms by vote in the latest window.

    Attributes:
        kind, column: what is measured of which column; of a whole group for the clock.
        group: of the column in the contract; empty for the clock and the number of rows.
        since: first window of the alarm.
        windows: how many windows have alarmed since then.
        value: in the latest window.
        usual: the largest value in the reference.
        ratio: how often its usual worst, with the floor added.
    """

    kind: Kind
    column: str
    group: str
    since: str
    windows: int
    value: Number
    usual: Number
    ratio: Number


class WindowRow(Frozen):
    """One window.

    Attributes:
        name: when it begins, or its first row.
        rows: how many it has.
        open: whether more rows are to come; such a window is not judged.
        ratio: the largest of its statistics over their usual worst.
        alarm, voted: whether it alarms, and whether it does by vote.
        most: the statistics with the largest ratios that alarm, `kind column`.
        labelled: rows whose target is known.
        broken: rows that break the contract.
    """

    name: str
    rows: int
    open: bool
    ratio: Number
    alarm: bool
    voted: bool
    most: list[str]
    labelled: int
    broken: int


class Stretch(Frozen):
    """Consecutive windows together, scored; scores are empty without labels.

    Attributes:
        change: by how much the primary metric is better than on validation, with its interval.
        estimate: the primary metric that the scores alone lead to expect.
        predicted, observed: mean prediction and target.
    """

    first: str
    last: str
    rows: int
    labelled: int
    scores: dict[str, Score]
    change: Score | None
    estimate: Number
    predicted: Number
    observed: Number
    saving: Score | None


class Backtest(Frozen):
    """How far estimates were from the scores that labels gave later, over stretches of windows."""

    stretches: int
    mean_error: Number
    worst_error: Number


class Slice(Frozen):
    """The primary metric of a slice in the latest stretch and on validation; change > 0 is better."""

    column: str
    level: str
    rows: int
    protected: bool
    value: Number
    before: Number
    change: Score


class Replay(Frozen):
    """Alarms in windows of the model's own data that were not used to set the threshold."""

    windows: int
    alarms: int
    voted: int


class Calibration(Frozen):
    """How alarms were calibrated.

    Attributes:
        windows: of the reference.
        warm_up: windows at its beginning that were left out, because there was no history yet.
        first, last: window of the reference.
        statistics: how many are measured in every window.
        rate: share of windows that may alarm although nothing is wrong.
        threshold: of the largest ratio.
        validation: a replay of the windows of validation, which come after the reference.
        folds: a replay of fifths of the reference, each judged by the rest.
    """

    windows: int
    warm_up: int
    first: str
    last: str
    statistics: int
    rate: float
    threshold: float
    validation: Replay | None
    folds: Replay


class Delay(Frozen):
    """How late labels are.

    Attributes:
        labelled: rows with a target.
        behind_hours: from the newest row with a target to the newest row; None without a time.
        median_hours, worst_hours: from a row to its target, over the rows for which that is recorded.
    """

    labelled: int
    behind_hours: Number
    median_hours: Number
    worst_hours: Number


class Reason(Frozen):
    """Why the verdict is what it is.

    Attributes:
        cause: score: labels say that the model has become worse; drift: a column that hardly varies in the
            reference has moved; fault: values are missing, stuck, impossible or contradict other columns;
            unstable: a column that varies anyway has moved; labels: they are late; rows: no window could be
            judged, or the number of rows is unusual.
        group: of the columns in the contract; empty if it is about no column.
        columns: the ones with the largest ratio first.
        kinds: what is measured of them.
        since: first window.
    """

    cause: Cause
    group: str
    columns: list[str]
    kinds: list[Kind]
    since: str


class Suspect(Frozen):
    """A row worth a look: its position in the source, its window, and the columns that break the contract."""

    row: int
    window: str
    columns: list[str]


class Monitored(Frozen):
    """What the windows of a source say about a model.

    Attributes:
        retrain: the verdict.
        alarm: whether a person should look, whatever the verdict.
        since: first window of the first reason.
        baseline: the scores of the rows that the model was validated on.
        not_measured: features that the source does not have.
        not_assessable: features that vary with the season; the reference lacks the season of the latest
            window.
    """

    model: str
    source: str
    kind: str
    window: str
    primary: str
    currency: str | None
    rows: int
    retrain: Retrain
    alarm: bool
    since: str | None
    reasons: list[Reason]
    alarms: list[Alarm]
    calibration: Calibration
    votes: str
    windows: list[WindowRow]
    stretches: list[Stretch]
    baseline: Stretch | None
    backtest: Backtest | None
    slices: list[Slice]
    delay: Delay
    broken: dict[str, int]
    suspects: list[Suspect]
    not_measured: list[str]
    not_assessable: list[str]
