"""What changed between two snapshots of a table: its rows, its columns, and how their values are spread.

The distances come from cairn.data.drift. One counts only if a test of two samples of one population gives
less than FALSE_ALARM: Smirnov's for numbers, Pearson's chi-square for categories and missing values.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pandas.api import types

from cairn.data.drift import chi_square_p, kolmogorov_smirnov, kolmogorov_smirnov_p, total_variation
from cairn.data.load import READ_CSV, load, parsed, type_of
from cairn.data.tables import row_hashes
from cairn.errors import UserError, did_you_mean
from cairn.settings.contract import Contract, read_contract
from cairn.settings.data import DataConfig
from cairn.settings.yaml_text import read_yaml

Kind = Literal["number", "moment", "category", "text"]
MOVED = 0.1
"""A column counts as moved from this distance on."""
MISSING = 0.02
"""Smallest change of the share of missing values that is reported."""
BEYOND = 0.1
"""How far outside its old range, as a share of it, a number may lie unreported."""
TEXT = 0.5
"""Above this share of distinct values a column is free text or an id: it has no distribution to compare."""
FALSE_ALARM = 1e-3


@dataclass(frozen=True)
class Rows:
    """How many rows came and went."""

    old: int
    new: int
    added: int
    removed: int
    changed: int | None  # None without a key: such a row is counted as removed and added
    key: tuple[str, ...]


@dataclass(frozen=True)
class ColumnChange:
    """How the values of one column are spread before and now."""

    name: str
    kind: Kind
    missing: tuple[float, float]
    typical: tuple[str, str]  # median, latest or most frequent value
    distance: float | None
    moved: bool
    more_missing: bool
    notes: tuple[str, ...]

    @property
    def worth_a_word(self) -> bool:
        """Whether a person should look at the column."""
        return self.moved or self.more_missing or bool(self.notes)


@dataclass(frozen=True)
class Changes:
    """All that differs between two snapshots."""

    rows: Rows
    added: dict[str, str]
    removed: dict[str, str]
    retyped: list[tuple[str, str, str]]  # name, before, now
    columns: list[ColumnChange]


def changes(old: pd.DataFrame, new: pd.DataFrame, key: Sequence[str] = ()) -> Changes:
    """Compare two snapshots of one table; the order of rows and columns does not matter.

    Raises:
        UserError: a key column that a snapshot has not.
    """
    for name in key:
        if name not in old.columns or name not in new.columns:
            raise UserError(f"key: {name} is not in both snapshots{did_you_mean(name, list(map(str, new)))}")
    both = [name for name in new.columns if name in old.columns]
    pairs = {name: _alike(old[name], new[name]) for name in both}
    before = pd.DataFrame({name: pair[0] for name, pair in pairs.items()}, index=old.index)
    now = pd.DataFrame({name: pair[1] for name, pair in pairs.items()}, index=new.index)
    columns = [_column(str(name), *pair) for name, pair in pairs.items() if name not in key]
    columns.sort(key=lambda change: (not change.worth_a_word, -(change.distance or 0)))
    typed = [(str(name), type_of(old[name]), type_of(new[name])) for name in both]
    return Changes(
        _rows(before, now, key),
        added={str(name): type_of(new[name]) for name in new.columns if name not in old.columns},
        removed={str(name): type_of(old[name]) for name in old.columns if name not in new.columns},
        retyped=[
            (name, was, is_now)
            for name, was, is_now in typed
            if was != is_now and "nothing" not in (was, is_now)
        ],
        columns=columns,
    )


def _alike(old: pd.Series, new: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return both as one type, so that 1 and 1.0 are the same value, and a category is its text."""
    loose = types.is_object_dtype(old) or isinstance(old.dtype, pd.CategoricalDtype)
    if old.dtype == new.dtype and not loose:
        return old, new
    if _is_number(old) and _is_number(new):
        return old.astype("float64"), new.astype("float64")
    if types.is_datetime64_dtype(old) and types.is_datetime64_dtype(new):
        return old.astype("datetime64[us]"), new.astype("datetime64[us]")
    return old.astype("str"), new.astype("str")


def _is_number(values: pd.Series) -> bool:
    return types.is_numeric_dtype(values) and not types.is_bool_dtype(values)


def _rows(old: pd.DataFrame, new: pd.DataFrame, key: Sequence[str]) -> Rows:
    before, now = row_hashes(old), row_hashes(new)
    if key:
        named = before.set_axis(row_hashes(old[list(key)])), now.set_axis(row_hashes(new[list(key)]))
        if all(side.index.is_unique for side in named):
            kept = named[0].index.intersection(named[1].index)
            changed = int((named[0][kept] != named[1][kept]).sum())
            came, went = len(new) - len(kept), len(old) - len(kept)
            return Rows(len(old), len(new), came, went, changed, tuple(key))
    gained = now.value_counts().sub(before.value_counts(), fill_value=0)
    came, went = int(gained.clip(lower=0).sum()), int(-gained.clip(upper=0).sum())
    return Rows(len(old), len(new), came, went, None, ())


