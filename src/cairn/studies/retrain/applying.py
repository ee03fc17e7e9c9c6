"""Bring a challenger into the workspace, and its windows into conf/."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cairn.compose import params_file
from cairn.compose.conf import DATA, Composed, compose, settings_files
from cairn.compose.overrides import differing, key_of
from cairn.errors import UserError
from cairn.experiments.refs import git
from cairn.files import replace_file
from cairn.intake.update import dvc
from cairn.settings.config import Config
from cairn.studies.retrain.record import Retrained

SPLIT = "split"
WINDOWS = ("train_from", "validation_from", "test_from", "test_until")


def stop_on_edits(root: Path) -> None:
    """Raise UserError if a tracked file differs from the last commit: it would be replaced."""
    if changed := git(root, "status", "--porcelain", "--untracked-files=no").splitlines():
        raise UserError(f"--apply: not committed: {', '.join(line[3:] for line in changed)}")


def apply(root: Path, found: Retrained) -> None:
    """Apply the experiment of a challenger, and write its windows to conf/; all of it or nothing.

    Raises:
        UserError: DVC fails, or conf/ cannot express the windows; the workspace is then as before.
    """
    stop_on_edits(root)  # there may be new ones since the training began
    try:
        dvc("exp", "apply", found.experiment, folder=root)
        wanted = compose(root / "conf", found.overrides)
        named = {f"{SPLIT}.{key}" for key in WINDOWS}
        others = [override for override in found.overrides if key_of(override) not in named]
        write_windows(root / "conf", compose(root / "conf", others), wanted.values[SPLIT])
        now = compose(root / "conf", others)
        if wrong := differing(now.values, wanted.values):
            raise UserError(
                f"--apply: {', '.join(wrong)}: conf/ would compose to other values; edit it by hand"
            )
        values = {name: now.values[name] for name in Config.model_fields}
        params_file.write(root / params_file.PARAMS, params_file.text_of(values, others))
        dvc("repro", "--quiet", folder=root)  # the stage compose; no other one has changed
    except BaseException:
        git(root, "checkout", "--quiet", "--force", "HEAD", "--", ".")
        dvc("checkout", "--quiet", "--force", folder=root)
        raise


def write_windows(conf: Path, now: Composed, wanted: Mapping[str, Any]) -> None:
    """Write the windows that differ from conf/, in the file of the data set or of the preset.

    Comments and order stay. A key that no such file has is added to `split` of the data set: conf/split, and
    a data set that this one extends, hold for others too.
    """
    of_data = conf / DATA / f"{now.choices[DATA]}.yaml"
    files = settings_files(conf, now.choices)
    files = [one for one in files if one == of_data or one.parent != of_data.parent]
    for key in WINDOWS:
        if now.values[SPLIT].get(key) != wanted[key]:
            file = next((one for one in files if _place(_text(one), key)), of_data)
            replace_file(file, with_value(_text(file), key, wanted[key]).encode())


def with_value(text: str, key: str, value: Any) -> str:
    """Return a text of YAML with a key of its section `split` set to a value; nothing else changes."""
    written = json.dumps(value)
    if place := _place(text, key):
        return f"{text[: place[0]]}{written}{text[place[1] :]}"
    section = _node(_node(yaml.compose(text, yaml.SafeLoader), SPLIT), None)
    if section is None:
        return f"{text.rstrip()}\n\n{SPLIT}: # values that differ from conf/split\n  {key}: {written}\n"
    at = section.start_mark
    return f"{text[: at.index]}{key}: {written}\n{' ' * at.column}{text[at.index :]}"


def _place(text: str, key: str) -> tuple[int, int] | None:
    """Return where the value of a key of `split` begins and ends; None if the key does not exist."""
    value = _node(_node(yaml.compose(text, yaml.SafeLoader), SPLIT), key)
    return None if value is None else (value.start_mark.index, value.end_mark.index)


def _node(node: yaml.Node | None, key: str | None) -> yaml.Node | None:
    """Return the value of a key of a mapping, or the mapping itself; None for what is not one."""
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return None
    return node if key is None else next((value for name, value in node.value if name.value == key), None)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
