"""The board as one page that loads nothing: filter, sort, columns, a chart, two runs side by side.

The script draws what one block of JSON holds. It has no date but those of the commits, so that equal runs
give equal bytes; the reader's browser computes the age.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cairn.experiments.board import measures
from cairn.experiments.history import WORKSPACE, History
from cairn.experiments.runs import CARD, Run
from cairn.metrics.evaluation import MODEL, Score
from cairn.metrics.kpi import PER_ROWS
from cairn.report.board.table import comparable
from cairn.report.card.goal import reached
from cairn.report.card.words import metric_name
from cairn.report.page import render

TEMPLATE, PROGRAM = (Path(__file__).with_name(name) for name in ("page.html.j2", "board.js"))
CARDS, MOST_CARDS = "cards", 100
"""Folder beside the page, and how many model cards are copied from DVC's cache into it: the newest."""


def board_page(
    runs: Sequence[Run],
    reference: Run,
    links: Mapping[int, str],
    cached: Sequence[bool],
    paired: Mapping[int, Mapping[str, Any]] | None = None,
) -> str:
    """Return the page.

    Args:
        runs: in any order; the page sorts them.
        reference: whose settings the others are compared with at first.
        links: address of the model card, by position of the run.
        cached: for each run, whether `cairn compare` finds its predictions in DVC's cache.
        paired: see `compared_with`.
    """
    board = content(runs, reference, links, cached) | {"paired": paired or {}}
    program = Markup(PROGRAM.read_text(encoding="utf-8"))
    return render(TEMPLATE, count=len(runs), purpose=reference.purpose, board=board, program=program)


def content(
    runs: Sequence[Run], reference: Run, links: Mapping[int, str], cached: Sequence[bool]
) -> dict[str, Any]:
    """Return what the script reads: settings as differences from those of the reference, numbers in rows."""
    metrics = measures(runs)
    better = {name: way for run in runs for name, way in run.record.better.items()}
    base = dict(reference.settings)
    return {
        "reference": next((at for at, run in enumerate(runs) if run is reference), 0),
        "base": base,
        "metrics": [{"key": name, "name": metric_name(name), "better": better[name]} for name in metrics],
        "per": PER_ROWS,
        "runs": [
            {
                "names": list(run.names),
                "kind": run.kind,
                "commit": run.commit,
                "at": run.at,
                "subject": run.subject[:80],
                "model": run.record.model,
                "data": run.settings.get("data.name", ""),
                "version": run.version,
                "rows": run.record.rows,
                "primary": run.record.primary,
                "scores": [_numbers(run.record.scores[MODEL].get(name)) for name in metrics],
                "gain": _numbers(run.record.gain),
                "over": run.record.best_baseline,
                "saving": _numbers(kpi.policies[MODEL].saving) if (kpi := run.record.kpi) else None,
                "currency": kpi.currency if kpi else None,
                "goal": goal.verdict if (goal := reached(run.purpose.goal, run.record)) else None,
                "differs": {
                    key: run.settings.get(key)
                    for key in dict.fromkeys([*run.settings, *base])
                    if run.settings.get(key) != base.get(key)
                },
                "card": links.get(at),
                "cached": cached[at],
            }
            for at, run in enumerate(runs)
        ],
    }


def _numbers(score: Score | None) -> list[float | None] | None:
    if score is None or score.value is None:
        return None
    return [None if end is None else float(f"{end:.6g}") for end in (score.value, score.low, score.high)]


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

    That of the workspace is linked where it is.
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
