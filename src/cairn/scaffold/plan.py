"""From a table and the name of its target to all that conf/ has to say about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from tqdm import tqdm

from cairn.config.base import ConfigError
from cairn.config.compose import nearest
from cairn.config.contract import Column, Contract
from cairn.config.data import DataConfig, Leakage, Task
from cairn.config.expressions import names_in
from cairn.data.load import as_dates, derived, with_dates
from cairn.pipeline.prepare import clean, encode_target
from cairn.scaffold import moments
from cairn.scaffold.choices import Choice, Choices, choose
from cairn.scaffold.columns import Finding, look_at
from cairn.scaffold.source import Source
from cairn.scaffold.suspects import suspects
from cairn.scaffold.task import Question, ask

DERIVED = re.compile(r"\s*(`[^`]+`|\w+)\s*=(?!=)\s*(.+)", re.DOTALL)
HONEST = 0.99
MARGIN = 0.01
UNWRITABLE = re.compile(r"\$\{|`|^\?\?\?$")


@dataclass(frozen=True)
class Wishes:
    """What the user said beside the file.

    Attributes:
        target: a column, or `name = expression` of columns.
        task: binary, multiclass or regression; None to look.
        positive: the event of a binary task; None to look.
        time: column that orders the rows; None to look, "" for none.
        group: column whose rows stay together; None to look, "" for none.
        keep: columns that are right although they look like a leak.
    """

    target: str
    task: Task | None = None
    positive: str | None = None
    time: str | None = None
    group: str | None = None
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A data set as conf/ will describe it; `contract` is in the order of the findings."""

    data: DataConfig
    findings: dict[str, Finding]
    question: Question
    choices: Choices
    drop_why: dict[str, str]
    copies: int

    @property
    def contract(self) -> Contract:
        """What data.contract will say."""
        key = [name for name, finding in self.findings.items() if finding.role == "key"][:1]
        return Contract(key=key, columns={name: f.column for name, f in self.findings.items()})


def make_plan(source: Source, name: str, path: str, wishes: Wishes) -> Plan:
    """Look at a table and choose everything that conf/ has to say about it.

    Args:
        source: the table and how it was read.
        name: of the data set.
        path: where the file will stand, relative to the repository.
        wishes: what the user said.

    Raises:
        ConfigError: a table or a target that nothing can be learnt from, or a column that is not there.
    """
    table = source.table
    _refuse_bad_columns(table)
    target, expression = _target(wishes.target, table)
    for given in filter(None, [wishes.time, wishes.group, *wishes.keep]):
        _known(given, table, "column")
    findings = {
        column: look_at(table[column])
        for column in tqdm(table, desc="looking at columns", unit="column", delay=1, leave=False, disable=None)
    }
    table = with_dates(table, Contract(columns={n: f.column for n, f in findings.items()}))
    derive = {target: expression} if expression else {}
    table, findings, derive = _with_target(table, findings, target, derive)
    question = ask(table[target], wishes.task, wishes.positive)
    table, findings, derive, time = _with_time(table, findings, derive, wishes)
    findings, group = _with_group(table, findings, wishes)
    table, findings, derive = _with_date_parts(table, findings, derive, time)
    drop, drop_why = _dropped(table, target, time, question)
    data = DataConfig(
        name=name,
        source=path,
        contract=f"conf/contract/{name}.yaml",
        load=source.load,
        task=question.task,
        target=target,
        positive=question.positive if question.positive is not True else None,
        time=time,
        group=group,
        derive=derive,
        drop_where=drop,
        leakage=Leakage(trusted=list(wishes.keep)),
    )
    prepared, _ = clean(table, data)
    prepared[target] = encode_target(prepared[target], data)
    findings, alone = _without_leaks(prepared, findings, data)
    best = max((alone[n] for n, f in findings.items() if f.role == "feature" and n in alone), default=0.0)
    bound = min(1.0, max(HONEST, round(best + MARGIN, 3)))
    data = data.model_copy(update={"leakage": Leakage(max_single_score=bound, trusted=list(wishes.keep))})
    choices = choose(prepared, findings, question, time=time, group=group, alone=alone)
    return Plan(data, findings, question, choices, drop_why, int(source.table.duplicated().sum()) if _plain(source) else 0)


