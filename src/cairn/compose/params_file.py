"""params.yaml: the values of every section, and a header with the overrides they were composed from.

The same values can be saved as a preset, conf/experiment/NAME.yaml, to select them by name.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairn.compose.conf import EXPERIMENT, Composed, compose
from cairn.compose.overrides import derive, differing
from cairn.errors import UserError
from cairn.files import replace_file
from cairn.settings.yaml_text import parse_yaml, text_in

CONF = Path("conf")
PARAMS = Path("params.yaml")
FIRST_LINE = "# Generated from conf/ by `python src/cairn compose`: edit conf/, not this file."
TEMPLATED = ("data.source", "data.contract", "train.reads")
"""Keys that dvc.yaml uses in its own text, which DVC reads before the stage compose runs."""
RESET = "python src/cairn compose --reset"
REWRITE = f"`{RESET}` writes it again from conf/"


@dataclass(frozen=True)
class Params:
    """The content of a params.yaml.

    Attributes:
        values: the sections.
        overrides: recorded when it was generated; None if DVC wrote the file, which records none.
        digest: of the generated values; different values mean an edit by hand.
    """

    values: dict[str, Any]
    overrides: list[str] | None
    digest: str | None


def read(path: Path) -> Params | None:
    """Return the content of the file, or None if it does not exist.

    Raises:
        UserError: not a text, not YAML, not a mapping, or a damaged header.
    """
    if not path.exists():
        return None
    try:
        text = text_in(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error}); {REWRITE}") from error
    return parse(text, str(path))


def parse(text: str, path: str) -> Params:
    """Return the content of a text, called by its path in messages.

    Raises:
        UserError: see `read`.
    """
    notes = dict(
        line[2:].split(": ", 1)
        for line in text.splitlines()
        if line.startswith(("# values: ", "# overrides: "))
    )
    try:
        values = parse_yaml(text, path)
        overrides = json.loads(notes["overrides"]) if "overrides" in notes else None
    except UserError as error:
        raise UserError(f"{error}; {REWRITE}") from error
    except ValueError as error:
        raise UserError(f"{path}: the line '# overrides:' is damaged; {REWRITE}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: not a mapping; {REWRITE}")
    return Params(values, overrides, notes.get("values"))


def text_of(values: dict[str, Any], overrides: Sequence[str]) -> str:
    """Return the text of a params.yaml: the same bytes for the same values and overrides."""
    from omegaconf import OmegaConf

    header = [FIRST_LINE, f"# values: {digest(values)}", f"# overrides: {json.dumps(list(overrides))}"]
    return "\n".join([*header, OmegaConf.to_yaml(OmegaConf.create(values))])


def digest(values: dict[str, Any]) -> str:
    """Return a hash of the values, independent of order, layout and comments."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def from_conf(overrides: Sequence[str], conf: str = "conf/") -> str:
    """Return what settings are composed from, such as `conf/ + model=mlp`."""
    return " ".join([conf, *(["+"] if overrides else []), *overrides])


def recorded_in(path: Path) -> list[str]:
    """Return the overrides that a params.yaml records; none if it does not exist, or if DVC wrote it."""
    found = read(path)
    return found.overrides or [] if found else []


def settings_line(overrides: Sequence[str], recorded: Sequence[str]) -> str:
    """Return the line by which a study says where its settings come from.

    The overrides recorded in params.yaml were left by a run or by `dvc exp apply`.
    """
    applied = [each for each in recorded if each in overrides]
    note = f"; from params.yaml: {' '.join(applied)} (`python src/cairn compose --reset` drops these)"
    return f"settings: {from_conf(overrides)}{note if applied else ''}"


