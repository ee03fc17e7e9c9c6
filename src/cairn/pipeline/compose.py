"""From conf/ to params.yaml, keeping the overrides in force.

reads: conf
writes: params.yaml

DVC composes conf/ only in `dvc exp run`; this stage keeps params.yaml in step in every other case. By hand:
`python src/cairn compose [--reset] [--save-as NAME] [OVERRIDE ...]`.
"""

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cairn.compose import params_file
from cairn.compose.ambiguous import traps
from cairn.compose.conf import Composed, compose
from cairn.compose.origin import Origin
from cairn.compose.overrides import derive, differing, replaced
from cairn.compose.params_file import Params
from cairn.compose.presets import save_preset
from cairn.compose.validate import read_config
from cairn.errors import UserError
from cairn.settings.config import Config

CONF = Path("conf")
PARAMS = Path("params.yaml")
RESET = "python src/cairn compose --reset"
TEMPLATED = ("data.source", "data.contract")
"""Keys that dvc.yaml uses in its own text, which DVC reads before this stage runs."""


def main(*arguments: str) -> None:
    """Write params.yaml and say in one line what it is now.

    Raises:
        UserError: something in conf/ or params.yaml cannot work: params.yaml is as it was; or params.yaml
            is written, but DVC had already read from it a path that is another now.
    """
    asked = _parsed(arguments)
    wrong = traps(CONF)
    if wrong:
        raise UserError("\n".join(wrong))
    found = None if asked.reset else params_file.read(PARAMS)
    composed, overridden_in = settle(CONF, found)
    if asked.override:
        composed, overridden_in = compose(CONF, replaced(composed.overrides, asked.override)), "override {}"
    read_config(composed.values, Path(), Origin(CONF, composed, overridden_in).of)
    if asked.save_as:
        print(f"{save_preset(CONF, asked.save_as, composed).as_posix()} = what params.yaml holds")
    _write(
        params_file.text_of({name: composed.values[name] for name in Config.model_fields}, composed.overrides)
    )
    print(" ".join(["params.yaml = conf/", *(["+"] if composed.overrides else []), *composed.overrides]))
    if found is not None and "DVC_STAGE" in os.environ:
        _stop_if_dvc_read_another(found.values, composed.values)


def settle(conf: Path, found: Params | None) -> tuple[Composed, str]:
    """Decide between what conf/ says and what params.yaml says.

    Args:
        conf: the folder of config.yaml.
        found: params.yaml as it is, or None to start anew.

    Returns:
        What params.yaml is to hold, and how to name a key that an override set.

    Raises:
        UserError: both were edited, or one of them cannot be composed.
    """
    if found is None:
        return compose(conf), "override {}"
    if found.overrides is None:
        return derive(conf, found.values), "-S {}"
    edited = params_file.digest(found.values) != found.digest
    try:
        composed = compose(conf, found.overrides)
    except UserError as error:
        compose(conf)  # if conf/ is wrong without overrides too, that is what there is to say
        if edited:
            raise UserError(f"{_both_edited(found.overrides)}\n{error}") from error
        raise UserError(f"{error}; params.yaml records this override, `{RESET}` drops all of them") from error
    if not edited or not differing(composed.values, found.values):
        return composed, "override {}"
    if params_file.digest(composed.values) != found.digest:
        raise UserError(_both_edited(found.overrides))
    return derive(conf, found.values), "params.yaml"


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("cairn compose", allow_abbrev=False)  # its help is in cairn.commands
    parser.add_argument("override", nargs="*")
    parser.add_argument("--reset", action="store_true")
    parser.add_argument("--save-as")
    return parser.parse_args(arguments)


def _both_edited(overrides: Sequence[str]) -> str:
    return (
        "both conf/ and params.yaml were edited since the last run; choose one of them\n"
        f"to keep conf/: {' '.join([RESET, *map(shlex.quote, overrides)])}\n"
        "to keep params.yaml: undo the edit of conf/ and run the same command again"
    )


def _write(text: str) -> None:
    """Replace params.yaml in one step, so that a kill leaves the old or the new one."""
    if PARAMS.exists() and PARAMS.read_bytes() == text.encode():
        return
    new = PARAMS.with_suffix(".yaml.new")
    new.write_text(text, encoding="utf-8", newline="\n")
    new.replace(PARAMS)


def _stop_if_dvc_read_another(before: dict[str, Any], now: dict[str, Any]) -> None:
    for key in TEMPLATED:
        section, _, name = key.partition(".")
        old, new = before.get(section, {}).get(name), now[section][name]
        if old != new:
            raise UserError(
                f"params.yaml now says {key} {new} (was {old}), which DVC had read before this stage:"
                " run the same command once more"
            )
