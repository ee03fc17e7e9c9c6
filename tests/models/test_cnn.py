"""The convolutional network: it uses which pixels are neighbours, is repeatable, refuses bad input."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from synthetic import recipe

from cairn.errors import UserError
from cairn.models.cnn import CNNClassifier, CNNRegressor
from cairn.models.package import load, save
from cairn.settings.contract import Column, Contract
from cairn.settings.model import Encoding, ModelConfig

SHAPE = (6, 8)


@pytest.fixture(autouse=True)
def one_thread():
    """Work on one thread: for images this small, on a busy machine, two mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def crosses(rows=600, seed=0):
    """Images of noise with a bright bar anywhere: upright (1) or lying (0); and where its middle is."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 0.3, (rows, *SHAPE))
    upright = rng.random(rows) < 0.5
    high, wide = rng.integers(1, SHAPE[0] - 1, rows), rng.integers(1, SHAPE[1] - 1, rows)
    for image, up, y, x in zip(images, upright, high, wide, strict=True):
        image[(slice(y - 1, y + 2), x) if up else (y, slice(x - 1, x + 2))] += 1.5
    return images.reshape(rows, -1), upright.astype(int), wide.astype(float)


def small(kind=CNNClassifier, **params):
    chosen = {"image_shape": SHAPE, "channels": (8, 16), "hidden": 32, "dropout": 0.2, "max_epochs": 12}
    return kind(**chosen | {"device": "cpu"} | params)


def digest(model):
    return hashlib.sha256(b"".join(values.tobytes() for values in model.weights_.values())).hexdigest()


def test_it_finds_a_shape_anywhere_in_the_image_which_no_linear_model_can():
    X, y, _ = crosses(1200)
    assert small().fit(X[:800], y[:800]).score(X[800:], y[800:]) > 0.95
    assert LogisticRegression(max_iter=1000).fit(X[:800], y[:800]).score(X[800:], y[800:]) < 0.65


def test_it_measures_a_number_in_the_image():
    X, _, where = crosses(1200)
    assert small(CNNRegressor).fit(X[:800], where[:800]).score(X[800:], where[800:]) > 0.9


@pytest.mark.slow
def test_neighbours_matter_so_shuffled_columns_score_worse():
    X, y = load_digits(return_X_y=True)
    shuffled = np.random.default_rng(0).permutation(64)
    fits = [
        CNNClassifier(image_shape=[8, 8], device="cpu", max_epochs=8).fit(table[:1200], y[:1200])
        for table in (X, X[:, shuffled])
    ]
    losses = [
        log_loss(y[1200:], fit.predict_proba(table[1200:]))
        for fit, table in zip(fits, (X, X[:, shuffled]), strict=True)
    ]
    assert losses[0] < 0.8 * losses[1]


def test_the_columns_are_the_image_row_by_row():
    X, y, _ = crosses(10)
    network = small(channels=[1], max_epochs=1).fit(X, y)._network()
    first = network.layers[0]
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, 0, 1, 2] = 1  # looks one pixel to the right
        first.bias.zero_()
    pixels = torch.arange(1.0, 49.0).view(1, -1)
    moved = first(network.image(pixels))[0, 0]
    expected = torch.nn.functional.pad(pixels.view(SHAPE)[:, 1:], (0, 1))
    assert torch.equal(moved, expected)


def test_the_scale_of_the_pixels_does_not_matter():
    X, y, _ = crosses(200)
    found = [small(max_epochs=3).fit(table, y).predict_proba(table) for table in (X, 100 + 40 * X)]
    np.testing.assert_allclose(*found, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 9)])
def test_every_shape_and_depth_predicts(shape):
    X = np.random.default_rng(0).normal(size=(20, shape[0] * shape[1]))
    model = small(image_shape=shape, channels=[4, 4, 4, 4], max_epochs=1).fit(X, np.arange(20) % 3)
    assert model.predict_proba(X).shape == (20, 3)


def test_the_seed_determines_the_bits():
    X, y, _ = crosses(200)
    same = [digest(small(max_epochs=2).fit(X, y)) for _ in range(2)]
    assert same[0] == same[1] != digest(small(max_epochs=2, random_state=1).fit(X, y))
    assert clone(small()).get_params() == small().get_params()


def test_it_resumes_after_a_kill_to_the_same_bits(tmp_path):
    X, y, _ = crosses(300)
    calm = small(max_epochs=6).fit(X[:200], y[:200], X[200:], y[200:])

    def kill(epoch, _loss):
        if epoch == 3:
            raise KeyboardInterrupt

    file = tmp_path / "snapshot.pt"
    with pytest.raises(KeyboardInterrupt):
        small(max_epochs=6).fit(X[:200], y[:200], X[200:], y[200:], snapshot=file, on_iteration=kill)
    epochs = []
    again = small(max_epochs=6).fit(
        X[:200], y[:200], X[200:], y[200:], snapshot=file, on_iteration=lambda epoch, _: epochs.append(epoch)
    )
    assert epochs == [4, 5, 6]
    assert digest(again) == digest(calm)
    assert again.validation_score_.tolist() == calm.validation_score_.tolist()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"image_shape": [8, 8]}, r"image_shape \[8, 8\] takes 64 columns, one per pixel, and gets 48$"),
        ({"image_shape": [48]}, r"image_shape is \[height, width\] in pixels, such as \[8, 8\], not \[48\]$"),
        ({"image_shape": [6.0, 8]}, r"not \[6\.0, 8\]$"),
        ({"image_shape": [-6, -8]}, r"not \[-6, -8\]$"),
        ({"channels": []}, r"channels names no convolution: such as \[32, 64\]$"),
    ],
)
def test_columns_that_are_not_an_image_give_one_line(params, said):
    X, y, _ = crosses(20)
    with pytest.raises(ValueError, match=said):
        small(**params).fit(X, y)


def test_a_missing_pixel_is_refused():
    X, y, _ = crosses(20)
    X[3, 5] = np.nan
    with pytest.raises(ValueError, match="cannot use missing or infinite numbers"):
        small().fit(X, y)


def as_the_stage_does(X, y, image_shape):
    """Fit as the stage train does; return the package and the rows."""
    names = [f"p{i}" for i in range(X.shape[1])]
    table = pd.DataFrame(X, columns=names).assign(way=y)
    contract = Contract(columns={name: Column(kind="numeric", group="pixels") for name in names})
    model = ModelConfig(
        name="cnn",
        classifier={"_target_": "cairn.models.cnn.CNNClassifier"},
        regressor=None,
        params={"image_shape": image_shape, "max_epochs": 2},
        encoding=Encoding(numeric="passthrough", categorical="ordinal", min_frequency=1, max_categories=2),
    )
    return recipe(model, contract, "way", seed=0).fit(table), table


def test_a_loaded_model_gives_every_row_the_same_bits_among_any_rows(tmp_path):
    X, y, _ = crosses(300)
    package, table = as_the_stage_does(X, y, list(SHAPE))
    save(package, tmp_path / "model")
    loaded = load(tmp_path / "model")
    scores = package.scores(table)
    np.testing.assert_array_equal(loaded.scores(table), scores)
    np.testing.assert_array_equal(loaded.scores(table.iloc[[7]]), scores[[7]])
    np.testing.assert_array_equal(loaded.scores(table.iloc[::-1]), scores[::-1])


def test_a_wrong_image_shape_stops_the_stage_in_one_line():
    X, y, _ = crosses(60)
    with pytest.raises(UserError) as error:
        as_the_stage_does(X, y, [8, 8])
    assert str(error.value) == (
        "model 'cnn': image_shape [8, 8] takes 64 columns, one per pixel, and gets 48"
    )