def write(path: Path, text: str) -> None:
    """Replace the file in one step, so that a kill leaves the old one or the new one; equal text is left.

    Raises:
        UserError: it cannot be written.
    """
    if path.is_file() and path.read_bytes() == text.encode():
        return
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def stop_if_dvc_read_another(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise UserError where a key that dvc.yaml uses in its own text has changed under DVC."""
    for key in TEMPLATED:
        section, _, name = key.partition(".")
        old, new = before.get(section, {}).get(name), now[section].get(name)
        if old != new:
            raise UserError(
                f"params.yaml now says {key} {new} (was {old}), which DVC had read before this stage:"
                " run the same command once more"
            )


def settle(conf: Path, found: Params | None) -> tuple[Composed, str]:
    """Decide between conf/ and params.yaml, whichever was edited; conf/ without a params.yaml.

    Returns:
        What params.yaml is to hold, and how `Origin` names a key that an override set.

    Raises:
        UserError: both were edited, or one of them cannot be composed.
    """
    if found is None:
        return compose(conf), "override {}"
    if found.overrides is None:
        return derive(conf, found.values), "-S {}"
    edited = digest(found.values) != found.digest
    try:
        composed = compose(conf, found.overrides)
    except UserError as error:
        compose(conf)  # if conf/ is wrong without overrides too, say that instead
        if edited:
            raise UserError(f"{_both_edited(found.overrides)}\n{error}") from error
        raise UserError(f"{error}; params.yaml records this override, `{RESET}` drops all of them") from error
    if not edited or not differing(composed.values, found.values):
        return composed, "override {}"
    if digest(composed.values) != found.digest:
        raise UserError(_both_edited(found.overrides))
    return derive(conf, found.values), "params.yaml"


def _both_edited(overrides: Sequence[str]) -> str:
    return (
        "both conf/ and params.yaml were edited since the last run; choose one of them\n"
        f"to keep conf/: {' '.join([RESET, *map(shlex.quote, overrides)])}\n"
        "to keep params.yaml: undo the edit of conf/ and run the same command again"
    )


def save_preset(conf: Path, name: str, composed: Composed) -> Path:
    """Write a preset that composes to the same values without any override, and return its path.

    Raises:
        UserError: an invalid or taken name, or a value a preset cannot express.
    """
    path = check_name(conf, name)
    replace_file(path, preset_text(conf, name, composed).encode())
    try:
        wrong = differing(compose(conf, [f"{EXPERIMENT}={name}"]).values, composed.values)
    except UserError as error:
        wrong = [str(error)]
    if wrong:
        path.unlink()
        raise UserError(f"--save-as {name}: a preset cannot express {', '.join(wrong)}; change conf/ instead")
    return path


def check_name(conf: Path, name: str) -> Path:
    """Return the path of a new preset.

    Raises:
        UserError: an invalid or taken name.
    """
    path = conf / EXPERIMENT / f"{name}.yaml"
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise UserError(f"--save-as {name}: use lower-case letters, digits, - and _, such as best_mlp")
    if path.exists():
        raise UserError(
            f"--save-as {name}: conf/{EXPERIMENT}/{name}.yaml exists; choose another name or remove it"
        )
    return path


def preset_text(conf: Path, name: str, composed: Composed) -> str:
    """Return the text of a preset: the options that differ from the defaults, then the keys that still do."""
    flat = derive(conf, composed.values, leaving_out=[EXPERIMENT])
    chosen = [override for override in flat.overrides if override.partition("=")[0] in flat.choices]
    base = compose(conf, chosen)
    lines = ["# @package _global_", f"# Saved from a run. Select: dvc exp run -S {EXPERIMENT}={name}"]
    if chosen:
        lines.append("defaults:")
        lines += [f"  - override /{override.replace('=', ': ', 1)}" for override in chosen]
    keys = list(_changes(base.values, composed.values))
    return "\n".join([*lines, *([""] if chosen and keys else []), *keys]) + "\n"


def _changes(now: dict[str, Any], wanted: dict[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in wanted.items():
        before = now.get(key)
        if key in now and not differing(before, value):
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            inner = list(_changes(before, value, f"{indent}  "))
            yield from [f"{indent}{key}: # keys that differ", *inner] if inner else []
        else:
            was = f"instead of {json.dumps(before)}" if key in now else "added"
            yield f"{indent}{key}: {json.dumps(value)} # {was}"
