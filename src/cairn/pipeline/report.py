"""Write the model card, and print the run in a few lines.

reads: data/prepared/contract.json, metrics/data.json, metrics/split.json, metrics/evaluation.json,
    metrics/cross_validation.json, metrics/explain.json, models/model, plots/curves, plots/images,
    plots/training.csv, predictions/model.parquet
writes: reports/model_card.html
"""

from cairn.data.records import write_text
from cairn.report.card.page import PAGE, html, model_card, read_inputs
from cairn.report.card.words import summary
from cairn.settings.baseline import BaselineConfig
from cairn.settings.calibration import CalibrationConfig
from cairn.settings.cross_validation import CrossValidationConfig
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.explain import ExplainConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.kpi import KpiConfig
from cairn.settings.model import AnyModelConfig
from cairn.settings.purpose import PurposeConfig
from cairn.settings.split import SplitConfig
from cairn.settings.train import TrainConfig


def main(
    *,
    data: DataConfig,
    split: SplitConfig,
    features: FeaturesConfig,
    model: AnyModelConfig,
    train: TrainConfig,
    calibration: CalibrationConfig,
    baseline: BaselineConfig,
    evaluate: EvaluateConfig,
    explain: ExplainConfig,
    cross_validation: CrossValidationConfig,
    kpi: KpiConfig,
    purpose: PurposeConfig,
    seed: int,
    threads: int,
) -> None:
    """Write the model card and print the summary of the run."""
    sections = dict(locals())  # The page prints every section by its name.
    inputs = read_inputs()
    write_text(html(model_card(inputs, sections)), PAGE)
    print("\n".join(summary(inputs.evaluation, inputs.split, data.name, PAGE.as_posix())))
