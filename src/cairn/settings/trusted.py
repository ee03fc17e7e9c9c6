"""conf/trusted.yaml: the code that a `_target_` in conf/ may name. Nothing else is imported or called."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cairn.errors import UserError
from cairn.settings.yaml_text import read_yaml

TRUSTED = Path("conf/trusted.yaml")
OURS = ("cairn", "sklearn")
"""What is trusted without such a file."""
EXTRAS = ("catboost", "keras", "lightgbm", "tabm", "tensorflow", "xgboost")
"""Libraries of models in conf/model that are extras of pyproject.toml with the same name."""
OF_OURS = {"cairn.models.keras": "keras", "cairn.models.tabm": "tabm"}
"""Modules of our own that need one of them."""


def read_trusted(root: Path) -> Sequence[str]:
    """Return the dotted names in conf/trusted.yaml below root.

    Raises:
        UserError: it is not a list of names.
    """
    try:
        found = read_yaml(root / TRUSTED, TRUSTED.as_posix())
    except FileNotFoundError:
        return OURS
    if not isinstance(found, list) or not all(isinstance(name, str) and name for name in found):
        raise UserError(f"{TRUSTED.as_posix()}: not a list of packages, a line `- sklearn` for each")
    return found


def is_listed(target: str, trusted: Sequence[str]) -> bool:
    """Whether a dotted name is one of the names, or inside of one."""
    return any(f"{target}.".startswith(f"{name}.") for name in trusted)


def not_listed(target: str) -> str:
    """Return the line for a name that is not listed."""
    package = target.partition(".")[0]
    return (
        f"{target} is not listed in {TRUSTED.as_posix()}; if you know what it runs, add a line `- {package}`"
    )


def library_of(target: str, params: Mapping[str, Any]) -> str:
    """Return the library that a class with these parameters needs, by the name it is imported by."""
    own = OF_OURS.get(target.rpartition(".")[0], target.partition(".")[0])
    return "tensorflow" if own == "keras" and params.get("backend") == "tensorflow" else own


def how_to_install(target: str) -> str:
    """Return what to do where the library of a dotted name is not installed."""
    library = target.partition(".")[0]
    if library not in EXTRAS:
        return "is it installed?"
    return f"it is an extra: `python bootstrap.py uv pip install -c constraints-scale.txt -e .[{library}]`"


def targets(values: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted key and the value of every `_target_` in nested values."""
    items = values.items() if isinstance(values, dict) else ()
    for key, value in items:
        if key == "_target_":
            yield f"{path}.{key}", str(value)
        yield from targets(value, f"{path}.{key}" if path else str(key))