def _plain(source: Source) -> bool:
    return not any(source.table[name].dtype == object for name in source.table)


def _refuse_bad_columns(table: pd.DataFrame) -> None:
    twice = table.columns[table.columns.duplicated()].unique()
    if len(twice):
        raise ConfigError(f"two columns are called {', '.join(map(str, twice[:5]))}; give each its own name")
    if table.shape[1] < 2:
        raise ConfigError(f"there is one column only ({table.columns[0]}); is --separator right?" if len(table.columns) else "there are no columns")
    if table.empty:
        raise ConfigError("there are names of columns, but no rows")
    if "row_id" in table:
        raise ConfigError("a column is called row_id, which Cairn needs for itself: rename it")
    odd = [str(name) for name in table if UNWRITABLE.search(str(name))]
    if odd:
        raise ConfigError(f"the name of column {odd[0]!r} means something else in YAML or pandas: rename it")


def _known(name: str, table: pd.DataFrame, what: str) -> None:
    if name not in table.columns:
        shown = ", ".join(map(str, table.columns[:8])) + (", …" if table.shape[1] > 8 else "")
        raise ConfigError(f"no {what} '{name}'{nearest(name, [str(c) for c in table.columns])} (there is {shown})")


def _target(given: str, table: pd.DataFrame) -> tuple[str, str | None]:
    """Return the target's name, and its expression where it is derived."""
    if given in table.columns:
        return given, None
    found = DERIVED.fullmatch(given)
    if not found:
        _known(given, table, "target")
        raise AssertionError(given)
    name, expression = found[1].strip("`"), found[2].strip()
    if name in table.columns:
        raise ConfigError(f"--target: the table has a column '{name}' already; call the derived one otherwise")
    used = names_in(expression)
    if not used:
        raise ConfigError(f"--target: '{expression}' is no expression of columns, such as late = delay > 15")
    for column in used:
        _known(column, table, "column")
    return name, expression


Step = tuple[pd.DataFrame, dict[str, Finding], dict[str, str | None]]


def _with_target(table: pd.DataFrame, findings: dict[str, Finding], target: str, derive: dict[str, str | None]) -> Step:
    """Add a derived target to the table; what it is made of comes too late for a feature."""
    if target in derive:
        table = _derived(table, derive, {})
        for source in names_in(str(derive[target])) or []:
            old = findings[source]
            findings[source] = old.changed("source", f"the target is made of it; {old.note}", known="after", group=None)
        findings[target] = look_at(table[target])
    found = findings[target]
    if types_differ := (found.role == "date"):
        raise ConfigError(f"{target}: a date is no target; derive a number, such as --target 'month = {moments.quoted(target)}.dt.month'") if types_differ else None
    kind = "boolean" if found.column.kind == "boolean" else "numeric" if pd.api.types.is_numeric_dtype(table[target]) else "categorical"
    column = Column(kind=kind, known="after", nullable=bool(table[target].isna().any()))
    findings[target] = Finding(column, "target", found.note, found.distinct)
    return table, findings, derive


def _derived(table: pd.DataFrame, derive: dict[str, str | None], columns: dict[str, Column]) -> pd.DataFrame:
    data = DataConfig(name="", source="", contract="", task="binary", target="", derive=derive)
    return derived(table, data, Contract(columns=columns))


