"""An encoder that is fitted by parts, and rows encoded block by block, have scikit-learn's bits."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from skops import io

from cairn.features import fitting
from cairn.features.encode import build_encoder, categorical_positions
from cairn.features.fitting import encoded, fit_and_encode
from cairn.models.canonical import canonical
from cairn.models.in_place import encoding_in_place
from cairn.settings.contract import Column, Contract
from cairn.settings.model import Encoding

ROWS = 3_001


def saved(fitted):
    return canonical(io.dumps(fitted))


def table(numbers, categories=5, seed=0):
    rng = np.random.default_rng(seed)
    columns = {f"x{at}": rng.lognormal(size=ROWS) * 10.0 ** (at - 2) for at in range(numbers)}
    for at in range(numbers):
        columns[f"x{at}"][rng.random(ROWS) < 0.1 * at] = np.nan
    columns["x0"] = np.where(np.arange(ROWS) % 7, columns["x0"], 0.0) if numbers else None
    kinds = [
        pd.Series(
            rng.choice(["a", "b", None, "rare", "(missing)"], ROWS, p=[0.5, 0.3, 0.1, 0.001, 0.099]),
            dtype="str",
        ),
        rng.geometric(0.02, ROWS),
        np.arange(ROWS) % 40,  # all equally frequent
        np.where(rng.random(ROWS) < 0.5, np.nan, rng.integers(0, 30, ROWS)),
        pd.Series(rng.choice(np.array([1, "1", True, None], dtype=object), ROWS)),
    ]
    columns |= {f"c{at}": kinds[at] for at in range(categories)}
    frame = pd.DataFrame({name: values for name, values in columns.items() if values is not None})
    if numbers > 3:
        frame["x3"] = np.nan
    return frame, Contract(
        columns={
            name: Column(kind="numeric" if name[0] == "x" else "categorical", group="all", nullable=True)
            for name in frame
        }
    )


@pytest.mark.parametrize("numbers", [0, 1, 5])
@pytest.mark.parametrize("numeric", ["passthrough", "standard", "quantile"])
@pytest.mark.parametrize("categorical", ["ordinal", "onehot"])
@pytest.mark.parametrize("of_categories", [(4, 200), (4, 12), (5, 12)])
def test_it_has_the_bits_of_scikit_learn(numbers, numeric, categorical, of_categories, monkeypatch):
    monkeypatch.setattr(fitting, "CELLS", 10_000)
    categories, most = of_categories
    frame, contract = table(numbers, categories)
    kind = Encoding(numeric=numeric, categorical=categorical, min_frequency=20, max_categories=most)
    ours, theirs = (build_encoder(contract, list(frame), kind, sparse=True) for _ in range(2))
    wanted, found = theirs.fit_transform(frame), fit_and_encode(ours, frame, np.zeros(ROWS))
    assert type(found) is type(wanted) and saved(ours) == saved(theirs)
    if sparse.issparse(wanted):
        for name in ("data", "indices", "indptr"):
            assert getattr(found, name).tobytes() == getattr(wanted, name).tobytes()
    else:
        assert found.tobytes() == wanted.tobytes() and found.flags.c_contiguous == wanted.flags.c_contiguous
    other, _ = table(numbers, categories, seed=1)
    again = [encoded(ours, other), theirs.transform(other)]
    assert np.array_equal(*(one.toarray() if sparse.issparse(one) else one for one in again), equal_nan=True)


@pytest.mark.parametrize("categories", [0, 1, 3])
def test_boosting_without_copies_is_the_same_model(categories):
    frame, contract = table(3, categories)
    kind = Encoding(numeric="passthrough", categorical="ordinal", min_frequency=1, max_categories=200)
    encoder = build_encoder(contract, list(frame), kind)
    X = np.array(encoder.fit_transform(frame)[:, ::-1], order="C")  # codes that are not at the end, too
    positions = [X.shape[1] - 1 - at for at in categorical_positions(encoder)] or None
    y = (np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, -1]) > 1).astype(int)
    X[::11, 0] = np.nan if categories else X[::11, 0]
    found = []
    for lean in (False, True):
        model = HistGradientBoostingClassifier(
            max_iter=5, categorical_features=positions, early_stopping=True, random_state=0
        )
        train, stop = X[:2_000].copy(), X[2_000:].copy()
        if lean:
            with encoding_in_place(model):
                assert "_preprocess_X" in vars(model)
                model.fit(train, y[:2_000], X_val=stop, y_val=y[2_000:])
            assert (train[:, 0] != X[:2_000, 0]).any() or not categories  # written over
        else:
            model.fit(train, y[:2_000], X_val=stop, y_val=y[2_000:])
        assert "_preprocess_X" not in vars(model)
        found.append((model.predict_proba(X).tobytes(), model.validation_score_.tobytes(), saved(model)))
    assert found[0] == found[1]
