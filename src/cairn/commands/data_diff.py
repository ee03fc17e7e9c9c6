"""`cairn data-diff [A [B]]`: what changed in the data between two revisions."""

import argparse

TABLE = "data/prepared/table.parquet"


def main(*arguments: str) -> None:
    """Print rows, columns and distributions that differ between two versions of a data file."""
    words = _parsed(arguments)
    from cairn.intake.versions import compare_versions
    from cairn.report.diff import to_markdown, to_text

    key = words.key.split(",") if words.key else ()
    found = compare_versions(words.path, words.a, words.b, key)
    say = to_markdown if words.md else to_text
    print(say(found, f"{words.path}: {words.a} -> {words.b}", every_column=words.all))


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="cairn data-diff",
        description="Say what changed in the data between two revisions: rows, columns, distributions.",
        epilog="A revision is a branch, tag or commit of git, the name of a DVC experiment, or `workspace`.",
    )
    parser.add_argument("a", metavar="A", nargs="?", default="HEAD", help="before (default: HEAD)")
    parser.add_argument("b", metavar="B", nargs="?", default="workspace", help="after (default: workspace)")
    parser.add_argument(
        "--path", default=TABLE, help=f"a data file that DVC or git tracks (default: {TABLE})"
    )
    parser.add_argument(
        "--key", metavar="NAME,NAME", help="columns that name a row (default: as a snapshot says)"
    )
    parser.add_argument("--all", action="store_true", help="show every column, not only those that moved")
    parser.add_argument("--md", action="store_true", help="print Markdown, as for a pull request")
    return parser.parse_args(arguments)
