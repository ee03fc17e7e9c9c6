"""`python src/cairn NAME`: run one stage or command with the code of the checkout this file stands in.

A stage (cairn/pipeline) is given its sections of params.yaml, a command (cairn/commands) all words of the
command line. No stage depends on this file.
"""

import ast
import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The folder of this file comes first when it is run by its path, and would hide the standard library's names.
sys.path[0] = str(ROOT / "src")

from cairn.errors import UserError, did_you_mean  # noqa: E402


def main(argv: list[str]) -> int:
    """Run the stage or command named first in argv; return 0, 1 if something is wrong, 130 on Ctrl-C."""
    os.chdir(ROOT)
    try:
        run(*argv)
    except UserError as error:
        for line in str(error).splitlines():
            print(f"cairn {argv[0]}: {line}" if argv else f"cairn: {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"cairn {' '.join(argv[:1])}: stopped", file=sys.stderr)
        return 130
    return 0


def run(name: str = "", *args: str) -> None:
    """Call the stage or command of this name.

    Raises:
        UserError: no such name, or what the stage or command raises.
    """
    stages, commands = _modules("pipeline"), [stem.replace("_", "-") for stem in _modules("commands")]
    if name in ("", "-h", "--help", "help"):
        _print_help()
    elif name in stages:
        from cairn.run_stage import run_stage

        run_stage(name, args)
    elif name in commands:
        _run_command(name, args)
    else:
        hint = did_you_mean(name, [*stages, *commands])
        known = f"stages: {', '.join(stages)}; commands: {', '.join(commands)}"
        raise UserError(f"no stage or command '{name}'{hint} ({known})")


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


def _run_command(name: str, args: tuple[str, ...]) -> None:
    from cairn.pins import PINS, stop_on_other_versions
    from cairn.run_stage import read_sections, use_threads

    if name != "doctor":  # which reports what stops the others
        if (ROOT / "params.yaml").exists():
            use_threads(read_sections(["threads"])["threads"])
        stop_on_other_versions(PINS)
    importlib.import_module(f"cairn.commands.{name.replace('-', '_')}").main(*args)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
