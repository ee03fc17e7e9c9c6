"""Explain what the model looks at, on validation rows.

reads: models/fitted, models/model, data/splits/validation.parquet
writes: metrics/explain.json
"""

from pathlib import Path

from cairn import explanation
from cairn.data.parts import PARTS
from cairn.data.records import write_json
from cairn.data.tables import read_table
from cairn.models.calibration import FITTED, validated
from cairn.models.package import load
from cairn.progress import elapsed
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.explain import ExplainConfig
from cairn.settings.model import AnyModelConfig


def main(
    *,
    data: DataConfig,
    evaluate: EvaluateConfig,
    explain: ExplainConfig,
    model: AnyModelConfig,
    seed: int,
    threads: int,
) -> None:
    """Write the importance of groups and columns, and the partial dependence of the strongest."""
    package = validated(load(Path("models/model"), trust=model.trusted), FITTED, model.trusted)
    validation = read_table(PARTS["validation"])
    with elapsed("shuffling columns"):
        found = explanation.explain(
            package, validation, data=data, settings=explain, evaluate=evaluate, seed=seed
        )
    write_json(found.model_dump(), Path("metrics/explain.json"))
    first = found.groups[0].name
    print(f"explain: the group {first} matters most for {found.metric}, on {found.rows:,} validation rows")
