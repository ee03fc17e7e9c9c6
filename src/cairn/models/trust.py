"""What the file of a model may hold: types and functions, by name. skops reads the file, this module decides.

skops lists what it trusts when it is imported. For that it imports every module of scikit-learn, and torch,
and looks for each function of SciPy in all loaded modules: more CPU than all else of loading a model.
"""

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

TRUSTED = frozenset(
    {
        "builtins.bool",
        "builtins.float",
        "builtins.int",
        "builtins.list",
        "builtins.map",
        "builtins.set",
        "builtins.str",
        "builtins.tuple",
        "cairn.features.encode.SideBySide",
        "cairn.features.encode.ToNumbers",
        "cairn.features.encode.ToText",
        "cairn.models.boosting.BoostedClassifier",
        "cairn.models.boosting.BoostedRegressor",
        "cairn.models.cnn.CNNClassifier",
        "cairn.models.cnn.CNNRegressor",
        "cairn.models.ensemble.EnsembleClassifier",
        "cairn.models.ensemble.EnsembleRegressor",
        "cairn.models.keras.KerasClassifier",
        "cairn.models.keras.KerasRegressor",
        "cairn.models.mlp.MLPClassifier",
        "cairn.models.mlp.MLPRegressor",
        "cairn.models.tabm.TabMClassifier",
        "cairn.models.tabm.TabMRegressor",
        "collections.OrderedDict",
        "collections.defaultdict",
        "functools.partial",
        "numpy.dtype",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "random.Random",
        "scipy.sparse._csr.csr_matrix",
        "sklearn._loss.link.HalfLogitLink",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogLink",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.AbsoluteError",
        "sklearn._loss.loss.ExponentialLoss",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfGammaLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfPoissonLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn._loss.loss.HuberLoss",
        "sklearn._loss.loss.PinballLoss",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
    }
)
"""Full names, not prefixes: every library has functions that a model file must not call."""
NO_ESTIMATORS = frozenset({"conftest", "estimator_checks", "experimental", "externals", "tests"})
"""Modules of scikit-learn that are not imported to look for an estimator."""
LISTS = "skops.io._trusted_types"
LISTED = (
    "CONTAINER",
    "NUMPY_DTYPE",
    "NUMPY_RANDOM_BIT_GENERATOR",
    "NUMPY_UFUNC",
    "PRIMITIVE",
    "SCIPY_UFUNC",
    "SKLEARN_ESTIMATOR",
    "SKLEARN_INTERNAL",
)


def is_trusted(name: str) -> bool:
    """Return whether any file may hold this: see TRUSTED, estimators, numbers and functions of arrays."""
    if name in TRUSTED:
        return True
    module, _, own = name.rpartition(".")
    library = module.partition(".")[0]
    if library == "sklearn":
        return _is_estimator(module, own)
    found = getattr(sys.modules.get(module), own, None) if library in ("numpy", "scipy") else None
    return isinstance(found, np.ufunc) or _is_subclass(found, (np.generic, np.random.BitGenerator))


def _is_estimator(module: str, own: str) -> bool:
    """Return whether the class is an estimator that a public module of scikit-learn exports."""
    from sklearn.base import BaseEstimator

    public = module.partition("._")[0]
    if own.startswith("_") or not NO_ESTIMATORS.isdisjoint(public.split(".")):
        return False
    try:
        found = getattr(importlib.import_module(public), own, None)
    except ImportError:
        return False
    return _is_subclass(found, BaseEstimator) and found.__module__ == module and found is not BaseEstimator


def _is_subclass(found: Any, of: Any) -> bool:
    return isinstance(found, type) and issubclass(found, of)


@cache
def skops_io() -> Any:
    """Return a skops.io of our own, which trusts nothing by itself.

    A program that imports skops for other files gets another one, with its lists.
    """

    def taken() -> dict[str, Any]:
        return {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] == "skops"}

    others, empty = taken(), ModuleType(LISTS)
    for name in LISTED:
        setattr(empty, f"{name}_TYPE_NAMES", [])
    sys.modules[LISTS] = empty
    try:
        return importlib.import_module("skops.io")
    finally:
        taken()
        sys.modules.update(others)
