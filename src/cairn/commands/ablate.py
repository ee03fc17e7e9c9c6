"""`cairn ablate`: how important is each group of features, or each column, to the model?"""

import argparse
from pathlib import Path

from cairn.arguments import at_least
from cairn.commands.study import parser_of, show


def main(*arguments: str) -> None:
    """Fit the current model with and without each part of its features, and print their importance."""
    words = _parsed(arguments)
    from cairn.data.parts import load_prepared
    from cairn.report.studies.ablation import sheet_of
    from cairn.studies.ablation import ablate, groups_in_use, parts_of
    from cairn.studies.protocol import current_config
    from cairn.studies.trial import prepare_data

    config = current_config(words.set)
    prepare_data()
    prepared = load_prepared(Path())
    groups = groups_in_use(prepared.contract, config)
    ablation = ablate(
        config,
        prepared,
        groups,
        parts_of(groups, words.groups, columns=words.columns),
        seeds=words.seeds,
        alone=not words.columns,
        decides=words.decide_by,
    )
    show(sheet_of(ablation), words)


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = parser_of(
        "ablate",
        "Fit the model without each group of features and on each group alone, under several seeds, and"
        " report the importance of each group on the same validation rows.",
    )
    parser.add_argument(
        "--groups", type=lambda text: text.split(","), metavar="NAME,NAME", help="look at these groups only"
    )
    parser.add_argument(
        "--columns", action="store_true", help="leave out the columns one by one, not whole groups"
    )
    parser.add_argument(
        "--seeds", type=at_least(1), default=3, metavar="N", help="fits of every model, under N seeds (3)"
    )
    return parser.parse_args(arguments)
