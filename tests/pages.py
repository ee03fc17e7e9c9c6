"""The pages a reader follows, and what they ask the reader to type, paste and apply.

The language of a block, and an HTML comment on the line before it, say what happens to it:

    bash     commands; all must succeed; what they print is not compared
    console  commands after `$ `, and below each what it prints, `…` matches anything (as in doctest)
    diff     a change that must apply to the current files
    others   not used

    <!-- not run: REASON (tests/FILE.py) -->   the block is skipped; this test covers it
    <!-- not compared: REASON -->              the block is run, but its output is not compared
    <!-- fails -->                             every command of the block must fail
    <!-- write -->                             the block is a file: its first comment of one word is the name
    <!-- start: an empty folder -->            top of a page: where it begins (or: a fresh clone); else in
                                               a clone in which three weeks of flights have been run
"""

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from repository import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
TYPED = ("bash", "console")
NOT_RUN = "not run: "
COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block, the number of its first line, and the comment before it."""

    language: str
    text: str
    line: int
    comment: str

    def commands(self) -> list[tuple[str, str]]:
        """Return each command and what it must print; an empty string if that is not compared."""
        if self.language == "bash":
            joined = self.text.replace("\\\n", "")
            return [(line, "") for line in joined.splitlines() if line.strip() and not line.startswith("#")]
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        compared = not self.comment.startswith("not compared: ")
        typed = [(command, shown.strip("\n")) for command, _, shown in (p.partition("\n") for p in parts)]
        return [(command, shown if compared else "") for command, shown in typed]


@cache
def tokens(page: Path) -> list[Token]:
    """Return the page as CommonMark reads it."""
    return MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[Block]:
    """Return the blocks of code of a page, in order."""
    found, comment = [], ""
    for token in tokens(page):
        if token.type == "fence":
            found.append(Block(token.info, token.content, (token.map or [0])[0] + 1, comment))
        comment = said[1] if token.type == "html_block" and (said := COMMENT.match(token.content)) else ""
    return found


def start(page: Path) -> str:
    """Return where a page begins, '' for a clone with the flights."""
    said = COMMENT.search(page.read_text(encoding="utf-8"))
    return said[1].removeprefix("start: ") if said and said[1].startswith("start: ") else ""


def links(page: Path) -> list[str]:
    """Return what the links and pictures of a page point to."""
    inner = [child for token in tokens(page) for child in token.children or []]
    return [
        str(child.attrs.get("href") or child.attrs["src"])
        for child in inner
        if child.type in ("link_open", "image")
    ]


def anchors(page: Path) -> set[str]:
    """Return the fragments that GitHub gives to the headings of a page."""
    read = tokens(page)
    titles = [after.content for token, after in pairwise(read) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
