"""A dimension of a search space: a key of the config, and its values in the grammar of Hydra's sweeps."""

import math
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from cairn.compose.overrides import written
from cairn.errors import UserError

WORDS = "interval(0.1, 1), tag(log, interval(0.001, 1)), range(10, 60, step=10) or choice(a, b)"
TOLERANCE = 1e-9
"""Of a step: how far from the grid a number may be and still count as on it."""

Number = int | float
Distribution = CategoricalDistribution | FloatDistribution | IntDistribution


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
    distribution: Distribution
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
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return choices[int(share * len(choices))]
            case IntDistribution(low=low, high=high, step=step, log=False):
                return low + step * int(share * ((high - low) // step + 1))
            case IntDistribution(low=low, high=high):
                ends = math.log(low - 0.5), math.log(high + 0.5)
                return min(max(round(math.exp(ends[0] + share * (ends[1] - ends[0]))), low), high)
            case FloatDistribution(low=low, high=high, log=True):
                return min(max(low * math.exp(share * math.log(high / low)), low), high)
            case FloatDistribution(low=low, high=high, step=float(step)):
                return low + step * int(share * (round((high - low) / step) + 1))
            case FloatDistribution(low=low, high=high):
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


def sweep(key: str, words: str) -> Any:
    """Parse what follows `key=` in Hydra's grammar.

    Returns:
        One of Hydra's sweeps, or the plain value where it is not a sweep.

    Raises:
        UserError: it does not parse.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(f"{key}={words}").value()
    except HydraException as error:
        raise UserError(f"{key}: cannot parse '{words}'; write {WORDS}") from error


def of_values(key: str, words: str, current: Any) -> Dimension:
    """Make the dimension of a key of the config.

    Args:
        key: dotted.
        words: its values, as in `-S key=words`.
        current: the current value, whose type decides: an interval around an integer is one of integers.

    Raises:
        UserError: not a sweep, values of another type than the current one, or the current
            one is not among them.
    """
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep

    found = sweep(key, words)
    if isinstance(found, ChoiceSweep):
        if found.tags:
            raise UserError(f"{key}: a choice takes no tag; write {WORDS}")
        return _choice(key, words, [_value(value) for value in found.list], current)
    if not isinstance(found, IntervalSweep | RangeSweep):
        raise UserError(f"{key}: '{words}' is a single value or cannot be varied; write {WORDS}")
    if isinstance(current, bool) or not isinstance(current, int | float):
        raise UserError(f"{key}: is {written(current)}, which is not a number; use choice(a, b)")
    if found.tags - {"log"}:
        raise UserError(f"{key}: tag {', '.join(sorted(found.tags - {'log'}))} is unknown; use tag log")
    if isinstance(found, RangeSweep):
        low, high, step = _grid(key, words, found)
    else:
        low, high, step = found.start, found.end, None
    return _numbers(key, words, current, (low, high, step), log="log" in found.tags)


def of_options(key: str, words: str, options: list[str], current: str | None) -> Dimension:
    """Make the dimension of a group of conf/; the options' values are filled in by the caller.

    Raises:
        UserError: the current option is not among them.
    """
    return _choice(key, words, list(options), current)


def _choice(key: str, words: str, values: list[Any], current: Any) -> Dimension:
    if isinstance(current, float):
        values = [float(value) if type(value) is int else value for value in values]
    wrong = [value for value in values if not _alike(value, current)]
    if wrong:
        raise UserError(f"{key}: is {written(current)}, so {written(wrong[0])} has the wrong type")
    options = {written(value): value for value in values}
    if len(options) < 2:
        raise UserError(f"{key}: '{words}' leaves nothing to choose; write at least two values")
    default = written(current)
    if default not in options:
        raise _outside(key, words, default)
    return Dimension(key, words, CategoricalDistribution(list(options)), default, options)


def _numbers(
    key: str, words: str, current: Number, ends: tuple[Number, Number, Number | None], *, log: bool
) -> Dimension:
    low, high, step = ends
    if not low < high:
        raise UserError(f"{key}: {words} contains fewer than two numbers")
    if log and (low <= 0 or step is not None):
        raise UserError(f"{key}: {words}: a logarithm needs an interval above 0")
    whole = isinstance(current, int)
    if whole and any(number is not None and number != int(number) for number in ends):
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


def _outside(key: str, words: str, current: str) -> UserError:
    return UserError(
        f"{key}: is {current}, which is not in {words}; the first trial needs it, so widen the space"
    )


def _grid(key: str, words: str, found: Any) -> tuple[Number, Number, Number]:
    """Return the first and last number of a range, which leaves its stop out, and the step."""
    count = math.ceil((found.stop - found.start) / found.step - TOLERANCE) if found.step else 0
    if count < 2:
        raise UserError(f"{key}: {words} contains fewer than two numbers")
    ends = found.start, found.start + (count - 1) * found.step
    return min(ends), max(ends), abs(found.step)


def _alike(value: Any, current: Any) -> bool:
    return value is None or current is None or type(value) is type(current)


def _value(value: Any) -> Any:
    """Return plain Python for what Hydra's parser read: quoted strings unpacked, inside lists too."""
    from hydra.core.override_parser.types import QuotedString

    match value:
        case QuotedString():
            return value.text
        case list():
            return [_value(item) for item in value]
        case dict():
            return {str(_value(name)): _value(item) for name, item in value.items()}
    return value
