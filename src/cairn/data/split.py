"""Split the rows of a table into train, validation and test, and prove that nothing crosses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cairn.data.drift import distances, summary
from cairn.data.leakage import Judged, judge, stop_on_leaks
from cairn.data.tables import row_hashes
from cairn.errors import UserError, did_you_mean
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.split import ColumnSplit, GroupSplit, RandomSplit, SplitConfig, TimeSplit

PARTS = ("train", "validation", "test")
NO_PART = ""
CODES = {name: np.int8(code) for code, name in enumerate(PARTS)}
NOWHERE = np.int8(len(PARTS))
"""Codes of the parts and of no part: text for each row of a long table takes 40 times as much memory."""
SHOWN = 5
PROMISED = {"group": ("rows", "copies", "groups"), "column": ("rows",)}
"""What no two parts share, by kind of split; rows and copies in other kinds."""


@dataclass(frozen=True)
class Split:
    """The parts of a table, and what metrics/split.json records of them.

    Attributes:
        parts: rows of "train", "validation" and "test"; a time split may leave rows out of all three.
        record: kind of split, what the parts share, rows and target of each, and how far validation and test
            have drifted from train.
        judged: whether a column looks like a leak, by column; metrics/leaks.json.
    """

    parts: dict[str, pd.DataFrame]
    record: dict[str, Any]
    judged: dict[str, Judged]


def split_table(
    table: pd.DataFrame,
    contract: Contract,
    data: DataConfig,
    split: SplitConfig,
    seed: int,
    *,
    search_leaks: bool = True,
    emptied: bool = False,
) -> Split:
    """Split the prepared table, prove that nothing crosses, look for leaks in train and measure drift.

    search_leaks is False where every column was judged before; it takes 0.02 s per column.

    `emptied` takes each column out of the table once it is split, so that not all of them are there twice.

    Raises:
        UserError: see `assign_parts` and `proof`; a class that train lacks; a feature that looks like a leak.
    """
    together = not isinstance(split, RandomSplit) or split.copies_together
    copies = contents(table, contract, data, split) if together else None
    part = assign_parts(table, split, data, contract, seed, copies=copies)
    proven = proof(table, part, split, data, contract, copies=copies)
    parts = _cut_up(table if emptied else table.copy(deep=False), part)
    _stop_on_missing_classes(parts, split, data)
    judged = judge(parts["train"], contract, data, seed) if search_leaks else {}
    stop_on_leaks(judged, contract, data)
    drift = {name: summary(distances(parts["train"], parts[name], contract, seed)) for name in PARTS[1:]}
    return Split(parts, {**proven, "shift": drift}, judged)


def _cut_up(table: pd.DataFrame, part: pd.Series) -> dict[str, pd.DataFrame]:
    """Return the rows of each part, and leave the table without its columns."""
    rows = {name: np.flatnonzero(part == name) for name in PARTS}
    found: dict[str, dict[str, Any]] = {name: {} for name in PARTS}
    index = table.index
    for column in table.columns:
        values = table.pop(column).array
        for name, places in rows.items():
            found[name][column] = values.take(places)
    return {
        name: pd.DataFrame(columns, index=index[rows[name]], copy=False) for name, columns in found.items()
    }


def _stop_on_missing_classes(parts: dict[str, pd.DataFrame], split: SplitConfig, data: DataConfig) -> None:
    """Stop where train cannot teach what is asked later: a class that only validation or test has."""
    if data.task == "regression":
        return
    classes = {name: set(part[data.target].unique()) for name, part in parts.items()}
    missing = sorted((classes["validation"] | classes["test"]) - classes["train"], key=str)
    if missing or len(classes["train"]) < 2:
        shown = ", ".join(map(str, missing)) or "one of the two classes"
        raise UserError(
            f"data.target: with a {split.kind} split train has no row of {shown}; choose another split"
        )
    alone = next((name for name in PARTS[1:] if len(classes[name]) < 2), None)
    if alone is not None:
        held = next(iter(classes[alone]))
        late = " the labels of its rows may not be known yet: drop these rows (data.drop_where), or" * (
            split.kind == "time"
        )
        raise UserError(
            f"data.target: with a {split.kind} split every row of {alone} has the same value ({held}),"
            f" so nothing can be measured on it;{late} choose another split"
        )


def assign_parts(
    table: pd.DataFrame,
    split: SplitConfig,
    data: DataConfig,
    contract: Contract,
    seed: int,
    *,
    copies: np.ndarray | None = None,
) -> pd.Series:
    """Return the part of each row: "train", "validation", "test", or "" where it belongs to none.

    The key columns of the contract do not count when rows are called copies of each other; `copies` is what
    `contents` says of the table, if that is known.

    Raises:
        UserError: no time or group column where one is needed, or a part that stays empty.
    """
    rng = np.random.default_rng(seed)
    match split:
        case TimeSplit():
            part = _by_time(table[_needed(data.time, "time")], split)
        case RandomSplit():
            if copies is None and split.copies_together:
                copies = contents(table, contract, data, split)
            part = _at_random(table[data.target], split, data, copies, rng)
        case GroupSplit():
            part = _by_group(table[_needed(data.group, "group")], split.validation, split.test, rng)
        case ColumnSplit():
            part = _by_column(table, split, data, contract, rng)
    empty = [name for name, code in CODES.items() if not (part == code).any()]
    if empty:
        raise UserError(f"split: {', '.join(empty)} would have no rows; check conf/split against the data")
    return pd.Series(pd.Categorical.from_codes(part, [*PARTS, NO_PART]), index=table.index)


def _needed(column: str | None, role: str) -> str:
    if column is None:
        raise UserError(f"split.kind: {role} needs data.{role}, the column to split by")
    return column


def _by_time(time: pd.Series, split: TimeSplit) -> np.ndarray:
    if time.isna().any():
        raise UserError(f"data.time: {time.name} is missing in {int(time.isna().sum()):,} rows")
    ordered = time.sort_values(ignore_index=True)

    def moment(value: str | float) -> Any:
        if isinstance(value, str):  # a date of the settings is by the clock of the column
            return pd.Timestamp(value, tz=time.dt.tz)
        return ordered.iloc[int(value * len(ordered))]

    first, second = moment(split.validation_from), moment(split.test_from)
    gap = pd.Timedelta(split.gap)
    inside = (time >= moment(split.train_from)) if split.train_from else time.notna()
    inside &= (time < moment(split.test_until)) if split.test_until else True
    return np.select(
        [
            inside & (time < first - gap),
            inside & time.between(first, second - gap, "left"),
            inside & (time >= second),
        ],
        [*CODES.values()],
        NOWHERE,
    )


def _at_random(
    target: pd.Series,
    split: RandomSplit,
    data: DataConfig,
    copies: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Assign the first of each set of copies, stratum by stratum; the other copies follow it."""
    copy_of = copies if copies is not None and split.copies_together else np.arange(len(target))
    _, first, which = np.unique(copy_of, return_index=True, return_inverse=True)
    if not split.stratify:
        strata = np.zeros(len(first), dtype=np.int64)
    elif data.task == "regression":
        strata = pd.qcut(target.iloc[first].rank(method="first"), 10, labels=False).to_numpy()
    else:
        strata = pd.factorize(target.iloc[first])[0]
    rows = np.bincount(strata)
    order = rng.permutation(len(first))
    order = order[np.argsort(strata.astype(np.min_scalar_type(len(rows)))[order], kind="stable")]
    places = np.arange(len(order)) - np.repeat(np.cumsum(rows) - rows, rows)
    share = np.empty(len(first))
    share[order] = (places + np.repeat(rng.random(len(rows)), rows)) / np.repeat(rows, rows)
    return _cut(share, split.validation, split.test)[which]


