"""`cairn update NAME`: bring a new snapshot of data that live elsewhere, and say what changed."""

import argparse
import subprocess
from pathlib import Path

from cairn.errors import UserError


def main(*arguments: str) -> None:
    """Query the database or import again with DVC; then compare with the snapshot of the last commit."""
    words = _parsed(arguments)
    from cairn.intake.secrets import unfit_for_git
    from cairn.intake.update import update

    path, done = update(words.name)
    print(f"update: {path.as_posix()}: {done}")
    record = f"{path.as_posix()}.dvc"
    if _git("cat-file", "-e", f"HEAD:./{record}"):
        if _git("diff", "--quiet", "HEAD", "--", record):
            print("The same data as in the last commit, byte for byte.")
            return
        if not words.no_diff:
            print(_compared(path))
    for line in unfit_for_git():
        print(f"Before you commit: {line}")
    print(f"Next: `dvc repro`, then `git add {record}` and commit; `dvc push` keeps the data.")


def _compared(path: Path) -> str:
    from cairn.intake.versions import WORKSPACE, compare_versions
    from cairn.report.diff import to_text

    try:
        return to_text(compare_versions(path.as_posix(), "HEAD", WORKSPACE), "Since the last commit:")
    except UserError as error:
        # The new snapshot is there all the same.
        return f"What changed since the last commit cannot be said: {error}"


def _git(*words: str) -> bool:
    return subprocess.run(["git", *words], capture_output=True, check=False).returncode == 0


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="cairn update",
        description="Bring a new snapshot of a database's table or query, or of what DVC imports,"
        " and say what changed since the last commit.",
        epilog="The old snapshot stays until the new one is complete, and in DVC's cache after that.",
    )
    parser.add_argument(
        "name", metavar="NAME", help="NAME of data/sql/NAME.yaml, or a file of data/raw that DVC imports"
    )
    parser.add_argument("--no-diff", action="store_true", help="do not read both snapshots to compare them")
    return parser.parse_args(arguments)
