"""`cairn doctor`."""

import sys
from pathlib import Path

from cairn.errors import UserError

TONES = {"ok": "better", "warn": "unclear", "wrong": "worse"}


def main() -> None:
    """Check this checkout and this machine; change nothing.

    Checks Python, the pins, torch, the disk, git, DVC, its remotes, the
    settings and dvc.lock. Each line is ok, warn or wrong and says what to do.
    The exit code is 1 if anything is wrong.

    Examples:
      cairn doctor
    """
    from cairn.doctor import examine
    from cairn.progress import elapsed
    from cairn.terminal import painted, wrapped

    wrong, lines = 0, examine(Path().resolve())
    while True:
        with elapsed("checking"):
            line = next(lines, None)
        if line is None:
            break
        text = "\n".join(wrapped(str(line), " " * 19)) if sys.stdout.isatty() else str(line)
        print(painted(text[: len(line.state)], TONES[line.state]) + text[len(line.state) :], flush=True)
        wrong += line.state == "wrong"
    if wrong:
        raise UserError(
            f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong; each line says what to do"
        )
