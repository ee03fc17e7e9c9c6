"""Read and write records, as JSON that git can show; the bytes written depend on the content alone."""

import json
import math
from pathlib import Path
from typing import Any

from cairn.files import replace_file

DIGITS = 6


def read_json(path: Path) -> Any:
    """Read a record that write_json wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(record: Any, path: Path, digits: int = DIGITS) -> None:
    """Write a record with floats rounded to significant digits, NaN as null, and a line end for git."""
    text = json.dumps(rounded(record, digits), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(f"{text}\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a file of text, the same bytes on every system, replacing an old one in one step."""
    replace_file(path, text.encode())


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """Round every float in nested dicts and lists to significant digits; NaN and infinity become None."""
    if isinstance(value, dict):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value
