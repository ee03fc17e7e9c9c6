"""`python src/cairn NAME`: run one stage or command with the code of the checkout this file stands in.

A stage's main() says by its keyword-only parameters which sections of params.yaml it reads; it is given
exactly these, validated, and dvc.yaml must name the same ones under `params:`. What is positional comes from
the command line. A command (cairn/commands) gets all words of the command line as they are.
"""

import ast
import difflib
import importlib
import inspect
import os
import sys
from pathlib import Path
from typing import Any, get_type_hints

ROOT = Path(__file__).resolve().parents[2]
# The folder of this file comes first when it is run by its path, and would hide the standard library's names.
sys.path[0] = str(ROOT / "src")

from cairn.config.base import ConfigError  # noqa: E402

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(argv: list[str]) -> int:
    """Run the stage or command named first in argv; return 0, 1 if something is wrong, 130 on Ctrl-C."""
    os.chdir(ROOT)
    try:
        run(*argv)
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"cairn {argv[0]}: {line}" if argv else f"cairn: {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"cairn {' '.join(argv[:1])}: stopped", file=sys.stderr)
        return 130
    return 0


def run(name: str = "", *arguments: str) -> None:
    """Call the stage or command of this name.

    Raises:
        ConfigError: no such name, wrong arguments, an undeclared or invalid section, or other versions.
    """
    stages, commands = _modules("pipeline"), [stem.replace("_", "-") for stem in _modules("commands")]
    if name in ("", "-h", "--help", "help"):
        _print_help()
    elif name in stages:
        _run_stage(name, arguments)
    elif name in commands:
        _run_command(name, arguments)
    else:
        near = difflib.get_close_matches(name, [*stages, *commands], n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        known = f"stages: {', '.join(stages)}; commands: {', '.join(commands)}"
        raise ConfigError(f"no stage or command '{name}'{hint} ({known})")


def _modules(room: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "src/cairn" / room).glob("[a-z]*.py"))


def _print_help() -> None:
    """List the commands and stages, each with the first line of its file."""
    for room, title in (("commands", "commands, each with --help"), ("pipeline", "stages of dvc.yaml")):
        print(f"{title}:")
        for stem in _modules(room):
            text = (ROOT / "src/cairn" / room / f"{stem}.py").read_text(encoding="utf-8")
            first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0].rpartition("`: ")[2]
            name = stem.replace("_", "-") if room == "commands" else stem
            print(f"  {name:<16} {first[:1].upper()}{first[1:].removesuffix('.')}")


def _run_command(name: str, arguments: tuple[str, ...]) -> None:
    from cairn.pins import stop_on_other_versions

    if (ROOT / "params.yaml").exists():
        _use_threads(_sections(["threads"])["threads"])
    stop_on_other_versions(ROOT / "constraints.txt")
    importlib.import_module(f"cairn.commands.{name.replace('-', '_')}").main(*arguments)


def _run_stage(stage: str, arguments: tuple[str, ...]) -> None:
    declared = _declared(stage)
    sections = _sections(declared["params"])
    if "threads" in sections:
        _use_threads(sections["threads"])
    if "constraints.txt" in declared["deps"]:
        from cairn.pins import stop_on_other_versions

        stop_on_other_versions(ROOT / "constraints.txt")
    module = importlib.import_module(f"cairn.pipeline.{stage}")
    module.main(*_positional(module, stage, arguments), **_validated(module, sections))


def _use_threads(threads: int) -> None:
    """Set the thread count where numpy and OpenMP look for it, before either is imported."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    # On a busy machine threads that spin while they wait take ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _declared(stage: str) -> dict[str, list[str]]:
    """Return the stage's params and deps in dvc.yaml; empty for a stage that is not in it."""
    from omegaconf import OmegaConf

    pipeline: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "dvc.yaml"))
    block = pipeline["stages"].get(stage, {})
    return {"params": block.get("params", []), "deps": block.get("deps", [])}


def _sections(names: list[str]) -> dict[str, Any]:
    from omegaconf import OmegaConf

    if not names:
        return {}
    path = ROOT / "params.yaml"
    if not path.exists():
        raise ConfigError("params.yaml is not there; run `dvc repro compose`")
    params: Any = OmegaConf.to_container(OmegaConf.load(path))
    missing = [name for name in names if name not in params]
    if missing:
        raise ConfigError(f"params.yaml: no {', '.join(missing)}; run `dvc repro compose`")
    return {name: params[name] for name in names}


def _positional(module: Any, stage: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    parameters = inspect.signature(module.main).parameters.values()
    wanted = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    variable = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(arguments) < len(wanted) or (len(arguments) > len(wanted) and not variable):
        raise ConfigError(f"usage: cairn {' '.join([stage, *(name.upper() for name in wanted)])}")
    return arguments


def _validated(module: Any, sections: dict[str, Any]) -> dict[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    parameters = inspect.signature(module.main).parameters.values()
    wanted = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    undeclared = sorted(set(wanted) - set(sections))
    if undeclared:
        raise ConfigError(f"dvc.yaml: the stage reads {', '.join(undeclared)}: name it under its params")
    hints = get_type_hints(module.main, include_extras=True)
    try:
        return {name: TypeAdapter(hints[name]).validate_python(sections[name]) for name in wanted}
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"params.yaml: {error.title} {where}: {first['msg']}; run `dvc repro`") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
