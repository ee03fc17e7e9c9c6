"""The data set of a model: its prepared table, and what dvc.yaml says of its source."""

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from cairn.errors import UserError
from cairn.experiments.history import TABLE
from cairn.report.card.croissant import TableFile, croissant
from cairn.serve.model import Found
from cairn.settings.contract import read_contract
from cairn.settings.data import DataConfig
from cairn.settings.yaml_text import parse_yaml

CONTRACT = "data/prepared/contract.json"


def prepared_table(found: Found) -> Path:
    """Return the table that the model was made with; for a revision it is fetched if necessary.

    Raises:
        UserError: there is none, or the model is in a folder of its own.
    """
    return _output(found, TABLE)


def metadata(found: Found, data: DataConfig) -> str:
    """Return the Croissant metadata of the prepared table, for a file in the folder above data/.

    Raises:
        UserError: see prepared_table.
    """
    file = prepared_table(found)
    contract = read_contract(_output(found, CONTRACT), CONTRACT)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    table = TableFile(TABLE, file.stat().st_size, digest, pq.read_schema(file))
    artifact = _artifact(found, data.source)
    description = artifact.get("desc") or f"Table {data.name}, to predict {data.event}."
    made = croissant(data, contract, table, description, artifact.get("meta") or {})
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _output(found: Found, path: str) -> Path:
    if found.history is None or found.revision is None:
        raise UserError(f"{path}: a model in a folder of its own has no data")
    return found.history.tracked(found.revision, path)


def _artifact(found: Found, source: str) -> dict[str, Any]:
    """Return the entry of `artifacts` for a path, in the dvc.yaml of a folder above it; empty if none."""
    for folder in PurePosixPath(source).parents:
        written = parse_yaml(found.text(str(folder / "dvc.yaml")) or "", str(folder / "dvc.yaml"))
        for artifact in written.get("artifacts", {}).values():
            if folder / artifact.get("path", "") == PurePosixPath(source):
                return artifact
    return {}
