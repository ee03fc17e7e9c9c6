"""`cairn board`."""

import json
import sys
import time
from pathlib import Path

from typer import Option

from cairn.commands.options import Html, check_output, names, user_folder, write_page
from cairn.errors import UserError

NEWEST = 20


def main(
    *,
    where: list[str] | None = Option(
        None,
        metavar="CONDITION",
        help="Only runs with model.name=mlp, roc_auc>=0.75, age<30 (days), data~dd61 … (repeatable)",
    ),
    sort: str = Option(
        "age", metavar="KEY", help="age, a metric (the best first), saving, gain, model, data, or a setting"
    ),
    reverse: bool = Option(False, "--reverse", help="In the opposite order"),
    columns: list[str] | None = Option(
        None, metavar="KEY,KEY", help="More columns: metrics, gain, rows, kind, or settings"
    ),
    against: str | None = Option(
        None, metavar="REV", help="Show settings that differ from this run", show_default="the current one"
    ),
    all_runs: bool = Option(False, "--all", help=f"Every run, not only the first {NEWEST}"),
    as_csv: bool = Option(False, "--csv", help="Print every run as CSV: all metrics, settings that vary"),
    as_json: bool = Option(False, "--json", help="Print every run as JSON"),
    html: Html = None,
    paired: int = Option(
        0,
        metavar="N",
        min=0,
        help="For --html: also compare the first N runs on the same rows with the current one, exactly",
    ),
) -> None:
    """List the runs of all commits, branches, tags and experiments.

    A run is a result under some settings, read from the records in git: its
    score with the interval, money, the settings that differ from the current
    run, the version of the data, its age. Nothing is computed again.

    Examples:
      cairn board                                        the newest 20
      cairn board --where 'age<7' --sort saving          this week's, the best first
      cairn board --columns log_loss,model.params.lr --all
      cairn board --html reports/board.html              the same as a page
    """
    check_output(as_csv, as_json, html, "--csv")
    from cairn.experiments.board import check_key, condition_of, ordered, reference_of
    from cairn.experiments.history import History
    from cairn.experiments.runs import has_predictions, read_runs
    from cairn.progress import elapsed
    from cairn.report.board.page import CARDS, board_page, compared_with, copied_cards
    from cairn.report.board.table import board_csv, board_record, board_text, comparable, left_out, not_run
    from cairn.terminal import folded

    root, now = Path.cwd(), time.time()
    history = History(root)
    runs = read_runs(root)
    if not runs.found:
        raise UserError("no run is recorded yet: `dvc repro`, then commit; or `dvc exp run`")
    reference = reference_of(runs.found, against, runs.current)
    waiting = not_run(runs.waiting, runs.current.name if runs.current else "")
    conditions = [condition_of(text, runs.found) for text in where or ()]
    chosen = [run for run in runs.found if all(one.holds(run, now) for one in conditions)]
    chosen = ordered(chosen, sort, now, reverse=reverse)
    more = names(columns)
    for key in more:
        check_key("--columns", key, runs.found)
    if as_json:
        print(json.dumps(board_record(chosen, reference), indent=1, ensure_ascii=False))
    elif as_csv:
        print(board_csv(chosen, reference))
    else:
        listed = chosen if all_runs else chosen[:NEWEST]
        compared = [run for run in [reference, *listed] if has_predictions(run, history)]
        print(
            board_text(
                listed,
                reference,
                now,
                columns=more,
                hidden=len(chosen) - len(listed),
                waiting=waiting,
                pair=comparable([run for run in compared if run.data == (runs.current or reference).data]),
            )
        )
    if runs.unreadable:
        print(left_out(runs.unreadable), file=sys.stderr)
    if html:
        links = copied_cards(chosen, history, user_folder() / html)
        cached = [has_predictions(run, history) for run in chosen]
        with elapsed("comparing predictions"):
            pairs = compared_with(reference, chosen, cached, root, most=paired)
        write_page(html, board_page(chosen, reference, links, cached, pairs, waiting=waiting))
        cards = f"; the model cards that it opens are in {(Path(html).parent / CARDS).as_posix()}"
        print(folded(f"page: {html}{cards if links else ''}"), file=sys.stderr)
