"""`cairn update`."""

import subprocess
from pathlib import Path

from typer import Argument, Option

from cairn.errors import UserError


def main(
    name: str = Argument(
        ..., metavar="NAME", help="NAME of data/sql/NAME.yaml, or an imported file of data/raw"
    ),
    no_diff: bool = Option(False, "--no-diff", help="Do not compare with the old snapshot"),
) -> None:
    """Take a new snapshot of a database table, a query or a DVC import.

    Then shows what changed since the last commit. The old snapshot stays in
    place until the new one is complete, and in DVC's cache after that.

    Examples:
      cairn update loans                 the query of data/sql/loans.yaml
      cairn update sales.csv --no-diff   an import that does not fit in memory twice
    """
    from cairn.intake.update import unfit_for_git, update
    from cairn.terminal import folded

    path, done = update(name)
    print(f"update: {path.as_posix()}: {done}")
    record = f"{path.as_posix()}.dvc"
    if _git("cat-file", "-e", f"HEAD:./{record}"):
        if _git("diff", "--quiet", "HEAD", "--", record):
            print("The same data as in the last commit, byte for byte.")
            return
        if not no_diff:
            print(_compared(path))
    for line in unfit_for_git():
        print(folded(f"Before you commit: {line}"))
    print(folded(f"Next: `dvc repro`, then `git add {record}` and commit; `dvc push` keeps the data."))


def _compared(path: Path) -> str:
    from cairn.intake.diff import WORKSPACE, compare_versions
    from cairn.report.diff import to_text

    try:
        return to_text(compare_versions(path.as_posix(), "HEAD", WORKSPACE), "Since the last commit:")
    except UserError as error:
        # The new snapshot is complete all the same.
        return f"Cannot show what changed since the last commit: {error}"


def _git(*words: str) -> bool:
    return subprocess.run(["git", *words], capture_output=True, check=False).returncode == 0
