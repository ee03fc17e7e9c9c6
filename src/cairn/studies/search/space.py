"""The space of a search: `space` in the model's file, and what `-S` adds, replaces or fixes.

Hydra parses the values; each key becomes a dimension with one of Optuna's distributions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from cairn.compose.conf import Composed, compose, leaves, options, within
from cairn.compose.overrides import differing, key_of, written
from cairn.errors import UserError, did_you_mean
from cairn.settings.data import Task
from cairn.studies.protocol import SHARED

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

TUNABLE = ("model", "features", "train", "calibration")
"""Sections that a trial in process can change."""
WORDS = "interval(0.1, 1), tag(log, interval(0.001, 1)), range(10, 60, step=10) or choice(a, b)"
TOLERANCE = 1e-9
"""Of a step: how far from the grid a number may be and still count as on it."""


@dataclass(frozen=True)
class Dimension:
    """A key, or a group of conf/, and what it may be.

    Attributes:
        key: dotted, such as model.params.learning_rate, or a group, such as features.
        words: the values as written.
        distribution: the same for Optuna; a choice is one of the texts in options.
        default: the current value, as Optuna takes it.
        options: of a choice, the value behind each text, of its own type; empty for numbers.
    """

    key: str
    words: str
    distribution: CategoricalDistribution | FloatDistribution | IntDistribution
    default: Any
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The parameters that show whether its values can work: every choice, or the two ends."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices
        return self.distribution.low, self.distribution.high

    def value(self, parameter: Any) -> Any:
        """Return the value of the config for a parameter of Optuna."""
        return self.options[parameter] if self.options else parameter

    def at(self, share: float) -> Any:
        """Return the parameter at this share, in [0, 1), of the way through the dimension."""
        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            return found.choices[int(share * len(found.choices))]
        low, high, step = found.low, found.high, found.step
        if found.log:
            half = 0.5 if step else 0.0  # a whole number stands for all that round to it
            low, high = low - half, high + half
            value = low * math.exp(share * math.log(high / low))
            return min(max(round(value) if step else value, found.low), found.high)
        if step:
            return low + step * int(share * (round((high - low) / step) + 1))
        return low + share * (high - low)

    def position(self, parameter: Any) -> float:
        """Return where a parameter is between the ends, 0 to 1, on the logarithm if tagged so."""
        if isinstance(self.distribution, CategoricalDistribution):
            choices = self.distribution.choices
            return choices.index(parameter) / max(len(choices) - 1, 1)
        low, high = self.distribution.low, self.distribution.high
        if self.distribution.log:
            return math.log(parameter / low) / math.log(high / low)
        return (parameter - low) / (high - low)


@dataclass(frozen=True)
class Space:
    """The dimensions of a search, in the order written, the model's first."""

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
        """Return points that fill the space more evenly than random ones (Sobol, scrambled: Owen 1998)."""
        from scipy.stats import qmc

        sequence = qmc.Sobol(len(self.dimensions), scramble=True, rng=seed)
        shares = sequence.random_base2(max(count - 1, 0).bit_length())[:count]
        return [
            {dimension.key: dimension.at(float(x)) for dimension, x in zip(self.dimensions, row, strict=True)}
            for row in shares
        ]


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the overrides that fix a value from those that vary one."""
    from hydra.core.override_parser.types import Glob, Sweep

    fixed, varied = [], []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals and not word.startswith("~"):
            raise UserError(f"-S {word}: write KEY=VALUE, GROUP=OPTION or KEY=interval(0.1, 1)")
        varies = equals and isinstance(_parsed(key.lstrip("+~"), text).value(), Sweep | Glob)
        (varied if varies else fixed).append(word)
    return fixed, varied


def read_space(
    conf: Path, base: Composed, task: Task, *, fixed: Sequence[str] = (), varied: Sequence[str] = ()
) -> Space:
    """Build the space.

    An override that fixes a key removes it from the space; one that varies a key adds it, or replaces its
    line in the model's file.
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
        raise UserError(
            f"{key}: no such key{did_you_mean(key, list(keys))} (a new key needs a value in conf/ first)"
        )
    return of_values(key, words, keys[key])


