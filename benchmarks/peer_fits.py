"""Fit other libraries on the rows that benchmarks/peers.py wrote; runs in an environment without Cairn.

    python peer_fits.py FOLDER --methods lightgbm,flaml --seeds 1,2,3 --budget 10

Every fit gets one thread. A clock that counts the CPU seconds of this process stands in for time.time and
its like, so the limits of FLAML and AutoGluon are CPU seconds too. What is in the folder is not fitted again.
"""

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
import pandas as pd

TRIALS = 30
PATIENCE, MOST_TREES = 50, 2000


@dataclass(frozen=True)
class Rows:
    """The rows of one table: features as a frame with pandas categories, the target as codes or numbers."""

    task: str
    classes: int
    X: pd.DataFrame
    y: np.ndarray
    part: np.ndarray
    seed: int
    budget: float

    def of(self, *parts: str) -> tuple[pd.DataFrame, np.ndarray]:
        """Return features and target of some parts."""
        rows = np.isin(self.part, parts)
        return self.X[rows].reset_index(drop=True), self.y[rows]

    @property
    def regression(self) -> bool:
        """Whether the target is a number."""
        return self.task == "regression"

    @property
    def categories(self) -> list[str]:
        """The columns of categories."""
        return [name for name in self.X if isinstance(self.X[name].dtype, pd.CategoricalDtype)]


Method = Callable[[Rows], np.ndarray]
"""Fits on train and validation, and predicts test: (n, k) probabilities or (n,) numbers."""


def read_rows(folder: Path, table: str, seed: int, budget: float) -> Rows:
    """Read what peers.py wrote; categories are those of train and validation, others are missing."""
    facts = json.loads((folder / "rows" / f"{table}.json").read_text())
    frame = pd.read_parquet(folder / "rows" / f"{table}-{seed}.parquet")
    part, y = frame.pop(".part").to_numpy(str), frame.pop(".y").to_numpy()
    y = y if facts["task"] == "regression" else y.astype(np.int64)
    for name in facts["categories"]:
        text = frame[name].astype(object)
        levels = sorted(text[part != "test"].dropna().unique())
        frame[name] = pd.Categorical(text.where(text.isin(levels)), categories=np.array(levels, dtype=object))
    frame.columns = [f"c{number}" for number in range(frame.shape[1])]  # any library takes these names
    classes = 0 if facts["task"] == "regression" else int(y[part == "train"].max()) + 1
    return Rows(facts["task"], classes, frame, y, part, seed, budget)


def predicted(model: Any, X: Any, rows: Rows) -> np.ndarray:
    """Return what a fitted estimator predicts."""
    return np.asarray(model.predict(X) if rows.regression else model.predict_proba(X), dtype=np.float64)


def loss(rows: Rows, y: np.ndarray, p: np.ndarray) -> float:
    """Return the mean squared error, or the log loss."""
    if rows.regression:
        return float(np.mean((p - y) ** 2))
    return -float(np.mean(np.log(np.clip(p[np.arange(len(y)), y], 1e-15, 1))))


def _lightgbm(rows: Rows, **more: Any) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if rows.regression else LGBMClassifier
    return kind(n_jobs=1, random_state=rows.seed, verbose=-1, **more)


def _xgboost(rows: Rows, **more: Any) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBRegressor if rows.regression else XGBClassifier
    return kind(n_jobs=1, random_state=rows.seed, enable_categorical=True, tree_method="hist", **more)


def _catboost(rows: Rows, **more: Any) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostRegressor if rows.regression else CatBoostClassifier
    fixed = {"thread_count": 1, "random_seed": rows.seed, "verbose": False, "allow_writing_files": False}
    return kind(cat_features=rows.categories, **fixed, **more)


