"""Which runs a board lists, in which order: by any setting, metric or fact of a run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cairn.errors import UserError, did_you_mean
from cairn.experiments.runs import Run
from cairn.metrics.evaluation import MODEL
from cairn.settings.search import SAVING

FACTS = ("age", "run", "kind", "model", "data", "rows", "gain", SAVING)
"""What can be asked of a run besides its metrics and settings; `age` is in days."""
CONDITION = re.compile(r"(?P<key>[\w.@/-]+?)\s*(?P<sign>!=|<=|>=|=|<|>|~)\s*(?P<value>.*)", re.DOTALL)
DAY = 86_400


@dataclass(frozen=True)
class Condition:
    """A condition such as `model.name=mlp`, `roc_auc>=0.75`, `age<30` or `run~tiny` (contains)."""

    key: str
    sign: str
    value: str

    def holds(self, run: Run, now: float) -> bool:
        """Whether a run fulfils it; a run that does not have the key differs from every value."""
        found = value_of(run, self.key, now)
        if found is None or isinstance(found, bool | str | list | dict):
            text = "null" if found is None else str(found).lower() if isinstance(found, bool) else str(found)
            return {
                "=": text == self.value,
                "!=": text != self.value,
                "~": found is not None and self.value.lower() in text.lower(),
            }.get(self.sign, False)
        try:
            bound = float(self.value)
        except ValueError:
            return self.sign == "!=" or (self.sign == "~" and self.value in str(found))
        return {
            "=": found == bound,
            "!=": found != bound,
            "<": found < bound,
            "<=": found <= bound,
            ">": found > bound,
            ">=": found >= bound,
            "~": self.value in str(found),
        }[self.sign]


def condition_of(text: str, runs: Sequence[Run]) -> Condition:
    """Read a condition.

    Raises:
        UserError: no condition, or on something that no run has.
    """
    match = CONDITION.fullmatch(text.strip())
    if match is None:
        raise UserError(f"--where: '{text}' is not KEY=VALUE, KEY!=VALUE, KEY<VALUE, KEY>VALUE or KEY~TEXT")
    check_key("--where", match["key"], runs)
    return Condition(match["key"], match["sign"], match["value"])


def check_key(option: str, key: str, runs: Sequence[Run]) -> None:
    """Raise UserError for what no run has."""
    known = dict.fromkeys([*FACTS, *measures(runs), *(name for run in runs for name in run.settings)])
    if runs and key not in known:
        raise UserError(f"{option}: no run has {key}{did_you_mean(key, list(known))}")


def value_of(run: Run, key: str, now: float) -> Any:
    """Return a fact, a metric on test or a setting of a run; None where it has none."""
    record = run.record
    if key == "age":
        return (now - run.at) / DAY
    if key in FACTS:
        facts: dict[str, Any] = {
            "run": " ".join([run.name, *run.names]),
            "kind": run.kind,
            "model": record.model,
            "data": run.data,
            "rows": record.rows,
            "gain": record.gain.value,
            SAVING: record.kpi.policies[MODEL].saving.value if record.kpi else None,
        }
        return facts[key]
    if key in record.scores[MODEL]:
        return record.scores[MODEL][key].value
    return run.settings.get(key)


def ordered(runs: Sequence[Run], key: str, now: float, *, reverse: bool = False) -> list[Run]:
    """Return the runs with the best first: a metric knows its direction, text is sorted by name, age by day.

    Runs that do not have the key come last.
    """
    check_key("--sort", key, runs)
    having = [run for run in runs if value_of(run, key, now) is not None]
    lacking = [run for run in runs if value_of(run, key, now) is None]
    directions = [run.record.better[key] for run in having if key in run.record.better]
    falls = (directions[:1] == ["higher"] or key in (SAVING, "gain", "rows")) != reverse
    values = [value_of(run, key, now) for run in having]
    as_text = any(not isinstance(value, int | float) or isinstance(value, bool) for value in values)
    ranked = sorted(
        zip(having, values, strict=True),
        key=lambda one: str(one[1]) if as_text else one[1],
        reverse=falls,
    )
    return [*(run for run, _ in ranked), *lacking]


def measures(runs: Sequence[Run]) -> list[str]:
    """Return the metrics of the model that any of the runs has, in their order."""
    return list(dict.fromkeys(name for run in runs for name in run.record.scores[MODEL]))


def reference_of(runs: Sequence[Run], name: str | None, current: Run | None) -> Run:
    """Return the run of this name, commit or beginning of a commit; without one the current, else the oldest.

    Raises:
        UserError: no run has the name.
    """
    if name is None:
        return current or min(runs, key=lambda run: run.at)
    for run in runs:
        if name in run.names or (run.commit or "").startswith(name):
            return run
    known = list(dict.fromkeys(each for run in runs for each in (run.name, *run.names)))
    raise UserError(f"--against: no run {name}{did_you_mean(name, known)}; `cairn board --all` lists them")
