"""What all commands promise: their options are in the docs, and Ctrl-C is no traceback."""

import importlib
import re
import signal
import subprocess
import sys

import pytest
from closure import ROOT

COMMANDS = [path.stem for path in (ROOT / "src/cairn/commands").glob("[a-z]*.py")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_docs(command, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"cairn.commands.{command}").main("--help")
    said = capsys.readouterr().out
    name = command.replace("_", "-")
    page = next(p for p in sorted((ROOT / "docs").rglob("*.md")) if f"cairn {name}" in p.read_text("utf-8"))
    page = ROOT / f"docs/{name}.md" if (ROOT / f"docs/{name}.md").exists() else page
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", said)) - {"--help"}
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page.read_text("utf-8")))
    assert options <= written, page


def test_ctrl_c_is_one_line(tmp_path):
    code = (
        "import importlib, sys; sys.path.insert(0, 'src'); main = importlib.import_module('cairn.__main__')\n"
        "def run(*_): print('begun', flush=True); __import__('time').sleep(60)\n"
        "main.run = run\n"
        "sys.exit(main.main(['compare', 'A', 'B']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "cairn compare: stopped\n")
