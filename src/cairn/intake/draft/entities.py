"""Columns that name an owner of several rows: a patient, a household, an invoice, an author.

A name may say so (names.is_entity). So do the values of a column with few rows each, whatever its name:
their numbers of rows are more even than independent draws would give; other columns are constant within
them; or nearly all rows of one value of a text have the same class. Numbers may tell a class by their size.
"""

from collections.abc import Iterator, Mapping
from math import exp, sqrt

import numpy as np
import pandas as pd
from pandas.api import types
from scipy.stats import poisson

from cairn.data.leakage import measure_of, single_scores
from cairn.intake.draft import names
from cairn.intake.draft.columns import Finding, share
from cairn.intake.draft.suspects import SEED, boosted_score
from cairn.intake.draft.time_columns import CUTS, follows
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig

FEWEST = 20
MOST_MISSING = 0.05
MOST_ROWS_EACH = 10
MOST_ROWS_OF_NAMES = 20
MOST_REPEAT = 0.5
FEW_ROWS = 5
BY_CHANCE = 0.001
PAIRS = 5_000
COMPARED = 2_500
SAME_CLASS = 0.8
VARIES = 0.1
CONSTANT = 0.99
SIBLING = 0.5
YEARS = (1800, 2100)
LONG = 10**7
LONG_ID = r"[A-Za-z_-]{0,4}[0-9]{8,}|[0-9a-fA-F-]{16,}"

Pairs = tuple[np.ndarray, np.ndarray]
"""Positions of two rows of each of some owners."""


def find(
    table: pd.DataFrame, copied: pd.Series, findings: Mapping[str, Finding], target: str
) -> dict[str, str]:
    """Return the columns that name an owner of several rows, by their values, and why.

    Rows that are copies do not count.
    """
    likely = [name for name, finding in findings.items() if _may_be(name, table[name], finding)]
    dates = [name for name, finding in findings.items() if finding.role in ("date", "time")]
    likely = [name for name in likely if not _counts_time(table, name, dates)]
    if not likely:
        return {}
    once = table.loc[~copied] if copied.any() else table
    classes = None if types.is_float_dtype(table[target]) else target
    found = {name: _evidence(once, findings, name, classes) for name in likely}
    return {name: why for name, why in found.items() if why}


def _may_be(name: str, values: pd.Series, finding: Finding) -> bool:
    """Whether a column of text or whole numbers has enough values, few rows each, and no name against it."""
    column, rows = finding.column, len(values)
    if finding.role != "feature" or column.kind not in ("categorical", "numeric"):
        return False
    if not FEWEST <= finding.distinct <= rows / 1.2 or rows > MOST_ROWS_OF_NAMES * finding.distinct:
        return False
    if names.is_thing(name):
        return False
    if types.is_numeric_dtype(values):
        there = values.dropna()
        years = there.between(*YEARS).all() and finding.distinct <= YEARS[1] - YEARS[0]
        return not names.is_time(name) and not years and bool((there % 1 == 0).all())
    return True


def _evidence(table: pd.DataFrame, findings: Mapping[str, Finding], name: str, target: str | None) -> str:
    """Say why the values of a column name owners; empty where they do not."""
    values = table[name]
    if names.is_id(name) and _is_long(values):
        return "an id of many digits"
    repeats = values.value_counts().to_numpy()
    several = (repeats > 1).mean()
    few = several > MOST_REPEAT and np.median(repeats) <= FEW_ROWS and repeats.mean() <= MOST_ROWS_EACH
    if few and more_even_than_draws(repeats):
        return "its values repeat more evenly than independent draws"
    pairs = _pairs(values)
    if len(pairs[0]) < FEWEST:
        return ""
    if few and (constant := _constant(table, findings, name, target, pairs)):
        return f"{constant[0]} is constant within each value"
    text = not types.is_numeric_dtype(values)
    if text and target is not None and _always_one_class(table[target], values, pairs):
        return f"nearly all rows of one value have the same {target}"
    return ""


