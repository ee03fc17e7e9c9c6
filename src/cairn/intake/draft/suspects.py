"""Columns that may give the answer away: too good alone, an account of the target, recorded afterwards."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from tqdm import tqdm

from cairn.data.leakage import SUSPICIOUS, measure_of, single_scores, telling_gaps, too_good
from cairn.intake.draft.columns import Finding, share
from cairn.intake.draft.names import AFTERWARDS, among, is_plan, plan_of, shared_word, words
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig, Task
from cairn.settings.expressions import names_in

SAMPLE = 5_000
CHANCE: dict[Task, float] = {"binary": 0.5, "multiclass": 0.5, "regression": 0.0}
TELLING_MINUTE = 0.05
FOUR_SPREADS = 1.6
"""Four standard deviations of a ROC-AUC by chance, times the root of the rows of the rarer class."""
MOST_ROUND = 13
"""A clock has fewer different minutes where all are multiples of five."""
SEED = 0
FAR_ABOVE = {"binary": 0.9, "multiclass": 0.9, "regression": 0.85}
TELLING_GAP = 0.85
TELLING_NAME = {"binary": 0.65, "multiclass": 0.7, "regression": 0.1}
NEAR_NAME = {"binary": 0.85, "multiclass": 0.9, "regression": 0.8}
SAME_ORDER = 0.999
ADDS_UP = 1 - 1e-6
MOST_PARTS = 30
MOST_LEVELS = 20
FEW_GROUPS = 50
MOST_COMPARED = 3
FEWEST_OTHERS = 3
MOSTLY_THERE = 0.05
STRAYS = 0.01
FEW_VALUES = 12
FEWEST_TOLD = 50
MOST_ERRORS = 0.1


def suspects(
    table: pd.DataFrame, contract: Contract, data: DataConfig
) -> tuple[dict[str, str], dict[str, float]]:
    """Look at every feature on a sample of 5,000 rows, alone and against all the others together.

    docs/new-data.md lists what makes a column suspect; columns of leakage.trusted are passed over.

    Returns:
        The reason by suspect, and the score alone (ROC-AUC or R2) by feature.
    """
    bounds = data.leakage.model_copy(update={"max_single_score": SUSPICIOUS[data.task]})
    data = data.model_copy(update={"leakage": bounds})
    sample = _sample(table, data)
    features = [n for n, c in contract.columns.items() if c.group and n not in data.leakage.trusted]
    alone: dict[str, float] = {}
    found: dict[str, str] = {}
    scores = single_scores(sample, features, contract, data)
    planned = [name for name in contract.columns if is_plan(name)]
    for name, score in tqdm(
        scores, "looking for leaks", len(features), unit="column", delay=1, leave=False, disable=None
    ):
        alone[name] = score
        reasons = _reasons(sample, table, name, score, planned=planned, contract=contract, data=data)
        if said := next(reasons, None):
            found[name] = said
    found |= recorded_with(table, found, features)
    if data.task == "regression":
        found = accounts(sample, features, contract, data) | found
        # A copy of the target hides the numbers that add up to it.
        found |= accounts(sample, [n for n in features if n not in found], contract, data)
    return found | _far_above(sample, [n for n in features if n not in found], alone, contract, data), alone


def happened(table: pd.DataFrame, findings: Mapping[str, Finding], target: str, task: Task) -> dict[str, str]:
    """Name the dates whose minute predicts the target: it tells when a thing happened, not when it was due.

    A plan has round minutes, or any; what comes of it has not decided them.
    """
    data = DataConfig(name="", source="", contract="", task=task, target=target)
    known = table[table[target].notna()]
    known = known.sample(min(len(known), SAMPLE), random_state=SEED)
    bound = measure_of(task)
    least = CHANCE[task] + max(TELLING_MINUTE, FOUR_SPREADS / np.sqrt(_rows_that_count(known[target], task)))
    found = {}
    for name, finding in findings.items():
        if finding.role != "date" or finding.column.known == "after" or is_plan(name):
            continue
        minute = known[name].dt.minute
        if minute.nunique() < MOST_ROUND:
            continue
        rows = pd.DataFrame({name: minute.astype("float64"), target: known[target]})
        contract = Contract(columns={name: Column(kind="numeric")})
        ((_, score),) = single_scores(rows, [name], contract, data)
        if score > least:
            found[name] = (
                f"its minutes predict the target ({bound} {score:.3f}): when it happened, not a plan"
            )
    return found


def _rows_that_count(target: pd.Series, task: Task) -> int:
    return len(target) if task == "regression" else int(target.value_counts().min())


def recorded_with(table: pd.DataFrame, found: dict[str, str], features: list[str]) -> dict[str, str]:
    """Name the columns that have a value only where a suspect of many gaps has one: parts of one record."""
    gapped = [name for name in found if table[name].isna().mean() > MOSTLY_THERE]
    parts = {}
    for name in features:
        there = table[name].notna()
        if name not in found and not there.all():
            for other in gapped:
                if (there & table[other].isna()).sum() <= STRAYS * there.sum():
                    parts.setdefault(name, f"it is there only where {other} is, a suspect")
    return parts


def _far_above(
    sample: pd.DataFrame, features: list[str], alone: dict[str, float], contract: Contract, data: DataConfig
) -> dict[str, str]:
    """Name the strongest columns that make less than half the error of all others together."""
    strong = [
        name
        for name in features
        if alone[name] > FAR_ABOVE[data.task]
        # A category of many values, such as a product's model, may well say what the product is.
        and (contract.columns[name].kind != "categorical" or sample[name].nunique() <= MOST_LEVELS)
        and (data.task != "regression" or not _groups_rows(sample[name], sample[data.target]))
    ]
    found: dict[str, str] = {}
    for name in sorted(strong, key=lambda n: -alone[n])[:MOST_COMPARED]:
        others = [n for n in features if n != name and n not in found]
        if len(others) >= FEWEST_OTHERS:
            together = boosted_score(sample, others, contract, data)
            if 1 - alone[name] < (1 - together) / 2:
                found[name] = (
                    f"alone it reaches {measure_of(data.task)} {alone[name]:.3f}, all other columns together"
                    f" {together:.3f}"
                )
    return found


def _groups_rows(values: pd.Series, target: pd.Series) -> bool:
    """Whether few values overlap in the target, as shops do in sales and bands of the sales do not."""
    codes, levels = pd.factorize(values.iloc[np.argsort(target.to_numpy(), kind="stable")])
    return len(levels) <= FEW_GROUPS and int((np.diff(codes) != 0).sum()) > 2 * len(levels)


def _sample(table: pd.DataFrame, data: DataConfig) -> pd.DataFrame:
    """Draw rows at random; of a rare event keep enough to score anything by."""
    if len(table) <= SAMPLE:
        return table.reset_index(drop=True)
    drawn = table.sample(SAMPLE, random_state=SEED)
    if data.task == "binary":
        events = table[table[data.target] == table[data.target].value_counts().index[-1]]
        few = events.sample(min(len(events), SAMPLE // 20), random_state=SEED)
        drawn = pd.concat([drawn, few.drop(index=drawn.index.intersection(few.index))])
    return drawn.reset_index(drop=True)


def _reasons(
    sample: pd.DataFrame,
    rows: pd.DataFrame,
    name: str,
    score: float,
    *,
    planned: list[str],
    contract: Contract,
    data: DataConfig,
) -> Iterator[str]:
    """Yield what speaks against a column, the strongest first; rows hold all of it and of the target."""
    if reason := too_good(score, data):
        yield reason
    values, target, reached = sample[name], sample[data.target], f"{measure_of(data.task)} {score:.3f}"
    if data.task == "regression" and contract.columns[name].kind == "numeric" and values.nunique() > 1:
        order = abs(values.corr(target, method="spearman"))
        if order > SAME_ORDER:
            yield f"it has the order of the target (rank correlation {order:.4f})"
    if gap := telling_gaps(rows[name], rows[data.target], data):
        yield gap
    if values.isna().sum() >= data.leakage.min_null_rows:
        gap_score = _gap_score(values, target, data)
        if gap_score > TELLING_GAP:
            yield f"whether it is missing predicts the target ({measure_of(data.task)} {gap_score:.3f})"
    if plan := plan_of(name, planned):
        yield f"{plan} is the plan, so this is what came of it"
    asked = [data.target, *(names_in(data.derive.get(data.target) or "") or [])]
    word = shared_word(name, asked)
    if word and score > NEAR_NAME[data.task]:
        yield f"shares '{word}' with {' or '.join(asked)}, and alone it reaches {reached}"
    if word and data.task != "regression" and (told := _telling_value(values, target)):
        yield f"shares '{word}' with {' or '.join(asked)}, and {told}"
    word = among(AFTERWARDS, words(name))
    # Parts of the moment of the row, such as arrival_year beside arrival_date, are known with it.
    if word and word not in words(data.time or "") and score > TELLING_NAME[data.task]:
        yield f"'{word}' sounds known only afterwards, and alone it reaches {reached}"


def _telling_value(values: pd.Series, target: pd.Series) -> str | None:
    """Say where a value of a column of few tells the class: it errs in a tenth of its rows at most.

    And a quarter as often as the class would by itself.
    """
    if values.nunique() > FEW_VALUES:
        return None
    usual = target.value_counts(normalize=True)
    for value, rows in target.groupby(values):
        shares = rows.value_counts(normalize=True)
        error, without = 1 - shares.iloc[0], 1 - usual[shares.index[0]]
        if len(rows) >= FEWEST_TOLD and error < min(MOST_ERRORS, without / 4):
            return f"where it is {value} the target is the same in {share(1 - float(error))}"
    return None


def _gap_score(values: pd.Series, target: pd.Series, data: DataConfig) -> float:
    """Score the target by whether a value is missing: R2 of a number, ROC-AUC of two classes."""
    from sklearn.metrics import roc_auc_score

    missing = values.isna().astype("float64")
    if missing.nunique() < 2 or data.task == "multiclass":
        return 0.0
    if data.task == "regression":
        return float(np.corrcoef(missing, target)[0, 1] ** 2)
    score = float(roc_auc_score(target, missing))
    return max(score, 1 - score)


def accounts(
    sample: pd.DataFrame, features: list[str], contract: Contract, data: DataConfig
) -> dict[str, str]:
    """Name the numbers of which the target is a sum, if there are such: each needed, and together exact."""
    from sklearn.linear_model import LinearRegression

    numbers = [n for n in features if contract.columns[n].kind == "numeric" and sample[n].notna().all()]
    X = sample[numbers].astype("float64")
    X = X[[n for n in numbers if np.isfinite(X[n]).all() and X[n].std() > 0]]
    target = sample[data.target].to_numpy(dtype=np.float64)
    parts = _adding_up(X, target)
    ordered = sorted(parts, key=lambda n: abs(np.corrcoef(X[n], target)[0, 1]))
    for name in ordered[: max(0, len(parts) - 1)]:
        rest = [n for n in parts if n != name]
        scaled = X[rest] / X[rest].std()
        if LinearRegression().fit(scaled, target).score(scaled, target) >= ADDS_UP:
            parts = rest
    said = (
        f"the target is a sum of {' and '.join(parts)}"
        if len(parts) > 1
        else "the target is a multiple of it"
    )
    return dict.fromkeys(parts, said)


def _adding_up(X: pd.DataFrame, y: np.ndarray) -> list[str]:
    """Return up to 30 columns of which y is a sum, or none; one fit with all of 1,500 would take minutes.

    By orthogonal matching pursuit: each is the closest to what those before it leave unexplained.
    """
    scaled, left = ((X - X.mean()) / X.std()).to_numpy(), y - y.mean()
    chosen: list[int] = []
    for _ in range(min(MOST_PARTS, X.shape[1], len(X) // 3)):
        closeness = np.abs(left @ scaled)
        closeness[chosen] = -1
        chosen.append(int(closeness.argmax()))
        design = scaled[:, chosen]
        left = y - y.mean() - design @ np.linalg.lstsq(design, y - y.mean())[0]
        if (left**2).sum() <= (1 - ADDS_UP) * ((y - y.mean()) ** 2).sum():
            return X.columns[chosen].tolist()
    return []


def boosted_score(
    sample: pd.DataFrame,
    names: list[str],
    contract: Contract,
    data: DataConfig,
    groups: pd.Series | None = None,
) -> float:
    """Return the cross-validated ROC-AUC or R2 of small boosting on some columns; a group is in one fold."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.model_selection import (
        GroupKFold,
        KFold,
        StratifiedGroupKFold,
        StratifiedKFold,
        cross_val_score,
    )
    from threadpoolctl import threadpool_limits

    X = pd.DataFrame({name: _codes(sample[name], contract.columns[name].kind) for name in names})
    regression = data.task == "regression"
    made: Any = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    scoring = {"regression": "r2", "binary": "roc_auc", "multiclass": "roc_auc_ovr"}[data.task]
    boosting = made(max_iter=50, min_samples_leaf=10, random_state=SEED)
    # Shuffled: in a file sorted by shop the second half is of shops that the first has never seen.
    plain, grouped = (KFold, GroupKFold) if regression else (StratifiedKFold, StratifiedGroupKFold)
    folds: Any = (plain if groups is None else grouped)(2, shuffle=True, random_state=SEED)
    with threadpool_limits(1):  # for so few rows threads only wait for each other
        scores = cross_val_score(boosting, X, sample[data.target], groups=groups, cv=folds, scoring=scoring)
    return float(np.nan_to_num(scores).mean())


def _codes(values: pd.Series, kind: str) -> pd.Series:
    if kind == "categorical" or not (types.is_numeric_dtype(values) or types.is_bool_dtype(values)):
        return pd.Series(pd.factorize(values)[0], index=values.index)
    return values.astype("float64").replace([np.inf, -np.inf], np.nan)
