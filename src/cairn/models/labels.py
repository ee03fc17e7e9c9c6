"""Labels of any type to codes 0..k-1: estimators and metrics see only codes."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.errors import UserError
from cairn.settings.data import Task

Label = str | int | bool


def class_labels(target: pd.Series, task: Task) -> list[Label]:
    """List the classes in the order of their codes: sorted, so the event of a binary task is last.

    Args:
        target: labels of train as the stage prepare writes them: 0/1 (or False/True) for a binary task, text,
            integers or booleans for multiclass.
        task: regression has no classes.

    Raises:
        UserError: train does not hold both labels of a binary task, or holds fewer than two of multiclass.
    """
    if task == "regression":
        return []
    found = sorted(
        {_label(value) for value in target.dropna().unique()}, key=lambda label: (str(type(label)), label)
    )
    shown = ", ".join(map(repr, found[:5]))
    if task == "binary" and found not in ([False, True], [0, 1]):
        raise UserError(
            f"data.task: binary, but '{target.name}' in train holds {shown} and not 0 and 1;"
            " choose another split, or set data.task to multiclass or regression"
        )
    if len(found) < 2:
        raise UserError(f"data.target: '{target.name}' has only one class in train: {shown}")
    return found


def target_values(target: pd.Series, task: Task, classes: list[Label]) -> NDArray[Any]:
    """Return the target as estimators and metrics take it, shape (n,): int64 codes, float64 if a regression.

    Raises:
        ValueError: see label_codes.
    """
    return target.to_numpy(dtype=np.float64) if task == "regression" else label_codes(target, classes)


def label_codes(target: pd.Series, classes: list[Label]) -> NDArray[np.int64]:
    """Return each label's position in classes, shape (n,).

    Raises:
        ValueError: a label that is not among the classes, or a missing value.
    """
    position = {label: code for code, label in enumerate(classes)}
    kinds, values = pd.factorize(target, use_na_sentinel=True)
    codes = np.array([position.get(_label(value), -1) for value in values], dtype=np.int64)
    unknown = [repr(_label(value)) for value, code in zip(values, codes, strict=True) if code < 0]
    if unknown or (kinds < 0).any():
        what = ", ".join([*unknown, *(["missing"] if (kinds < 0).any() else [])])
        raise ValueError(f"'{target.name}' holds {what}, not among the model's classes")
    return codes[kinds]


def _label(value: Any) -> Label:
    """Return plain Python: NumPy scalars unpacked, and 1.0 (an integer from a column with NaN) as 1."""
    plain = value.item() if hasattr(value, "item") else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
