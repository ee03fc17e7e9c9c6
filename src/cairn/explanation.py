"""Explain a fitted model on rows that it was not fitted on: see cairn.metrics.importance."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from cairn.data.parts import spaced
from cairn.errors import UserError
from cairn.features.encode import word
from cairn.metrics.bootstrap import Resampling
from cairn.metrics.evaluation import Score, row_weights, time_blocks
from cairn.metrics.importance import (
    Dependence,
    Explanation,
    Importance,
    grid,
    mean_predictions,
    permutation_importance,
)
from cairn.models.compiled import Compiled, compile_model
from cairn.models.contributions import groups_of
from cairn.models.package import Package
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.explain import ExplainConfig

log = logging.getLogger("cairn.explain")


def explain(
    package: Package,
    validation: pd.DataFrame,
    *,
    data: DataConfig,
    settings: ExplainConfig,
    evaluate: EvaluateConfig,
    seed: int,
) -> Explanation:
    """Measure the importance of every group and column, and how the strongest ones change the predictions.

    Raises:
        UserError: the model's encoder is not one of this repository.
    """
    many, few = spaced(validation, settings.rows), spaced(validation, settings.column_rows)
    compiled = _compiled(package, few)
    groups = groups_of(compiled)
    metric = evaluate.primary_of(data.task)
    group_of = {name: group for group, columns in groups.items() for name in columns}

    def measure(rows: pd.DataFrame, parts: Mapping[str, Sequence[int]]) -> dict[str, Score]:
        blocks = time_blocks(rows[data.time] if data.time else None, evaluate.block)
        return permutation_importance(
            compiled.matrix(rows),
            package.encode(rows[data.target]),
            compiled.scores,
            parts,
            Resampling(
                settings.resamples,
                seed,
                blocks,
                evaluate.confidence,
                weights=row_weights(rows, evaluate.weight),
            ),
            task=data.task,
            metric=metric,
            threshold=package.threshold,
            repeats=settings.repeats,
            seed=seed,
        )

    of_groups = measure(many, {name: [*chain(*columns.values())] for name, columns in groups.items()})
    of_columns = measure(few, {name: compiled.encoder.positions[name] for name in group_of})
    columns = [_importance(name, group_of[name], 1, found) for name, found in of_columns.items()]
    strongest = _ordered(columns)
    return Explanation(
        metric=metric,
        rows=len(many),
        column_rows=len(few),
        validation_rows=len(validation),
        repeats=settings.repeats,
        confidence=evaluate.confidence,
        resamples=settings.resamples,
        block=evaluate.block if data.time else None,
        groups=_ordered(
            _importance(name, name, len(groups[name]), found) for name, found in of_groups.items()
        ),
        columns=strongest,
        dependence=[
            _dependence(compiled, few, each.name, each.group, settings.points)
            for each in strongest[: settings.curves]
        ],
    )


def _compiled(package: Package, rows: pd.DataFrame) -> Compiled:
    compiled = compile_model(package)
    if not np.allclose(compiled.scores(compiled.matrix(rows)), package.scores(rows), rtol=1e-6, atol=1e-9):
        raise UserError("models/model: its encoder cannot be taken apart; run `dvc repro` to fit it again")
    if differs := compiled.difference():
        log.warning("predict and serve will take rows through pandas: %s", differs)
    return compiled


def _importance(name: str, group: str, columns: int, found: Score) -> Importance:
    return Importance(name=name, group=group, columns=columns, **found.model_dump())


def _ordered(found: Iterable[Importance]) -> list[Importance]:
    return sorted(found, key=lambda each: -np.inf if each.value is None else each.value, reverse=True)


def _dependence(compiled: Compiled, rows: pd.DataFrame, name: str, group: str, points: int) -> Dependence:
    encoder, package = compiled.encoder, compiled.package
    values = encoder.values(rows)
    place = encoder.features.index(name)
    numeric = package.contract.columns[name].kind != "categorical"
    if numeric:
        codes = grid(values[:, place], points)
        at = codes.tolist()
    else:
        levels = rows[name].value_counts(sort=True).index[:points].tolist()
        at = [word(level) for level in levels]
        codes = encoder.column(name, levels)
    found = mean_predictions(values, place, codes, lambda changed: compiled.scores(encoder.matrix(changed)))
    outputs = package.class_names if package.task == "multiclass" else [package.target]
    predictions = dict(zip(outputs, found.reshape(len(codes), -1).T.tolist(), strict=True))
    return Dependence(name=name, group=group, numeric=numeric, at=at, predictions=predictions)
