"""Options that several commands share, and how a result is printed.

One convention for all commands: -S KEY=VALUE is repeated; a list of names is NAME,NAME and may be repeated; a
path is relative to the folder the user is in; a count is a whole number.
"""

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cairn.errors import UserError

if TYPE_CHECKING:
    from cairn.report.studies.sheet import Sheet

Settings = Annotated[
    list[str] | None,
    typer.Option("-S", metavar="KEY=VALUE", help="Other settings, as in `dvc exp run -S` (repeatable)"),
]
DecideBy = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Metric of the verdict, or `saving`; choose before you look",
        show_default="evaluate.primary",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Number of parallel workers", show_default="cores // threads"),
]
Engine = Annotated[Literal["local", "slurm", "ray"], typer.Option(help="Where the workers run")]
Policy = Annotated[
    Literal["refuse", "flag", "ignore"],
    typer.Option(help="For rows that break the contract: no prediction, predict and report, or predict"),
]
Trust = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME,NAME", help="Libraries or classes that the model may also use"),
]
Remote = Annotated[
    str | None, typer.Option(metavar="NAME", help="A remote of .dvc/config", show_default="the default one")
]
AllCommits = Annotated[
    bool, typer.Option("--all-commits", help="Also what every branch, tag and experiment needs")
]
Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=1, help="Longest time that a command of DVC may take")
]
Reason = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Why, in your words; kept in the tag", show_default=False)
]
Push = Annotated[
    bool,
    typer.Option("--push", help="Fetch the tags of git's remote first, and push the new ones in one go"),
]
Markdown = Annotated[bool, typer.Option("--md", help="Print Markdown, for a pull request")]
Json = Annotated[bool, typer.Option("--json", help="Print all numbers as JSON")]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write a page of HTML that loads nothing else")
]


def show(sheet: "Sheet", *, md: bool, as_json: bool, html: Path | None) -> None:
    """Print a study in the form asked for, then write its page if a file is named.

    Raises:
        UserError: the page cannot be written.
    """
    from cairn.report.studies.sheet import to_html, to_markdown, to_text

    if as_json:
        print(json.dumps(sheet.record, indent=1, ensure_ascii=False))
    else:
        print(to_markdown(sheet) if md else to_text(sheet))
    if html:
        write_page(html, to_html(sheet))


def write_page(html: Path, page: str) -> None:
    """Write a page where the user asked for it.

    Raises:
        UserError: it cannot be written.
    """
    path = user_folder() / html
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"--html: {html} cannot be written: {error.strerror}") from error


def check_output(other: bool, as_json: bool, html: Path | None, name: str = "--md") -> None:
    """Raise UserError if two forms are asked for at once, or the page would replace a folder."""
    if other and as_json:
        raise UserError(f"{name} and --json cannot be combined")
    if html and (user_folder() / html).is_dir():
        raise UserError(f"--html: {html} is a folder; name a file in it")


def names(given: Iterable[str] | None) -> list[str]:
    """Split every NAME,NAME; a name that holds a comma is quoted as in CSV."""
    return [name for text in given or () for name in next(csv.reader([text]), [])]


def from_root(path: str) -> str:
    """Return a path of the user's folder as seen from the root, where commands run.

    A path that is not there is returned unchanged, so a path relative to the root works in every folder.
    """
    full = user_folder() / path
    if not full.exists():
        return path
    return str(full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full)


def pairs(option: str, given: Iterable[str] | None) -> dict[str, str]:
    """Return what a repeated option KEY=VALUE holds.

    Raises:
        UserError: one without a key or a value.
    """
    found = {}
    for text in given or ():
        key, _, value = text.partition("=")
        if not key or not value:
            raise UserError(f"{option}: '{text}' is not KEY=VALUE")
        found[key] = value
    return found


def user_folder() -> Path:
    """Return the folder the user is in; commands run in the root of the checkout."""
    return Path(os.environ.get("PWD", ""))
