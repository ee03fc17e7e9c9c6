"""All commands: fast grouped help, documented options, completion, one-line errors, exit codes."""

import ast
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

from cairn.__main__ import main
from cairn.commands import COMMANDS, GROUPS, Command, options
from cairn.commands.app import command_of
from cairn.errors import UserError
from cairn.report.studies.sheet import Sheet

CAIRN = Path(sys.executable).with_name("cairn")
STAGES = {path.stem for path in (ROOT / "src/cairn/pipeline").glob("[a-z]*.py")}
SHARED = {"app", "options"}
DOCUMENTED_IN = {
    "learning-curve": "ablate",
    "update": "sources",
    "data-diff": "sources",
    "doctor": "how-to/messages",
    "board": "board",
    "compose": "../README",
    "ingest": "examples",
    "predict": "how-to/deploy",
    "export": "how-to/deploy",
    "refit": "how-to/model",
    "serve": "how-to/deploy",
    "monitor": "how-to/monitor",
    "promote": "how-to/promote",
    "rollback": "how-to/promote",
    "models": "how-to/promote",
    "retrain": "how-to/retrain",
    "push": "how-to/remote",
    "remote": "how-to/remote",
    "pull": "how-to/remote",
    "verify": "how-to/remote",
    "reproduce": "how-to/reproduce",
}
HIDDEN = {"sweep": "--worker", "search": "--worker"}


def cairn(*args, **settings):
    command = [sys.executable, "src/cairn", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **settings)


def help_of(name, capsys):
    assert main([name, "--help"]) == 0
    return capsys.readouterr().out


def cpu_seconds(command):
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return used() - before


def test_every_command_is_in_the_table_and_every_entry_has_a_module():
    modules = {path.stem for path in (ROOT / "src/cairn/commands").glob("[a-z]*.py")} - SHARED
    assert {Command.module(name).rpartition(".")[2] for name in COMMANDS} == modules


def test_help_groups_every_command_and_lists_every_stage(capsys):
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        said = capsys.readouterr().out
        for title, group in GROUPS.items():
            block = said.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
            assert re.findall(r"^  ([a-z-]+)  +[A-Z]", block, re.MULTILINE) == list(group)
        assert set(said.partition("run by `dvc repro`: ")[2].split()) | set(COMMANDS) >= STAGES
        assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("command", [[sys.executable, "src/cairn", "--help"], [CAIRN, "--help"]])
def test_help_costs_at_most_a_fifth_of_a_second_of_cpu(command):
    assert min(cpu_seconds(command) for _ in range(5)) <= 0.2


def test_help_imports_neither_typer_nor_a_command():
    code = "import runpy, sys; sys.argv = ['src/cairn', '--help']\ntry: runpy.run_path('src/cairn')\n"
    code = code.replace("run_path('src/cairn')", "run_path('src/cairn', run_name='__main__')")
    code += "except SystemExit: print([m for m in sys.modules if m.partition('.')[0] in ('typer', 'cairn')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(done.stdout.splitlines()[-1])) == {"cairn", "cairn.commands", "cairn.errors"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_its_options_its_examples_and_no_internal_flag(name, capsys):
    said = help_of(name, capsys)
    summary, _, rest = said.partition("\n\n")[2].partition("Options:\n")
    assert said.startswith(f"Usage: cairn {name} [OPTIONS]") and summary.strip()
    listed, _, examples = rest.partition("\nExamples:\n")
    params = [param for param in command_of(name).params if param.param_type_name == "option"]
    for param in params:
        assert bool(re.search(rf"{param.opts[-1]}\b", listed)) != param.hidden
        assert param.help or param.hidden, param.name
    assert all(line.startswith(f"  cairn {name}") for line in examples.splitlines()) and examples
    for line in examples.splitlines():
        assert f"cairn {name}" in line and len(line) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_docs(name, capsys):
    page = ROOT / f"docs/{DOCUMENTED_IN.get(name, name)}.md"
    flags = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
    assert set(flags.findall(help_of(name, capsys))) - {"--help"} <= set(
        flags.findall(page.read_text("utf-8"))
    )


