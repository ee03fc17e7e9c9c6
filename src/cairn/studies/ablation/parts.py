"""What is left out: groups of features or single columns, one at a time or in every combination."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import factorial

from cairn.errors import UserError, did_you_mean
from cairn.features.select import select_features
from cairn.settings.config import Config
from cairn.settings.contract import Contract

MOST_TOGETHER = 5

Parts = dict[str, list[str]]
"""By name of a group or column, the columns that go with it."""
Left = frozenset[str]
"""The columns that a fit leaves out, by which fits are known; all of them stand for the prior."""
FULL: Left = frozenset()


def groups_in_use(contract: Contract, config: Config) -> Parts:
    """Return the features of the config by their group, in the order of the contract."""
    groups: Parts = {}
    for name in select_features(contract, config.data.target, config.features):
        groups.setdefault(str(contract.columns[name].group), []).append(name)
    return groups


def parts_of(groups: Parts, asked: Sequence[str] | None, *, columns: bool) -> Parts:
    """Return what is to be left out, part by part.

    Args:
        groups: every feature in use, by group.
        asked: groups to look at; None: all.
        columns: each column by itself rather than whole groups.

    Raises:
        UserError: an unknown group, or one that is everything there is.
    """
    for name in asked or []:
        if name not in groups:
            near = did_you_mean(name, list(groups))
            raise UserError(f"--groups {name}: no group of features in use{near} ({', '.join(groups)})")
    chosen = {name: names for name, names in groups.items() if asked is None or name in asked}
    if columns:
        chosen = {name: [name] for names in chosen.values() for name in names}
    total = sum(map(len, groups.values()))
    if any(len(names) == total for names in chosen.values()):
        hint = "" if columns or total == 1 else "; --columns leaves out its columns one by one"
        raise UserError(f"{next(iter(chosen))} is all there is: without it nothing is left{hint}")
    return chosen


def leave_one_out(every: Left, parts: Parts, *, alone: bool) -> list[Left]:
    """Return what each fit leaves out: nothing, one part, and if asked everything but one part.

    Args:
        every: the features in use.
        parts: what is left out.
        alone: fit each part by itself, too.
    """
    fits = [FULL, *map(frozenset, parts.values())]
    if alone:
        fits += [every - set(names) for names in parts.values()]
    return list(dict.fromkeys(fits))


def every_subset(parts: Parts) -> list[Left]:
    """Return what is left out of the fit on every combination of parts but none at all.

    Raises:
        UserError: more parts than anyone wants to wait for.
    """
    if len(parts) > MOST_TOGETHER:
        raise UserError(
            f"--subsets: {len(parts)} parts have {2 ** len(parts) - 1:,} combinations; it takes at most"
            f" {MOST_TOGETHER} parts: choose groups with -S 'features.groups=[…]'"
        )
    return [_left(parts, left) for size in range(len(parts)) for left in combinations(parts, size)]


def shapley_weights(parts: Parts, part: str) -> dict[Left, float]:
    """Return the weights of the fits that sum to a part's Shapley value.

    The mean, over every order in which the parts could be added, of what this one adds (Shapley 1953; for
    the performance of models Covert, Lundberg and Lee 2020, Understanding Global Feature Contributions With
    Additive Importance Measures). The values of all parts sum to what all bring over the prior.

    Args:
        parts: all features in use, in parts.
        part: one of them.
    """
    others, count = [name for name in parts if name != part], len(parts)
    weights: dict[Left, float] = {}
    for size in range(count):
        weight = factorial(size) * factorial(count - size - 1) / factorial(count)
        for left in combinations(others, size):
            weights[_left(parts, left)] = weight
            weights[_left(parts, (*left, part))] = -weight
    return weights


def _left(parts: Parts, names: Iterable[str]) -> Left:
    return frozenset(column for name in names for column in parts[name])
