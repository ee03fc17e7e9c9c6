"""The environment is an input: stop when the installed versions are not those of constraints.txt."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from cairn.errors import UserError

ESCAPE = "CAIRN_ANY_VERSIONS"
PINS = Path(__file__).resolve().parents[2] / "constraints.txt"


def other_versions(constraints: Path) -> list[str]:
    """List installed packages whose version is not the pinned one.

    A local part such as `+cpu` is the same release built for another device, and a package that is not
    installed (such as the CUDA libraries of a CPU build) does not count.

    Returns:
        One line per difference, `numpy 2.4.5 is installed, the pin is 2.4.6`; empty when all agree.

    Raises:
        UserError: a line that is not a pin.
    """
    lines = constraints.read_text(encoding="utf-8").splitlines()
    pins = [_pin(line, constraints) for line in lines if line.strip() and not line.startswith("#")]
    return [
        difference
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
        if (difference := _difference(pin))
    ]


def stop_on_other_versions(constraints: Path) -> None:
    """Raise UserError naming every difference, unless the environment variable allows any version."""
    differences = other_versions(constraints)
    if differences and not os.environ.get(ESCAPE):
        raise UserError(
            "\n".join(differences)
            + f"\n{constraints.name}: other versions may give other results; run `python bootstrap.py`"
            f" (or set {ESCAPE}=1 to run anyway)"
        )


def _pin(line: str, constraints: Path) -> Requirement:
    try:
        pin = Requirement(line)
    except InvalidRequirement:
        pin = None
    if pin is None or not pin.specifier:
        raise UserError(f"{constraints.name}: '{line}' is not a pin: git checkout {constraints.name}")
    return pin


def _difference(pin: Requirement) -> str | None:
    try:
        installed = Version(version(pin.name))
    except PackageNotFoundError:
        return None
    if pin.specifier.contains(installed.public, prereleases=True):
        return None
    pinned = ", ".join(specifier.version for specifier in pin.specifier)
    return f"{pin.name} {installed} is installed, the pin is {pinned}"
