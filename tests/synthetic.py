"""A small table whose truth is known, and every shipped model to fit on it."""

import numpy as np
import pandas as pd

from cairn.models.package import Package
from cairn.models.recipe import Recipe
from cairn.progress import OnIteration
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig, SelectionConfig
from cairn.settings.model import Encoding, EnsembleConfig, ModelConfig
from cairn.settings.train import TrainConfig

CONTRACT = Contract(
    columns={
        "load": Column(kind="numeric", group="g", nullable=True),
        "noise": Column(kind="numeric", group="g"),
        "night": Column(kind="boolean", group="g"),
        "línea": Column(kind="categorical", group="g", nullable=True),
        "stop": Column(kind="categorical", group="g"),
    }
)
FEATURES = list(CONTRACT.columns)
SKLEARN = {
    "logistic": ("linear_model.LogisticRegression", "linear_model.Ridge", {}, "standard", "onehot"),
    "hist_gbdt": (
        "ensemble.HistGradientBoostingClassifier",
        "ensemble.HistGradientBoostingRegressor",
        {"max_iter": 60},
        "passthrough",
        "ordinal",
    ),
    "extra_trees": (
        "ensemble.ExtraTreesClassifier",
        "ensemble.ExtraTreesRegressor",
        {"n_estimators": 20, "min_samples_leaf": 5},
        "passthrough",
        "ordinal",
    ),
}
MODELS = [*SKLEARN, "mlp"]


def rows(count: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Rows whose delay rises with load and at night, more on one line than on the others."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "load": rng.normal(size=count),
            "noise": rng.normal(size=count),
            "night": rng.random(count) < 0.3,
            "línea": rng.choice(["Ω", "北", "3"], count),
            "stop": rng.choice([f"s{i}" for i in range(30)], count),
        }
    )
    delay = 1.5 * table["load"] + table["night"] + 2 * (table["línea"] == "Ω") - 1
    table["delay"] = delay + 0.5 * rng.normal(size=count)
    table["late"] = (table["delay"] > 0).astype(int)
    table["class"] = pd.cut(table["delay"], [-np.inf, -1, 1, np.inf], labels=["early", "fair", "late"])
    table["class"] = table["class"].astype(str)
    table.loc[::17, "load"] = np.nan
    table.loc[::13, "línea"] = None
    return table


TARGETS = {"binary": "late", "multiclass": "class", "regression": "delay"}


def config(name: str, **params) -> ModelConfig:
    """The model as conf/model has it, made small."""
    if name == "mlp":
        small = {"hidden": [32], "max_epochs": 15, "batch_size": 64, "learning_rate": 0.005}
        block = ("cairn.models.mlp.MLPClassifier", "cairn.models.mlp.MLPRegressor", small)
        numeric, categorical = "quantile", "ordinal"
    else:
        classifier, regressor, small, numeric, categorical = SKLEARN[name]
        block = (f"sklearn.{classifier}", f"sklearn.{regressor}", small)
    return ModelConfig(
        name=name,
        classifier={"_target_": block[0]},
        regressor={"_target_": block[1]},
        params=block[2] | params,
        encoding=Encoding(numeric=numeric, categorical=categorical, min_frequency=5, max_categories=50),
    )


def ensemble(*names: str, weights: str = "greedy", seeds: int = 1) -> EnsembleConfig:
    """An ensemble of some of MODELS."""
    members = {name: config(name) for name in names}
    return EnsembleConfig(
        kind="ensemble", name="both", members=members, weights=weights, draws=40, seeds=seeds
    )


def recipe(
    model: ModelConfig | EnsembleConfig,
    contract: Contract,
    target: str,
    task: str = "binary",
    *,
    early_stopping: bool = True,
    selection: SelectionConfig | None = None,
    seed: int = 3,
) -> Recipe:
    """A recipe that uses every grouped column of the contract, on the CPU in one thread."""
    selection = selection or SelectionConfig(kind="none", keep=1)
    return Recipe(
        contract,
        DataConfig(name="toy", source="toy.csv", contract="toy.yaml", task=task, target=target),
        FeaturesConfig(groups=None, exclude=[], selection=selection),
        model,
        TrainConfig(device="cpu", early_stopping=early_stopping),
        seed=seed,
        threads=1,
    )


def fit(
    name: str,
    task: str = "binary",
    train: pd.DataFrame | None = None,
    validation: pd.DataFrame | None = None,
    *,
    early_stopping: bool = True,
    on_iteration: OnIteration | None = None,
    **params,
) -> Package:
    """Fit one of MODELS on rows(), stopping on other rows()."""
    made = recipe(config(name, **params), CONTRACT, TARGETS[task], task, early_stopping=early_stopping)
    return made.fit(
        rows() if train is None else train,
        rows(600, seed=1) if validation is None else validation,
        on_iteration=on_iteration,
    )
