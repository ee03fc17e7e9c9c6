"""From a table and the name of its target to all that conf/ has to say about it."""

from dataclasses import dataclass

import pandas as pd
from pandas.api import types
from tqdm import tqdm

from cairn.data.load import as_dates, derived, with_columns, with_dates
from cairn.data.prepare import usable_rows
from cairn.errors import UserError
from cairn.intake.draft import time_columns as moments
from cairn.intake.draft.columns import Finding, Role, look_at
from cairn.intake.draft.defaults import Choices, choose
from cairn.intake.draft.suspects import suspects
from cairn.intake.draft.task import Question, ask
from cairn.intake.read.currency import has_sign, new_name, numbers_of, without_sign
from cairn.intake.read.source import Source, unhashable
from cairn.intake.request import Wishes, target_of
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
        choices: split, model, metric, rules, with reasons.
        drop_why: why rows are left out, by the keys of data.drop_where.
        copies: rows that repeat an earlier one.
    """

    data: DataConfig
    findings: dict[str, Finding]
    question: Question
    choices: Choices
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


def make_plan(source: Source, name: str, path: str, wishes: Wishes) -> Plan:
    """Look at a table and choose everything that conf/ has to say about it.

    Args:
        source: the table and how it was read.
        name: of the data set.
        path: where the file will stand, relative to the repository.
        wishes: what the user said.

    Raises:
        UserError: a table or a target that nothing can be learnt from, or a column that is not there.
    """
    target, expression = target_of(wishes, source.table)
    draft = _looked_at(source.table)
    if expression:
        _derive_target(draft, target, expression)
    _settle_target(draft, target)
    _add_numbers(draft)
    question = ask(draft.table[target], wishes.task, wishes.positive)
    time = _settle_time(draft, wishes)
    group = _settle_group(draft, wishes)
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
        leakage=Leakage(trusted=list(wishes.keep)),
    )
    prepared, _ = usable_rows(draft.table, data)
    alone = _mark_leaks(draft, prepared, data)
    best = max((alone.get(n, 0.0) for n, f in draft.findings.items() if f.role == "feature"), default=0.0)
    bound = min(1.0, max(HONEST, round(best + MARGIN, 3)))
    data = data.model_copy(update={"leakage": data.leakage.model_copy(update={"max_single_score": bound})})
    copies = _copies(draft)
    choices = choose(prepared, draft.findings, question, time=time, group=group, alone=alone, copies=copies)
    return Plan(data, draft.findings, question, choices, drop_why, copies)


def _looked_at(table: pd.DataFrame) -> _Draft:
    shown = tqdm(table, desc="looking at columns", unit="column", delay=1, leave=False, disable=None)
    findings = {name: look_at(table[name]) for name in shown}
    contract = Contract(columns={name: finding.column for name, finding in findings.items()})
    return _Draft(with_dates(table, contract), findings, {})


def _copies(draft: _Draft) -> int:
    """Count rows that repeat an earlier one but for its name; lists and records cannot be compared."""
    table = draft.table
    compared = [n for n, f in draft.findings.items() if f.role != "key" and not unhashable(table[n])]
    return int(table[compared].duplicated().sum())


def _derive_target(draft: _Draft, target: str, expression: str) -> None:
    """Add the target to the table; what it is made of comes too late for a feature."""
    draft.add({target: expression}, {})
    for name in names_in(expression) or []:
        old = draft.findings[name]
        note = f"the target is made of it; {old.note}"
        draft.findings[name] = old.changed("source", note, known="after", group=None)
    draft.findings[target] = look_at(draft.table[target])


def _settle_target(draft: _Draft, target: str) -> None:
    found, values = draft.findings[target], draft.table[target]
    if found.role == "date":
        number = f"month = {moments.quoted(target)}.dt.month"
        raise UserError(f"{target}: a date is no target; derive a number, such as --target '{number}'")
    if has_sign(values):
        number = f"{new_name(target, draft.table)} = {without_sign(target)}"
        raise UserError(f"{target}: numbers with a sign are no target; say --target '{number}'")
    if unhashable(values):
        raise UserError(f"{target}: holds lists or records, which are no target")
    column = Column(kind=_kind(values), known="after", nullable=bool(values.isna().any()))
    draft.findings[target] = Finding(column, "target", found.note, found.distinct)


def _kind(values: pd.Series) -> Kind:
    if types.is_bool_dtype(values):
        return "boolean"
    return "numeric" if types.is_numeric_dtype(values) else "categorical"


def _settle_time(draft: _Draft, wishes: Wishes) -> str | None:
    """Choose the column of time; make one of year, month and day, or of a clock, where that is needed."""
    if wishes.time == "":
        return None
    time = wishes.time or moments.choose_time(draft.table, draft.findings)
    if time is None and (found := moments.calendar(draft.table, draft.findings)):
        time = moments.free_name("calendar_date", list(draft.table))
        column = Column(kind="datetime", format=found[1])
        draft.add({time: found[0]}, {time: column})
        draft.findings[time] = Finding(column, "date", f"made of {found[0]}")
        time = time if moments.can_be_cut(draft.table[time]) else None
    written = "unix"
    if time is None and (clock := moments.as_clock(draft.table, draft.findings)):
        time, written = clock
    if time is None:
        return None
    old = draft.findings[time]
    if old.column.known == "after":
        raise UserError(f"--time {time}: this is known too late to order the rows by")
    if old.role != "date":
        dates = as_dates(draft.table[time], written)
        if dates is None:
            raise UserError(f"--time {time}: holds neither dates nor a count of seconds")
        draft.table = with_columns(draft.table, {time: dates})
        column = Column(kind="datetime", format=written, nullable=old.column.nullable)
        said = "a year" if written == "%Y" else "a count of time, taken as seconds: its order is what matters"
        old = Finding(column, "date", said)
    for name, why in moments.recorded_later(draft.table, draft.findings, time).items():
        draft.findings[name] = draft.findings[name].changed("suspect", why, known="after")
    for name in moments.counts_of_time(draft.table, draft.findings, time):
        if name not in wishes.keep:
            note = f"counts {time}: of less than two years it tells no trend from a season"
            draft.findings[name] = draft.findings[name].changed("idle", note, group=None)
    draft.findings[time] = old.changed("time", f"orders the rows; {old.note}")
    return time


def _settle_group(draft: _Draft, wishes: Wishes) -> str | None:
    if wishes.group == "":
        return None
    if wishes.group is None:
        entities = [n for n, f in draft.findings.items() if f.role == "entity" and not f.column.nullable]
        return max(entities, key=lambda name: draft.findings[name].distinct, default=None)
    old = draft.findings[wishes.group]
    if old.column.known == "after" or old.role == "time":
        raise UserError(f"--group {wishes.group}: it is the time, the target, or known too late")
    note = f"its rows stay together, as you said; {old.note}"
    draft.findings[wishes.group] = old.changed("entity", note, group=None)
    return wishes.group


def _add_date_parts(draft: _Draft, time: str | None) -> None:
    parts = moments.features_of(draft.table, draft.findings, time)
    draft.add({name: part.expression for name, part in parts.items()}, {})
    for name, part in parts.items():
        draft.findings[name] = Finding(part.column, "feature", part.note, int(draft.table[name].nunique()))


def _add_numbers(draft: _Draft) -> None:
    """Take the numbers for features in place of the texts that hold them with a sign."""
    for name, part in numbers_of(draft.table, draft.findings).items():
        new = new_name(name, draft.table)
        draft.add({new: part.expression}, {})
        draft.findings[new] = Finding(part.column, "feature", part.note, int(draft.table[new].nunique()))
        note = f"{new} is its number"
        draft.findings[name] = draft.findings[name].changed("idle", note, group=None, allowed=None)


def _left_out(
    table: pd.DataFrame, target: str, time: str | None, question: Question
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the rows that cannot be used, as conditions, and why."""
    drop: dict[str, str | None] = {}
    why: dict[str, str] = {}
    if time is not None and table[time].isna().any():
        drop["no_time"] = f"{moments.quoted(time)}.isna()"
        why["no_time"] = f"a row without {time} has no place in time"
    if question.rare:
        drop["rare_class"] = f"{moments.quoted(target)} in {list(question.rare)}"
        why["rare_class"] = f"classes of too few rows to learn from: {', '.join(map(str, question.rare))}"
    return drop, why


def _mark_leaks(draft: _Draft, prepared: pd.DataFrame, data: DataConfig) -> dict[str, float]:
    """Take suspects out of the features and return each feature's score alone; stop where none is left."""
    contract = Contract(columns={name: finding.column for name, finding in draft.findings.items()})
    found, alone = suspects(prepared, contract, data)
    for name, why in found.items():
        draft.findings[name] = draft.findings[name].changed("suspect", why, known="after", group=None)
    if not any(finding.column.group for finding in draft.findings.values()):
        told = "; ".join(f"{name}: {why}" for name, why in found.items()) or "no column is a feature"
        cure = " (--keep COLUMN takes one all the same)" if found else ""
        raise UserError(f"nothing is left to learn from: {told}{cure}")
    return alone