def _read_by(name: str, X: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as the library takes it: CatBoost has no missing categories."""
    if name != "catboost":
        return X
    words = {n: X[n].astype(object).fillna("nan") for n in X if isinstance(X[n].dtype, pd.CategoricalDtype)}
    return X.assign(**words)


MADE = {"lightgbm": _lightgbm, "xgboost": _xgboost, "catboost": _catboost}


def default(name: str) -> Method:
    """Fit the library's default parameters on train and validation."""

    def fitted(rows: Rows) -> np.ndarray:
        X, y = rows.of("train", "validation")
        model = MADE[name](rows).fit(_read_by(name, X), y)
        return predicted(model, _read_by(name, rows.of("test")[0]), rows)

    return fitted


def _space(name: str, trial: Any) -> dict[str, Any]:
    """Draw parameters; ranges as usual in comparisons of these libraries."""
    number, whole = trial.suggest_float, trial.suggest_int
    if name == "lightgbm":
        return {
            "learning_rate": number("learning_rate", 0.01, 0.2, log=True),
            "num_leaves": whole("num_leaves", 4, 128, log=True),
            "min_child_samples": whole("min_child_samples", 2, 100, log=True),
            "colsample_bytree": number("colsample_bytree", 0.3, 1.0),
            "subsample": number("subsample", 0.5, 1.0),
            "subsample_freq": 1,
            "reg_lambda": number("reg_lambda", 1e-3, 100, log=True),
        }
    if name == "xgboost":
        return {
            "learning_rate": number("learning_rate", 0.01, 0.2, log=True),
            "max_depth": whole("max_depth", 2, 10),
            "min_child_weight": number("min_child_weight", 0.1, 50, log=True),
            "colsample_bytree": number("colsample_bytree", 0.3, 1.0),
            "subsample": number("subsample", 0.5, 1.0),
            "reg_lambda": number("reg_lambda", 1e-3, 100, log=True),
        }
    return {
        "learning_rate": number("learning_rate", 0.01, 0.2, log=True),
        "depth": whole("depth", 3, 9),
        "l2_leaf_reg": number("l2_leaf_reg", 0.5, 50, log=True),
        "random_strength": number("random_strength", 0.1, 10, log=True),
    }


def tuned(name: str) -> Method:
    """Search with Optuna's default sampler, early stopping on validation; refit the best on both parts.

    The search stops after TRIALS, or when the budget is spent; the first trial has the default parameters.
    """

    def searched(rows: Rows) -> np.ndarray:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        (X, y), (X_val, y_val) = rows.of("train"), rows.of("validation")
        X, X_val = _read_by(name, X), _read_by(name, X_val)
        until, best = time.process_time() + rows.budget, (np.inf, {}, 0)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=rows.seed))
        for number in range(TRIALS):
            trial = study.ask()
            params = _space(name, trial)
            params = {} if number == 0 else params
            model, rounds = _stopped(name, rows, params, fit=(X, y), held=(X_val, y_val), until=until)
            value = loss(rows, y_val, predicted(model, X_val, rows))
            if number:
                study.tell(trial, value)
            best = min(best, (value, params, rounds), key=lambda each: each[0])
            if time.process_time() > until:
                break
        _, params, rounds = best
        model = MADE[name](rows, **params, n_estimators=max(1, rounds))
        X, y = rows.of("train", "validation")
        model.fit(_read_by(name, X), y)
        return predicted(model, _read_by(name, rows.of("test")[0]), rows)

    return searched