def _by_column(
    table: pd.DataFrame, split: ColumnSplit, data: DataConfig, contract: Contract, rng: np.random.Generator
) -> np.ndarray:
    """Assign the rows as their labels say; of train a random share, if no label is of validation."""
    if split.column not in table:
        raise UserError(f"split.column: no column '{split.column}'{did_you_mean(str(split.column), table)}")
    labels = table[split.column]
    named = {part: getattr(split, f"{part}_labels") for part in PARTS}
    there = labels.dropna().unique().tolist()
    for name, wanted in named.items():
        if missing := [label for label in wanted if label not in there]:
            near = did_you_mean(str(missing[0]), list(map(str, there)))
            raise UserError(
                f"split.{name}_labels: {split.column} has no value {missing[0]!r}{near}; it has"
                f" {', '.join(map(repr, there[:SHOWN]))}{', …' if len(there) > SHOWN else ''}"
            )
    part = np.select([labels.isin(wanted) for wanted in named.values()], [*CODES.values()], NOWHERE)
    if not split.validation_labels:
        train = part == CODES["train"]
        rows = table[train]
        if data.group is not None:
            part[train] = _by_group(rows[data.group], split.validation, 0, rng)
        else:
            random = RandomSplit.model_construct(
                kind="random", validation=split.validation, test=0.0, stratify=True, copies_together=True
            )
            copies = contents(rows, contract, data, split)
            part[train] = _at_random(rows[data.target], random, data, copies, rng)
    return part


