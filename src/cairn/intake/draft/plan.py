"""From a table and the name of its target to everything that conf/ needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from pandas.api import types
from tqdm import tqdm

from cairn.data.load import as_dates, derived, parsed, with_columns
from cairn.data.prepare import usable_rows
from cairn.data.tables import duplicated
from cairn.errors import UserError
from cairn.intake.draft import entities, names, published_split, time_columns
from cairn.intake.draft.columns import Finding, Role, look_at, share, shown
from cairn.intake.draft.defaults import Defaults, choose
from cairn.intake.draft.names import free_name, quoted
from cairn.intake.draft.published_split import Published
from cairn.intake.draft.suspects import happened, suspects
from cairn.intake.draft.task import Question, Request, ask, in_order, target_of
from cairn.intake.draft.time_columns import is_short
from cairn.intake.read.amounts import amount_of
from cairn.intake.read.source import Source, unhashable
from cairn.settings.contract import Column, Contract, Kind
from cairn.settings.data import DataConfig, Leakage
from cairn.settings.expressions import names_in

HONEST = 0.99
MARGIN = 0.01


@dataclass(frozen=True)
class Plan:
    """A data set as conf/ will describe it."""

    data: DataConfig
    findings: dict[str, Finding]
    question: Question
    defaults: Defaults
    drop_why: dict[str, str]
    copies: int
    owners: str = ""
    hourless: tuple[str, ...] = ()

    @property
    def contract(self) -> Contract:
        """What the file of data.contract will say."""
        columns = {name: finding.column for name, finding in self.findings.items()}
        return Contract(key=self.named("key")[:1], columns=columns)

    @property
    def owners_comment(self) -> str:
        """What the split chosen promises of data.group."""
        split = self.defaults.split.value
        if split == "group":
            return "its rows stay in one part"
        return f"owner of several rows; a {split} split does not keep them together"

    def named(self, *roles: Role) -> list[str]:
        """Return the columns in one of these roles."""
        return [name for name, finding in self.findings.items() if finding.role in roles]


@dataclass
class _Draft:
    """What is known so far: the table with its dates read and derived columns added, and the findings."""

    table: pd.DataFrame
    findings: dict[str, Finding]
    derive: dict[str, str | None]
    hourless: set[str] = field(default_factory=set)

    def add(self, expressions: dict[str, str], columns: dict[str, Column]) -> None:
        """Add derived columns to the table."""
        data = DataConfig(name="", source="", contract="", task="binary", target="", derive={**expressions})
        self.table = derived(self.table, data, Contract(columns=columns))
        self.derive |= expressions


def make_plan(source: Source, name: str, path: str, request: Request) -> Plan:
    """Infer every setting that conf/ needs from a table.

    Raises:
        UserError: the table or the target cannot be used, or a column does not exist.
    """
    target, expression = target_of(request, source.table)
    shown = tqdm(source.table, desc="profiling columns", unit="column", delay=1, leave=False, disable=None)
    findings = {name: look_at(source.table[name], name in request.keep) for name in shown}
    contract = Contract(columns={name: finding.column for name, finding in findings.items()})
    draft = _Draft(parsed(source.table, contract), findings, {})
    _read_numbers(draft, request.keep)
    blanks = expression is None and _differ_in_blanks(draft.table[target])
    if blanks:
        expression = f"{quoted(target)}.str.strip()"
        target = free_name(f"{names.slug(target)}_label", list(draft.table))
    if expression:
        _derive_target(draft, target, expression)
    _settle_target(draft, target)
    question = ask(draft.table[target], request.task, request.positive)
    if question.task == "multiclass":
        _order_classes(draft, target, source.ordered.get(target))
    if blanks:
        question = replace(question, why=f"{question.why}; blanks around a label do not count")
    published = _settle_published(draft, request, target)
    late = happened(draft.table, draft.findings, target, question.task)
    time = _settle_time(draft, request, {n: why for n, why in late.items() if n not in request.keep})
    # Lists and records cannot be compared.
    whole = [n for n, f in draft.findings.items() if f.role != "key" and not unhashable(draft.table[n])]
    copied = duplicated(draft.table[whole])
    group = _settle_group(draft, request, target, time, copied)
    _add_date_parts(draft, time)
    # A published split needs owners only to make a validation part of train.
    owner = None if published and published.labels["validation"] else group
    drop, drop_why = _left_out(draft.table, target, time, owner, question)
    if published:
        drop_why |= _in_no_part(draft.table, published)
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
    prepared, dropped = usable_rows(draft.table, data)
    if count := dropped["no_target"]:
        drop_why["no_target"] = f"{count:,} ({share(count / len(draft.table))}) without a value of {target}"
    alone = _mark_leaks(draft, prepared, data)
    best = max((alone.get(n, 0.0) for n, f in draft.findings.items() if f.role == "feature"), default=0.0)
    bound = min(1.0, max(HONEST, round(best + MARGIN, 3)))
    data = data.model_copy(update={"leakage": data.leakage.model_copy(update={"max_single_score": bound})})
    copies = int(copied.sum())
    defaults = choose(
        prepared,
        draft.findings,
        question,
        time=time,
        group=group,
        alone=alone,
        copies=copies,
        published=published,
    )
    owners = _owners(draft, prepared, data, published) if group is not None else ""
    for each in dict.fromkeys([*source.remarks, *source.labels]):
        found = draft.findings[each]
        note = "; ".join(filter(None, [found.note, source.remarks.get(each)]))
        draft.findings[each] = replace(found, note=note, column=source.of_contract(each, found.column))
    return Plan(data, draft.findings, question, defaults, drop_why, copies, owners, tuple(draft.hourless))


def _differ_in_blanks(values: pd.Series) -> bool:
    there = values.dropna()
    text = len(there) and types.infer_dtype(there) == "string"
    return bool(text) and there.str.strip().nunique() < there.nunique()


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
    if unhashable(values):
        raise UserError(f"{target}: the target cannot be lists or records")
    numeric: Kind = "numeric" if types.is_numeric_dtype(values) else "categorical"
    kind: Kind = "boolean" if types.is_bool_dtype(values) else numeric
    column = Column(kind=kind, known="after", nullable=bool(values.isna().any()))
    if found.column.decimal is not None:
        column = found.column.model_copy(update={"known": "after", "group": None, "min": None, "max": None})
    draft.findings[target] = Finding(column, "target", found.note, found.distinct)


def _order_classes(draft: _Draft, target: str, known: list[Any] | None) -> None:
    """Let the contract allow the classes in their order, which reports follow."""
    found = draft.findings[target]
    labels = draft.table[target].dropna().unique().tolist()
    if (order := in_order(labels, known)) and all(isinstance(label, str | int) for label in order):
        note = f"{found.note}; in the order {' < '.join(map(str, order))}"
        draft.findings[target] = found.changed("target", note, allowed=order)


def _settle_published(draft: _Draft, request: Request, target: str) -> Published | None:
    """Take columns that name parts of the table out of the features; return the one to split by."""
    rows = draft.table[draft.table[target].notna()]
    named, doubts = published_split.find(rows, draft.findings, target)
    for name, why in doubts.items():
        draft.findings[name] = replace(draft.findings[name], doubt=why)
    found = [each for each in named if each.column not in request.keep]
    for each in found:
        draft.findings[each.column] = draft.findings[each.column].changed("split", each.why, group=None)
    asked = request.time is not None or request.group is not None
    return None if asked or not found else found[0]


def _settle_time(draft: _Draft, request: Request, late: dict[str, str]) -> str | None:
    """Choose the column of time; make one of year, month and day, or of a clock, where that is needed.

    Of the dates in late, which tell when a thing happened, one may order the rows if they are the only dates.
    """
    time = _dated(draft, late) if request.time is None else request.time
    for name in late.keys() - {time}:
        draft.findings[name] = draft.findings[name].changed("suspect", late[name], known="after")
    if time == "":
        return None
    if time is None and (found := time_columns.calendar(draft.table, draft.findings)):
        time = free_name("calendar_date", list(draft.table))
        column = Column(kind="datetime", format=found[1])
        draft.add({time: found[0]}, {time: column})
        draft.findings[time] = Finding(column, "date", f"made of {found[0]}")
        time = time if time_columns.can_be_cut(draft.table[time]) else None
    written = "%Y" if time is not None and time_columns.is_year(draft.table[time]) else "unix"
    if time is None and (clock := time_columns.as_clock(draft.table, draft.findings)):
        time, written = clock
    if time is None:
        if gapped := time_columns.choose_time(draft.table, draft.findings, 1.0):
            found = draft.findings[gapped]
            said = f"missing in too many rows to order them; --time {gapped} drops these rows"
            draft.findings[gapped] = replace(found, doubt=found.doubt or said)
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
    doubt = f"; {late[time]}, so its hour is not a feature" if time in late else ""
    draft.findings[time] = old.changed("time", f"orders the rows; {old.note}{doubt}")
    draft.hourless = {time} & {*late}
    return time


def _dated(draft: _Draft, late: dict[str, str]) -> str | None:
    others = {name: finding for name, finding in draft.findings.items() if name not in late}
    choices = (time_columns.choose_time(draft.table, found) for found in (others, draft.findings))
    return next(filter(None, choices), None)


def _settle_group(
    draft: _Draft, request: Request, target: str, time: str | None, copied: pd.Series
) -> str | None:
    """Choose the owner of the rows; its name, the values that tell it too, are not features."""
    for name in request.keep:
        if draft.findings[name].role == "entity":
            kept = draft.findings[name].changed("feature", draft.findings[name].note, group="categories")
            draft.findings[name] = kept
    if request.group == "":
        return None
    findings, group = draft.findings, request.group
    if group is None:
        for name, why in entities.find(draft.table, copied, findings, target).items():
            if name not in request.keep:
                note = entities.described(findings[name], len(draft.table), why)
                column = Column(kind="categorical", nullable=findings[name].column.nullable)
                findings[name] = replace(findings[name], role="entity", note=note, column=column)
        # A time split drops no row for the owner's sake.
        most = 0.0 if time is not None else entities.MOST_MISSING
        fit = {
            n: f for n, f in findings.items() if f.role == "entity" and draft.table[n].isna().mean() <= most
        }
        group = entities.coarsest(draft.table, fit)
        if group is None:
            return None
    else:
        old = findings[group]
        if old.column.known == "after" or old.role == "time":
            raise UserError(f"--group {group}: it is the time column, the target or known: after")
        findings[group] = old.changed("entity", f"the owner of a row, as requested; {old.note}", group=None)
    for name in entities.siblings(draft.table, findings, group):
        if name not in request.keep:
            note = f"one value for each {group}: it names the same owner"
            findings[name] = findings[name].changed("idle", note, group=None, allowed=None)
    return group


def _owners(draft: _Draft, prepared: pd.DataFrame, data: DataConfig, published: Published | None) -> str:
    """Say what the split promises of the owners of the rows, and what they and the features predict."""
    group = str(data.group)
    values = prepared[group]
    contract = Contract(columns={name: finding.column for name, finding in draft.findings.items()})
    worth = entities.worth(prepared, contract, data, group)
    if published is not None:
        train, test = (
            values[prepared[published.column].isin(published.labels[p])] for p in ("train", "test")
        )
        part = entities.shown(float(test.isin(train).mean()), group)
        return f"the published split does not promise to keep its rows together: {part}; {worth}"
    if data.time is None:
        part = entities.shown(entities.seen(values), group)
        return f"in a random split {part}; {worth}; --group '' splits at random"
    part = entities.shown(entities.seen_later(values, prepared[data.time]), group)
    return f"a time split does not keep its rows together: {part}; {worth}; --time '' keeps them together"


def _add_date_parts(draft: _Draft, time: str | None) -> None:
    table, found = draft.table, {}
    for name, finding in draft.findings.items():
        dated = finding.role in ("date", "time") and finding.column.known == "before"
        if dated and names.can_be_quoted(name) and table[name].notna().sum() > 1:
            slug = names.slug(name)
            for word, expression, note, *bounds in _parts(table, name, time):
                if word == "hour" and name in draft.hourless:
                    continue
                new = f"{slug}_number" if slug == word else f"{slug}_{word}"
                gaps = any(table[each].isna().any() for each in (name, time) if each is not None)
                limits = dict(zip(("min", "max"), bounds, strict=False))
                column = Column(kind="numeric", group="dates", nullable=gaps).model_copy(update=limits)
                found[free_name(new, [*table, *found])] = expression, column, note
    draft.add({name: expression for name, (expression, _, _) in found.items()}, {})
    for name, (_, column, note) in found.items():
        draft.findings[name] = Finding(column, "feature", note, int(draft.table[name].nunique()))


def _read_numbers(draft: _Draft, keep: Sequence[str]) -> None:
    """Read each text column of amounts as numbers, see amount_of."""
    for name, finding in list(draft.findings.items()):
        text = finding.column.kind == "categorical" and finding.column.known == "before"
        amount = amount_of(draft.table[name]) if text else None
        if amount:
            written = shown(draft.table[name].dropna().iloc[:1])
            table = parsed(draft.table, Contract(columns={name: amount}))
            found = look_at(table[name], name in keep)
            if found.column.kind != "numeric":  # codes with something around them
                continue
            draft.table = table
            how = {key: getattr(amount, key) for key in ("decimal", "thousands", "accounting", "unit")}
            note = f"{found.note}; written as {written}"
            draft.findings[name] = found.changed(found.role, note, **how)


def _left_out(
    table: pd.DataFrame, target: str, time: str | None, group: str | None, question: Question
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the rows that cannot be used, as conditions, and why."""
    drop: dict[str, str | None] = {}
    why: dict[str, str] = {}
    if time is not None and table[time].isna().any():
        drop["no_time"] = f"{quoted(time)}.isna()"
        why["no_time"] = f"rows without {time} cannot be ordered"
    if group is not None and time is None and table[group].isna().any():
        drop["no_owner"] = f"{quoted(group)}.isna()"
        why["no_owner"] = f"{int(table[group].isna().sum()):,} without {group} have no owner"
    if question.rare:
        drop["rare_class"] = f"{quoted(target)} in {list(question.rare)}"
        why["rare_class"] = f"classes with too few rows: {', '.join(map(str, question.rare))}"
    return drop, why


