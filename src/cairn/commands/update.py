"""`cairn update NAME`: bring a new snapshot of data that live elsewhere, and say what changed."""

import argparse
import subprocess
from pathlib import Path

from cairn.config.base import ConfigError


def main(*arguments: str) -> None:
    """Ask the database, or have DVC import anew; then compare with the snapshot of the last commit."""
    words = _parsed(arguments)
    from cairn.data.changes_text import to_text
    from cairn.data.refresh import refresh
    from cairn.data.versions import WORKSPACE, compare_versions

    path, done = refresh(words.name)
    print(f"update: {path.as_posix()}: {done}")
    if not words.no_diff and _committed(path):
        try:
            print(to_text(compare_versions(path.as_posix(), "HEAD", WORKSPACE), "Since the last commit:"))
        except ConfigError as error:
            print(f"update: what changed cannot be said: {error}")
    print(f"Next: `dvc repro`, then `git add {path.as_posix()}.dvc` and commit; `dvc push` keeps the data.")


def _committed(path: Path) -> bool:
    shown = ["git", "cat-file", "-e", f"HEAD:./{path.as_posix()}.dvc"]
    return subprocess.run(shown, capture_output=True, check=False).returncode == 0


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
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
