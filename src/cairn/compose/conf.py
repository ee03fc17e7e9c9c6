"""Compose conf/ with Hydra: from options and overrides to the values of every section."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from cairn.errors import UserError, did_you_mean
from cairn.settings.yaml_text import not_yaml, read_yaml

EXPERIMENT = "experiment"
DATA = "data"
MODEL = "model"
MEMBERS = "members"
SHOWN = 200
"""Characters of an override that a message repeats."""
SPACE = "space"
"""Key of a model's file with its search space; it is removed here, so that no stage ever sees it."""


@dataclass(frozen=True)
class Composed:
    """What conf/ composes to under some overrides.

    Attributes:
        overrides: in Hydra's syntax: `model=mlp`, `train.lr=1`, `+k=1`, `~k`.
        values: the sections, interpolations resolved.
        choices: the selected option of each config group, in the order of the defaults list; a group with
            another package than its own is called group@package, as in an override.
        space: the search space of section model, in its shape, in Hydra's sweep syntax.
    """

    overrides: tuple[str, ...]
    values: dict[str, Any]
    choices: dict[str, str | None]
    space: dict[str, Any]


def compose(conf: Path, overrides: Sequence[str] = ()) -> Composed:
    """Compose conf/config.yaml under overrides.

    Raises:
        UserError: one line about an option, a key, a value or a file that Hydra rejects.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            config = hydra_compose("config", list(overrides), return_hydra_config=True)
        chosen = config.hydra.runtime.choices
        choices = {str(group): option for group, option in chosen.items() if not group.startswith("hydra/")}
        sections = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        values: Any = OmegaConf.to_container(sections, resolve=True)
    except Exception as error:  # beside its own exceptions Hydra lets any of Python through
        raise UserError(_in_one_line(error, conf, overrides)) from error
    space = at(values, (MODEL, SPACE))
    space = space if isinstance(space, dict) else {}
    return Composed(tuple(overrides), sections_of(conf, choices, values), choices, space)


def sections_of(conf: Path, choices: Mapping[str, str | None], values: dict[str, Any]) -> dict[str, Any]:
    """Return what the stages read of what Hydra composed: no search space, no key of an option not chosen."""
    return _without_spaces(_of_one_kind(values, settings_files(conf, choices)), choices)


def settings_files(conf: Path, choices: Mapping[str, str | None]) -> list[Path]:
    """Return the files that set keys of several sections, those that win first.

    They are the preset, config.yaml, and the data set with those it extends.
    """
    preset, data = (
        [conf / group / f"{name}.yaml"] if (name := choices.get(group)) else []
        for group in (EXPERIMENT, DATA)
    )
    return [*preset, conf / "config.yaml", *(file for name in data for file in _extended(name))]


def _extended(file: Path) -> Iterator[Path]:
    """Yield the file of an option, then the files of the same group that its defaults list names."""
    yield file
    names = _load(file).get("defaults")
    for name in reversed(names) if isinstance(names, list) else []:
        base = file.parent / f"{name}.yaml"
        if isinstance(name, str) and base.is_file():
            yield from _extended(base)


def at(values: Any, path: Sequence[str]) -> Any:
    """Return the value at a path of keys; None where there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def sets(file: Path, path: Sequence[str]) -> bool:
    """Whether a file sets a key, given by its path from the top of the file."""
    section = at(_load(file), path[:-1])
    return isinstance(section, dict) and path[-1] in section


def _load(file: Path) -> dict[str, Any]:
    values = read_yaml(file)
    return values if isinstance(values, dict) else {}


def _section(file: Path, name: str) -> dict[str, Any]:
    section = _load(file).get(name)
    return section if isinstance(section, dict) else {}


