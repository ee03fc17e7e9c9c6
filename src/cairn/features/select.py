"""Which columns a model may use: those of the chosen groups that are known in time."""

import difflib
from collections.abc import Iterable

from cairn.errors import UserError
from cairn.settings.contract import Contract
from cairn.settings.features import FeaturesConfig


def select_features(contract: Contract, target: str, features: FeaturesConfig) -> list[str]:
    """List the features in the order of the contract.

    A column is a feature when it has a group, is known before, is not the target, and is not left out.

    Args:
        contract: kinds, groups and when each column is known.
        target: the column to predict.
        features: groups to take (None: all) and columns to leave out.

    Raises:
        UserError: an unknown group or column, or nothing left.
    """
    groups = {column.group for column in contract.columns.values() if column.group is not None}
    for name in features.groups or []:
        if name not in groups:
            raise UserError(
                f"features.groups: no column of the contract has group '{name}'{_nearest(name, groups)}"
            )
    for name in features.exclude:
        if name not in contract.columns:
            raise UserError(
                f"features.exclude: no column '{name}' in the contract{_nearest(name, contract.columns)}"
            )
    wanted = groups if features.groups is None else set(features.groups)
    chosen = [
        name
        for name, column in contract.columns.items()
        if column.group in wanted
        and column.known == "before"
        and name != target
        and name not in features.exclude
    ]
    if not chosen:
        raise UserError(
            "features: nothing left to learn from; give columns a group in the contract,"
            " or take back features.groups and features.exclude"
        )
    return chosen


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f", did you mean '{near[0]}'?" if near else f" (there is: {', '.join(names) or 'none'})"
