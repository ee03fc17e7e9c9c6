"""Daily courses: whether the columns of a source fit the hour of their rows, or an earlier or later one.

A feed that is late, or stamped by another clock, has plausible values; but temperature no longer peaks in the
afternoon. The course of a column within a window is a constant and two harmonics of the day. The courses of
the reference say what is usual, and turned by some hours what another clock would give.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.monitor.values import as_numbers
from cairn.monitor.windows import Windows, halves_of
from cairn.settings.contract import Contract

HARMONICS = 2
LAGS = np.arange(-6, 7)
"""Hours by which a clock may be off."""
TOGETHER = 3
"""Consecutive windows that are judged together: a front hides the course of a single day."""
COLUMNS = 8
"""Columns of a group that take part: those whose course varies least between windows, for its size."""
HOURS = 12
"""Different hours of the day that a window must have values of."""
COMMON = 0.75
"""Share of the windows of the reference in which a column must have a course."""
FREEDOM = 10
"""Degrees of freedom of Student's distribution of courses: a day of storms is far from every clock."""
RIDGE = 0.005
FEWEST = 7
"""Windows that each half of the reference needs for a course."""


@dataclass(frozen=True)
class Course:
    """The usual courses of the columns of one group, by the half of the reference left out.

    Attributes:
        columns: their names.
        means: harmonics by column, shape (2, columns, 2 * HARMONICS).
        whiten: turns flat harmonics into independent ones of variance 1, shape (2, d, d).
    """

    columns: list[str]
    means: Floats
    whiten: Floats

    def surprise(self, harmonics: Floats) -> Floats:
        """Return how unlikely each window is by each fit at every lag, -2 log likelihood, (2, w, lags)."""
        found = []
        for mean, root in zip(self.means, self.whiten, strict=True):
            here = np.where(np.isnan(harmonics), mean, harmonics).reshape(len(harmonics), -1) @ root
            usual = [turned(mean, lag).ravel() @ root for lag in LAGS]
            found.append(np.stack([((here - one) ** 2).sum(axis=1) for one in usual], axis=1))
        squares = np.stack(found)
        return (self.whiten.shape[1] + FREEDOM) * np.log1p(squares / FREEDOM)


def measure_courses(
    courses: dict[str, Course], frame: pd.DataFrame, windows: Windows, halves: NDArray[np.int64] | None
) -> dict[str, Floats]:
    """Return by group how much better another clock fits than the clock of the rows, shape (w,).

    That is twice the log of the likelihood ratio, at least 0; NaN for a window with too few hours. A group is
    left out if one of its columns is not in the frame.
    """
    found = {}
    for group, course in courses.items():
        if not set(course.columns) <= set(frame.columns):
            continue
        harmonics = np.stack([harmonics_of(frame[name], windows) for name in course.columns], axis=1)
        both = course.surprise(harmonics)
        each = both.mean(axis=0) if halves is None else both[halves, np.arange(len(windows))]
        known = ~np.isnan(harmonics).all(axis=(1, 2))
        each[~known] = 0
        sums = np.cumsum(each, axis=0)
        sums[TOGETHER:] -= sums[:-TOGETHER].copy()
        found[group] = np.where(known, sums[:, LAGS == 0][:, 0] - sums.min(axis=1), np.nan)
    return found


def learn_courses(frame: pd.DataFrame, windows: Windows, contract: Contract) -> dict[str, Course]:
    """Learn the usual courses of the numeric columns of each group from the windows of the reference."""
    halves = halves_of(len(windows))
    if np.bincount(halves, minlength=2).min() < FEWEST:
        return {}
    groups: dict[str, list[str]] = {}
    for name, column in contract.columns.items():
        if column.kind == "numeric" and column.group is not None and name in frame.columns:
            groups.setdefault(column.group, []).append(name)
    found = {group: _learn(frame, names, windows, halves) for group, names in groups.items()}
    return {group: course for group, course in found.items() if course is not None}


def _learn(
    frame: pd.DataFrame, names: list[str], windows: Windows, halves: NDArray[np.int64]
) -> Course | None:
    every = np.stack([harmonics_of(frame[name], windows) for name in names], axis=1)
    usable = np.flatnonzero((~np.isnan(every[..., 0])).mean(axis=0) >= COMMON)
    every = every[:, usable]
    spread = np.nanvar(every, axis=0).sum(axis=1) if len(usable) else np.zeros(0)
    varying = np.isfinite(spread) & (spread > 0)
    usable, every = usable[varying], every[:, varying]
    if not len(usable):
        return None
    strength = (np.nanmean(every, axis=0) ** 2).sum(axis=1) / spread[varying]
    best = np.sort(np.argsort(-strength, kind="stable")[:COLUMNS])
    fits = [_fit(every[halves != left_out][:, best]) for left_out in (0, 1)]
    return Course(
        [names[at] for at in usable[best]],
        np.stack([mean for mean, _ in fits]),
        np.stack([root for _, root in fits]),
    )


def _fit(harmonics: Floats) -> tuple[Floats, Floats]:
    """Return the mean course and what whitens the differences from it."""
    from sklearn.covariance import ledoit_wolf

    mean = np.nan_to_num(np.nanmean(harmonics, axis=0))
    off = np.where(np.isnan(harmonics), 0, harmonics - mean).reshape(len(harmonics), -1)
    scale = off.std(axis=0)
    scale[scale == 0] = scale.max() or 1
    covariance, _ = ledoit_wolf(off / scale, assume_centered=True)
    # Columns that are sums of others would have none but rounding errors in some direction.
    steady = covariance + 1e-3 * np.eye(len(covariance))
    return mean, np.linalg.cholesky(np.linalg.inv(steady)) / scale[:, None]


def harmonics_of(values: pd.Series, windows: Windows) -> Floats:
    """Return cosine and sine of each harmonic of a column in each window, shape (w, 2 * HARMONICS).

    NaN in a window with too few hours, and in all if rows have no time.
    """
    found = np.full((len(windows), 2 * HARMONICS), np.nan)
    if windows.hours is None:
        return found
    numbers = as_numbers(values)
    known = np.isfinite(numbers)
    cell = windows.of_row[known] * 24 + windows.hours[known]
    shape = (len(windows), 24)
    counts = np.bincount(cell, minlength=len(windows) * 24).reshape(shape)
    sums = np.bincount(cell, numbers[known], minlength=len(windows) * 24).reshape(shape)
    angle = 2 * np.pi * (np.arange(24) + 0.5) / 24
    waves = [wave(times * angle) for times in range(1, HARMONICS + 1) for wave in (np.cos, np.sin)]
    design = np.stack([np.ones(24), *waves], axis=1)
    gram = np.einsum("wh,ha,hb->wab", counts, design, design)
    gram += RIDGE * counts.sum(axis=1)[:, None, None] * np.diag([0, *np.ones(2 * HARMONICS)])
    enough = (counts > 0).sum(axis=1) >= HOURS
    found[enough] = np.linalg.solve(gram[enough], (sums[enough] @ design)[..., None])[:, 1:, 0]
    return found


def turned(harmonics: Floats, hours: int) -> Floats:
    """Return the harmonics (c, 2 * HARMONICS) of courses that come some hours later."""
    parts = harmonics.reshape(len(harmonics), HARMONICS, 2)
    angle = 2 * np.pi * hours * np.arange(1, HARMONICS + 1) / 24
    cosine, sine = np.cos(angle), np.sin(angle)
    later = [parts[..., 0] * cosine - parts[..., 1] * sine, parts[..., 0] * sine + parts[..., 1] * cosine]
    return np.stack(later, axis=-1).reshape(harmonics.shape)
