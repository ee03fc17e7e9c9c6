"""A reader who follows a page: types commands, writes files, applies changes, reads the output."""

import doctest
import re
import subprocess
from pathlib import Path

from pages import NOT_RUN, TYPED, Block

END = "--- the command has ended: "
RULE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Shell:
    """One bash, in which commands are typed one after the other; folder and variables stay."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def type(self, command: str) -> tuple[int, str]:
        """Return the exit code and what the command printed."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{END}%s\\n' $?\n")
        self.process.stdin.flush()
        printed = []
        for line in self.process.stdout:
            if line.startswith(END):
                return int(line.removeprefix(END)), "".join(printed).rstrip("\n")
            printed.append(line)
        raise AssertionError(f"{command}: the shell has ended:\n{''.join(printed)}")

    def close(self) -> None:
        """End the shell."""
        self.process.communicate("exit\n", timeout=60)


def follow(shell: Shell, block: Block, where: str) -> None:
    """Do what a block asks for.

    Raises:
        AssertionError: a command fails or must and does not, or prints something else than the page shows.
    """
    if block.comment.startswith(NOT_RUN):
        return
    pasted = f" <<'END_OF_FILE'\n{block.text}END_OF_FILE"
    if block.comment == "write":
        name = re.search(r"^# (\S+)$", block.text, re.MULTILINE)
        assert name, f"{where}: no comment with the name of the file"
        type_in(shell, f"cat > '{name[1]}'{pasted}", "", where)
    elif block.language == "diff":
        type_in(shell, f"git apply -{pasted}", "", where)
    elif block.language in TYPED:
        for command, shown in block.commands():
            type_in(shell, command, shown, where, fails=block.comment == "fails")


def type_in(shell: Shell, command: str, shown: str, where: str, *, fails: bool = False) -> None:
    """Type one command and look at what comes of it."""
    code, printed = shell.type(command)
    assert (code != 0) == fails, f"{where}: {command}: exit code {code}\n{printed}"
    wanted, got = doctest.Example(command, shown.replace("…", "...")), f"{printed}\n"
    checker = doctest.OutputChecker()
    if shown and not checker.check_output(wanted.want, got, RULE):
        difference = checker.output_difference(wanted, got, doctest.REPORT_UDIFF)
        raise AssertionError(f"{where}: {command}\n{difference}")
