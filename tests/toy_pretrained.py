"""An estimator with pretrained weights, like those of TabICL: what it saves names their file and lacks it."""

import random
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

HIDDEN = 8


def checkpoint(seed=0):
    """Return weights for up to 100 columns."""
    return np.random.default_rng(seed).normal(size=(100, HIDDEN)) / 4


class _Pretrained(BaseEstimator):
    """Least squares on features that pretrained weights make of the columns."""

    def __init__(self, model_path, random_state=0):
        self.model_path, self.random_state = model_path, random_state

    def fit(self, X, y):
        self.generator_ = random.Random(self.random_state)
        self.model_path_ = Path(self.model_path)
        self._load()
        self.coefficients_ = np.linalg.lstsq(self._features(X), np.asarray(y, dtype=float), rcond=None)[0]
        return self

    def _load(self):
        self.weights_ = np.load(self.model_path)  # fails where a library would download the file
        assert Path(self.model_path) == self.model_path_

    def _features(self, X):
        X = np.nan_to_num(np.asarray(X, dtype=float))
        return np.column_stack([np.tanh(X @ self.weights_[: X.shape[1]]), np.ones(len(X))])

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "weights_"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._load()


class ToyRegressor(RegressorMixin, _Pretrained):
    def predict(self, X):
        return self._features(X) @ self.coefficients_


class ToyClassifier(ClassifierMixin, _Pretrained):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return super().fit(X, np.asarray(y)[:, None] == self.classes_)

    def predict_proba(self, X):
        found = np.clip(self._features(X) @ self.coefficients_, 0.01, 0.99)
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
