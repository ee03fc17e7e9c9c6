"""The environment is an input: stop when the installed versions differ from constraints.txt."""

import os
import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
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
        UserError: a line that is not a pin, or the file cannot be read.
    """
    installed = _installed()
    try:
        lines = constraints.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        said = f"{constraints.name}: cannot be read as UTF-8 text: {error}"
        raise UserError(f"{said}: git checkout {constraints.name}") from error
    pins = [_pin(line, constraints) for line in lines if line.strip() and not line.startswith("#")]
    return [
        difference
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
        if (difference := _difference(pin, installed))
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


def _installed() -> dict[str, str]:
    """Return the versions of the installed packages, as the names of their folders have them.

    A folder is NAME-VERSION.dist-info (packaging.python.org, Recording installed projects), Debian's is
    NAME-VERSION.egg-info; of two the first on the path counts. importlib.metadata would read the metadata of
    each, which takes ten times as long.
    """
    folders = [Path(entry) for entry in sys.path if Path(entry).is_dir()]
    found: dict[str, str] = {}
    for info in (info for folder in folders for info in sorted(folder.glob("*.*-info"))):
        name, version, *_ = [*info.stem.split("-"), ""]
        if version:
            found.setdefault(canonicalize_name(name), version)
    return found


def _difference(pin: Requirement, versions: dict[str, str]) -> str | None:
    name = canonicalize_name(pin.name)
    if name not in versions:
        return None
    installed = Version(versions[name])
    if pin.specifier.contains(installed.public, prereleases=True):
        return None
    pinned = ", ".join(specifier.version for specifier in pin.specifier)
    return f"{pin.name} {installed} is installed, the pin is {pinned}"
