"""Write a model into a folder that serves and predicts by itself: no clone, no git, no DVC.

The folder has the shape of a checkout, so the same commands run in it: src/ with the modules that they reach,
models/model, and constraints.txt with the exact version of every library.
"""

import shutil
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cairn.errors import UserError
from cairn.imports import SRC, files_of
from cairn.models.boosting import BoostedClassifier, BoostedRegressor
from cairn.models.compiled import uncalibrated
from cairn.models.ensemble import members_of
from cairn.models.package import Package
from cairn.report.deploy import dockerfile
from cairn.settings.trusted import library_of

ENTRIES = ("cairn.__main__", "cairn.commands.serve", "cairn.commands.predict")
OTHER_TASKS = ("hydra-core", "matplotlib", "pandera", "torch", "torchmetrics")
"""Dependencies of the pipeline that a prediction does not need; torch only for a network."""
EXTRAS = ("serve",)


def export(
    package: Package, saved: Path, target: Path, texts: Mapping[str, str], files: Mapping[str, Path]
) -> list[Path]:
    """Write the folder; it appears as a whole or not at all.

    Args:
        package: the model.
        saved: the folder it was loaded from.
        target: folder to make.
        texts: by path in the folder, what else to write: the card as README.md, metadata of the data set.
        files: by path in the folder, what else to copy there.

    Returns:
        The files written.

    Raises:
        UserError: the target exists, or a library is not installed.
    """
    if target.exists():
        raise UserError(f"{target}: exists already; name another folder, or remove it")
    pins = pinned(requirements(package))
    unfinished = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        for file in files_of(*ENTRIES):
            _copy(file, unfinished / file.relative_to(SRC.parent))
        for folder in {
            parent for path in (unfinished / "src/cairn").rglob("*.py") for parent in path.parents
        }:
            if folder.is_relative_to(unfinished / "src/cairn"):
                (folder / "__init__.py").touch()
        _copy(SRC.parent / "pyproject.toml", unfinished / "pyproject.toml")
        shutil.copytree(saved, unfinished / "models/model")
        (unfinished / "constraints.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
        (unfinished / "Dockerfile").write_text(dockerfile(), encoding="utf-8")
        for path, text in texts.items():
            (unfinished / path).write_text(text, encoding="utf-8")
        for path, file in files.items():
            _copy(file, unfinished / path)
        unfinished.replace(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return sorted(path for path in target.rglob("*") if path.is_file())


def requirements(package: Package) -> list[str]:
    """Return the libraries that a service of the model imports."""
    import tomllib

    project = tomllib.loads((SRC.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for name in EXTRAS for line in project["optional-dependencies"].get(name, [])]
    names = [Requirement(line).name for line in (*project["dependencies"], *extras, "typer")]
    estimator = uncalibrated(package.estimator)
    needed = [
        Requirement(line).name
        for each in members_of(package, estimator)
        for line in _libraries(uncalibrated(each.estimator), project["optional-dependencies"])
    ]
    return [*(name for name in names if name not in OTHER_TASKS), *dict.fromkeys(needed)]


def _libraries(estimator: Any, extras: Mapping[str, list[str]]) -> list[str]:
    """Return what an estimator needs beside the libraries of every model, as pyproject.toml names it."""
    module, name = type(estimator).__module__, type(estimator).__name__
    target = getattr(estimator, "target", f"{module}.{name}")
    library = library_of(target, vars(estimator))
    found = [line for line in extras.get(library, []) if _is_for_this_machine(line)]
    of_torch = module.startswith(("cairn.models", "torch")) and library != "tensorflow"
    if of_torch and not isinstance(estimator, BoostedClassifier | BoostedRegressor):
        return [*found, "torch"]
    return found or ([] if library in ("cairn", "sklearn") else [library])


def _is_for_this_machine(line: str) -> bool:
    marker = Requirement(line).marker
    return marker is None or marker.evaluate()


def pinned(names: Iterable[str]) -> list[str]:
    """Return `NAME==VERSION` for the libraries and all they require, as they are installed here.

    Raises:
        UserError: one of them is not installed.
    """
    waiting, found = list(names), dict[str, str]()
    while waiting:
        wanted = Requirement(waiting.pop())
        name = canonicalize_name(wanted.name)
        try:
            installed = distribution(name)
        except PackageNotFoundError as error:
            raise UserError(f"{wanted.name} is not installed: run `python bootstrap.py`") from error
        if name not in found:
            found[name] = f"{name}=={installed.version.partition('+')[0]}"
        for line in installed.requires or []:
            needs = Requirement(line)
            extras = wanted.extras or {""}
            applies = needs.marker is None or any(needs.marker.evaluate({"extra": each}) for each in extras)
            if applies and canonicalize_name(needs.name) not in found:
                waiting.append(line.partition(";")[0])
    return sorted(found.values())


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
