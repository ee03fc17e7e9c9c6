"""`cairn doctor`."""

from pathlib import Path

from cairn.errors import UserError


def main() -> None:
    """Check this checkout and this machine; change nothing.

    Checks Python, the pins, torch, the disk, git, DVC, its remotes, the
    settings and dvc.lock. Each line is ok, warn or wrong and says what to do.
    The exit code is 1 if anything is wrong.

    Examples:
      cairn doctor
    """
    from cairn.doctor import examine

    wrong = 0
    for line in examine(Path().resolve()):
        print(line, flush=True)
        wrong += line.state == "wrong"
    if wrong:
        raise UserError(
            f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong; each line says what to do"
        )
