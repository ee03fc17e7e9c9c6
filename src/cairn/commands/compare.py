"""`cairn compare A B [C …]`: is B better than A, on the same rows, and by how much?"""

import argparse
import sys
from pathlib import Path

from cairn.arguments import at_least
from cairn.commands.study import show

WORSE, MISSING = 3, 4
"""Exit codes: a candidate is worse, --fail-if-worse; a revision's predictions are nowhere."""


def main(*arguments: str) -> None:
    """Print the comparison of git revisions, DVC experiments or the workspace with the first one named."""
    words = _parsed(arguments)
    from cairn.report.studies.comparison import sheet_of
    from cairn.studies.compare.comparison import compare
    from cairn.studies.compare.history import MissingOutputError

    try:
        comparison = compare(
            Path(),
            [words.reference, *words.others],
            part=words.part,
            metrics=words.metrics.split(",") if words.metrics else None,
            decides=words.decide_by,
            resamples=words.resamples,
            seed=words.seed,
        )
    except MissingOutputError as error:
        print(f"cairn compare: {error}", file=sys.stderr)
        raise SystemExit(MISSING) from error
    show(sheet_of(comparison), words)
    if words.fail_if_worse and any(one.outcome == "worse" for one in comparison.candidates):
        raise SystemExit(WORSE)


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="cairn compare",
        description="Compare revisions by their predictions of the same rows: every metric and the money,"
        " with intervals.",
        epilog="A revision is a branch, tag or commit of git, the name of a DVC experiment, or `workspace`."
        f" Exit codes: 1 an error, {WORSE} see --fail-if-worse, {MISSING} predictions that are nowhere.",
    )
    parser.add_argument("reference", metavar="A", help="the revision that the others are compared with")
    parser.add_argument("others", metavar="B", nargs="+", help="revisions to compare with it")
    parser.add_argument(
        "--part",
        choices=("test", "validation"),
        default="test",
        help="rows to judge on: test for a claim (the default), validation while you are still choosing",
    )
    parser.add_argument(
        "--decide-by",
        metavar="NAME",
        help="the metric that decides, or `saving`; choose before you look (default: evaluate.primary of A)",
    )
    parser.add_argument("--metrics", metavar="NAME,NAME", help="only these beside the one that decides")
    parser.add_argument(
        "--resamples", type=at_least(100), help="bootstrap draws (default: evaluate.resamples of A)"
    )
    parser.add_argument("--seed", type=at_least(0), help="of the draws (default: seed of A)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--md", action="store_true", help="print Markdown, as for a pull request")
    form.add_argument("--json", action="store_true", help="print everything, for programs")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page that loads nothing, too")
    parser.add_argument(
        "--fail-if-worse", action="store_true", help=f"exit with {WORSE} when one of them is worse than A"
    )
    return parser.parse_args(arguments)
