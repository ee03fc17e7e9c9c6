"""The environment is an input: stop when what is installed is not what constraints.txt says."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from cairn.errors import UserError

ESCAPE = "CAIRN_ANY_VERSIONS"
PINS = Path(__file__).resolve().parents[2] / "constraints.txt"


def other_versions(constraints: Path) -> list[str]:
    """List installed packages whose version is not the pinned one.

    A local part such as `+cpu` is the same release built for another device, and a package that is not
    installed (the CUDA libraries of a CPU build, say) is no difference.

    Returns:
        One line per difference, `numpy 2.4.5 is installed, the pin is 2.4.6`; empty when all agree.
    """
    lines = constraints.read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return [
        difference
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
        if (difference := _difference(requirement))
    ]


def stop_on_other_versions(constraints: Path) -> None:
    """Raise UserError naming every difference, unless the environment variable allows any version."""
    differences = other_versions(constraints)
    if differences and not os.environ.get(ESCAPE):
        raise UserError(
            "\n".join(differences)
            + f"\n{constraints.name}: results would not be those of the pins; run `python bootstrap.py`"
            f" (or set {ESCAPE}=1 to go on all the same)"
        )


def _difference(requirement: Requirement) -> str | None:
    try:
        installed = Version(version(requirement.name))
    except PackageNotFoundError:
        return None
    if requirement.specifier.contains(installed.public, prereleases=True):
        return None
    pinned = ", ".join(specifier.version for specifier in requirement.specifier)
    return f"{requirement.name} {installed} is installed, the pin is {pinned}"
