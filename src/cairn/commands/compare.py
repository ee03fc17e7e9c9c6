"""`cairn compare`."""

import sys
from pathlib import Path
from typing import Literal

from typer import Argument, Option

from cairn.commands.options import DecideBy, Html, Json, Markdown, check_output, names, show

WORSE, MISSING = 3, 4
"""Exit codes: a candidate is worse, with --fail-if-worse; predictions of a revision cannot be found."""


def main(
    reference: str = Argument(..., metavar="A", help="Revision to compare with"),
    others: list[str] = Argument(..., metavar="B...", help="Revisions to compare with A"),
    *,
    part: Literal["test", "validation"] = Option(
        "test", help="Rows to judge on: test for a claim, validation while you still choose"
    ),
    decide_by: DecideBy = None,
    metrics: list[str] | None = Option(
        None, metavar="NAME,NAME", help="Only these metrics, besides the one that decides"
    ),
    resamples: int | None = Option(
        None, metavar="N", min=100, help="Bootstrap resamples", show_default="evaluate.resamples of A"
    ),
    seed: int | None = Option(
        None, metavar="N", min=0, help="Seed of the resamples", show_default="seed of A"
    ),
    md: Markdown = False,
    json: Json = False,
    html: Html = None,
    fail_if_worse: bool = Option(False, "--fail-if-worse", help="Exit with 3 if a revision is worse than A"),
) -> None:
    """Compare revisions by their predictions for the same rows.

    Prints every metric and the saving, with intervals; trains nothing. A
    revision is a git branch, tag or commit, the name of a DVC experiment, a
    version or @STAGE of `cairn promote`, or `workspace`.

    Exit codes: 1 error, 2 usage, 3 worse (--fail-if-worse), 4 no predictions
    of a revision in the cache or the remote.

    Examples:
      cairn compare main workspace --part validation        is my change better?
      cairn compare main one two three --decide-by saving   which one saves most?
      cairn compare main HEAD --md --fail-if-worse          for CI
    """
    check_output(md, json, html)
    from cairn.experiments.history import MissingOutputError
    from cairn.progress import elapsed
    from cairn.report.studies.comparison import sheet_of
    from cairn.studies.compare.comparison import compare

    try:
        with elapsed("comparing predictions"):
            comparison = compare(
                Path(),
                [reference, *others],
                part=part,
                metrics=names(metrics) if metrics else None,
                decides=decide_by,
                resamples=resamples,
                seed=seed,
            )
    except MissingOutputError as error:
        print(f"cairn compare: {error}", file=sys.stderr)
        raise SystemExit(MISSING) from error
    show(sheet_of(comparison), md=md, as_json=json, html=html)
    if fail_if_worse and any(one.outcome == "worse" for one in comparison.candidates):
        raise SystemExit(WORSE)