def _stopped(
    name: str, rows: Rows, params: dict[str, Any], *, fit: Any, held: Any, until: float
) -> tuple[Any, int]:
    """Fit with early stopping, or until that CPU second; return the model and its best number of trees."""
    if name == "lightgbm":
        from lightgbm import early_stopping
        from lightgbm.callback import EarlyStopException

        def late(env: Any) -> None:
            if time.process_time() > until:
                raise EarlyStopException(env.iteration, env.evaluation_result_list)

        model = _lightgbm(rows, **params, n_estimators=MOST_TREES)
        callbacks = [late, early_stopping(PATIENCE, verbose=False)]
        model.fit(*fit, eval_X=(held[0],), eval_y=(held[1],), callbacks=callbacks)
        return model, model.best_iteration_
    if name == "xgboost":
        from xgboost.callback import TrainingCallback

        class Late(TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                return time.process_time() > until

        own = {"n_estimators": MOST_TREES, "early_stopping_rounds": PATIENCE, "callbacks": [Late()]}
        model = _xgboost(rows, **params, **own)
        model.fit(*fit, eval_set=[held], verbose=False)
        return model, getattr(model, "best_iteration", 0) + 1  # none if the first tree was late

    class InTime:
        def after_iteration(self, info: Any) -> bool:
            return time.process_time() < until

    model = _catboost(rows, **params, n_estimators=MOST_TREES, early_stopping_rounds=PATIENCE)
    model.fit(*fit, eval_set=held, callbacks=[InTime()])
    return model, model.get_best_iteration() + 1


def realmlp(rows: Rows) -> np.ndarray:
    """Fit RealMLP with pytabkit's defaults; the best epoch is that on validation.

    It takes no missing numbers: medians of train stand in for them.
    """
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    own: dict[str, Any] = {"device": "cpu", "random_state": rows.seed, "n_threads": 1, "verbosity": 0}
    if not rows.regression:
        own |= {"val_metric_name": "cross_entropy", "use_ls": False}  # as its documentation advises together
    (X, y), (X_val, y_val) = rows.of("train"), rows.of("validation")
    medians = X.median(numeric_only=True).fillna(0)
    model = (RealMLP_TD_Regressor if rows.regression else RealMLP_TD_Classifier)(**own)
    model.fit(X.fillna(medians), y, X_val.fillna(medians), y_val)
    return predicted(model, rows.of("test")[0].fillna(medians), rows)


def flaml(rows: Rows) -> np.ndarray:
    """Let FLAML search within the budget, as it comes."""
    from flaml import AutoML

    X, y = rows.of("train", "validation")
    model = AutoML()
    model.fit(
        X_train=X,
        y_train=y,
        task="regression" if rows.regression else "classification",
        metric="rmse" if rows.regression else "log_loss",
        time_budget=rows.budget,
        n_jobs=1,
        seed=rows.seed,
        verbose=0,
    )
    return predicted(model, rows.of("test")[0], rows)


def autogluon(limit: bool) -> Method:
    """Let AutoGluon fit its default ensemble, within the budget or as long as it takes."""

    def fitted(rows: Rows) -> np.ndarray:
        from autogluon.tabular import TabularPredictor

        X, y = rows.of("train", "validation")
        own = {"problem_type": rows.task, "verbosity": 0}
        own["eval_metric"] = "root_mean_squared_error" if rows.regression else "log_loss"
        with tempfile.TemporaryDirectory() as path:
            predictor = TabularPredictor("y", path=path, **own)
            predictor.fit(X.assign(y=y), time_limit=rows.budget if limit else None, num_cpus=1, num_gpus=0)
            X_test = rows.of("test")[0]
            if rows.regression:
                return np.asarray(predictor.predict(X_test), dtype=np.float64)
            found = predictor.predict_proba(X_test).reindex(columns=range(rows.classes), fill_value=0.0)
            return np.asarray(found, dtype=np.float64)

    return fitted


METHODS: dict[str, Method] = {
    **{name: default(name) for name in MADE},
    **{f"{name}-tuned": tuned(name) for name in MADE},
    "realmlp": realmlp,
    "flaml": flaml,
    "autogluon": autogluon(limit=True),
    "autogluon-no-limit": autogluon(limit=False),
}
LIBRARIES = (
    "lightgbm",
    "xgboost-cpu",
    "catboost",
    "optuna",
    "pytabkit",
    "flaml",
    "autogluon.tabular",
    "fastai",
    "torch",
)


@contextmanager
def cpu_clock(methods: bool) -> Iterator[None]:
    """Let time.time and its like count CPU seconds, for libraries that limit themselves."""
    names = ("time", "monotonic", "perf_counter")
    before = {name: getattr(time, name) for name in names}
    if methods:
        for name in names:
            start = before[name]() - time.process_time()
            setattr(time, name, lambda start=start: start + time.process_time())
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(time, name, function)


def save(file: Path, prediction: np.ndarray, cpu: float) -> None:
    """Write what was predicted, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, prediction=prediction, cpu=cpu)
    part.replace(file)


def main() -> None:
    """Fit what is missing in the folder, seed by seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--methods", required=True)
    parser.add_argument("--tables", required=True)
    parser.add_argument("--seeds", required=True)
    parser.add_argument("--budget", type=float, required=True)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {name: _version(name) for name in LIBRARIES}
    (args.folder / f"versions-{'-'.join(sorted(args.methods.split(',')))}.json").write_text(json.dumps(found))
    for seed in map(int, args.seeds.split(",")):
        for table in args.tables.split(","):
            for name in args.methods.split(","):
                file = args.folder / "fits" / name / f"{table}-{seed}.npz"
                if file.exists():
                    continue
                rows = read_rows(args.folder, table, seed, args.budget)
                began = time.process_time()
                try:
                    with cpu_clock(name in ("flaml", "autogluon")):
                        prediction = METHODS[name](rows)
                except Exception as error:  # a library that fails loses this table, not the run
                    print(f"{name} {table} {seed}: {type(error).__name__}: {str(error)[:200]}", flush=True)
                    continue
                cpu = time.process_time() - began
                save(file, prediction, cpu)
                print(f"{name} {table} {seed}: {cpu:.1f} CPU seconds", flush=True)


def _version(name: str) -> str | None:
    try:
        return version(name).partition("+")[0]
    except ModuleNotFoundError:
        return None


if __name__ == "__main__":
    main()
