"""The code of a stage: every file it reaches by import, and a hash of each.

A stage of dvc.yaml depends on code/STAGE.txt, which the stage `code` writes from here. Docstrings, blank
lines and comments on lines of their own do not count: editing them reruns nothing.
"""

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

SRC = Path(__file__).resolve().parents[1]
RESOLVERS = {"data/load.py": "datasets", "models/build.py": "models"}
"""Modules that import what a `_target_` of conf/ names, and the package such code has to be in."""
DOTTED = re.compile(r"cairn(\.\w+)+")
READS_DOCSTRINGS = re.compile(r"__doc__|getdoc|get_docstring")
TEMPLATES = (".j2", ".css")


def code_of_stage(stage: str) -> str:
    """Return the text of code/STAGE.txt."""
    return code_of(f"cairn.pipeline.{stage}", "cairn.run_stage")


def code_of(*modules: str) -> str:
    """Return a line `SHA256  PATH` for every file that the modules reach by import, sorted by path."""
    return "".join(
        f"{_scan(path)[1]}  {path.relative_to(SRC.parent).as_posix()}\n" for path in files_of(*modules)
    )


def files_of(*modules: str) -> list[Path]:
    """Return every file that the modules reach by import, sorted; files without code are left out.

    A string that holds the dotted name of a module counts as an import of it. A module that resolves a
    `_target_` reaches all of the package in which targets are. Templates belong to the modules beside them.
    """
    reached: set[Path] = set()
    waiting = [path for name in modules for path in _files(name)]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += [*_scan(path)[0], *_templates(path.parent)]
    return sorted(reached)


def remember() -> None:
    """Keep what the files scanned so far hold, by their content, so that no stage has to parse them again."""
    file = _memory()
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps({"rules": _RULES, "scans": _SCANS}), encoding="utf-8")
    unfinished.replace(file)


def _memory() -> Path:
    return SRC / "cairn/__pycache__/imports.json"


_RULES = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
_SCANS: dict[str, Any] = {}


@cache
def _known() -> dict[str, Any]:
    """Return the scan of every content that `remember` kept by the rules of this file."""
    try:
        kept = json.loads(_memory().read_text(encoding="utf-8"))
        return kept["scans"] if kept["rules"] == _RULES else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


@cache
def _scan(path: Path) -> tuple[tuple[Path, ...], str]:
    """Return the files that a file imports, at the top or inside a function, and the hash of its code."""
    content = path.read_bytes()
    whole = hashlib.sha256(content).hexdigest()
    if path.suffix != ".py":
        return (), whole
    names, digest = _SCANS[whole] = _known().get(whole) or _parsed(content)
    inside = [file for name in names for file in _files(name)]
    return (*inside, *_resolved(path)), digest


def _parsed(content: bytes) -> tuple[list[str], str]:
    """Return the dotted names of the package that a source imports, and the hash of its code."""
    lines = content.split(b"\n")
    keeps_docstrings = READS_DOCSTRINGS.search(content.decode())
    names, docstrings, strings = [], set(), set()
    for node in ast.walk(ast.parse(content)):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
            case ast.Import():
                names += [alias.name for alias in node.names]
            case ast.Expr() if not keeps_docstrings and _is_docstring(node, lines):
                docstrings.update(_rows(node))
            case ast.JoinedStr() | ast.Constant(value=str() | bytes()):
                strings.update(_rows(node))
                if isinstance(node, ast.Constant) and DOTTED.fullmatch(str(node.value)):
                    names += [str(node.value), str(node.value).rpartition(".")[0]]
    kept = [
        line
        for row, line in enumerate(lines, start=1)
        if row not in docstrings and (row in strings or (line.strip() and not line.lstrip().startswith(b"#")))
    ]
    inside = [name for name in names if name.startswith("cairn.")]
    return inside, hashlib.sha256(b"\n".join(kept)).hexdigest()


def _rows(node: ast.expr | ast.Expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _is_docstring(node: ast.Expr, lines: list[bytes]) -> bool:
    """Tell whether a statement is a string alone, on lines of its own."""
    before = lines[node.lineno - 1][: node.col_offset]
    after = lines[_rows(node)[-1] - 1][node.end_col_offset :]
    is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_text and not before.strip() and not after.strip()


def _files(name: str) -> Iterator[Path]:
    """Yield the file of a dotted name inside src, and the packages above it that hold code."""
    parts = name.split(".")
    packages = [SRC.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    for path in (SRC.joinpath(*parts).with_suffix(".py"), *packages):
        if path.exists() and path.stat().st_size:
            yield path


def _resolved(path: Path) -> Iterator[Path]:
    package = RESOLVERS.get(path.relative_to(SRC / "cairn").as_posix())
    if package:
        yield from sorted((SRC / "cairn" / package).rglob("*.py"))


@cache
def _templates(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in folder.iterdir() if path.suffix in TEMPLATES)