def _by_group(group: pd.Series, validation: float, test: float, rng: np.random.Generator) -> np.ndarray:
    if group.isna().any():
        raise UserError(f"data.group: {group.name} is missing in {int(group.isna().sum()):,} rows")
    codes, names = pd.factorize(group)
    order = rng.permutation(len(names))
    rows = np.bincount(codes, minlength=len(names))[order]
    middle = np.empty(len(names))
    middle[order] = (np.cumsum(rows) - rows / 2) / len(group)
    return _cut(middle, validation, test)[codes]


def _cut(share: np.ndarray, validation: float, test: float) -> np.ndarray:
    names = [CODES[name] for name in ("test", "validation", "train")]
    return np.select([share < test, share < test + validation], names[:2], names[2])


def contents(
    table: pd.DataFrame, contract: Contract, data: DataConfig, split: SplitConfig | None = None
) -> np.ndarray:
    """Return a uint64 hash per row of all its values except its key: equal hashes mean copies.

    The same values at another time or in another group are not a copy. A published split gives a copy of a
    row another label, so its column does not count.
    """
    label = {split.column} if isinstance(split, ColumnSplit) else set()
    named = ({"row_id", *contract.key} - {data.time, data.group} | label) & set(table.columns)
    kept = table.drop(columns=list(named)) if len(named) < table.shape[1] else table
    return row_hashes(kept).to_numpy()


def proof(
    table: pd.DataFrame,
    part: pd.Series,
    split: SplitConfig,
    data: DataConfig,
    contract: Contract,
    *,
    copies: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return what the parts share, and the rows, target and period of each.

    Groups are counted wherever data.group is set, but only a group split promises that no parts share one.
    Copies are counted for a published split too, which may have them.

    Raises:
        UserError: rows, copies or groups in two parts, or a part that begins before an earlier one ends.
    """
    needed = {"row_id", data.target, data.time, data.group} & {*table.columns}
    rows = table[[name for name in table.columns if name in needed]]
    parts = {name: rows[part == name] for name in PARTS}
    shared = {"rows": _shared([frame["row_id"] for frame in parts.values()])}
    if not (isinstance(split, RandomSplit) and not split.copies_together):
        whole = contents(table, contract, data, split) if copies is None else copies
        shared["copies"] = _shared([pd.Series(whole[(part == name).to_numpy()]) for name in PARTS])
    if data.group is not None:
        shared["groups"] = _shared([frame[data.group] for frame in parts.values()])
    wrong = [
        f"split: {count:,} {what} are in more than one part"
        for what, count in shared.items()
        if count and what in PROMISED.get(split.kind, ("rows", "copies"))
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
    whole = pd.concat(columns, ignore_index=True)
    if whole.dtype in ("int64", "uint64"):  # in a long table, sorting takes a fraction of hashing's memory
        ordered = np.sort(whole.to_numpy())
        unique = bool((ordered[1:] != ordered[:-1]).all())
    else:
        unique = whole.is_unique
    if unique:
        return 0
    distinct = pd.concat([pd.Series(column.unique()) for column in columns], ignore_index=True)
    return int(distinct[distinct.duplicated()].nunique())


def _out_of_order(parts: dict[str, pd.DataFrame], time: str) -> list[str]:
    return [
        f"split: {later} begins at {parts[later][time].min()}, before {earlier} ends"
        for earlier, later in (("train", "validation"), ("validation", "test"))
        if parts[earlier][time].max() >= parts[later][time].min()
    ]


def _described(frame: pd.DataFrame, data: DataConfig) -> dict[str, Any]:
    target = frame[data.target]
    if data.task == "multiclass":
        level: dict[str, Any] = {"shares": target.value_counts(normalize=True).sort_index().to_dict()}
    else:
        level = {"rate" if data.task == "binary" else "mean": float(target.mean())}
    time = frame[data.time] if data.time else None
    period = {} if time is None else {"from": str(time.min()), "until": str(time.max())}
    return {"rows": len(frame), **level, **period}
