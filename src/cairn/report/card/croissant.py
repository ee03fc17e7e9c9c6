"""The prepared table as Croissant metadata 1.0 (MLCommons): JSON-LD that data set libraries read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cairn.report.page import bounds
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig

VERSION = "http://mlcommons.org/croissant/1.0"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty"),
            *("fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
            *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator"),
            *("source", "subField", "transform"),
        )
    },
}
"""The standard context of version 1.0, which readers compare with their own."""
ABOUT = ("url", "license", "citeAs", "creator", "publisher", "datePublished", "version", "keywords", "sameAs")
"""What else may be said of a data set, by its names in schema.org and Croissant."""


@dataclass(frozen=True)
class TableFile:
    """A Parquet file: its path relative to the metadata, bytes, SHA-256 and columns."""

    path: str
    size: int
    sha256: str
    schema: pa.Schema


def croissant(
    data: DataConfig, contract: Contract, table: TableFile, description: str, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the metadata of a prepared table.

    Args:
        data: its name and target.
        contract: its columns but row_id.
        table: the file.
        description: of the data set.
        about: of the data set; what ABOUT does not name is left out.
    """
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": data.name,
        "description": description,
        **{key: _said(key, about[key]) for key in ABOUT if key in about},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "table.parquet",
                "name": "table.parquet",
                "contentUrl": table.path,
                "contentSize": f"{table.size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": table.sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "key": {"@id": "rows/row_id"},
                "field": [_field(at, each, contract, data) for at, each in enumerate(table.schema)],
            }
        ],
    }


def _said(key: str, value: Any) -> Any:
    named = key in ("creator", "publisher") and isinstance(value, str)
    return {"@type": "sc:Organization", "name": value} if named else value


def _field(at: int, written: pa.Field, contract: Contract, data: DataConfig) -> dict[str, Any]:
    name, column = written.name, contract.columns.get(written.name)
    unit = {"unitText": column.unit} if column and column.unit else {}
    short = name if re.fullmatch(r"\w+", name) else f"column-{at}"  # an @id is part of an address
    return {
        "@type": "cr:Field",
        "@id": f"rows/{short}",
        "name": name,
        "description": _description(name, column, data),
        "dataType": _data_type(written.type),
        **unit,
        "source": {"fileObject": {"@id": "table.parquet"}, "extract": {"column": name}},
    }


def _description(name: str, column: Column | None, data: DataConfig) -> str:
    if column is None:
        return "position in the source, from 0"
    holds = bounds(column)
    encoded = f", 1 if {data.event} and 0 if not" if data.task == "binary" else ""
    parts = [
        column.description,
        f"in {column.unit}" if column.unit else "",
        holds if name != data.target or data.task != "binary" else "",
        "may be missing" if column.nullable else "",
        f"the target{encoded}" if name == data.target else "",
    ]
    return "; ".join(filter(None, parts)) or column.kind


def _data_type(dtype: pa.DataType) -> str:
    tests = {
        "sc:Boolean": pa.types.is_boolean,
        "sc:Integer": pa.types.is_integer,
        "sc:Float": pa.types.is_floating,
        "sc:DateTime": pa.types.is_temporal,
    }
    return next((name for name, holds in tests.items() if holds(dtype)), "sc:Text")
