"""Deal the rows of a table to train, validation and test, and prove that nothing crosses."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.core.util.hashing import hash_pandas_object

from cairn.errors import UserError
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.split import GroupSplit, RandomSplit, SplitConfig, TimeSplit

PARTS = ("train", "validation", "test")
NO_PART = ""


def deal(
    table: pd.DataFrame, split: SplitConfig, data: DataConfig, contract: Contract, seed: int
) -> pd.Series:
    """Return the part of each row: "train", "validation", "test", or "" where it belongs to none.

    Args:
        table: the prepared table, n rows.
        split: by time, at random, or by whole groups.
        data: which columns are the time, the group and the target.
        contract: the key columns, which do not count when rows are called copies of each other.
        seed: of the random splits; a time split has no use for it.

    Raises:
        UserError: no time or group column where one is needed, or a part that stays empty.
    """
    rng = np.random.default_rng(seed)
    match split:
        case TimeSplit():
            part = _by_time(table[_needed(data.time, "time")], split)
        case RandomSplit():
            part = _at_random(table, split, data, contract, rng)
        case GroupSplit():
            part = _by_group(table[_needed(data.group, "group")], split, rng)
    empty = [name for name in PARTS if not (part == name).any()]
    if empty:
        raise UserError(f"split: no row falls into {', '.join(empty)}; check the split against the data")
    return pd.Series(part, index=table.index, dtype="str")


def _needed(column: str | None, role: str) -> str:
    if column is None:
        raise UserError(f"split.kind: {role} needs data.{role}, the column to split by")
    return column


def _by_time(time: pd.Series, split: TimeSplit) -> np.ndarray:
    if time.isna().any():
        raise UserError(f"data.time: {time.name} is missing in {int(time.isna().sum()):,} rows")
    ordered = time.sort_values(ignore_index=True)

    def moment(value: str | float) -> Any:
        return pd.Timestamp(value) if isinstance(value, str) else ordered.iloc[int(value * len(ordered))]

    first, second = moment(split.validation_from), moment(split.test_from)
    gap = pd.Timedelta(split.gap)
    inside = (time >= pd.Timestamp(split.train_from)) if split.train_from else time.notna()
    inside &= (time < pd.Timestamp(split.test_until)) if split.test_until else True
    return np.select(
        [
            inside & (time < first - gap),
            inside & time.between(first, second - gap, "left"),
            inside & (time >= second),
        ],
        PARTS,
        NO_PART,
    )


def _at_random(
    table: pd.DataFrame, split: RandomSplit, data: DataConfig, contract: Contract, rng: np.random.Generator
) -> np.ndarray:
    """Deal copies as one: the first of each is dealt, stratum by stratum, and the others follow it."""
    copy_of = contents(table, contract, data) if split.copies_together else np.arange(len(table))
    _, first, which = np.unique(copy_of, return_index=True, return_inverse=True)
    if not split.stratify:
        strata = np.zeros(len(first), dtype=np.int64)
    elif data.task == "regression":
        strata = pd.qcut(table[data.target].iloc[first].rank(method="first"), 10, labels=False).to_numpy()
    else:
        strata = pd.factorize(table[data.target].iloc[first])[0]
    order = rng.permutation(len(first))
    shuffled = pd.Series(strata[order])
    place = shuffled.groupby(shuffled).cumcount() + rng.random(strata.max() + 1)[shuffled]
    share = np.empty(len(first))
    share[order] = place / shuffled.map(shuffled.value_counts())
    return _cut(share, split.validation, split.test)[which]


def _by_group(group: pd.Series, split: GroupSplit, rng: np.random.Generator) -> np.ndarray:
    if group.isna().any():
        raise UserError(f"data.group: {group.name} is missing in {int(group.isna().sum()):,} rows")
    codes, names = pd.factorize(group)
    order = rng.permutation(len(names))
    rows = np.bincount(codes, minlength=len(names))[order]
    middle = np.empty(len(names))
    middle[order] = (np.cumsum(rows) - rows / 2) / len(group)
    return _cut(middle, split.validation, split.test)[codes]


def _cut(share: np.ndarray, validation: float, test: float) -> np.ndarray:
    return np.select([share < test, share < test + validation], ("test", "validation"), "train")


def contents(table: pd.DataFrame, contract: Contract, data: DataConfig) -> np.ndarray:
    """Return a uint64 hash per row of all it holds but its name: equal hashes mean copies.

    The same values at another time or of another group are no copy.
    """
    named = ({"row_id", *contract.key} - {data.time, data.group}) & set(table.columns)
    kept = table.drop(columns=list(named)) if len(named) < table.shape[1] else table
    return hash_pandas_object(kept, index=False).to_numpy()


def proof(
    table: pd.DataFrame, part: pd.Series, split: SplitConfig, data: DataConfig, contract: Contract
) -> dict[str, Any]:
    """Count what the parts share and say where each begins and ends.

    Groups are counted where there are any, but only a split by them promises that no two parts share one.

    Raises:
        UserError: rows, copies or groups on two sides, or a part that begins before an earlier one ends.
    """
    parts = {name: table[part == name] for name in PARTS}
    shared = {"rows": _shared([frame["row_id"] for frame in parts.values()])}
    if not (isinstance(split, RandomSplit) and not split.copies_together):
        whole = contents(table, contract, data)
        shared["copies"] = _shared([pd.Series(whole[(part == name).to_numpy()]) for name in PARTS])
    if data.group is not None:
        shared["groups"] = _shared([frame[data.group] for frame in parts.values()])
    wrong = [
        f"split: {count:,} {what} are in more than one part"
        for what, count in shared.items()
        if count and (what != "groups" or isinstance(split, GroupSplit))
    ]
    if isinstance(split, TimeSplit):
        wrong += _out_of_order(parts, _needed(data.time, "time"))
    if wrong:
        raise UserError("\n".join(wrong))
    return {
        "kind": split.kind,
        "shared": shared,
        "parts": {name: _described(frame, data) for name, frame in parts.items()},
        "left_out": int((part == NO_PART).sum()),
    }


def _shared(columns: list[pd.Series]) -> int:
    distinct = pd.concat([pd.Series(column.unique()) for column in columns], ignore_index=True)
    return int(distinct[distinct.duplicated()].nunique())


def _out_of_order(parts: dict[str, pd.DataFrame], time: str) -> list[str]:
    return [
        f"split: {later} begins at {parts[later][time].min()}, before {earlier} ends"
        for earlier, later in (("train", "validation"), ("validation", "test"))
        if parts[earlier][time].max() >= parts[later][time].min()
    ]


def _described(frame: pd.DataFrame, data: DataConfig) -> dict[str, Any]:
    record: dict[str, Any] = {"rows": len(frame)}
    if data.task == "multiclass":
        record["shares"] = frame[data.target].value_counts(normalize=True).sort_index().to_dict()
    else:
        record["rate" if data.task == "binary" else "mean"] = float(frame[data.target].mean())
    if data.time:
        record["from"], record["until"] = str(frame[data.time].min()), str(frame[data.time].max())
    return record