@pytest.mark.parametrize(("name", "flag"), HIDDEN.items())
def test_internal_flags_are_hidden_and_work(name, flag, capsys):
    assert flag not in re.findall(r"--[\w-]+", help_of(name, capsys))
    assert command_of(name).make_context(name, [flag, "x"]).params["worker"] == "x"


WRONG = {
    "compare A B --resampels 200": "cairn compare: no option --resampels; did you mean '--resamples'?",
    "doctor --hel": "cairn doctor: no option --hel; did you mean '--help'?",
    "compose --rest": "cairn compose: no option --rest; did you mean '--reset'?",
    "compare A B --resamples 9": "cairn compare: --resamples: must be at least 100, not '9'",
    "compare A B --part tset": "cairn compare: --part: 'tset' is not one of 'test', 'validation'",
    "compare A": "cairn compare: missing argument 'B...'",
    "new-data x.csv": "cairn new-data: missing option '--target'",
    "sweep --workers 0": "cairn sweep: --workers: must be at least 1, not '0'",
    "sweep seed=1,2": "cairn sweep: unexpected argument: seed=1,2; settings are -S seed=1,2",
    "ablate a=1 b c=2": "cairn ablate: unexpected argument: a=1 b c=2; settings are -S a=1 -S c=2",
    "board a=1": "cairn board: unexpected argument: a=1",
    "comprae": "cairn: no command or stage 'comprae'; did you mean 'compare'? (`cairn --help` lists them)",
}


@pytest.mark.parametrize(("line", "said"), WRONG.items())
def test_a_wrong_command_line_is_one_line_and_exit_code_2(line, said, capsys):
    assert main(line.split()) == 2
    assert capsys.readouterr().err == f"{said}\n"


def test_compose_takes_settings_with_and_without_s(monkeypatch):
    ran = []
    monkeypatch.setattr("cairn.run_stage.run_stage", lambda name, arguments: ran.append((name, arguments)))
    assert main(["compose", "model=mlp", "-S", "seed=1", "-S", "~train.x", "--reset"]) == 0
    assert ran == [("compose", ("--reset", "--", "model=mlp", "seed=1", "~train.x"))]


def test_an_error_is_one_line_and_exit_code_1(capsys):
    assert main(["ablate", "--md", "--json"]) == 1
    assert capsys.readouterr().err == "cairn ablate: --md and --json cannot be combined\n"


