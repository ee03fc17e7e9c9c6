"""The width and the colours of the terminal, and paragraphs that fit into it.

No colour in a pipe or a file, none if NO_COLOR is set (https://no-color.org).
"""

import os
import re
import shutil
import sys
import textwrap

WIDTH = 100
"""Columns where the output is not a terminal and COLUMNS is not set."""
NARROWEST = 40
UNBROKEN = "\u00a0"
JOINED = re.compile(r"\[[^][]{1,40}\]|\([^()]{1,30}\)|`[^`]{1,120}`|\S+ [↑↓]")
"""[1,200 to 1,300], (not significant), `dvc repro`, the arrow behind the name of a metric."""
CODES = {"better": "32", "worse": "31", "unclear": "33", "bold": "1", "dim": "2"}
"""What is painted, by its meaning, as codes of ANSI (ECMA-48)."""


def coloured() -> bool:
    """Whether stdout shows colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, meaning: str) -> str:
    """Return the text in the colour of a meaning; unchanged where colours are off."""
    return f"\033[{CODES[meaning]}m{text}\033[0m" if text and meaning in CODES and coloured() else text


def terminal_width() -> int:
    """Return the columns of the terminal, or WIDTH."""
    return max(shutil.get_terminal_size((WIDTH, 24)).columns, NARROWEST)


def folded(text: str) -> str:
    """Break each line of a text where it is longer than the terminal is wide, see `wrapped`."""
    return "\n".join(part for line in text.splitlines() for part in wrapped(line) or [""])


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Break a paragraph into lines for a terminal; lines after the first are indented."""
    return broken(text, terminal_width(), indent)


def broken(text: str, width: int, indent: str = "") -> list[str]:
    """Break a paragraph at spaces into lines of at most a width; a longer word has a line of its own."""
    lines = textwrap.wrap(
        unbroken(text), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(UNBROKEN, " ") for line in lines]


def unbroken(text: str) -> str:
    """Join the ends of an interval, a short remark or a command, which belong on one line."""
    return JOINED.sub(lambda match: match[0].replace(" ", UNBROKEN), text)
