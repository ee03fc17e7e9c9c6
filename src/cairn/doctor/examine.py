"""What is right and what is wrong with a checkout and the machine it stands on, a line each with what to do.

Every check may meet anything: a file that is not there, settings that are no YAML, programs that are not
installed. It then says so; it never stops the others, and it changes nothing.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from cairn.doctor.checkout import git_state, line_ends, settings
from cairn.doctor.line import Line, in_one_line
from cairn.doctor.machine import disk, pins, python, torch
from cairn.doctor.storage import dvc_config, lock, remotes


def examine(root: Path) -> Iterator[Line]:
    """Check a checkout, and yield what each check finds as soon as it does.

    Args:
        root: the folder of dvc.yaml.
    """
    checks: dict[str, Callable[[Path], Iterator[Line]]] = {
        "python": python,
        "pins": pins,
        "torch": torch,
        "disk": disk,
        "git": git_state,
        "line ends": line_ends,
        "dvc": dvc_config,
        "remote": remotes,
        "settings": settings,
        "lock": lock,
    }
    for subject, check in checks.items():
        try:
            yield from check(root)
        except Exception as error:  # what is broken is what this command is for
            yield Line("wrong", subject, f"cannot be checked: {in_one_line(error)}")
