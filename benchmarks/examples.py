"""Plain scikit-learn on the very parts that the last run of an example was fitted and scored on.

    dvc exp run -S data=digits        # or data=diabetes, with any other -S
    python benchmarks/examples.py

The model of the run had the validation part to stop on, as its stage does; the others never see it.
"""

import json
from pathlib import Path

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

CLASSIFIERS = {
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "histogram boosting": HistGradientBoostingClassifier(random_state=0),
    "support vectors": SVC(gamma=0.001),
}
REGRESSORS = {
    "ridge regression": make_pipeline(StandardScaler(), Ridge()),
    "histogram boosting": HistGradientBoostingRegressor(random_state=0),
    "support vectors": make_pipeline(StandardScaler(), SVR()),
}


def main() -> None:
    """Print a table: the model of the run with its intervals, then the plain ones."""
    found = json.loads(Path("metrics/evaluation.json").read_text(encoding="utf-8"))
    contract = json.loads(Path("data/prepared/contract.json").read_text(encoding="utf-8"))
    features = [name for name, column in contract["columns"].items() if column.get("group")]
    train, test = (pd.read_parquet(f"data/splits/{part}.parquet") for part in ("train", "test"))
    numbers = found["task"] == "regression"
    metrics = ("rmse", "mae") if numbers else ("accuracy", "log_loss")
    print(f"{found['target']}: {len(train):,} rows to learn from, {len(test):,} to test on")
    print(f"{'':22}{metrics[0]:26}{metrics[1]}")
    own = [found["scores"]["model"][name] for name in metrics]
    said = [f"{v['value']:.4g} [{v['low']:.4g}, {v['high']:.4g}]" for v in own]
    print(f"{found['model']:22}{said[0]:26}{said[1]}")
    for name, model in (REGRESSORS if numbers else CLASSIFIERS).items():
        answer = test[found["target"]]
        model.fit(train[features].astype(float), train[found["target"]])
        guess = model.predict(test[features].astype(float))
        if numbers:
            scores = [root_mean_squared_error(answer, guess), mean_absolute_error(answer, guess)]
        else:
            scores = [accuracy_score(answer, guess)]
            if hasattr(model, "predict_proba"):
                scores.append(log_loss(answer, model.predict_proba(test[features].astype(float))))
        print(f"{name:22}" + "".join(f"{score:<26.4g}" for score in scores).rstrip())


if __name__ == "__main__":
    main()
