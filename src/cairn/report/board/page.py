"""The board as one page that loads nothing: filter, sort, columns, a chart, two runs side by side.

The script draws what one block of JSON holds. Its only dates are those of commits, so that equal runs
give equal bytes; the reader's browser computes the age.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cairn.experiments.board import measures
from cairn.experiments.history import WORKSPACE, History
from cairn.experiments.runs import CARD, DERIVED, Run
from cairn.metrics.evaluation import MODEL, Score
from cairn.metrics.kpi import PER_ROWS
from cairn.report.board.table import comparable
from cairn.report.card.goal import GOAL_MEANS, reached
from cairn.report.card.words import metric_name
from cairn.report.numbers import places
from cairn.report.page import render
from cairn.settings.search import SAVING

TEMPLATE, PROGRAM = (Path(__file__).with_name(name) for name in ("page.html.j2", "board.js"))
COMMIT = 10
"""Digits of a commit, as many as commands need."""
CARDS, MOST_CARDS = "cards", 100
"""Folder beside the page, and how many model cards are copied from DVC's cache into it: the newest."""


def board_page(
    runs: Sequence[Run],
    reference: Run,
    links: Mapping[int, str],
    cached: Sequence[bool],
    paired: Mapping[int, Mapping[str, Any]] | None = None,
    *,
    waiting: str = "",
) -> str:
    """Return the page.

    Args:
        runs: in any order; the page sorts them.
        reference: whose settings the others are compared with at first.
        links: address of the model card, by position of the run.
        cached: for each run, whether `cairn compare` finds its predictions in DVC's cache.
        paired: see `compared_with`.
        waiting: a line about settings of params.yaml that have not run.
    """
    board = content(runs, reference, links, cached) | {"paired": paired or {}}
    program = Markup(PROGRAM.read_text(encoding="utf-8"))
    return render(
        TEMPLATE,
        count=len(runs),
        purpose=reference.purpose,
        board=board,
        program=program,
        waiting=waiting,
        goal=GOAL_MEANS,
    )


def content(
    runs: Sequence[Run], reference: Run, links: Mapping[int, str], cached: Sequence[bool]
) -> dict[str, Any]:
    """Return what the script reads: a column for each fact, measure and setting that varies.

    Columns, not a record for each run, so that thousands of runs stay below two megabytes.
    """
    metrics = measures(runs)
    better = {name: way for run in runs for name, way in run.record.better.items()}
    kpis = [run.record.kpi for run in runs]
    goals = [reached(run.purpose.goal, run.record) for run in runs]
    scores = {name: [run.record.scores[MODEL].get(name) for run in runs] for name in metrics}
    scores["gain"] = [run.record.gain for run in runs]
    scores[SAVING] = [kpi.policies[MODEL].saving if kpi else None for kpi in kpis]
    facts = {
        "names": [list(run.names) for run in runs],
        "kind": [run.kind for run in runs],
        "commit": [(run.commit or "")[:COMMIT] for run in runs],
        "at": [run.at for run in runs],
        "subject": [run.subject[:80] for run in runs],
        "model": [run.record.model for run in runs],
        "data": [run.settings.get("data.name", "") for run in runs],
        "version": [run.version for run in runs],
        "rows": [run.record.rows for run in runs],
        "primary": [run.record.primary for run in runs],
        "over": [run.record.best_baseline for run in runs],
        "currency": [kpi.currency if kpi else None for kpi in kpis],
        "goal": [goal.verdict if goal else None for goal in goals],
        "card": [links.get(at) for at in range(len(runs))],
        "cached": list(cached),
    }
    keys = dict.fromkeys(key for run in runs for key in run.settings if key not in DERIVED)
    settings = {key: coded([run.settings.get(key) for run in runs]) for key in keys}
    return {
        "count": len(runs),
        "reference": next((at for at, run in enumerate(runs) if run is reference), 0),
        "metrics": [{"key": name, "name": metric_name(name), "better": better[name]} for name in metrics],
        "per": PER_ROWS,
        "facts": {name: coded(values) for name, values in facts.items()},
        "scores": {name: _ends(values) for name, values in scores.items()},
        "base": {key: column["levels"][0] for key, column in settings.items() if len(column["levels"]) == 1},
        "settings": {key: column for key, column in settings.items() if len(column["levels"]) > 1},
    }


def coded(values: Sequence[Any]) -> dict[str, list[Any]]:
    """Write a column as its different values and, for each row, which of them it has.

    Values are different if their JSON is: 1 and True are, 1 and 1.0 are not the same either.
    """
    levels: dict[str, int] = {}
    at = [levels.setdefault(json.dumps(value, sort_keys=True, default=str), len(levels)) for value in values]
    return {"levels": [json.loads(level) for level in levels], "at": at}


def _ends(scores: Sequence[Score | None]) -> list[list[float | None]]:
    """Return the values, the lower and the upper ends of a column, rounded finer than they are shown."""
    digits = [0 if score is None else places([score]) for score in scores]
    return [
        [
            None if score is None or (value := getattr(score, end)) is None else _rounded(value, digit)
            for score, digit in zip(scores, digits, strict=True)
        ]
        for end in ("value", "low", "high")
    ]


def _rounded(value: float, digits: int) -> float:
    return round(value, digits + 2) if digits else round(value)


def compared_with(
    reference: Run, runs: Sequence[Run], cached: Sequence[bool], root: Path, *, most: int
) -> dict[int, dict[str, Any]]:
    """Compare the first runs that have the rows of the reference with it, as `cairn compare` does.

    Returns:
        By position of the run: the table of all metrics and the verdict in a sentence. Runs whose
        predictions are on other rows after all are left out.
    """
    from cairn.report.studies.comparison import conclusion, metric_table
    from cairn.studies.compare.comparison import compare
    from cairn.studies.compare.evidence import NotComparableError

    same = [at for at, run in enumerate(runs) if cached[at] and comparable([reference, run])]
    found: dict[int, dict[str, Any]] = {}
    for at in same[:most]:
        with suppress(NotComparableError):
            names = [run.commit or run.name for run in (reference, runs[at])]
            comparison = compare(root, names)
            table = metric_table(comparison, comparison.candidates[0], "B")
            said = conclusion(comparison, comparison.candidates[0])
            for name, run in zip(names, (reference, runs[at]), strict=True):
                said = said.replace(name, run.name)
            found[at] = {"header": table.header, "rows": table.rows, "verdict": said}
    return found


def copied_cards(runs: Sequence[Run], history: History, page: Path) -> dict[int, str]:
    """Copy the model cards that DVC's cache holds beside the page; return their addresses by position.

    The card of the workspace is linked where it is.
    """
    links = {}
    for at, run in enumerate(runs):
        digest = run.outputs.get(CARD, "")
        if run.name == WORKSPACE and (history.root / CARD).exists():
            links[at] = Path(os.path.relpath(history.root / CARD, page.parent)).as_posix()
        elif len(links) < MOST_CARDS and (stored := history.stored(digest)):
            copy = page.parent / CARDS / f"{digest}.html"
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(stored, copy)
            links[at] = f"{CARDS}/{digest}.html"
    return links
