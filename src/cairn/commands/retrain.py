"""`cairn retrain`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typer import Option

from cairn.commands.options import DecideBy, Html, Json, Markdown, Settings, check_output, show
from cairn.errors import UserError

if TYPE_CHECKING:
    from datetime import timedelta

CODES = {"keep": 0, "undecided": 3, "promote": 4}
"""Exit code by verdict, as in `cairn monitor`."""
MONITOR, RECORD = Path("metrics/monitor.json"), Path("metrics/retrain.json")
LOCK = Path(".dvc/tmp/retrain.lock")


def main(
    *,
    settings: Settings = None,
    champion: str = Option("HEAD", metavar="REV", help="Revision whose model would be replaced"),
    window: Literal["expanding", "sliding"] = Option(
        "expanding", help="Train on all rows so far, or on a window of the champion's length"
    ),
    holdout: str | None = Option(
        None, metavar="SPAN", help="Newest rows to compare on, such as 60D", show_default="as long as test"
    ),
    cool_down: str | None = Option(
        None, metavar="SPAN", help="Do nothing until newer rows cover this span, such as 7D"
    ),
    only_if_monitor: bool = Option(
        False, "--only-if-monitor", help="Do nothing unless metrics/monitor.json says retrain: yes"
    ),
    decide_by: DecideBy = None,
    min_gain: float = Option(
        0.0, metavar="X", min=0.0, help="Gain in the deciding metric that the whole interval must exceed"
    ),
    apply: bool = Option(
        False,
        "--apply",
        help="If the verdict is promote: apply the challenger and write its windows to conf/",
    ),
    dry: bool = Option(False, "--dry", help="Show the windows and stop"),
    md: Markdown = False,
    json: Json = False,
    html: Html = None,
) -> None:
    """Train a challenger on newer rows, and compare it with the champion.

    Moves train, validation and test to the newest rows, trains the challenger
    as a DVC experiment in a clone, and compares both models on its test rows,
    on which neither was fitted. Writes metrics/retrain.json with the verdict:
    promote, keep or undecided. The same data and windows are tried once. Needs
    a split by time.

    Exit codes: 0 keep, or nothing to do; 1 error, 2 usage, 3 undecided,
    4 promote.

    Examples:
      cairn retrain --dry                                  which windows?
      cairn retrain --window sliding --cool-down 28D
      cairn retrain -S data=flights_2023 --decide-by saving
      cairn retrain --only-if-monitor --apply              what a cron job runs
    """
    check_output(md, json, html)
    if only_if_monitor and (verdict := _monitored()) != "yes":
        print(f"nothing to do: {MONITOR.as_posix()} says retrain: {verdict}")
        raise SystemExit(CODES["undecided"] if verdict == "undecided" else CODES["keep"])
    spans = {"--holdout": _span("--holdout", holdout), "--cool-down": _span("--cool-down", cool_down)}

    from filelock import FileLock, Timeout

    from cairn.data.records import write_json
    from cairn.report.studies.retrain import next_line, plan_lines, sheet_of, tried_line
    from cairn.studies.retrain.applying import apply as apply_challenger
    from cairn.studies.retrain.applying import stop_on_edits
    from cairn.studies.retrain.retraining import (
        Request,
        is_experiment,
        plan_retraining,
        run_retraining,
    )
    from cairn.studies.retrain.windows import NothingNewError
    from cairn.terminal import folded, wrapped

    root = Path.cwd()
    if apply:
        stop_on_edits(root)
    request = Request(
        champion,
        tuple(settings or ()),
        window,
        spans["--holdout"],
        spans["--cool-down"],
        decide_by,
        min_gain,
    )
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(LOCK, timeout=0):
            plan = plan_retraining(root, request)
            # A result is for reading, and may be piped: what comes before it is not part of it.
            shown = (part for line in plan_lines(plan) for part in wrapped(line, " " * 12))
            print("\n".join(shown), file=sys.stderr, flush=True)
            if dry:
                return
            if plan.tried:
                print(folded(tried_line(plan.tried)), file=sys.stderr)
            wanted = apply and bool(plan.tried) and plan.tried.verdict == "promote"
            found = run_retraining(root, plan, again=wanted and not is_experiment(root, plan))
            applied = apply and found.verdict == "promote"
            if applied:
                apply_challenger(root, found)
            sheet = sheet_of(found)
            write_json(sheet.record, root / RECORD)
            show(sheet, md=md, as_json=json, html=html)
            sys.stdout.flush()
            print(folded(next_line(found, applied=applied)), file=sys.stderr)
    except Timeout as error:
        raise UserError("another `cairn retrain` is running in this checkout; wait until it ends") from error
    except NothingNewError as error:
        print(f"nothing to do: {error}")
        return
    raise SystemExit(CODES[found.verdict])


def _monitored() -> str:
    """Return the verdict of `cairn monitor`; raise UserError if it has not run here."""
    from cairn.data.records import read_json

    if not MONITOR.exists():
        raise UserError(f"{MONITOR.as_posix()}: no such file; run `cairn monitor SOURCE` first")
    try:
        return str(read_json(MONITOR)["retrain"])
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"{MONITOR.as_posix()}: damaged; run `cairn monitor SOURCE` again") from error


def _span(option: str, text: str | None) -> "timedelta | None":
    """Return a span of time, None for None; raise UserError for a text that is none."""
    from cairn.monitor.windows import span_of

    span = span_of(text or "")
    if text is not None and span is None:
        raise UserError(f"{option}: '{text}' is not a duration such as 12h or 28D")
    return span
