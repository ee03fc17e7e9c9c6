"""Equal models, equal bytes: removes the addresses, times and stray memory that skops writes.

It depends on the layout of skops files (protocol 2, skops 0.16): a zip of schema.json, a tree of nodes with
`__id__` (the address of the object) and `file` (named by an address), and these files. skops is pinned to
that version, and tests/models/test_package.py fails if a new one differs.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

SCHEMA = "schema.json"
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
UNIX = 3


def canonical(content: bytes) -> bytes:
    """Rewrite a skops file so that equal models have equal bytes in every process.

    Objects are numbered in the order of the tree, except numbers and text, which Python may or may not share;
    equal arrays are stored once, under their hash; the gaps in records are 0; sets are sorted; dates, flags
    and compression (which differs between versions of zlib) are fixed.
    """
    with ZipFile(io.BytesIO(content)) as source:
        schema = source.read(SCHEMA)
        kept = {name: _without_gaps(source.read(name)) for name in source.namelist() if name != SCHEMA}
    names = {name: f"{hashlib.sha256(kept[name]).hexdigest()[:32]}{Path(name).suffix}" for name in kept}
    tree = json.loads(schema, object_hook=lambda node: _renamed(node, names))
    text = json.dumps(_number(tree, {}), separators=(",", ":"), ensure_ascii=False).encode()
    entries = {names[name]: kept[name] for name in kept}
    return zipped([(SCHEMA, text), *sorted(entries.items())])


def zipped(parts: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip of named contents, in this order: equal contents have equal bytes."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as target:
        for name, part in parts:
            target.writestr(_entry(name), part)
    return buffer.getvalue()


def renamed(content: bytes, names: Mapping[str, str]) -> bytes:
    """Rewrite a skops file with other texts: every text, and every path, that is one of these names.

    Raises:
        LookupError: one of the new texts took no place.
    """
    found = set[str]()

    def written(node: dict[str, Any]) -> dict[str, Any]:
        if node.get("__loader__") == "JsonNode":
            text = json.loads(node["content"])
            if isinstance(text, str) and text in names:
                found.add(names[text])
                node["content"] = json.dumps(names[text])
        elif node.get("__module__") == "pathlib" and (parts := node["content"].get("content")):
            path = str(Path(*(json.loads(part["content"]) for part in parts)))
            if path in names:
                found.add(names[path])
                node["content"]["content"] = [{**parts[0], "content": json.dumps(names[path])}]
        return node

    with ZipFile(io.BytesIO(content)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    tree = json.loads(parts[SCHEMA], object_hook=written)
    if missing := set(names.values()) - found:
        raise LookupError(", ".join(sorted(missing)))
    text = json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()
    return zipped((parts | {SCHEMA: text}).items())


def _without_gaps(content: bytes) -> bytes:
    """Put 0 between the fields of records, where scikit-learn's trees hold uninitialised memory."""
    if not content.startswith(np.lib.format.MAGIC_PREFIX):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    # np.zeros_like and np.save copy records field by field, and so leave stray memory in the gaps again.
    memory = np.zeros(array.nbytes, dtype=np.uint8)
    clean = memory.view(array.dtype).reshape(array.shape)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, np.lib.format.header_data_from_array_1_0(clean))
    buffer.write(memory.tobytes())
    return buffer.getvalue()


def _renamed(node: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    """Give a node's file its new name; remove the id of numbers and text, and put sets in a fixed order."""
    loader = node.get("__loader__")
    if loader == "JsonNode":
        node.pop("__id__", None)
    elif loader and "file" in node:
        node["file"] = files[node["file"]]
    if loader == "SetNode":  # by text: the order of the hashes differs between processes
        node["content"].sort(key=lambda item: json.dumps(_number(item, {})))
    return node


def _number(node: Any, ids: dict[int, int]) -> Any:
    """Return the tree with ids counted from 1 by first occurrence."""
    if isinstance(node, list):
        return [_number(item, ids) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: ids.setdefault(value, len(ids) + 1) if key == "__id__" else _number(value, ids)
        for key, value in node.items()
    }


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, FIRST_DATE)
    entry.compress_type = ZIP_STORED
    entry.create_system = UNIX
    entry.external_attr = 0o644 << 16
    return entry
