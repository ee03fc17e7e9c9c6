"""From a table and the name of its target to everything that conf/ needs."""

from dataclasses import dataclass

import pandas as pd
from pandas.api import types
from tqdm import tqdm

from cairn.data.load import as_dates, derived, with_columns, with_dates
from cairn.data.prepare import usable_rows
from cairn.errors import UserError
from cairn.intake.draft import time_columns
from cairn.intake.draft.columns import Finding, Role, look_at
from cairn.intake.draft.defaults import Defaults, choose
from cairn.intake.draft.derived_columns import (
    as_number,
    date_parts,
    is_currency,
    number_name,
    numbers_in_currency,
)
from cairn.intake.draft.names import free_name, quoted
from cairn.intake.draft.suspects import suspects
from cairn.intake.draft.task import Question, ask
from cairn.intake.read.source import Source, unhashable
from cairn.intake.request import Request, target_of
from cairn.settings.contract import Column, Contract, Kind
from cairn.settings.data import DataConfig, Leakage
from cairn.settings.expressions import names_in

HONEST = 0.99
MARGIN = 0.01


@dataclass(frozen=True)
class Plan:
    """A data set as conf/ will describe it.

    Attributes:
        data: what conf/data will say.
        findings: the columns, in the order of the contract.
        question: task and event, with reasons.
        defaults: split, model, metric, rules, with reasons.
        drop_why: why rows are left out, by the keys of data.drop_where.
        copies: rows that repeat an earlier one.
    """

    data: DataConfig
    findings: dict[str, Finding]
    question: Question
    defaults: Defaults
    drop_why: dict[str, str]
    copies: int

    @property
    def contract(self) -> Contract:
        """What the file of data.contract will say."""
        columns = {name: finding.column for name, finding in self.findings.items()}
        return Contract(key=self.named("key")[:1], columns=columns)

    def named(self, *roles: Role) -> list[str]:
        """Return the columns in one of these roles."""
        return [name for name, finding in self.findings.items() if finding.role in roles]


@dataclass
class _Draft:
    """What is known so far: the table with its dates read and derived columns added, and the findings."""

    table: pd.DataFrame
    findings: dict[str, Finding]
    derive: dict[str, str | None]

    def add(self, expressions: dict[str, str], columns: dict[str, Column]) -> None:
        """Add derived columns to the table."""
        data = DataConfig(name="", source="", contract="", task="binary", target="", derive={**expressions})
        self.table = derived(self.table, data, Contract(columns=columns))
        self.derive |= expressions


def make_plan(source: Source, name: str, path: str, request: Request) -> Plan:
    """Infer every setting that conf/ needs from a table.

    Args:
        source: the table and how it was read.
        name: of the data set.
        path: where the file will be, relative to the repository.
        request: what the user asked for.

    Raises:
        UserError: the table or the target cannot be used, or a column does not exist.
    """
    target, expression = target_of(request, source.table)
    draft = _looked_at(source.table)
    if expression:
        _derive_target(draft, target, expression)
    _settle_target(draft, target)
    _add_numbers(draft)
    question = ask(draft.table[target], request.task, request.positive)
    time = _settle_time(draft, request)
    group = _settle_group(draft, request)
    _add_date_parts(draft, time)
    drop, drop_why = _left_out(draft.table, target, time, question)
    data = DataConfig(
        name=name,
        source=path,
        contract=f"conf/contract/{name}.yaml",
        load=source.load,
        task=question.task,
        target=target,
        positive=None if question.positive is True else question.positive,
        time=time,
        group=group,
        derive=draft.derive,
        drop_where=drop,
        leakage=Leakage(trusted=list(request.keep)),
    )
    prepared, _ = usable_rows(draft.table, data)
    alone = _mark_leaks(draft, prepared, data)
    best = max((alone.get(n, 0.0) for n, f in draft.findings.items() if f.role == "feature"), default=0.0)
    bound = min(1.0, max(HONEST, round(best + MARGIN, 3)))
    data = data.model_copy(update={"leakage": data.leakage.model_copy(update={"max_single_score": bound})})
    copies = _copies(draft)
    defaults = choose(prepared, draft.findings, question, time=time, group=group, alone=alone, copies=copies)
    return Plan(data, draft.findings, question, defaults, drop_why, copies)


def _looked_at(table: pd.DataFrame) -> _Draft:
    shown = tqdm(table, desc="profiling columns", unit="column", delay=1, leave=False, disable=None)
    findings = {name: look_at(table[name]) for name in shown}
    contract = Contract(columns={name: finding.column for name, finding in findings.items()})
    return _Draft(with_dates(table, contract), findings, {})


def _copies(draft: _Draft) -> int:
    """Count rows that repeat an earlier one but for its name; lists and records cannot be compared."""
    table = draft.table
    compared = [n for n, f in draft.findings.items() if f.role != "key" and not unhashable(table[n])]
    return int(table[compared].duplicated().sum())


def _derive_target(draft: _Draft, target: str, expression: str) -> None:
    """Add the target to the table; the columns in its expression are known too late for features."""
    draft.add({target: expression}, {})
    for name in names_in(expression) or []:
        old = draft.findings[name]
        note = f"used in the target; {old.note}"
        draft.findings[name] = old.changed("source", note, known="after", group=None)
    draft.findings[target] = look_at(draft.table[target])


