"""Would more data help? The score against the number of training rows, on the same validation rows.

Each point has half the rows of the next one. For `recent` they are the latest rows, so more means a longer
history; for `random` they are whole blocks of time, groups or rows at random, so more means more of the same.
The random ones are nested: under one seed, a smaller set lies within the larger ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.parts import Prepared
from cairn.errors import UserError
from cairn.metrics.paired import Difference, MeanScore, difference_of, mean_score, seed_spread
from cairn.settings.config import Config
from cairn.settings.data import DataConfig
from cairn.studies.protocol import Protocol, evaluation_set, fit_and_score, protocol_of

By = Literal["recent", "random"]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Point:
    """The model fitted on some of the training rows.

    Attributes:
        rows: how many, on average over the seeds.
        since: for recent rows the day of the first one; else None.
        to_full: by quantity, the model fitted on all rows compared with this one; empty for all rows.
    """

    rows: int
    since: str | None
    score: MeanScore
    to_full: dict[str, Difference]


@dataclass(frozen=True)
class LearningCurve:
    """Scores against training rows.

    Attributes:
        unit: what was drawn, or taken from the end: `days`, `groups of carrier`, `rows`.
        noise: standard deviation of the deciding quantity between seeds; None for one seed.
        points: the smallest first, all rows last.
    """

    protocol: Protocol
    by: By
    unit: str
    noise: float | None
    points: list[Point]

    @property
    def last_doubling(self) -> dict[str, Difference]:
        """The model fitted on all rows compared with the one fitted on half of them, by quantity."""
        return self.points[-2].to_full


def learning_curve(
    config: Config, prepared: Prepared, *, by: By, points: int, seeds: int, decides: str | None = None
) -> LearningCurve:
    """Fit the model on 1/2^(points - 1) of the training rows, twice as many, and so on up to all.

    Each seed also draws its own random sets. See protocol_of for `decides`.
    """
    rows = evaluation_set(config, prepared)
    protocol = protocol_of(config, rows, seeds=seeds, decides=decides)
    train, last = prepared.train, points - 1
    shares = [0.5 ** (last - i) for i in range(points)]
    codes, unit = units(train, config, by)
    sets = {seed: nested(codes, shares, by, seed) for seed in protocol.numbers}
    for chosen in sets.values():
        check_classes(train, chosen[0], config.data)
    scores = fit_and_score(
        range(points),
        lambda i, seed: (
            config.model_copy(update={"seed": seed}),
            replace(prepared, train=train.iloc[sets[seed][i]]),
        ),
        rows,
        protocol,
        progress="learning curve",
    )
    return LearningCurve(
        protocol=protocol,
        by=by,
        unit=unit,
        noise=seed_spread(scores.values(), protocol.decides),
        points=[
            Point(
                rows=int(np.mean([len(sets[seed][i]) for seed in protocol.numbers])),
                since=_since(train, sets[config.seed][i], config.data.time) if by == "recent" else None,
                score=mean_score(rows, scores[i], protocol.decides),
                to_full={
                    name: difference_of(rows, scores[i], scores[last], name)
                    for name in protocol.quantities
                    if i < last
                },
            )
            for i in range(points)
        ],
    )


def order_of(config: Config, asked: By | None) -> By:
    """Return what smaller sets are made of: by default recent for a split by time, else random.

    Raises:
        UserError: recent rows are asked for, but no column orders the rows.
    """
    if asked == "recent" and config.data.time is None:
        raise UserError("--by recent needs data.time, the column to order rows by; use --by random")
    return asked or ("recent" if config.split.kind == "time" else "random")


def units(train: pd.DataFrame, config: Config, by: By) -> tuple[Rows, str]:
    """Return the code of what each row is taken together with, shape (n,), and what that is.

    Codes are in the order of time where there is one.
    """
    data = config.data
    if by == "random" and data.group is not None:
        return pd.factorize(train[data.group])[0].astype(np.int64), f"groups of {data.group}"
    if data.time is None:
        return np.arange(len(train)), "rows"
    time, block = train[data.time], config.evaluate.block
    ranks = (time if block is None else time.dt.floor(block)).rank(method="dense")
    return ranks.to_numpy().astype(np.int64) - 1, f"blocks of {block}" if block else "rows"


def nested(codes: Rows, shares: Sequence[float], by: By, seed: int) -> list[Rows]:
    """Return the positions of the rows of each set, in the order of the table.

    A set takes whole units (see `units`), the last or random ones, until it has its share of the rows.
    """
    count = int(codes.max()) + 1
    order = np.arange(count)[::-1] if by == "recent" else np.random.default_rng(seed).permutation(count)
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    reached = np.bincount(codes, minlength=count)[order].cumsum()
    needed = np.searchsorted(reached, np.array(shares) * len(codes) - 1e-9) + 1
    return [np.flatnonzero(place[codes] < few) for few in needed]


def check_classes(train: pd.DataFrame, rows: Rows, data: DataConfig) -> None:
    """Raise UserError where the smallest set has not every class of train."""
    if data.task == "regression":
        return
    target = train[data.target]
    absent = set(target.unique()) - set(target.iloc[rows].unique())
    if absent:
        raise UserError(
            f"--points: the smallest set has {len(rows):,} rows and none of {data.target} ="
            f" {', '.join(sorted(map(str, absent)))}; ask for fewer points"
        )


def _since(train: pd.DataFrame, rows: Rows, time: str | None) -> str:
    moment = train[time].iloc[rows].min()
    return moment.strftime("%Y-%m-%d") if isinstance(moment, pd.Timestamp) else f"{moment:g}"
