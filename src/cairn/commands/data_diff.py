"""`cairn data-diff`."""

from typer import Argument, Option

from cairn.commands.options import Markdown, from_root, names


def main(
    before: str = Argument("HEAD", metavar="[A]", help="Revision before"),
    after: str = Argument("workspace", metavar="[B]", help="Revision after"),
    *,
    path: str = Option(
        "data/prepared/table.parquet", metavar="FILE", help="Data file that DVC or git tracks"
    ),
    key: list[str] | None = Option(
        None, metavar="NAME,NAME", help="Columns that identify a row", show_default="as in data/sql/NAME.yaml"
    ),
    every_column: bool = Option(False, "--all", help="Show every column, not only the changed ones"),
    md: Markdown = False,
) -> None:
    """Show what changed in the data between two revisions.

    Compares rows, columns and distributions. A revision is a git branch, tag
    or commit, the name of a DVC experiment, or `workspace`.

    Examples:
      cairn data-diff                                   prepared table, HEAD and now
      cairn data-diff v1 v2 --path data/raw/loans.parquet
      cairn data-diff --key id --all
    """
    from cairn.intake.diff import compare_versions
    from cairn.report.diff import to_markdown, to_text

    path = from_root(path)
    found = compare_versions(path, before, after, tuple(names(key)))
    print((to_markdown if md else to_text)(found, f"{path}: {before} -> {after}", every_column=every_column))
