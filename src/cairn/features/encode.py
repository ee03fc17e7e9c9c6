"""Columns to numbers: one scikit-learn ColumnTransformer, fitted on train and saved inside the model.

The output is float64, numbers first, then categories. Not float32: boosting and linear models compute in
float64 (and would copy anything else), and large integers keep their last digits.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils.validation import validate_data

from cairn.settings.contract import Contract
from cairn.settings.data import Task
from cairn.settings.model import Encoding

CATEGORICAL, TARGET = "categorical", "target"
"""Blocks of the encoder: categories as codes or 0/1 columns, and as means of the target."""
MISSING = "(missing)"
UNSEEN = -1
"""The code of a category not seen in train: missing to HistGradientBoosting, unknown to our MLP."""


Scaling = Literal["passthrough", "standard", "quantile"]


class _Cells(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """A transformer that learns only the names of its columns."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Remember the columns."""
        validate_data(self, X, skip_check_array=True)
        return self


class ToNumbers(_Cells):
    """Numeric and boolean columns to float64: False and True become 0 and 1, missing and infinite NaN."""

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the values, shape (n, columns)."""
        numbers = np.empty(X.shape)
        for at, (_, values) in enumerate(X.items()):
            numbers[:, at] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        numbers[np.isinf(numbers)] = np.nan
        return numbers


class ToText(_Cells):
    """Categories of any type to text, so that 1, 1.0 and "1" are one category wherever the row comes from."""

    def transform(self, X: pd.DataFrame) -> NDArray[np.object_]:
        """Return str objects, shape (n, columns); missing becomes a category of its own."""
        words = np.empty(X.shape, dtype=object)
        for at, (_, values) in enumerate(X.items()):
            words[:, at] = _text(values)
        return words


class SideBySide(BaseEstimator):
    """Fitted encoders of the same columns: their matrices beside each other.

    Args:
        encoders: see build_encoder; all fitted on the same columns.
    """

    def __init__(self, encoders: list[ColumnTransformer]) -> None:
        self.encoders = encoders

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the columns."""
        first: Any = self.encoders[0]
        return first.feature_names_in_

    def by_place(self) -> list[tuple[tuple[int, int], ColumnTransformer]]:
        """Return each encoder with the first column of its matrix and the one after the last."""
        widths = [max(place.stop for place in each.output_indices_.values()) for each in self.encoders]
        stops = np.cumsum(widths).tolist()
        return [
            ((stop - width, stop), each)
            for stop, width, each in zip(stops, widths, self.encoders, strict=True)
        ]

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the matrices as one, shape (n, sum of the widths)."""
        found = [each.transform(X) for each in self.encoders]
        return np.hstack([each if isinstance(each, np.ndarray) else each.toarray() for each in found])


def build_encoder(
    contract: Contract,
    features: list[str],
    encoding: Encoding,
    *,
    sparse: bool = False,
    by_target: Collection[str] = (),
    task: Task = "regression",
    folds: Sequence[tuple[Any, Any]] = (),
) -> ColumnTransformer:
    """Return an unfitted transformer of the features to a float64 matrix.

    First numbers, then booleans, by encoding.numeric: passthrough keeps NaN; standard and quantile replace
    NaN by the median of train, and add a 0/1 column for each nullable one. Then categories, also "missing",
    by encoding.categorical: ordinal gives codes 0..K-1, K <= max_categories, where rare categories share a
    code and unseen ones get UNSEEN; onehot gives 0/1 columns, where unseen categories count as rare.

    A category of the columns by_target becomes the mean of the target among its rows, shrunk to that of all
    (Micci-Barreca 2001, as scikit-learn's TargetEncoder), one column per class of multiclass; scaled as the
    numbers are. A row of train gets means of the other folds, other rows those of all of train: call
    fit_transform with y, and then `forget_folds`.
    """
    kinds = {name: contract.columns[name].kind for name in features}
    categories = [name for name in features if kinds[name] == "categorical"]
    means = [name for name in categories if name in by_target]
    categorical = [name for name in categories if name not in by_target]
    boolean = [name for name in features if kinds[name] == "boolean"]
    numeric = [name for name in features if kinds[name] not in ("categorical", "boolean")]
    nullable = [name for name in [*numeric, *boolean] if contract.columns[name].nullable]
    missing = make_pipeline(ToNumbers(), MissingIndicator(features="all"))
    blocks = [
        ("numeric", _numbers(encoding.numeric), numeric),
        # A quantile transform would map two values to -5.2 and 5.2.
        ("boolean", _numbers("passthrough" if encoding.numeric == "passthrough" else "standard"), boolean),
        ("missing", missing, [] if encoding.numeric == "passthrough" else nullable),
        (TARGET, _means(encoding.numeric, task, folds), means),
        (CATEGORICAL, _categories(encoding), categorical),
    ]
    return ColumnTransformer(
        [block for block in blocks if block[2]],
        sparse_threshold=0.3 if sparse else 0,
        verbose_feature_names_out=False,
    )


def categorical_positions(encoder: ColumnTransformer) -> list[int]:
    """Return the positions of the columns of codes in the fitted encoder's output; none for one-hot."""
    block = encoder.named_transformers_.get(CATEGORICAL)
    if block is None or not isinstance(block[-1], OrdinalEncoder):
        return []
    place = encoder.output_indices_[CATEGORICAL]
    return list(range(place.start, place.stop))


def target_columns(encoder: ColumnTransformer) -> list[str]:
    """Return the columns that the fitted encoder replaces by means of the target."""
    return [name for block, _, names in encoder.transformers_ if block == TARGET for name in names]


def forget_folds(encoder: ColumnTransformer) -> None:
    """Take the rows of the folds out of a fitted encoder, so that they are not saved with it."""
    if TARGET in encoder.named_transformers_:
        encoder.named_transformers_[TARGET].set_params(targetencoder__cv=None)
        encoder.set_params(**{f"{TARGET}__targetencoder__cv": None})


def _numbers(scaling: Scaling) -> Pipeline:
    if scaling == "passthrough":
        return make_pipeline(ToNumbers())
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(ToNumbers(), imputer, _scaler(scaling))


def _scaler(scaling: Scaling) -> Any:
    if scaling == "standard":
        return StandardScaler()
    return QuantileTransformer(output_distribution="normal", subsample=100_000, random_state=0)


def _means(scaling: Scaling, task: Task, folds: Sequence[tuple[Any, Any]]) -> Pipeline:
    kind = "continuous" if task == "regression" else task
    means = TargetEncoder(target_type=kind, cv=list(folds) or None)
    return make_pipeline(ToText(), means, *([] if scaling == "passthrough" else [_scaler(scaling)]))


def _categories(encoding: Encoding) -> Pipeline:
    rare: dict[str, Any] = {
        "min_frequency": encoding.min_frequency,
        "max_categories": encoding.max_categories,
    }
    if encoding.categorical == "onehot":
        return make_pipeline(ToText(), OneHotEncoder(handle_unknown="infrequent_if_exist", **rare))
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=UNSEEN, **rare)
    return make_pipeline(ToText(), codes)


def _text(column: pd.Series) -> NDArray[np.object_]:
    if column.dtype == object:  # 1 and True are equal, and have different names
        places, values = np.arange(len(column)), column
        places[column.isna()] = -1
    else:
        places, values = pd.factorize(column)
    words = np.empty(len(values) + 1, dtype=object)
    words[:] = [*map(word, values.astype(object)), MISSING]
    return words[places]


def word(value: Any) -> str:
    """Return the name of a category: 1, 1.0 and "1" are one."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
