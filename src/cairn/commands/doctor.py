"""`cairn doctor`: what is wrong with this checkout or this machine, and what to do, a line each."""

import argparse
from pathlib import Path

from cairn.doctor import examine
from cairn.errors import UserError


def main(*arguments: str) -> None:
    """Print a line for each check.

    Raises:
        UserError: something is wrong.
    """
    argparse.ArgumentParser(
        "cairn doctor",
        allow_abbrev=False,
        description="Check Python, the pins, torch, the disk, git, DVC, its remotes, settings and dvc.lock."
        " Each line is ok, warn or wrong; the exit code is 1 if anything is wrong. Nothing is changed.",
    ).parse_args(arguments)
    wrong = 0
    for line in examine(Path().resolve()):
        print(line, flush=True)
        wrong += line.state == "wrong"
    if wrong:
        raise UserError(
            f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong; each line says what to do"
        )
