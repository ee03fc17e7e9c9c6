"""Save the current values as the preset conf/experiment/NAME.yaml, to run them again by name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cairn.compose.conf import EXPERIMENT, Composed, compose
from cairn.compose.overrides import derive, differing
from cairn.errors import UserError


def save_preset(conf: Path, name: str, composed: Composed) -> Path:
    """Write a preset that composes to the same values without any override, and return its path.

    Raises:
        UserError: an invalid or taken name, or a value a preset cannot express.
    """
    path = check_name(conf, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(preset_text(conf, name, composed), encoding="utf-8", newline="\n")
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
