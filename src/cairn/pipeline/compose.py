"""From conf/ to params.yaml, keeping the current overrides.

reads: conf
writes: params.yaml

DVC composes conf/ only in `dvc exp run`; this stage keeps params.yaml in step in every other case. By hand:
`python src/cairn compose [--reset] [--save-as NAME] [OVERRIDE ...]`.
"""

import argparse
import os
from pathlib import Path

from cairn.compose import params_file
from cairn.compose.conf import compose
from cairn.compose.overrides import replaced
from cairn.compose.params_file import CONF, PARAMS, RESET, save_preset, settle
from cairn.compose.validate import Origin, read_config, stop_on_traps
from cairn.errors import UserError
from cairn.settings.config import Config


def main(*arguments: str) -> None:
    """Write params.yaml and print in one line what it is now.

    Raises:
        UserError: something in conf/ or params.yaml cannot work: params.yaml is unchanged; or params.yaml
            is written, but DVC had already read a path from it that is now another.
    """
    args = _parsed(arguments)
    stop_on_traps(CONF)
    found = None if args.reset else params_file.read(PARAMS)
    composed, overridden_in = settle(CONF, found)
    if args.override:
        composed, overridden_in = compose(CONF, replaced(composed.overrides, args.override)), "override {}"
    try:
        read_config(composed.values, Path(), Origin(CONF, composed, overridden_in).of)
    except UserError as error:
        if found is None or args.override or not composed.overrides:
            raise
        raise UserError(f"{error}\nparams.yaml holds these settings; `{RESET}` returns to conf/") from error
    if args.save_as:
        print(f"{save_preset(CONF, args.save_as, composed).as_posix()} = what params.yaml holds")
    values = {name: composed.values[name] for name in Config.model_fields}
    params_file.write(PARAMS, params_file.text_of(values, composed.overrides))
    print(" ".join(["params.yaml = conf/", *(["+"] if composed.overrides else []), *composed.overrides]))
    if found is not None and "DVC_STAGE" in os.environ:
        params_file.stop_if_dvc_read_another(found.values, composed.values)


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("cairn compose", allow_abbrev=False)  # its help is in cairn.commands
    parser.add_argument("override", nargs="*")
    parser.add_argument("--reset", action="store_true")
    parser.add_argument("--save-as")
    return parser.parse_args(arguments)
