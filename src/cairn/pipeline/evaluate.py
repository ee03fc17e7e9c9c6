"""Score the model on rows it has never seen, beside every baseline, with intervals and in money.

reads: data/prepared/contract.json, data/splits/validation.parquet, data/splits/test.parquet, models/fitted,
    models/model, predictions/baseline.parquet
writes: metrics/test.json, metrics/validation.json, metrics/evaluation.json, plots/curves, plots/images,
    predictions/model.parquet
"""

from pathlib import Path

from cairn.data.parts import prepared_contract
from cairn.data.predictions import predictions_of_part, predictions_table
from cairn.data.records import write_json, write_text
from cairn.data.tables import read_table, write_table
from cairn.metrics.evaluation import MODEL, Predicted, evaluate_predictions
from cairn.models.calibration import load_and_score
from cairn.report.plots.pictures import plot_files
from cairn.settings.baseline import BaselineConfig
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.kpi import KpiConfig
from cairn.settings.model import AnyModelConfig


def main(
    *,
    baseline: BaselineConfig,
    data: DataConfig,
    model: AnyModelConfig,
    evaluate: EvaluateConfig,
    kpi: KpiConfig,
    seed: int,
    threads: int,
) -> None:
    """Write scores, curves, pictures and predictions; stop when a score is too good to be true."""
    parts = {name: read_table(Path(f"data/splits/{name}.parquet")) for name in ("validation", "test")}
    package, ours = load_and_score(Path("models/model"), parts, model.trusted)
    table, predicted = read_table(Path("predictions/baseline.parquet")), {}
    for name, rows in parts.items():
        both = {MODEL: ours[name]} | predictions_of_part(table, name, rows, data.task, package.class_names)
        predicted[name] = Predicted(rows, package.encode(rows[data.target]), both, package.outcomes)
    found = evaluate_predictions(
        **predicted,
        model=model.name,
        threshold=package.threshold,
        data=data,
        rules=baseline.rules,
        settings=evaluate,
        kpi=kpi,
        seed=seed,
        protected=prepared_contract().protected,
    )
    for name, text in plot_files(found, predicted["test"]).items():
        write_text(text, Path("plots") / name)
    for name, record in found.files().items():
        write_json(record, Path("metrics") / name)
    table = predictions_table(parts, ours, name=MODEL, target=data.target, classes=package.class_names)
    write_table(table, Path("predictions/model.parquet"))
    print(f"evaluate: {found.primary} {found.score.value:.4f} on {found.rows:,} test rows")
