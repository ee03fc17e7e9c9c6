"""What all commands promise: their options are in the docs, and Ctrl-C is no traceback."""

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

from cairn.__main__ import main

COMMANDS = [path.stem for path in (ROOT / "src/cairn/commands").glob("[a-z]*.py")]


DOCUMENTED_IN = {
    "learning-curve": "ablate",
    "update": "sources",
    "data-diff": "sources",
    "doctor": "how-to/messages",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_docs(command, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"cairn.commands.{command}").main("--help")
    said = capsys.readouterr().out
    name = command.replace("_", "-")
    page = ROOT / f"docs/{DOCUMENTED_IN.get(name, name)}.md"
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", said)) - {"--help"}
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page.read_text("utf-8")))
    assert options <= written, page


def test_help_lists_every_command_and_stage(capsys):
    for word in ([], ["--help"], ["-h"]):
        assert main(word) == 0
        listed = re.findall(r"^  ([a-z_-]+) +[A-Z]", capsys.readouterr().out, re.MULTILINE)
        stages = [path.stem for path in (ROOT / "src/cairn/pipeline").glob("[a-z]*.py")]
        assert sorted(listed) == sorted([*stages, *(name.replace("_", "-") for name in COMMANDS)])


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_is_not_guessed_from_its_beginning(command, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"cairn.commands.{command}").main("--hel")
    assert "usage" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="elsewhere it waits for the program")
def test_the_installed_command_becomes_the_program_of_the_checkout(tmp_path):
    """So Ctrl-C reaches it: a process in between would kill it before it has ended its workers."""
    (tmp_path / "src/cairn").mkdir(parents=True)
    (tmp_path / "src/cairn/__main__.py").write_text("import os, sys; print(os.getpid(), sys.argv[1:])")
    (tmp_path / "below").mkdir()
    command = [Path(sys.executable).with_name("cairn"), "sweep", "-S", "a=1 2"]
    process = subprocess.Popen(command, cwd=tmp_path / "below", stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=60)
    assert said == f"{process.pid} ['sweep', '-S', 'a=1 2']\n"


def test_ctrl_c_is_one_line():
    code = (
        # A shell starts what runs in the background with Ctrl-C ignored.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
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
