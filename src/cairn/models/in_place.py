"""HistGradientBoosting without copies of its matrix."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROWS = 2**17


@contextmanager
def encoding_in_place(estimator: Any) -> Generator[None]:
    """Let HistGradientBoosting's fit write the codes of categories into the matrices that it is given.

    It numbers them again, on copies: of the numbers, of the codes, and of both beside each other, so that it
    holds the matrix three times (scikit-learn 1.9). The method is private, so a test checks that it is called
    and that the model has the same bits. Other estimators are left alone.
    """
    if not hasattr(estimator, "_preprocess_X"):
        yield
        return
    encode = estimator._preprocess_X

    def in_place(X: Any, *, reset: bool) -> Any:
        if reset:
            _, categories = encode(_every_category(X, estimator.categorical_features), reset=True)
            if categories is None:
                return encode(X, reset=True)
        elif estimator._preprocessor is None:
            return encode(X, reset=False)
        for start in range(0, len(X), ROWS):
            X[start : start + ROWS] = estimator._preprocessor.transform(X[start : start + ROWS])
        return (X, categories) if reset else X

    estimator._preprocess_X = in_place
    try:
        yield
    finally:
        del estimator._preprocess_X


def _every_category(X: NDArray[np.float64], positions: list[int] | None) -> NDArray[np.float64]:
    """Return a few rows with every value of the columns of codes."""
    distinct = {at: pd.unique(X[:, at]) for at in positions or []}
    rows = np.array(X[: max([1, *map(len, distinct.values())])])
    for at, values in distinct.items():
        rows[:, at] = np.resize(values, len(rows))
    return rows
