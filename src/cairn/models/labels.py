"""Labels of any type to codes 0..k-1 and back: estimators and metrics only ever see codes."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.errors import UserError
from cairn.settings.data import Task

Label = str | int | bool


def class_labels(target: pd.Series, task: Task, positive: Label | None) -> list[Label]:
    """List the classes in the order of their codes: sorted, for a binary task the event last.

    Args:
        target: labels of train; text, integers or booleans.
        task: regression has no classes.
        positive: label of the event in a binary task; None where it is plain: True, or 1 of 0 and 1.

    Raises:
        UserError: not two labels for a binary task, fewer for the other, or no such positive label.
    """
    if task == "regression":
        return []
    found = sorted(
        {_label(value) for value in target.dropna().unique()}, key=lambda label: (str(type(label)), label)
    )
    shown = ", ".join(map(repr, found[:5]))
    if task == "multiclass":
        if len(found) < 2:
            raise UserError(f"data.target: '{target.name}' has one class only in train: {shown}")
        return found
    if len(found) != 2:
        raise UserError(
            f"data.task: binary, but '{target.name}' has {len(found)} labels in train: {shown};"
            " set data.task to multiclass or regression, or fix the target"
        )
    event = found[1] if positive is None and found in ([False, True], [0, 1]) else positive
    if event is None:
        raise UserError(f"data.positive: say which of {shown} is the event")
    if event not in found:
        raise UserError(f"data.positive: no {event!r} in '{target.name}', there is {shown}")
    return [found[0] if event == found[1] else found[1], event]


def target_values(target: pd.Series, task: Task, classes: list[Label]) -> NDArray[Any]:
    """Return the target as estimators and metrics take it, shape (n,): int64 codes, float64 if a regression.

    Raises:
        ValueError: see label_codes.
    """
    return target.to_numpy(dtype=np.float64) if task == "regression" else label_codes(target, classes)


def label_codes(target: pd.Series, classes: list[Label]) -> NDArray[np.int64]:
    """Return each label's position in classes, shape (n,).

    Raises:
        ValueError: a label that is not among the classes, or a missing one.
    """
    position = {label: code for code, label in enumerate(classes)}
    kinds, values = pd.factorize(target, use_na_sentinel=True)
    codes = np.array([position.get(_label(value), -1) for value in values], dtype=np.int64)
    unknown = [repr(_label(value)) for value, code in zip(values, codes, strict=True) if code < 0]
    if unknown or (kinds < 0).any():
        what = ", ".join([*unknown, *(["missing"] if (kinds < 0).any() else [])])
        raise ValueError(f"'{target.name}' holds {what}, which the model does not know as a class")
    return codes[kinds]


def _label(value: Any) -> Label:
    """Return plain Python: NumPy scalars unpacked, and 1.0 (an integer that once stood beside NaN) as 1."""
    plain = value.item() if hasattr(value, "item") else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
