"""Score the model on rows it has never seen, beside every baseline, with intervals and in money.

reads: models/model, predictions/baseline.parquet, data/splits/validation.parquet, data/splits/test.parquet
writes: metrics/test.json, metrics/validation.json, metrics/evaluation.json, plots/curves, plots/images,
    predictions/model.parquet

Thresholds and the best baseline are chosen on validation; test only says how good they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import as_columns, from_columns, predictors
from cairn.data.tables import read_table, write_json, write_table
from cairn.errors import UserError
from cairn.metrics.decisions import confusion
from cairn.metrics.evaluation import (
    MODEL,
    best_baseline,
    mean_error,
    money,
    scores_with_intervals,
    thresholds,
    time_blocks,
    too_good,
)
from cairn.metrics.scores import METRICS, score
from cairn.metrics.slices import slice_scores, small_levels
from cairn.models.package import Package, load
from cairn.report.plots.canvas import to_svg
from cairn.report.plots.pictures import all_figures, curve_tables
from cairn.settings.baseline import BaselineConfig
from cairn.settings.data import DataConfig, Task
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.kpi import KpiConfig
from cairn.settings.model import ModelConfig

Floats = NDArray[np.float64]
CURVES, IMAGES = Path("plots/curves"), Path("plots/images")
HEADLINE: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "pr_auc", "log_loss", "brier", "ece", "accuracy", "precision", "recall", "f1"),
    "multiclass": ("accuracy", "f1", "roc_auc", "log_loss", "brier", "ece"),
    "regression": ("rmse", "mae", "mape", "r2"),
}


def all_predictions(
    rows: pd.DataFrame, part: str, package: Package, baseline: pd.DataFrame
) -> dict[str, Floats]:
    """Return the model's and every baseline's predictions of the rows, in their order.

    Raises:
        UserError: the baseline's table is about other rows.
    """
    others = baseline[baseline["part"] == part].reset_index(drop=True)
    if others["row_id"].tolist() != rows["row_id"].tolist():
        raise UserError(f"predictions/baseline.parquet is about other rows of {part}; run `dvc repro`")
    found = {MODEL: package.scores(rows)}
    for name in predictors(others):
        found[name] = from_columns(others, name, package.task, package.class_names)
    return found


def headline(record: dict[str, Any], task: Task) -> dict[str, float]:
    """Pick the numbers worth a column in `dvc exp show`."""
    scores, primary = record["scores"][MODEL], record["primary"]
    chosen = {name: scores[name]["value"] for name in HEADLINE[task]}
    chosen[f"{primary}_gain"] = record["gains"][record["best_baseline"]][primary]["value"]
    if record["kpi"]:
        chosen["saving_per_1000"] = record["kpi"]["policies"][MODEL]["saving"]["value"]
    return chosen


def table_of_predictions(
    parts: Mapping[str, pd.DataFrame], predictions: Mapping[str, Mapping[str, Floats]], package: Package
) -> pd.DataFrame:
    """Return the model's predictions of every part, one row per example, with the target beside them."""
    return pd.concat(
        [
            pd.DataFrame(
                {"row_id": rows["row_id"], "part": name, "target": rows[package.target]}
                | as_columns(MODEL, predictions[name][MODEL], package.class_names)
            )
            for name, rows in parts.items()
        ],
        ignore_index=True,
    )


def main(
    *,
    baseline: BaselineConfig,
    data: DataConfig,
    model: ModelConfig,
    evaluate: EvaluateConfig,
    kpi: KpiConfig,
    seed: int,
    threads: int,
) -> None:
    """Write scores, curves, pictures and predictions; stop when a score is too good to be true."""
    task, primary = data.task, evaluate.primary_of(data.task)
    package = load(Path("models/model"), trust=model.trusted)
    others = read_table(Path("predictions/baseline.parquet"))
    parts = {name: read_table(Path(f"data/splits/{name}.parquet")) for name in ("validation", "test")}
    predictions = {name: all_predictions(rows, name, package, others) for name, rows in parts.items()}
    targets = {name: package.encode(rows[data.target]) for name, rows in parts.items()}

    rivals = {name: p for name, p in predictions["validation"].items() if name != MODEL}
    cut = {MODEL: package.threshold} | thresholds(task, targets["validation"], rivals, kpi, baseline.rules)
    rows, y, on_test = parts["test"], targets["test"], predictions["test"]
    blocks = time_blocks(rows[data.time] if data.time else None, evaluate.block)
    record: dict[str, Any] = {
        "task": task,
        "target": data.target,
        "model": model.name,
        "primary": primary,
        "better": {name: "higher" if METRICS[name].greater_is_better else "lower" for name in METRICS},
        "best_baseline": best_baseline(task, targets["validation"], rivals, primary),
        "same_as": [name for name in rivals if np.array_equal(on_test[MODEL], on_test[name])],
        "thresholds": cut,
        "confidence": evaluate.confidence,
        "resamples": evaluate.resamples,
        "block": evaluate.block if blocks is not None else None,
        "rows": len(rows),
        "validation": {
            name: score(task, targets["validation"], p, threshold=cut[name])
            for name, p in predictions["validation"].items()
        },
        **scores_with_intervals(task, y, on_test, cut, evaluate=evaluate, blocks=blocks, seed=seed),
        "mean_error": mean_error(y, on_test[MODEL], evaluate=evaluate, blocks=blocks, seed=seed)
        if task == "regression"
        else None,
        "kpi": money(y, on_test, cut, kpi=kpi, evaluate=evaluate, blocks=blocks, seed=seed),
    }
    suspicious = too_good(record["scores"][MODEL], evaluate.ceiling)
    if suspicious:
        raise UserError("\n".join(suspicious))
    slices = slice_scores(
        task,
        y,
        on_test,
        rows[evaluate.slices],
        model=MODEL,
        reference=record["best_baseline"],
        min_rows=evaluate.min_slice_rows,
        resamples=evaluate.resamples,
        seed=seed,
        blocks=blocks,
        confidence=evaluate.confidence,
    )
    record["slices"] = slices.to_dict("records")
    record["small_slices"] = small_levels(rows[evaluate.slices], evaluate.min_slice_rows)
    classes = data.outcomes if task == "binary" else package.class_names
    if task != "regression":
        matrix = confusion(task, y, on_test[MODEL], threshold=cut[MODEL], classes=classes)
        record["confusion"] = matrix.reset_index().melt("actual", value_name="rows").to_dict("records")

    tables = curve_tables(task, y, on_test[MODEL], cut[MODEL], classes)
    write_texts(CURVES, {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()})
    figures = all_figures(
        task,
        y,
        on_test,
        threshold=cut[MODEL],
        classes=classes,
        record=record,
        slices=slices,
    )
    write_texts(IMAGES, {f"{name}.svg": to_svg(figure) for name, figure in figures.items()})
    write_json(record, Path("metrics/evaluation.json"))
    write_json(headline(record, task), Path("metrics/test.json"))
    write_json({f"val_{primary}": record["validation"][MODEL][primary]}, Path("metrics/validation.json"))
    write_table(table_of_predictions(parts, predictions, package), Path("predictions/model.parquet"))
    print(f"evaluate: {primary} {record['scores'][MODEL][primary]['value']:.4f} on {len(rows):,} test rows")


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files of text into a folder that DVC has emptied."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