def _in_no_part(table: pd.DataFrame, published: Published) -> dict[str, str]:
    labels = [label for of_part in published.labels.values() for label in of_part]
    rows = int((~table[published.column].isin(labels)).sum())
    return {"no_part": f"{rows:,} without a label of {published.column} are in no part"} if rows else {}


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


def _parts(table: pd.DataFrame, name: str, time: str | None) -> Iterator[tuple]:
    """Yield a word, the expression, a note, and the bounds, if any, of each part of a date."""
    there, plain = table[name].dropna(), quoted(name)
    span = there.max() - there.min()
    if time is not None and name != time and table[name].dtype == table[time].dtype:
        days = f"({quoted(time)} - {plain}).dt.total_seconds() / 86400"
        yield "days_ago", days, f"days from {name} to {time}"
    elif name != time or not is_short(there):
        years = f"{plain}.dt.year + {plain}.dt.day_of_year / 366"
        yield "year", years, f"{name} as a number, in years"
    if span >= pd.Timedelta("400D") and there.dt.month.nunique() > 1:
        yield "month", f"{plain}.dt.month", f"month of {name}", 1.0, 12.0
    if span >= pd.Timedelta("28D") and there.dt.day.nunique() > 1 and there.dt.day_of_week.nunique() > 1:
        yield "weekday", f"{plain}.dt.day_of_week", f"weekday of {name}, 0 is Monday", 0.0, 6.0
    if there.dt.hour.nunique() > 1:
        yield "hour", f"{plain}.dt.hour + {plain}.dt.minute / 60", f"hour of {name}", 0.0, 24.0
