"""`python src/cairn NAME`: run one stage or command with the code of the checkout this file is in.

A stage (cairn/pipeline) is called directly, so that it starts fast; a command (cairn/commands) is parsed by
Typer. No stage depends on this file.
"""

import gc
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The folder of this file comes first when it is run by its path, and would hide the standard library's names.
sys.path[0] = str(ROOT / "src")

from cairn.commands import COMMANDS, overview  # noqa: E402
from cairn.errors import UserError, did_you_mean  # noqa: E402


def main(argv: list[str]) -> int:
    """Run the stage or command named first in argv.

    Returns:
        The exit code: 0, 1 for an error, 2 for a wrong command line, 130 on Ctrl-C, or the command's own.
    """
    os.environ["PWD"] = str(Path.cwd())  # commands read paths relative to the user's folder
    os.chdir(ROOT)
    name = f"cairn {argv[0]}" if argv else "cairn"
    try:
        code = run(*argv)
        sys.stdout.flush()
    except UserError as error:
        text = "\n".join(f"{name}: {line}" for line in str(error).splitlines())
        print(_shown(text), file=sys.stderr)
        return 1
    except BrokenPipeError:  # `cairn … | head`
        return 1
    except KeyboardInterrupt:
        code = 130
    if code == 130:
        print(f"{name}: stopped", file=sys.stderr)
    return code


def _shown(text: str) -> str:
    """Break the lines of an error for a terminal; in a log each stays one line."""
    from cairn.terminal import folded

    return folded(text) if sys.stderr.isatty() else text


def end(code: int | str | None) -> None:
    """Leave with a code; where nobody reads what is still to be printed, without a complaint of Python."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(name: str = "", *args: str) -> int:
    """Call the stage or command of this name and return its exit code.

    Raises:
        UserError: whatever the stage or command raises.
    """
    stages = sorted(path.stem for path in (ROOT / "src/cairn/pipeline").glob("[a-z]*.py"))
    if "_CAIRN_COMPLETE" in os.environ or name in ("--install-completion", "--show-completion"):
        from cairn.commands.app import complete

        return complete()
    if name in ("", "-h", "--help", "help"):
        print(overview([stage for stage in stages if stage not in COMMANDS]))
    elif name == "--version":
        print(_version())
    elif name in COMMANDS and (args or name not in stages):
        from cairn.commands.app import run as run_command

        return run_command(name, *args)
    elif name in stages:
        from cairn.run_stage import run_stage

        run_stage(name, args)
    else:
        hint = did_you_mean(name, [*COMMANDS, *stages])
        print(f"cairn: no command or stage '{name}'{hint} (`cairn --help` lists them)", file=sys.stderr)
        return 2
    return 0


def _version() -> str:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"cairn {project['version']} ({ROOT}, Python {sys.version.split()[0]})"


if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 20)  # a command makes little garbage, and imports many objects
    try:
        code = main(sys.argv[1:])
    except SystemExit as ended:  # a command with codes of its own
        code = ended.code
    end(code)
