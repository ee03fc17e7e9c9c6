"""What a terminal shows while a command works, and what is left on it afterwards."""

import os
import pty
import subprocess
import sys
import termios

import pytest

WORK = """
import time
from cairn.progress import elapsed
with elapsed("fitting"):
    time.sleep({seconds})
print("baseline: prior, linear")
"""
BAR = """
import time
from tqdm import tqdm
for _ in tqdm(range(3), desc="folds", delay=1, disable=None, leave=False):
    time.sleep({seconds})
print("baseline: prior, linear")
"""


def shown(program: str, code: int = 0) -> str:
    """Return everything a program writes to a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    process = subprocess.Popen([sys.executable, "-c", program], stdout=theirs, stderr=theirs)
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 4096):
            parts.append(part)
    except OSError:  # Linux says so when the last program has closed the terminal
        pass
    os.close(ours)
    assert process.wait() == code
    return b"".join(parts).decode()


def screen(text: str) -> list[str]:
    """Return the lines a terminal ends up with: a carriage return goes back and overwrites."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "seen"),
    [
        (WORK.format(seconds=2.5), "fitting 00:0"),
        (BAR.format(seconds=0.7), "folds: "),
    ],
)
def test_a_line_that_was_shown_is_cleared_before_the_result(program, seen):
    text = shown(program)
    assert seen in text
    assert screen(text) == ["baseline: prior, linear", ""]


def test_short_work_shows_no_line():
    text = shown(WORK.format(seconds=0.1))
    assert "fitting" not in text
    assert screen(text) == ["baseline: prior, linear", ""]


@pytest.mark.slow
def test_the_line_is_cleared_before_an_error_too():
    failing = WORK.format(seconds="2.5); raise SystemExit('no such device'")
    assert screen(shown(failing, code=1)) == ["no such device", ""]


def test_a_log_file_gets_no_progress():
    done = subprocess.run(
        [sys.executable, "-c", WORK.format(seconds=1.2)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("baseline: prior, linear\n", "")
