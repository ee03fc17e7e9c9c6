"""Run one stage of dvc.yaml: its threads, its pins, its code and its sections of params.yaml.

The keyword-only parameters of a stage's main() name the sections of params.yaml it reads. It gets exactly
these, validated, and dvc.yaml must declare the same ones under `params:`. Positional ones come from the
command line.
"""

import gc
import importlib
import inspect
import os
from pathlib import Path
from typing import Any, get_type_hints

from cairn.errors import UserError
from cairn.imports import SRC, code_of_stage
from cairn.inputs import stop_on_cause, stop_on_damaged_inputs
from cairn.pins import PINS, stop_on_other_versions
from cairn.settings.messages import lines
from cairn.settings.trusted import is_listed, not_listed, read_trusted, targets
from cairn.settings.yaml_text import read_yaml

ROOT = SRC.parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def run_stage(stage: str, args: tuple[str, ...]) -> None:
    """Call the stage's main() with its sections of params.yaml.

    Raises:
        UserError: wrong arguments, an undeclared or invalid section, a `_target_` that conf/trusted.yaml does
            not list, an input that is missing or damaged, other library versions than the pins, or under DVC
            a file code/STAGE.txt that is out of date.
    """
    declared = _declared(stage)
    _stop_on_other_code(stage, declared["deps"])
    sections = read_sections(declared["params"])
    stop_on_damaged_inputs(ROOT, stage, _inputs(declared["deps"], {}))
    _stop_on_strange_targets(sections)
    if "threads" in sections:
        use_threads(sections["threads"])
    if PINS.name in declared["deps"]:
        stop_on_other_versions(PINS)
    module = importlib.import_module(f"cairn.pipeline.{stage}")
    gc.freeze()  # looking for garbage among what was imported takes a tenth of the time of a short stage
    arguments = _positional(module, stage, args), _validated(module, sections)
    try:
        module.main(*arguments[0], **arguments[1])
    except UserError:
        raise
    except Exception as error:
        stop_on_cause(ROOT, stage, _inputs(declared["deps"], sections), error)
        raise


def use_threads(threads: int) -> None:
    """Set the thread count for numpy and OpenMP, before either is imported."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    # On a busy machine threads that spin while they wait take ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # OpenBLAS adds in another order on each kind of processor; with these kernels the digits are the same.
    if _has_avx2():
        os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")


def _has_avx2() -> bool:
    """Return whether this is Linux on a processor with the instructions of OpenBLAS's Haswell kernels."""
    try:
        return " avx2 " in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def read_sections(names: list[str]) -> dict[str, Any]:
    """Return some sections of params.yaml, not yet validated.

    Raises:
        UserError: params.yaml or one of the sections is missing, or it is not YAML.
    """
    if not names:
        return {}
    try:
        params = read_yaml(ROOT / "params.yaml", "params.yaml")
    except FileNotFoundError as error:
        raise UserError("params.yaml does not exist; run `dvc repro compose`") from error
    except UserError as error:
        raise UserError(f"{error}; `python src/cairn compose --reset` writes it again from conf/") from error
    missing = [name for name in names if name not in params]
    if missing:
        raise UserError(f"params.yaml: no section {', '.join(missing)}; run `dvc repro compose`")
    return {name: params[name] for name in names}


def _declared(stage: str) -> dict[str, list[str]]:
    """Return the stage's params and deps in dvc.yaml; empty if the stage is not in it."""
    pipeline = read_yaml(ROOT / "dvc.yaml", "dvc.yaml")
    stages = pipeline.get("stages") if isinstance(pipeline, dict) else None
    if not isinstance(stages, dict):
        raise UserError("dvc.yaml: no stages; run `git checkout dvc.yaml`")
    block = stages.get(stage, {})
    return {"params": block.get("params", []), "deps": block.get("deps", [])}


def _stop_on_other_code(stage: str, deps: list[str]) -> None:
    """Stop where DVC would record a result of other code than code/STAGE.txt lists: `dvc repro -s STAGE`."""
    name = f"code/{stage}.txt"
    if "DVC_STAGE" not in os.environ or name not in deps:
        return
    file = ROOT / name
    if not file.exists() or file.read_text(encoding="utf-8") != code_of_stage(stage):
        raise UserError(f"{name} is out of date: run `dvc repro code` first, or `dvc repro` without -s")


def _stop_on_strange_targets(sections: dict[str, Any]) -> None:
    named = list(targets(sections))
    trusted = read_trusted(ROOT) if named else ()
    for key, target in named:
        if not is_listed(target, trusted):
            raise UserError(f"params.yaml: {key}: {not_listed(target)}")


def _inputs(deps: list[str], sections: dict[str, Any]) -> list[str]:
    """Return the deps but code/STAGE.txt; of those with ${SECTION.KEY} the ones that these sections tell."""
    values = {f"${{{name}.{key}}}": value for name in sections for key, value in _items(sections[name])}
    found = [str(values.get(dep, dep)) for dep in deps if not dep.startswith("code/")]
    return [dep for dep in found if "$" not in dep]


def _items(section: Any) -> list[tuple[str, Any]]:
    return list(section.items()) if isinstance(section, dict) else []


def _positional(module: Any, stage: str, args: tuple[str, ...]) -> tuple[str, ...]:
    parameters = inspect.signature(module.main).parameters.values()
    wanted = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    variable = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(args) < len(wanted) or (len(args) > len(wanted) and not variable):
        usage = f"cairn {' '.join([stage, *(name.upper() for name in wanted)])}"
        raise UserError(f"a stage takes no options; run it as `{usage}`")
    return args


def _validated(module: Any, sections: dict[str, Any]) -> dict[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    parameters = inspect.signature(module.main).parameters.values()
    wanted = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    undeclared = sorted(set(wanted) - set(sections))
    if undeclared:
        raise UserError(f"dvc.yaml: the stage reads {', '.join(undeclared)}: add it to its params")
    hints, valid = get_type_hints(module.main, include_extras=True), {}
    for name in wanted:
        try:
            valid[name] = TypeAdapter(hints[name]).validate_python(sections[name])
        except ValidationError as error:
            wrong = lines("params.yaml", error, hints[name], sections[name], name)
            raise UserError(f"{wrong}; run `dvc repro`") from error
    return valid
