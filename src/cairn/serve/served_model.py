"""The model that a service answers with: loaded, named, and tested on its own rows."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cairn.data.load import UNITS
from cairn.errors import UserError
from cairn.features.encode import MISSING
from cairn.models.package import MODEL, RECORD, Package, load
from cairn.serve.explained import availability
from cairn.serve.fields import Field
from cairn.serve.model import find_model
from cairn.serve.outcomes import prices
from cairn.serve.predictor import Policy, Predictor
from cairn.settings.kpi import CostKpi

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class ServedModel:
    """A model with what a service says about it.

    Attributes:
        predictor: predicts raw rows.
        version: hash of the saved files; two models with the same version predict the same.
        revision: the commit it was read at; None if it was read from a folder.
        costs: prices of the decision, if there are any.
        example: a row of the source, as JSON has it.
    """

    predictor: Predictor
    version: str
    revision: str | None
    costs: CostKpi | None
    example: dict[str, Any]

    @property
    def package(self) -> Package:
        """The saved model."""
        return self.predictor.package

    @property
    def name(self) -> str:
        """The name of the data set, which is also the name of the model."""
        return str(self.package.config.get("data", {}).get("name", "model"))

    @property
    def fields(self) -> Mapping[str, Field]:
        """The columns of a row, by name."""
        return self.predictor.fields

    def about(self) -> dict[str, Any]:
        """Return what `GET /model` says."""
        package = self.package
        return {
            "name": self.name,
            "version": self.version,
            "revision": self.revision,
            "task": package.task,
            "target": package.target,
            "classes": package.classes,
            "threshold": package.threshold if package.task == "binary" else None,
            "currency": self.costs and self.costs.currency,
            "policy": self.predictor.policy,
            "columns": list(self.fields),
            "contributions": availability(self.predictor),
            "library_versions": package.versions,
            "refit_of": package.refit_of,
            "notes": package.notes,
        }


def load_model(source: str, policy: Policy, trust: Sequence[str] = ()) -> ServedModel:
    """Read a model and predict the rows that were saved with it.

    Args:
        source: a folder or a revision, see find_model.
        policy: what becomes of a row with a violation, see Predictor.
        trust: further types to accept, see cairn.models.package.load.

    Raises:
        UserError: no such model, or it predicts its own rows otherwise than when it was saved.
    """
    found = find_model(source, Path(), trust)
    package = load(found.folder, found.trust)
    predictor = Predictor(package, policy)
    rows = plain_rows(package.reference, predictor.fields) if package.reference is not None else []
    _stop_on_difference(predictor, rows, found.folder)
    rows = rows or [{name: _typical(field) for name, field in predictor.fields.items()}]
    fullest = min(rows, key=lambda row: sum(value is None for value in row.values()))
    return ServedModel(predictor, version_of(found.folder), found.commit, prices(package), fullest)


def current_source(source: str) -> tuple[str | None, str]:
    """Return the commit that a source stands for now, None for a folder, and the version of its model.

    Raises:
        UserError: no such model.
    """
    found = find_model(source, Path())
    return found.commit, version_of(found.folder)


def version_of(folder: Path) -> str:
    """Return the first digits of the hash of a saved model."""
    digest = hashlib.sha256()
    for name in (MODEL, RECORD):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:12]


def _stop_on_difference(predictor: Predictor, rows: list[dict[str, Any]], folder: Path) -> None:
    if not rows:
        return
    package = predictor.package
    assert package.reference is not None
    found = predictor.rows(rows)
    possible = ~found.refused
    some = not possible.all()
    expected = package.scores(package.reference[possible]) if some else package.reference_scores
    if not np.array_equal(found.scores[possible], expected):
        raise UserError(
            f"{folder}: the model does not predict its own reference rows as it should; run `dvc repro`"
        )


def plain_rows(frame: pd.DataFrame, fields: Mapping[str, Field]) -> list[dict[str, Any]]:
    """Return rows as JSON has them: by column a number, text, boolean or None."""
    columns = {
        name: [_plain(value, field.column.format) for value in frame[name].astype(object)]
        for name, field in fields.items()
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain(value: Any, written: str | None) -> Any:
    if value is None or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        if written in UNITS:
            return value.as_unit("ns").value * PER_SECOND[UNITS[written]] // 10**9
        return value.strftime(written) if written else value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _typical(field: Field) -> Any:
    """Return a value that the contract allows, for a model that has no rows of its own."""
    column = field.column
    if column.kind == "numeric":
        low, high = field.bounds
        return float(np.clip(0.0, low, high))
    if column.kind == "boolean":
        return False
    if column.kind == "datetime":
        return _plain(pd.Timestamp("2024-01-01"), column.format)
    return (column.allowed or sorted((field.known or frozenset()) - {MISSING}) or [""])[0]