def _column(name: str, old: pd.Series, new: pd.Series) -> ColumnChange:
    missing = float(old.isna().mean()), float(new.isna().mean())
    before, now = old.dropna(), new.dropna()
    kind, notes, distance, chance, typical = _kind(before, now), [], None, 1.0, ("", "")
    if before.empty or now.empty:
        pass
    elif kind == "number":
        distance = kolmogorov_smirnov(before.to_numpy(dtype="float64"), now.to_numpy(dtype="float64"))
        chance = kolmogorov_smirnov_p(distance, len(before), len(now))
        notes = _out_of_range(before, now)
        typical = f"{before.median():.6g}", f"{now.median():.6g}"
    elif kind == "category":
        distance, chance = total_variation(before, now), chi_square_p(before, now)
        notes = _new_levels(before, now)
        typical = str(before.mode().iloc[0]), str(now.mode().iloc[0])
    elif kind == "moment":
        typical = f"{before.max():%Y-%m-%d %H:%M}", f"{now.max():%Y-%m-%d %H:%M}"
    moved = distance is not None and distance >= MOVED and chance < FALSE_ALARM
    gap = abs(missing[0] - missing[1])
    more_missing = gap >= MISSING and chi_square_p(old.isna(), new.isna()) < FALSE_ALARM
    return ColumnChange(name, kind, missing, typical, distance, moved, more_missing, tuple(notes))


def _kind(old: pd.Series, new: pd.Series) -> Kind:
    if _is_number(new):
        return "number"
    if types.is_datetime64_any_dtype(new):
        return "moment"
    many = any(len(side) > 1 / TEXT and side.nunique() > TEXT * len(side) for side in (old, new))
    return "text" if many else "category"


def _out_of_range(old: pd.Series, new: pd.Series) -> list[str]:
    low, high = old.min(), old.max()
    slack = BEYOND * (float(high) - float(low))
    below = [f"down to {new.min():.6g}, was {low:.6g}"] if new.min() < low - slack else []
    above = [f"up to {new.max():.6g}, was {high:.6g}"] if new.max() > high + slack else []
    return below + above


def _new_levels(old: pd.Series, new: pd.Series) -> list[str]:
    levels = new[~new.isin(old.unique())].value_counts()
    if levels.empty:
        return []
    named = ", ".join(f"{level} ({count:,} rows)" for level, count in levels.head(3).items())
    return [f"new: {named}" + (f" and {len(levels) - 3:,} more" if len(levels) > 3 else "")]


WORKSPACE = "workspace"
CONF = "conf/data"
FOLDER = "a folder; name a file in it with --path"
NO_FILE = "no such file; if DVC tracks it, run `dvc checkout` or `dvc pull`"
NAME_OF_KEY = b"cairn.key"
"""In the metadata of a snapshot's schema: the columns that name a row, separated by line ends."""


def bring(path: str, revision: str, folder: Path) -> Path:
    """Copy a file of a revision into a folder, keeping its name; a file of the workspace stays where it is.

    Raises:
        UserError: no such revision, no such file in it, or in neither cache nor remote.
    """
    if revision == WORKSPACE:
        if not Path(path).is_file():
            raise UserError(f"{path}: {FOLDER if Path(path).is_dir() else NO_FILE}")
        return Path(path)
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import RevError, resolve_rev

    target = folder / Path(path).name
    try:
        # DVCFileSystem takes an unknown revision for an empty one.
        files = DVCFileSystem(".", rev=resolve_rev(Repo(".").scm, revision))
        if not files.isfile(path):
            raise UserError(f"{path} at {revision}: {FOLDER if files.isdir(path) else NO_FILE}")
        files.get_file(path, str(target))
    except RevError as error:
        raise UserError(f"{revision}: no branch, tag, commit or experiment with this name") from error
    except (DvcException, OSError) as error:
        raise UserError(
            f"{revision}: {path} is in neither cache nor remote: never pushed, or garbage-collected"
            f" (`dvc push` on the machine that has it, or `dvc fetch --all-commits {path}`)"
        ) from error
    return target


def compare_versions(path: str, before: str, after: str, key: Sequence[str] = ()) -> Changes:
    """Compare a data file between two revisions.

    Raises:
        UserError: a revision or file that is not there, not a table, or a key that is not in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        sides = [Path(folder, side) for side in ("before", "after")]
        for side in sides:
            side.mkdir()
        old, new = (bring(path, *pair) for pair in zip((before, after), sides, strict=True))
        own = _key_of(new) if _key_of(new) == _key_of(old) else ()
        load_as, contract = _described(path)
        before_table, after_table = (_read(file, load_as, contract) for file in (old, new))
        return changes(before_table, after_table, key or own)


def _described(path: str) -> tuple[dict[str, Any] | None, Contract]:
    """Return data.load and the contract of the data set of conf/ with this source, if there is one."""
    for file in sorted(Path(CONF).glob("*.yaml")):
        data = read_yaml(file).get("data") or {}
        if data.get("source") == path and "contract" in data:
            return data.get("load"), read_contract(Path(data["contract"]))
    return None, Contract(columns={})


def _read(file: Path, load_as: dict[str, Any] | None, contract: Contract) -> pd.DataFrame:
    """Read a table as the stage prepare does, as far as no function of the user is needed.

    Decimals and days have types that can be compared, and rows have no position.
    """
    plain = load_as if load_as is None or load_as.get("_target_") == READ_CSV else None
    data = DataConfig(name="", source=str(file), contract="", task="binary", target="", load=plain)
    return parsed(load(data, contract), contract).drop(columns="row_id", errors="ignore")


def _key_of(path: Path) -> tuple[str, ...]:
    """Return the columns that name a row, where the file is a snapshot that says so."""
    import pyarrow.parquet as pq

    if path.suffix != ".parquet":
        return ()
    written = (pq.read_schema(path).metadata or {}).get(NAME_OF_KEY)
    return tuple(written.decode().split("\n")) if written else ()