def _settle_target(draft: _Draft, target: str) -> None:
    found, values = draft.findings[target], draft.table[target]
    if found.role == "date":
        number = f"month = {quoted(target)}.dt.month"
        raise UserError(f"{target}: the target cannot be a date; derive a number: --target '{number}'")
    if is_currency(values):
        number = f"{number_name(target, draft.table)} = {as_number(target)}"
        raise UserError(
            f"{target}: the target has a currency or percent sign; derive a number: --target '{number}'"
        )
    if unhashable(values):
        raise UserError(f"{target}: the target cannot be lists or records")
    column = Column(kind=_kind(values), known="after", nullable=bool(values.isna().any()))
    draft.findings[target] = Finding(column, "target", found.note, found.distinct)


def _kind(values: pd.Series) -> Kind:
    if types.is_bool_dtype(values):
        return "boolean"
    return "numeric" if types.is_numeric_dtype(values) else "categorical"


def _settle_time(draft: _Draft, request: Request) -> str | None:
    """Choose the column of time; make one of year, month and day, or of a clock, where that is needed."""
    if request.time == "":
        return None
    time = request.time or time_columns.choose_time(draft.table, draft.findings)
    if time is None and (found := time_columns.calendar(draft.table, draft.findings)):
        time = free_name("calendar_date", list(draft.table))
        column = Column(kind="datetime", format=found[1])
        draft.add({time: found[0]}, {time: column})
        draft.findings[time] = Finding(column, "date", f"made of {found[0]}")
        time = time if time_columns.can_be_cut(draft.table[time]) else None
    written = "unix"
    if time is None and (clock := time_columns.as_clock(draft.table, draft.findings)):
        time, written = clock
    if time is None:
        return None
    old = draft.findings[time]
    if old.column.known == "after":
        raise UserError(f"--time {time}: known: after, so it cannot order the rows")
    if old.role != "date":
        dates = as_dates(draft.table[time], written)
        if dates is None:
            raise UserError(f"--time {time}: holds neither dates nor Unix times")
        draft.table = with_columns(draft.table, {time: dates})
        column = Column(kind="datetime", format=written, nullable=old.column.nullable)
        said = "a year" if written == "%Y" else "a count of time, read as seconds: only its order matters"
        old = Finding(column, "date", said)
    for name, why in time_columns.recorded_later(draft.table, draft.findings, time).items():
        draft.findings[name] = draft.findings[name].changed("suspect", why, known="after")
    for name in time_columns.counts_of_time(draft.table, draft.findings, time):
        if name not in request.keep:
            note = f"follows {time}: in less than two years a trend looks like a season"
            draft.findings[name] = draft.findings[name].changed("idle", note, group=None)
    draft.findings[time] = old.changed("time", f"orders the rows; {old.note}")
    return time


def _settle_group(draft: _Draft, request: Request) -> str | None:
    if request.group == "":
        return None
    if request.group is None:
        entities = [n for n, f in draft.findings.items() if f.role == "entity" and not f.column.nullable]
        return max(entities, key=lambda name: draft.findings[name].distinct, default=None)
    old = draft.findings[request.group]
    if old.column.known == "after" or old.role == "time":
        raise UserError(f"--group {request.group}: it is the time column, the target or known: after")
    note = f"its rows stay together, as requested; {old.note}"
    draft.findings[request.group] = old.changed("entity", note, group=None)
    return request.group


def _add_date_parts(draft: _Draft, time: str | None) -> None:
    parts = date_parts(draft.table, draft.findings, time)
    draft.add({name: part.expression for name, part in parts.items()}, {})
    for name, part in parts.items():
        draft.findings[name] = Finding(part.column, "feature", part.note, int(draft.table[name].nunique()))


def _add_numbers(draft: _Draft) -> None:
    """Derive a number from each text column of amounts such as $1,200.50."""
    for name, part in numbers_in_currency(draft.table, draft.findings).items():
        new = number_name(name, draft.table)
        draft.add({new: part.expression}, {})
        draft.findings[new] = Finding(part.column, "feature", part.note, int(draft.table[new].nunique()))
        note = f"{new} holds its number"
        draft.findings[name] = draft.findings[name].changed("idle", note, group=None, allowed=None)


def _left_out(
    table: pd.DataFrame, target: str, time: str | None, question: Question
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the rows that cannot be used, as conditions, and why."""
    drop: dict[str, str | None] = {}
    why: dict[str, str] = {}
    if time is not None and table[time].isna().any():
        drop["no_time"] = f"{quoted(time)}.isna()"
        why["no_time"] = f"rows without {time} cannot be ordered"
    if question.rare:
        drop["rare_class"] = f"{quoted(target)} in {list(question.rare)}"
        why["rare_class"] = f"classes with too few rows: {', '.join(map(str, question.rare))}"
    return drop, why


def _mark_leaks(draft: _Draft, prepared: pd.DataFrame, data: DataConfig) -> dict[str, float]:
    """Take suspects out of the features and return each feature's score alone; stop where none is left."""
    contract = Contract(columns={name: finding.column for name, finding in draft.findings.items()})
    found, alone = suspects(prepared, contract, data)
    for name, why in found.items():
        draft.findings[name] = draft.findings[name].changed("suspect", why, known="after", group=None)
    if not any(finding.column.group for finding in draft.findings.values()):
        reasons = "; ".join(f"{name}: {why}" for name, why in found.items()) or "no column can be a feature"
        fix = " (--keep COLUMN uses one although it looks like a leak)" if found else ""
        raise UserError(f"no feature is left: {reasons}{fix}")
    return alone
