"""params.yaml as a file: the values of every section, and above them what they were composed from."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairn.compose.conf import not_yaml
from cairn.errors import UserError

FIRST_LINE = "# Generated from conf/ by `python src/cairn compose`: edit conf/, not this file."
ANEW = "`python src/cairn compose --reset` writes it anew from conf/"


@dataclass(frozen=True)
class Params:
    """What a params.yaml holds.

    Attributes:
        values: the sections.
        overrides: recorded when it was generated; None where DVC wrote the file and recorded none.
        digest: of the values it was generated with; other values now mean an edit by hand.
    """

    values: dict[str, Any]
    overrides: list[str] | None
    digest: str | None


def read(path: Path) -> Params | None:
    """Return what the file holds, or None where there is no such file.

    Raises:
        UserError: not YAML, not a mapping, or a header that was damaged.
    """
    return parse(path.read_text(encoding="utf-8"), str(path)) if path.exists() else None


def parse(text: str, path: str) -> Params:
    """Return what a text holds.

    Args:
        text: of a params.yaml.
        path: what messages call it.

    Raises:
        UserError: see `read`.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    notes = dict(
        line[2:].split(": ", 1)
        for line in text.splitlines()
        if line.startswith(("# values: ", "# overrides: "))
    )
    try:
        values: Any = OmegaConf.to_container(OmegaConf.create(text))
        overrides = json.loads(notes["overrides"]) if "overrides" in notes else None
    except (YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{not_yaml(path, error)}; {ANEW}") from error
    except ValueError as error:
        raise UserError(f"{path}: the line '# overrides:' is damaged; {ANEW}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: not a mapping; {ANEW}")
    return Params(values, overrides, notes.get("values"))


def text_of(values: dict[str, Any], overrides: Sequence[str]) -> str:
    """Return the text of a params.yaml: the same bytes for the same values and overrides."""
    from omegaconf import OmegaConf

    header = [FIRST_LINE, f"# values: {digest(values)}", f"# overrides: {json.dumps(list(overrides))}"]
    return "\n".join([*header, OmegaConf.to_yaml(OmegaConf.create(values))])


def digest(values: dict[str, Any]) -> str:
    """Return a hash of the values: not of their order, their layout or comments."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def from_conf(overrides: Sequence[str], conf: str = "conf/") -> str:
    """Return what settings are composed from, such as `conf/ + model=mlp`."""
    return " ".join([conf, *(["+"] if overrides else []), *overrides])


def recorded_in(path: Path) -> list[str]:
    """Return the overrides that a params.yaml records; none where there is no file, or DVC wrote it."""
    found = read(path)
    return found.overrides or [] if found else []


def settings_line(overrides: Sequence[str], recorded: Sequence[str]) -> str:
    """Return the line by which a study of the current settings says where they come from.

    Args:
        overrides: of the settings that the study starts from.
        recorded: overrides of params.yaml, left by a run or by `dvc exp apply`.
    """
    applied = [each for each in recorded if each in overrides]
    note = f"; from params.yaml: {' '.join(applied)} (`python src/cairn compose --reset` drops this)"
    return f"settings: {from_conf(overrides)}{note if applied else ''}"
