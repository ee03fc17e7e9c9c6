"""Parse a command line with Typer, call the command, and print what is wrong with the line in one line."""

import importlib
import os
import re
import sys
from typing import Any

import typer
from typer.core import TyperCommand

from cairn.commands import COMMANDS, Command
from cairn.errors import did_you_mean

TYPER_QUOTES = re.compile(r"\[default: \((.+?)\)(;.*)?\]")
TOO_MANY = re.compile(r"Got unexpected extra argument\(s\) \((.*)\)")
SETTINGS = {"help_option_names": ["-h", "--help"]}


def run(name: str, *args: str) -> int:
    """Run a command; return its exit code: 0, or 2 for a wrong command line, or 130 on Ctrl-C.

    Raises:
        UserError: whatever the command raises.
    """
    command = command_of(name)
    try:
        return command.main(list(args), prog_name=f"cairn {name}", standalone_mode=False) or 0
    except typer.TyperException as error:
        print(f"cairn {name}: {_line(error, command)}", file=sys.stderr)
        return 2


def complete() -> int:
    """Answer the shell, which asks for completions, or install or print its completion script."""
    typed = os.environ.get("COMP_WORDS", os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()
    app = typer.Typer(rich_markup_mode=None, context_settings=SETTINGS)
    app.callback()(_cairn)
    for name, command in COMMANDS.items():
        app.command(name, help=command.summary)(_function(name) if name in typed[1:2] else _cairn)
    return typer.main.get_command(app).main(prog_name="cairn", standalone_mode=False) or 0


def command_of(name: str) -> TyperCommand:
    """Return the command as Typer sees it."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=SETTINGS)
    app.command(name, cls=_Checked if COMMANDS[name].checks_pins else _Plain)(_function(name))
    command = typer.main.get_command(app)
    assert isinstance(command, TyperCommand)
    return command


def _function(name: str) -> Any:
    return importlib.import_module(Command.module(name)).main


def _cairn() -> None:
    """Stand in for `cairn` itself and for commands whose options are not asked for."""


class _Plain(TyperCommand):
    """Help as it is written: the docstring unwrapped, its examples after the options, arguments untyped."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = (param for param in self.params if param.param_type_name == "argument")
        return ["[OPTIONS]", *(_metavar(param) for param in arguments)]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        formatter.write(f"\n{(self.help or '').partition('Examples:')[0].strip()}\n")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        arguments, options = [], []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            term, text = record[0], TYPER_QUOTES.sub(r"[default: \1\2]", record[1])
            if param.param_type_name == "argument":
                arguments.append((_metavar(param), text))
            else:
                options.append((term, text))
        for title, records in (("Arguments", arguments), ("Options", options)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        examples = (self.help or "").partition("Examples:")[2].strip("\n")
        formatter.write(f"\nExamples:\n{examples}\n")


class _Checked(_Plain):
    """A command that computes: on the pinned versions, with the threads that params.yaml sets.

    An exported model has no params.yaml, and one thread unless the environment says otherwise.
    """

    def invoke(self, ctx: Any) -> Any:
        from cairn.pins import PINS, stop_on_other_versions
        from cairn.run_stage import ROOT, read_sections, use_threads

        if (ROOT / "params.yaml").exists():
            use_threads(read_sections(["threads"])["threads"])
        elif "OMP_NUM_THREADS" not in os.environ:
            use_threads(1)
        stop_on_other_versions(PINS)
        return super().invoke(ctx)


def _metavar(param: Any) -> str:
    return param.metavar or param.name.upper()


def _line(error: typer.TyperException, command: TyperCommand) -> str:
    option = getattr(error, "option_name", None)
    if option and hasattr(error, "possibilities"):
        known = [name for param in command.params for name in param.opts if not getattr(param, "hidden", 0)]
        return f"no option {option}{did_you_mean(option, [*known, '--help'])}"
    param = getattr(error, "param", None)
    message = TOO_MANY.sub(r"unexpected argument: \1", error.format_message())
    extra = message.rpartition(": ")[2].split()
    if message.startswith("unexpected") and any("-S" in known.opts for known in command.params):
        settings = " ".join(f"-S {word}" for word in extra if "=" in word)
        message += f"; settings are {settings}" if settings else ""
    if param is not None and getattr(error, "message", ""):
        from pydantic import ValidationError

        from cairn.settings.messages import problems

        hint = param.opts[-1] if param.param_type_name == "option" else _metavar(param)
        wrong = error.__cause__
        said = problems(wrong, None, None)[0][1] if isinstance(wrong, ValidationError) else error.message
        message = f"{hint}: {said}"
    elif message[:1].isupper():
        message = message[:1].lower() + message[1:]
    return message.rstrip(".")
