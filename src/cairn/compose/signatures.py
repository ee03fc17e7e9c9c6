"""The parameters of a class or function that conf/ names by `_target_`, read from its source without import.

This check gives the error before anything is computed; the builders of model and table would give it minutes
later. Reading a source file takes milliseconds, importing scikit-learn or torch seconds in every experiment.
Names that the source does not show (compiled or generated ones) are imported.
"""

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

from cairn.errors import UserError, did_you_mean

Definition = ast.ClassDef | ast.FunctionDef


def parameters(target: str) -> list[str] | None:
    """Return the names of the parameters of a class's __init__ (less self) or of a function, in order.

    Returns:
        The names; None if it takes any (**kwargs) or cannot be inspected.

    Raises:
        UserError: no such module, or nothing of this name in it.
    """
    module, _, name = target.rpartition(".")
    found = _definition(module, name) if module else None
    if found is None:
        return _imported(module, name)
    file, node = found
    takes = _init(file, node) if isinstance(node, ast.ClassDef) else node.args
    if takes is None:
        return _imported(module, name)
    if takes.kwarg is not None:
        return None
    names = [argument.arg for argument in (*takes.posonlyargs, *takes.args, *takes.kwonlyargs)]
    return names[1:] if isinstance(node, ast.ClassDef) else names


def defined_in(target: str) -> str | None:
    """Return the full name of a class or function where its source is; None if no source shows it."""
    module, _, name = target.rpartition(".")
    found = _definition(module, name) if module else None
    return f"{found[0]}.{found[1].name}" if found else None


def _file(module: str) -> Path | None:
    """Return the source file of a module; no code of the packages above it is run."""
    name, folders, origin = "", None, None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, folders)
        if spec is None:
            return None
        folders, origin = list(spec.submodule_search_locations or ()), spec.origin
    return Path(origin) if origin and origin.endswith(".py") else None


def _definition(module: str, name: str) -> tuple[str, Definition] | None:
    """Find where a name is defined, following `from x import name`; the module is given by its full name."""
    file = _file(module)
    if file is None:
        return None
    for node in _statements(_tree(file, file.stat().st_mtime_ns)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _definition(_absolute(node, module, file), alias.name)
    return None


@lru_cache(maxsize=64)
def _tree(file: Path, changed: int) -> ast.Module:
    """Parse a source file once for all names in it; `changed` is its time of change."""
    return ast.parse(file.read_bytes())


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the top-level statements, the last first (as it wins), and those inside a try or an if."""
    for node in reversed(tree.body):
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from reversed(node.body)


def _absolute(node: ast.ImportFrom, module: str, file: Path) -> str:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return importlib.util.resolve_name("." * node.level + (node.module or ""), package)


def _init(module: str, node: ast.ClassDef) -> ast.arguments | None:
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return member.args
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        names = dict.fromkeys(["self", *_fields(module, node)])
        return ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
    for found in _bases(module, node):
        if takes := _init(*found):
            return takes
    return None


def _fields(module: str, node: ast.ClassDef) -> list[str]:
    """Return the fields of a dataclass, the fields of its bases first."""
    inherited = [name for found in _bases(module, node) for name in _fields(*found)]
    own = [m.target.id for m in node.body if isinstance(m, ast.AnnAssign) and isinstance(m.target, ast.Name)]
    return [*inherited, *own]


def _bases(module: str, node: ast.ClassDef) -> Iterator[tuple[str, ast.ClassDef]]:
    for base in node.bases:
        found = _definition(module, base.id) if isinstance(base, ast.Name) else None
        if found and isinstance(found[1], ast.ClassDef):
            yield found[0], found[1]


def _imported(module: str, name: str) -> list[str] | None:
    try:
        loaded = importlib.import_module(module)
    except (ImportError, ValueError) as error:
        raise UserError(f"no module '{module}' can be imported ({error})") from error
    if not hasattr(loaded, name):
        raise UserError(f"'{module}' has no '{name}'{did_you_mean(name, dir(loaded))}")
    try:
        takes = inspect.signature(getattr(loaded, name)).parameters.values()
    except TypeError as error:
        raise UserError(f"'{module}.{name}' is not a class or function") from error
    except ValueError:  # compiled code may have no signature
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
        return None
    return [parameter.name for parameter in takes]
