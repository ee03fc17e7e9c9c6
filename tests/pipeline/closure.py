"""What a module of src/cairn imports, directly or not, read from the source without running it."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


def imported_by(path: Path) -> set[Path]:
    """Return the files of src/cairn that one file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                found |= file_of(name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found |= file_of(alias.name)
    return found


def file_of(name: str) -> set[Path]:
    """Return the file of a dotted module name inside src/cairn, empty packages left out."""
    if not name.startswith("cairn"):
        return set()
    base = SRC.joinpath(*name.split("."))
    candidates = [base.with_suffix(".py"), base / "__init__.py"]
    return {path for path in candidates if path.exists() and path.stat().st_size}


def closure(path: Path) -> set[Path]:
    """Return the file and everything of src/cairn it reaches by imports."""
    reached, waiting = set(), {path}
    while waiting:
        current = waiting.pop()
        reached.add(current)
        waiting |= imported_by(current) - reached
    return reached