def test_version_names_version_and_checkout(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(rf"cairn \d+\.\d+\.\d+ \({ROOT}, Python 3\..+\)\n", capsys.readouterr().out)


def test_lists_are_separated_by_commas_and_may_be_repeated():
    assert options.names(None) == options.names([""]) == []
    assert options.names(["a,b", "c"]) == ["a", "b", "c"]
    assert options.names(['"a, b",c d']) == ["a, b", "c d"]


def test_a_path_is_relative_to_the_users_folder(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/x.csv").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path / "sub"))
    assert Path(options.from_root("x.csv")) == Path("sub/x.csv")
    assert options.from_root("data/raw/old.csv") == "data/raw/old.csv"
    sheet = Sheet("study", "a title", [("better", "a verdict")], [], [])
    options.show(sheet, md=False, as_json=False, html=Path("new/page.html"))
    assert "a title" in (tmp_path / "sub/new/page.html").read_text(encoding="utf-8")
    with pytest.raises(UserError, match=r"--html: \. cannot be written"):
        options.show(sheet, md=False, as_json=False, html=Path())


COMPLETED = {
    "cairn ": list(COMMANDS),
    "cairn s": ["sweep", "search", "serve"],
    "cairn sweep --w": ["--workers"],
    "cairn compare A B --part ": ["test", "validation"],
    "cairn compose --": ["--reset", "--save-as", "--help"],
}


def test_bash_completes_commands_options_and_values_with_the_script_of_the_installed_cairn():
    script = ["source <(_CAIRN_COMPLETE=source_bash cairn)", "complete -p cairn"]
    for line in COMPLETED:
        words = line.split(" ")
        script += [
            f"COMP_WORDS=({' '.join(map(repr, words))}) COMP_CWORD={len(words) - 1}",
            '_cairn_completion cairn; echo "${COMPREPLY[@]}"',
        ]
    environment = {**os.environ, "PATH": f"{CAIRN.parent}:{os.environ['PATH']}"}
    command = ["bash", "-c", "\n".join(script)]
    done = subprocess.run(
        command, cwd=ROOT / "docs", env=environment, capture_output=True, text=True, check=True
    )
    registered, *offered = done.stdout.splitlines()
    assert registered == "complete -o default -F _cairn_completion cairn"
    assert dict(zip(COMPLETED, map(str.split, offered), strict=True)) == COMPLETED


def test_outside_a_checkout_completion_is_silent_and_the_command_says_why(tmp_path):
    for settings, said in (({"_CAIRN_COMPLETE": "complete_bash"}, ""), ({}, "cairn: no src/cairn here")):
        environment = {**os.environ, **settings}
        done = subprocess.run(
            [CAIRN], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1 and done.stderr.startswith(said) and bool(done.stderr) == bool(said)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_and_installed(shell, tmp_path):
    """The shell is named here because there is no terminal to look it up."""
    settings = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = cairn("--show-completion", shell, env={**os.environ, **settings})
    assert shown.returncode == 0 and f"_CAIRN_COMPLETE=complete_{shell}" in shown.stdout
    assert cairn("--install-completion", shell, env={**os.environ, **settings}).returncode == 0
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(shown.stdout.strip() in text for text in written)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere it waits for the program")
def test_the_installed_command_becomes_the_program_of_the_checkout(tmp_path):
    """So Ctrl-C reaches it: a process in between would kill it before it has ended its workers."""
    (tmp_path / "src/cairn").mkdir(parents=True)
    (tmp_path / "src/cairn/__main__.py").write_text("import os, sys; print(os.getpid(), sys.argv[1:])")
    (tmp_path / "below").mkdir()
    command = [CAIRN, "sweep", "-S", "a=1 2"]
    process = subprocess.Popen(command, cwd=tmp_path / "below", stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=60)
    assert said == f"{process.pid} ['sweep', '-S', 'a=1 2']\n"


@pytest.mark.parametrize("args", [["--help"], ["sweep", "--help"]])
def test_a_closed_pipe_is_no_traceback(args):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "src/cairn", *args]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("name", ["compare", "prepare"])
def test_ctrl_c_is_one_line_and_exit_code_130(name):
    """Both while a command runs inside Typer and while a stage runs without it."""
    code = (
        # A shell starts what runs in the background with Ctrl-C ignored.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; sys.path.insert(0, 'src'); from cairn import __main__, run_stage\n"
        "import cairn.commands.compare as compare\n"
        "from typing import Annotated; import typer\n"
        "def wait(*_): print('begun', flush=True); __import__('time').sleep(60)\n"
        "run_stage.run_stage = wait\n"
        "compare.main = lambda: wait()\n"
        f"sys.exit(__main__.main([{name!r}]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, f"cairn {name}: stopped\n")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--version"],
        ["board"],
        ["board", "--json"],
        ["models"],
        ["monitor"],
        ["compare", "HEAD", "no such one"],
    ]
    + [[name, "--help"] for name in COMMANDS],
    ids=" ".join,
)
def test_a_reader_who_has_seen_enough_is_no_error_to_complain_about(words):
    """`cairn … | head -1`: no traceback, and nothing that Python says of its own at exit."""
    command = [sys.executable, "src/cairn", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert "Traceback" not in said
    assert "BrokenPipeError" not in said
    assert process.returncode in (1, 2)
