"""The space of a search: `space` in the model's file, and what `-S` adds, replaces or fixes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cairn.compose.conf import Composed, compose, leaves, options, within
from cairn.compose.overrides import differing, key_of, written
from cairn.errors import UserError, did_you_mean
from cairn.settings.data import Task
from cairn.studies.search.dimension import Dimension, of_options, of_values, sweep
from cairn.studies.trial import SHARED

TUNABLE = ("model", "features", "train", "calibration")
"""Sections that a trial in process can change."""


@dataclass(frozen=True)
class Space:
    """The dimensions of a search.

    Attributes:
        dimensions: in the order written, those of the model first.
    """

    dimensions: tuple[Dimension, ...]

    @property
    def default(self) -> dict[str, Any]:
        """The parameters of the current values."""
        return {dimension.key: dimension.default for dimension in self.dimensions}

    def values(self, base: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sections with the values of these parameters in their places."""
        for dimension in self.dimensions:
            if dimension.key in parameters:
                base = _put(base, dimension.key.split("."), dimension.value(parameters[dimension.key]))
        return base

    def overrides(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return the overrides for `-S` that give these parameters, without those equal to the default."""
        return [
            f"{d.key}={parameters[d.key] if d.options else written(parameters[d.key])}"
            for d in self.dimensions
            if parameters[d.key] != d.default
        ]

    def quasi_random(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Return points that fill the space more evenly than random ones (Sobol 1967, scrambled: Owen 1998).

        Args:
            count: how many, from 0.
            seed: of the scrambling.
        """
        from scipy.stats import qmc

        sequence = qmc.Sobol(len(self.dimensions), scramble=True, rng=seed)
        shares = sequence.random_base2(max(count - 1, 0).bit_length())[:count]
        return [
            {dimension.key: dimension.at(float(x)) for dimension, x in zip(self.dimensions, row, strict=True)}
            for row in shares
        ]


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the overrides that fix a value from those that vary one.

    Raises:
        UserError: one that Hydra's grammar does not parse.
    """
    from hydra.core.override_parser.types import Glob, Sweep

    fixed, varied = [], []
    for word in words:
        key, equals, text = word.partition("=")
        if word.startswith("~"):
            fixed.append(word)
            continue
        if not equals:
            raise UserError(f"-S {word}: write KEY=VALUE, GROUP=OPTION or KEY=interval(0.1, 1)")
        varies = isinstance(sweep(key.lstrip("+"), text), Sweep | Glob)
        (varied if varies else fixed).append(word)
    return fixed, varied


def read_space(
    conf: Path, base: Composed, task: Task, *, fixed: Sequence[str] = (), varied: Sequence[str] = ()
) -> Space:
    """Build the space.

    Args:
        conf: the folder of config.yaml.
        base: the current values with the fixed overrides.
        task: decides between model.classifier and model.regressor.
        fixed: overrides that fix a value, which removes it from the space.
        varied: overrides that vary one, which adds to the space or replaces a line of the model's file.

    Raises:
        UserError: one line for each problem, or nothing is left to vary.
    """
    idle = "model.classifier" if task == "regression" else "model.regressor"
    file = f"conf/model/{base.choices.get('model')}.yaml: space"
    found: dict[str, tuple[str, Any]] = {
        ".".join(("model", *path)): (file, words) for path, words in leaves(base.space).items() if path
    }
    for word in varied:
        key, _, words = word.partition("=")
        found[key] = ("-S", words)
    fixed_keys = [key for key in map(key_of, fixed) if key not in base.choices]
    dimensions, wrong = [], []
    for key, (where, words) in found.items():
        if within(key, idle) or (where != "-S" and any(within(key, fix) for fix in fixed_keys)):
            continue
        try:
            dimensions.append(_dimension(conf, base, key, str(words)))
        except UserError as error:
            wrong.append(f"{where}: {error}")
    for one in dimensions:
        wrong += [
            f"-S: {one.key} is already varied as part of {two.key}; keep one of them"
            for two in dimensions
            if one.key != two.key and within(one.key, two.key)
        ]
    if wrong:
        raise UserError("\n".join(wrong))
    if not dimensions:
        raise UserError(
            "nothing to vary: write `space` into the model's file (see conf/model/hist_gbdt.yaml),"
            " or -S 'model.params.NAME=interval(0.1, 1)'"
        )
    return Space(tuple(dimensions))


def _dimension(conf: Path, base: Composed, key: str, words: str) -> Dimension:
    section = key.lstrip("+").partition(".")[0]
    if section in SHARED:
        raise UserError(
            f"{key}: all trials of a search share data, split, seed and threads;"
            f" vary it with `cairn sweep -S '{key}={words}'`"
        )
    if "@" in key:
        raise UserError(f"{key}: belongs to the baselines, which a search does not fit")
    if key == "model":
        raise UserError("model: a search varies one model; run one search for each with -S model=NAME")
    if section not in TUNABLE and (section in base.values or section in base.choices):
        raise UserError(f"{key}: does not affect a trial; a search can vary {', '.join(TUNABLE)}")
    if key in base.choices:
        return _group(conf, base, key, words)
    keys = {".".join(path): value for path, value in leaves(base.values).items()}
    if key not in keys:
        raise UserError(f"{key}: no such key{did_you_mean(key, list(keys))}; give it a value in conf/ first")
    return of_values(key, words, keys[key])


def _group(conf: Path, base: Composed, group: str, words: str) -> Dimension:
    """Make the dimension of a group; the current option must have no key overridden."""
    from hydra.core.override_parser.types import ChoiceSweep, Glob

    found = sweep(group, words)
    known = options(conf, group)
    if isinstance(found, Glob):
        names = found.filter(known)
    elif isinstance(found, ChoiceSweep):
        names = [str(name) for name in found.list]
    else:
        raise UserError(f"{group}: is a config group; write choice({', '.join(known[:2])})")
    made = of_options(group, words, names, base.choices[group])
    filled: dict[str, Any] = {}
    for label, name in made.options.items():
        other = compose(conf, [*(o for o in base.overrides if key_of(o) != group), f"{group}={name}"])
        changed = {path.partition(".")[0] for path in differing(base.values, other.values)}
        if changed - {group}:
            raise UserError(f"{group}={name}: also changes {', '.join(sorted(changed - {group}))}")
        if name == base.choices[group] and changed:
            raise UserError(f"{group}: keys of {name} are overridden; vary those keys, or drop the overrides")
        filled[label] = other.values[group]
    return replace(made, options=filled)


def _put(values: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    return values | {path[0]: _put(values[path[0]], path[1:], value)}
