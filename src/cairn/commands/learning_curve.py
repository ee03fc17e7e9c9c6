"""`cairn learning-curve`: would more data help?"""

import argparse
from pathlib import Path

from cairn.arguments import at_least
from cairn.commands.study import parser_of, show


def main(*arguments: str) -> None:
    """Fit the current model on more and more of the training rows, and print the gain of each doubling."""
    words = _parsed(arguments)
    from cairn.data.parts import load_prepared
    from cairn.report.studies.learning_curve import sheet_of
    from cairn.studies.learning_curve import learning_curve
    from cairn.studies.protocol import current_config
    from cairn.studies.trial import prepare_data

    config = current_config(words.set)
    prepare_data()
    curve = learning_curve(
        config,
        load_prepared(Path()),
        by=words.by or ("recent" if config.split.kind == "time" else "random"),
        points=words.points,
        seeds=words.seeds,
        decides=words.decide_by,
    )
    show(sheet_of(curve), words)


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = parser_of(
        "learning-curve",
        "Fit the model on all training rows, on half of them, on a quarter and so on, under several seeds,"
        " and say on the same validation rows whether more data would help.",
    )
    parser.add_argument(
        "--by",
        choices=("recent", "random"),
        help="the smaller sets are the latest rows (would a longer history help?), or random blocks, groups"
        " or rows (would more of the same help?); default: recent for a split by time",
    )
    parser.add_argument(
        "--points", type=at_least(2), default=6, metavar="N", help="sizes, each half the next (6)"
    )
    parser.add_argument(
        "--seeds", type=at_least(1), default=5, metavar="N", help="fits of every size, under N seeds (5)"
    )
    return parser.parse_args(arguments)