def _of_one_kind(values: dict[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    """Drop what these files set for another kind of split or KPI than the one that is chosen.

    A data set may set split.validation_from, a key of split=time. With `-S split=random` Hydra merges it into
    an option that has no such key.
    """
    from cairn.settings.kpi import KpiConfig
    from cairn.settings.split import SplitConfig

    for section, union in (("split", SplitConfig), ("kpi", KpiConfig)):
        found = values.get(section)
        keys_of = {
            get_args(kind.model_fields["kind"].annotation)[0]: {*kind.model_fields}
            for kind in get_args(get_args(union)[0])
        }
        if not isinstance(found, dict) or str(found.get("kind")) not in keys_of:
            continue
        foreign = set().union(*keys_of.values()) - keys_of[found["kind"]]
        left_over = {
            key
            for file in files
            for key, value in _section(file, section).items()
            if key in foreign and found.get(key) == value
        }
        values = values | {section: {key: value for key, value in found.items() if key not in left_over}}
    return values


def _without_spaces(values: dict[str, Any], choices: Iterable[str]) -> dict[str, Any]:
    """Return the sections less the key `space` wherever a file of conf/model stands.

    DVC writes this key into params.yaml when it composes; if it stayed there, an edit of the space would be
    an edit of the model, and train would rerun.
    """
    values = deepcopy(values)
    for group in choices:
        section = at(values, place(group).split(".")) if group.partition("@")[0] == MODEL else None
        if isinstance(section, dict):
            for each in (section, *(section.get(MEMBERS) or {}).values()):
                if isinstance(each, dict):
                    each.pop(SPACE, None)
    return values


def options(conf: Path, group: str) -> list[str]:
    """Return the names of the options of a config group (`model` or `model@baseline.linear`), sorted."""
    return sorted(path.stem for path in (conf / group.partition("@")[0]).glob("*.yaml"))


def place(group: str) -> str:
    """Return the package of a group: `baseline.linear` for model@baseline.linear."""
    name, _, package = group.partition("@")
    return package or name.replace("/", ".")


def within(key: str, other: str) -> bool:
    """Whether a dotted key equals another one or is below it."""
    return f"{key}.".startswith(f"{other}.")


def _keys(values: dict[str, Any]) -> list[str]:
    """Return every dotted key, of sections too."""
    return list(dict.fromkeys(".".join(path[: i + 1]) for path in leaves(values) for i in range(len(path))))


def leaves(values: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return every leaf by its path; lists and empty mappings are leaves."""
    if not isinstance(values, dict) or not values:
        return {path: values}
    return {p: leaf for key, value in values.items() for p, leaf in leaves(value, (*path, key)).items()}


def _in_one_line(error: Exception, conf: Path, overrides: Sequence[str]) -> str:
    """Return Hydra's error as one line: where, what, and the nearest valid name."""
    from hydra.errors import MissingConfigException, OverrideParseException
    from yaml import MarkedYAMLError

    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return not_yaml(_shown(Path(error.problem_mark.name), conf), error)
    if isinstance(error, OverrideParseException):
        override = str(error.override)[:SHOWN]
        plain = "=" not in override and not override.startswith("~")
        why = "is not KEY=VALUE" if plain else "cannot be parsed; quote anything but plain words and numbers"
        return f"override {override}: {why}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        names = options(conf, group)
        known = f" (options: {', '.join(names)})" if names else ""
        return f"conf/{group}: no option '{option}'{did_you_mean(option, names)}{known}"
    said = " ".join(next(iter(str(error).splitlines()), "").split()) or f"{type(error).__name__} in Hydra"
    if said.startswith("Config group override must be a string"):
        groups = [(each, options(conf, each.partition("=")[0].lstrip("+"))) for each in overrides]
        wrong = [(each, names) for each, names in groups if names and each.partition("=")[2] not in names]
        if wrong:
            said = f"override {wrong[0][0]}: choose an option: {', '.join(wrong[0][1])}"
    key = getattr(error.__cause__, "full_key", None)
    # model=mlp is above model.params.x=1: the longest one above the key set it.
    above = [o for o in overrides if key and within(str(key), o.lstrip("+~").partition("=")[0])]
    by = max(above, key=lambda override: len(override.partition("=")[0]), default=None)
    wrong = re.fullmatch(r"Could not override '([\w.@/]+)'\..*", said)
    if wrong and by is None:
        return (
            f"override {wrong[1]}: no such option or key{did_you_mean(wrong[1], _keys(compose(conf).values))}"
        )
    if by is None:
        by_override = any(override in said for override in overrides)
        return said if by_override else f"{_unreadable(conf) or 'conf/'}: {said}"
    others = compose(conf, [override for override in overrides if override != by])
    near = did_you_mean(key, _keys(others.values))
    return f"override {by}: no key {key}{near} (+{key}=... adds one)"


def _unreadable(conf: Path) -> str | None:
    """Return the first file of conf/ that OmegaConf does not take by itself."""
    from omegaconf import OmegaConf

    for path in sorted(conf.rglob("*.yaml")):
        try:
            OmegaConf.create(read_yaml(path))
        except Exception:  # as in `compose`
            return _shown(path, conf)
    return None


def _shown(path: Path, conf: Path) -> str:
    path = path.resolve()
    return f"conf/{path.relative_to(conf.resolve())}" if path.is_relative_to(conf.resolve()) else str(path)
