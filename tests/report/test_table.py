"""A table adapts to the terminal, and colour goes only to one that shows it."""

import os
import pty
import subprocess
import sys
import termios

import pytest
from repository import ROOT

from cairn.report.table import Table, aligned
from cairn.terminal import folded, painted, terminal_width, wrapped

TABLE = Table(
    ["metric", "A", "B", "95% interval", "what it is about"],
    [
        ["ROC AUC ↑", "0.778", "0.631", "[-0.183, -0.111]", "ranking of events above other rows"],
        ["saving, USD/1,000 rows ↑", "30,805", "14,217", "[-20,547 to -12,629]", "worse"],
    ],
)
COMPARED = Table(
    ["log loss within", "rows", "A", "B", "B - A", "95% interval", "p", ""],
    [
        [
            "sched_dep_time 18 to 21",
            "12,345",
            "0.409",
            "0.484",
            "+0.075",
            "[0.058, 0.092]",
            "<0.001",
            "worse",
        ],
        ["origin JFK", "9,876", "30,805", "12,345", "-18,460", "[-22,123 to -15,656]", "<0.001", "worse"],
    ],
)
CELLS = [word for row in (TABLE.header, *TABLE.rows) for cell in row for word in cell.split()]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_a_table_is_no_wider_than_the_terminal_and_loses_nothing(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = aligned(TABLE)
    assert max(map(len, lines)) <= width
    assert sorted(" ".join(lines).split()) == sorted(CELLS) or width < 60
    for number in ("0.778", "30,805", "-12,629]"):
        assert any(number in line for line in lines)


def test_where_it_fits_a_row_is_a_line_and_numbers_are_aligned_to_the_right(monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    assert aligned(Table(["name", "n"], [["a", "1"], ["bb", "22"]], words=False)) == [
        "name  n",
        "a     1",
        "bb    22",
    ]
    assert aligned(Table(["name", "n", "x"], [["a", "1", ""], ["bb", "22", "y"]])) == [
        "name   n  x",
        "a      1",
        "bb    22  y",
    ]


def test_an_interval_a_remark_and_a_command_stay_on_one_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    header, first, more, second = aligned(COMPARED)
    assert first.split("  ")[0].startswith("sched_dep_time 18")
    assert more == "to 21"
    assert "[0.058, 0.092] <0.001 worse" in first
    assert second.endswith("[-22,123 to -15,656] <0.001 worse")
    assert header.endswith("p")
    gain = (
        "gain over the rule that is used now  0.0004 [-0.0002, 0.0010] (not significant), so run `dvc repro`"
    )
    assert wrapped(gain) == [
        "gain over the rule that is used now  0.0004 [-0.0002, 0.0010] (not significant),",
        "  so run `dvc repro`",
    ]
    monkeypatch.setenv("COLUMNS", "75")
    assert wrapped(gain)[1] == "  (not significant), so run `dvc repro`"


def test_a_text_is_folded_line_by_line_and_loses_nothing(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = f"settings: conf/ + {' '.join(f'model.params.key{i}={i}' for i in range(9))}\n\nshort"
    *long, blank, short = folded(text).splitlines()
    assert [blank, short] == ["", "short"]
    assert max(map(len, long)) <= 80 < len(text.splitlines()[0])
    assert " ".join(line.strip() for line in long) == text.splitlines()[0]


def test_without_a_terminal_the_width_is_that_of_columns_or_a_hundred(monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal_width() == 72
    assert max(map(len, wrapped("word " * 60))) <= 72
    monkeypatch.setenv("COLUMNS", "3")
    assert terminal_width() == 40


def test_a_pipe_and_no_color_get_no_colour(monkeypatch):
    assert painted("better", "better") == "better"


@pytest.mark.parametrize(
    ("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_colour_unless_it_was_refused(more, coloured):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 60))
    environment = {"TERM": "xterm", "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")} | more
    program = "from cairn.terminal import *; print(painted('worse', 'worse'), terminal_width())"
    subprocess.run([sys.executable, "-c", program], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    shown = os.read(ours, 1000).decode()
    os.close(ours)
    assert ("\033[31m" in shown) == coloured
    assert "60" in shown