def _parsed(key: str, words: str) -> "Override":
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(f"{key}={words}")
    except HydraException as error:
        raise UserError(f"{key}: cannot parse '{words}'; write {WORDS}") from error


def of_values(key: str, words: str, current: Any) -> Dimension:
    """Make the dimension of a key of the config.

    The type of the current value decides: an interval around an integer is one of integers.

    Raises:
        UserError: not a sweep, values of another type than the current one, or it is not among them.
    """
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep

    parsed = _parsed(key, words)
    found = parsed.value()
    if isinstance(found, ChoiceSweep):
        if found.tags:
            raise UserError(f"{key}: a choice takes no tag; write {WORDS}")
        return _choice(key, words, [_parsed(key, x).value() for x in parsed.sweep_string_iterator()], current)
    if not isinstance(found, IntervalSweep | RangeSweep):
        raise UserError(f"{key}: '{words}' is a single value or cannot be varied; write {WORDS}")
    if isinstance(current, bool) or not isinstance(current, int | float):
        raise UserError(f"{key}: is {written(current)}, which is not a number; use choice(a, b)")
    if found.tags - {"log"}:
        raise UserError(f"{key}: tag {', '.join(sorted(found.tags - {'log'}))} is unknown; use tag log")
    low, high, step = _grid(found)
    log = "log" in found.tags
    if not low < high:
        raise UserError(f"{key}: {words} contains fewer than two numbers")
    if log and (low <= 0 or step is not None):
        raise UserError(f"{key}: {words}: a logarithm needs an interval above 0")
    whole = isinstance(current, int)
    if whole and any(number is not None and number != int(number) for number in (low, high, step)):
        raise UserError(
            f"{key}: is {current}, a whole number, so {words} should have whole ends (or write {current}.0)"
        )
    on_grid = step is None or abs((current - low) / step - round((current - low) / step)) < TOLERANCE
    if not low <= current <= high or not on_grid:
        raise _outside(key, words, str(current))
    if whole:
        distribution = IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    else:
        distribution = FloatDistribution(float(low), float(high), log=log, step=step and float(step))
    return Dimension(key, words, distribution, current)


def _grid(found: Any) -> tuple[Any, Any, Any]:
    """Return the ends, equal or reversed where there are fewer than two numbers, and the step of a range."""
    from hydra.core.override_parser.types import IntervalSweep

    if isinstance(found, IntervalSweep):
        return found.start, found.end, None
    # The stop is excluded.
    steps = math.ceil((found.stop - found.start) / found.step - TOLERANCE) - 1 if found.step else 0
    if steps < 1:
        return found.start, found.start, None
    return *sorted((found.start, found.start + steps * found.step)), abs(found.step)


def _choice(key: str, words: str, values: Sequence[Any], current: Any) -> Dimension:
    if isinstance(current, float):
        values = [float(value) if type(value) is int else value for value in values]
    for value in values:
        if None not in (value, current) and type(value) is not type(current):
            raise UserError(f"{key}: is {written(current)}, so {written(value)} has the wrong type")
    options = {written(value): value for value in values}
    if len(options) < 2:
        raise UserError(f"{key}: '{words}' leaves nothing to choose; write at least two values")
    default = written(current)
    if default not in options:
        raise _outside(key, words, default)
    return Dimension(key, words, CategoricalDistribution(list(options)), default, options)


def _outside(key: str, words: str, current: str) -> UserError:
    return UserError(
        f"{key}: is {current}, which is not in {words}; the first trial needs it, so widen the space"
    )


def _group(conf: Path, base: Composed, group: str, words: str) -> Dimension:
    """Make the dimension of a group; the current option must have no key overridden."""
    from hydra.core.override_parser.types import ChoiceSweep, Glob

    found = _parsed(group, words).value()
    known = options(conf, group)
    if isinstance(found, Glob):
        names = found.filter(known)
    elif isinstance(found, ChoiceSweep):
        names = [str(name) for name in found.list]
    else:
        raise UserError(f"{group}: is a config group; write choice({', '.join(known[:2])})")
    made = _choice(group, words, names, base.choices[group])
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