def _with_time(
    table: pd.DataFrame, findings: dict[str, Finding], derive: dict[str, str | None], wishes: Wishes
) -> tuple[pd.DataFrame, dict[str, Finding], dict[str, str | None], str | None]:
    """Settle which column is the time; make one of year, month and day, or of a clock, where that is needed."""
    if wishes.time == "":
        return table, findings, derive, None
    time = wishes.time or moments.choose_time(table, findings)
    if wishes.time and findings[wishes.time].column.known == "after":
        raise ConfigError(f"--time {wishes.time}: the target is made of it, so it is known too late")
    if time is None and (found := moments.calendar(table, findings)):
        time, (expression, written) = "calendar_date", found
        while time in table.columns:
            time += "_"
        derive = {**derive, time: expression}
        column = Column(kind="datetime", format=written)
        table = _derived(table, {time: expression}, {time: column})
        findings[time] = Finding(column, "date", f"made of {expression}")
    if time is None:
        time = moments.as_clock(table, findings)
    if time is None:
        return table, findings, derive, None
    if findings[time].role != "date":
        dates = as_dates(table[time], "unix")
        if dates is None:
            raise ConfigError(f"--time {time}: holds neither dates nor a count of seconds")
        table = table.assign(**{time: dates})
        column = Column(kind="datetime", format="unix", nullable=findings[time].column.nullable)
        findings[time] = Finding(column, "date", "a count of time, taken as seconds: only its order matters")
    for name, why in moments.recorded_later(table, findings, time).items():
        findings[name] = findings[name].changed("suspect", why, known="after")
    findings[time] = findings[time].changed("time", f"orders the rows; {findings[time].note}")
    return table, findings, derive, time


def _with_group(table: pd.DataFrame, findings: dict[str, Finding], wishes: Wishes) -> tuple[dict[str, Finding], str | None]:
    if wishes.group == "":
        return findings, None
    if wishes.group:
        old = findings[wishes.group]
        if old.column.known == "after" or old.role == "time":
            raise ConfigError(f"--group {wishes.group}: it is the time, the target, or known too late")
        findings[wishes.group] = old.changed("entity", f"its rows stay together, as you said; {old.note}", group=None)
        return findings, wishes.group
    entities = [n for n, f in findings.items() if f.role == "entity" and table[n].notna().all()]
    return findings, max(entities, key=lambda n: -findings[n].distinct, default=None)


def _with_date_parts(table: pd.DataFrame, findings: dict[str, Finding], derive: dict[str, str | None], time: str | None) -> Step:
    parts = moments.features_of(table, findings, time)
    added = {name: expression for name, (expression, _, _) in parts.items()}
    table = _derived(table, {**added}, {name: column for name, (_, column, _) in parts.items()})
    for name, (_, column, note) in parts.items():
        findings[name] = Finding(column, "feature", note, int(table[name].nunique()))
    return table, findings, {**derive, **added}


def _dropped(
    table: pd.DataFrame, target: str, time: str | None, question: Question
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the rows that cannot be used, as conditions, and why."""
    drop: dict[str, str | None] = {}
    why: dict[str, str] = {}
    if time is not None and table[time].isna().any():
        drop["no_time"] = f"{moments.quoted(time)}.isna()"
        why["no_time"] = f"a row without {time} has no place in time"
    if question.rare:
        drop["rare_class"] = f"{moments.quoted(target)} in {[v.item() if hasattr(v, 'item') else v for v in question.rare]}"
        why["rare_class"] = "too few rows to learn from and be judged on"
    return drop, why


def _without_leaks(
    prepared: pd.DataFrame, findings: dict[str, Finding], data: DataConfig
) -> tuple[dict[str, Finding], dict[str, float]]:
    """Take suspects out of the features; stop where nothing else is left."""
    contract = Contract(columns={name: finding.column for name, finding in findings.items()})
    found, alone = suspects(prepared, contract, data)
    sources = {column for name in found for column in names_in(data.derive.get(name) or "") or []}
    for name, why in found.items():
        findings[name] = findings[name].changed("suspect", why, known="after", group=None)
    del sources
    if not any(finding.column.group for finding in findings.values()):
        told = "; ".join(f"{name}: {why}" for name, why in found.items()) or "no column is a feature"
        cure = " (--keep COLUMN takes one all the same)" if found else ""
        raise ConfigError(f"nothing is left to learn from: {told}{cure}")
    return findings, alone


def names_with(findings: dict[str, Finding], *roles: str) -> Sequence[str]:
    """Return the columns in one of these roles."""
    return [name for name, finding in findings.items() if finding.role in roles]


__all__ = ["Choice", "Plan", "Wishes", "make_plan", "names_with"]
