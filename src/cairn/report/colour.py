"""Colour on a terminal: none in a pipe or a file, none if NO_COLOR is set (https://no-color.org)."""

import os
import sys

CODES = {"better": "32", "worse": "31", "unclear": "33", "bold": "1", "dim": "2"}
"""What is painted, by its meaning, as codes of ANSI (ECMA-48)."""


def coloured() -> bool:
    """Whether stdout shows colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, meaning: str) -> str:
    """Return the text in the colour of a meaning; unchanged where colours are off."""
    return f"\033[{CODES[meaning]}m{text}\033[0m" if text and meaning in CODES and coloured() else text