def _is_long(values: pd.Series) -> bool:
    """Whether an id is drawn from far more numbers, or longer texts, than it has values."""
    there = values.dropna().drop_duplicates()
    if types.is_numeric_dtype(there):
        return bool((there.abs() >= LONG).all())
    return bool(there.astype("str").str.fullmatch(LONG_ID).all())


def more_even_than_draws(repeats: np.ndarray) -> bool:
    """Whether independent draws, of any distribution, would hardly repeat values as evenly as this.

    Of n_k values with k rows each, draws of any distribution expect n_(k-1) (k-1)! n_(k+1) (k+1)! to be at
    least (n_k k!)^2: such numbers are the moments of a mixture of Poisson distributions, so their logarithm
    is convex. Keys of two or three rows each have too few values with one row, or with four.
    """
    found = np.bincount(np.minimum(repeats, 8), minlength=8)
    for k in range(2, 6):
        here = float(found[k])
        if here < FEW_ROWS:
            continue
        for near, far in ((k - 1, k + 1), (k + 1, k - 1)):
            beside = max(float(found[near]), 0.5)
            expected = here**2 / beside * k / (k + 1)
            spread = sqrt(4 / here + 1 / beside)
            if poisson.cdf(found[far], expected * exp(-3 * spread)) < BY_CHANCE:
                return True
    return False


def _counts_time(table: pd.DataFrame, name: str, dates: list[str]) -> bool:
    """Whether a number only counts days, weeks or years of a date in the table."""
    return types.is_numeric_dtype(table[name]) and any(
        table[name].nunique() <= table[date].nunique() and follows(table, date, name) for date in dates
    )


