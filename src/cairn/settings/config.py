"""The whole config: every section of params.yaml, typed."""

from typing import Annotated

from pydantic import Field

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
from cairn.settings.search import SearchConfig
from cairn.settings.section import Section
from cairn.settings.split import SplitConfig
from cairn.settings.train import TrainConfig


class Config(Section):
    """params.yaml, section by section; a stage gets only those it declares.

    Attributes:
        seed: of every random choice (split, model, resampling)
        threads: CPU threads; part of the seed, as sums differ in the last digits between 1 and 2
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    threads: Annotated[int, Field(ge=1)]
    data: DataConfig
    split: SplitConfig
    features: FeaturesConfig
    model: AnyModelConfig
    train: TrainConfig
    calibration: CalibrationConfig
    baseline: BaselineConfig
    evaluate: EvaluateConfig
    cross_validation: CrossValidationConfig
    explain: ExplainConfig
    kpi: KpiConfig
    search: SearchConfig
    purpose: PurposeConfig
