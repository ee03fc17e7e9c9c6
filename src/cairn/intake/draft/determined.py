"""Pairs of columns that a class is a plain function of: an outcome, told once more in parts."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

MOST_COLUMNS = 12
MOST_CELLS = 50
FEWEST_ROWS = 1_000
FEWEST_OF_A_CLASS = 10


def determined(sample: pd.DataFrame, alone: Mapping[str, float], target: str) -> dict[str, str]:
    """Name the columns that tell the class without an error, two by two.

    Each alone may tell little of a rare class, and hide behind a third that says the same, so neither a score
    alone nor a comparison with the others finds them. By chance no two columns of a few values do it in a
    thousand rows.

    Args:
        sample: rows with the columns and a target of classes.
        alone: score by column; the 12 best ones are looked at.
        target: name of the column of classes.

    Returns:
        The reason by column.
    """
    classes = pd.factorize(sample[target])[0]
    if len(sample) < FEWEST_ROWS or np.bincount(classes).min() < FEWEST_OF_A_CLASS:
        return {}
    codes = {}
    for name in sorted(alone, key=lambda name: -alone[name])[:MOST_COLUMNS]:
        values, levels = pd.factorize(sample[name], use_na_sentinel=False)
        if 1 < len(levels) <= MOST_CELLS:
            codes[name] = values
    found: dict[str, str] = {}
    for first, second in combinations(codes, 2):
        cells = np.unique(codes[first] * MOST_CELLS + codes[second], return_inverse=True)[1]
        pure = len(np.unique(cells * (classes.max() + 1) + classes)) == cells.max() + 1
        if pure and cells.max() < MOST_CELLS:
            for name, other in ((first, second), (second, first)):
                found.setdefault(name, f"with {other} it tells {target} in every row")
    return found