def _pairs(values: pd.Series) -> Pairs:
    """Return the positions of two rows of each value that has several, of 5,000 such values at most."""
    codes = pd.factorize(values)[0]
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    ranked = codes[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    starts = starts[starts + 1 < len(ranked)]
    starts = starts[ranked[starts] == ranked[starts + 1]]
    if len(starts) > PAIRS:
        starts = np.random.default_rng(SEED).choice(starts, PAIRS, replace=False)
    return order[starts], order[starts + 1]


def _constant(
    table: pd.DataFrame,
    findings: Mapping[str, Finding],
    name: str,
    target: str | None,
    pairs: Pairs,
) -> list[str]:
    """Name the columns with one value for each value of this one that are not bands of its size."""
    return [
        other
        for other, finding in findings.items()
        if other not in (name, target)
        and finding.role in ("feature", "date", "entity")
        and finding.distinct > 1
        and _agree(table[other], pairs) >= CONSTANT
        and _differ_by_chance(table[other], pairs[0]) >= VARIES
        and not _in_bands(table[name], table[other])
    ]


def _agree(values: pd.Series, pairs: Pairs) -> float:
    one, other = (values.iloc[rows].reset_index(drop=True) for rows in pairs)
    return float(((one == other) | (one.isna() & other.isna())).mean())


def _differ_by_chance(values: pd.Series, rows: np.ndarray) -> float:
    shares = values.iloc[rows].value_counts(normalize=True, dropna=False).to_numpy()
    return float(1 - (shares**2).sum())


def _in_bands(values: pd.Series, other: pd.Series) -> bool:
    """Whether a column follows from the size of another, such as square feet and bands from square metres."""
    if not types.is_numeric_dtype(values):
        return False
    codes, levels = pd.factorize(other.iloc[np.argsort(values.to_numpy(), kind="stable")])
    return int((np.diff(codes) != 0).sum()) < 2 * len(levels)


def _always_one_class(target: pd.Series, values: pd.Series, pairs: Pairs) -> bool:
    differ = _differ_by_chance(target, pairs[0])
    agree = 1 - (1 - _agree(target, pairs)) / differ if differ else 0.0
    return agree >= SAME_CLASS and not _in_bands(values, target)


def coarsest(table: pd.DataFrame, entities: Mapping[str, Finding]) -> str | None:
    """Return the owner to split by: the one of most values, or one that holds several of these whole."""
    chosen = max(entities, key=lambda name: entities[name].distinct, default=None)
    if chosen is None:
        return None
    pairs = _pairs(table[chosen])
    wider = [
        name
        for name, finding in entities.items()
        if name != chosen
        and FEWEST <= finding.distinct < entities[chosen].distinct
        and len(pairs[0]) >= FEWEST
        and _agree(table[name], pairs) >= CONSTANT
    ]
    return max(wider, key=lambda name: entities[name].distinct, default=chosen)


def siblings(table: pd.DataFrame, findings: Mapping[str, Finding], group: str) -> list[str]:
    """Name the categories that tell the owner too: one value for each, and few owners share one."""
    pairs = _pairs(table[group])
    return [
        name
        for name, finding in findings.items()
        if name != group
        and finding.role == "feature"
        and finding.column.kind == "categorical"
        and finding.distinct > max(FEWEST, SIBLING * findings[group].distinct)
        and len(pairs[0]) >= FEWEST
        and _agree(table[name], pairs) >= CONSTANT
    ]


def seen(values: pd.Series) -> float:
    """Return the share of the test rows of a random split whose owner train has too."""
    rows = values.value_counts()
    return float(((1 - (1 - CUTS[0]) ** (rows - 1)) * rows).sum() / rows.sum())


def seen_later(values: pd.Series, time: pd.Series) -> float:
    """Return the share of the latest rows whose owner the rows have on which a time split trains."""
    ordered = values.iloc[np.argsort(time.to_numpy(), kind="stable")]
    earlier, later = (int(part * len(ordered)) for part in CUTS)
    return float(ordered.iloc[later:].isin(ordered.iloc[:earlier].unique()).mean())


def worth(table: pd.DataFrame, contract: Contract, data: DataConfig, group: str) -> str:
    """Say what the owner alone predicts, and what the features score by row and by owner."""
    rows = _some(table[table[group].notna()], group)
    if rows[group].nunique() < FEWEST:
        return "too few values to say what it predicts"
    alone = Contract(columns={group: Column(kind="categorical"), data.target: contract.columns[data.target]})
    ((_, score),) = single_scores(rows, [group], alone, data)
    said = f"alone it reaches {measure_of(data.task)} {score:.3f}"
    features = [name for name, column in contract.columns.items() if column.group]
    scores = list(_both_ways(rows, features, contract, data, group))
    if len(scores) < 2:
        return said
    return f"{said}; the features reach {scores[0]:.3f} by row and {scores[1]:.3f} by {group}"


def _some(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Draw owners that have about 2,500 rows together, at most a tenth of these of each."""
    each = table.groupby(group, sort=False, observed=True).cumcount() < COMPARED // FEWEST
    table = table if len(table) <= COMPARED else table[each]
    rows = table[group].value_counts(sort=False).sample(frac=1, random_state=SEED)
    taken = rows.index if len(table) <= COMPARED else rows.index[rows.cumsum() <= COMPARED]
    return table[table[group].isin(taken)].reset_index(drop=True)


def _both_ways(
    rows: pd.DataFrame, features: list[str], contract: Contract, data: DataConfig, group: str
) -> Iterator[float]:
    if data.task != "regression" and rows[data.target].value_counts().min() < FEWEST:
        return
    for groups in (None, rows[group]):
        yield boosted_score(rows, features, contract, data, groups)


def described(finding: Finding, rows: int, why: str = "") -> str:
    """Return the note of an owner."""
    note = f"{finding.distinct:,} values, {rows / max(1, finding.distinct):.1f} rows each"
    return f"{note}; {why}" if why else note


def shown(part: float, group: str) -> str:
    """Say how many rows of a test part are of known owners."""
    return f"{share(part)} of the test rows have the {group} of a row in train"
