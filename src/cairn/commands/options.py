"""Options that several commands share, and how a result is printed.

One convention for all commands: -S KEY=VALUE is repeated; a list of names is NAME,NAME and may be repeated; a
path is relative to the folder the user is in; a count is a whole number.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer

from cairn.errors import UserError

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
    typer.Option(metavar="N", help="Number of parallel workers", show_default="cores // threads"),
]
Engine = Annotated[Literal["local", "slurm", "ray"], typer.Option(help="Where the workers run")]
Markdown = Annotated[bool, typer.Option("--md", help="Print Markdown, for a pull request")]
Json = Annotated[bool, typer.Option("--json", help="Print all numbers as JSON")]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write a page of HTML that loads nothing else")
]


class Forms(NamedTuple):
    """The functions of cairn.report that turn one kind of result into each form."""

    text: Callable[[Any], str]
    markdown: Callable[[Any], str]
    record: Callable[[Any], Any]
    page: Callable[[Any], str]


def show(result: object, forms: Forms, *, md: bool, as_json: bool, html: Path | None) -> None:
    """Print a result in the form asked for, then write its page if a file is named.

    Raises:
        UserError: two forms at once, or the page cannot be written.
    """
    if as_json:
        print(json.dumps(forms.record(result), indent=1, ensure_ascii=False))
    else:
        print(forms.markdown(result) if md else forms.text(result))
    if html:
        path = _user_folder() / html
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(forms.page(result), encoding="utf-8", newline="\n")
        except OSError as error:
            raise UserError(f"--html: {html} cannot be written: {error.strerror}") from error


def stop_on_both(md: bool, as_json: bool) -> None:
    """Raise UserError if two forms are asked for at once."""
    if md and as_json:
        raise UserError("--md and --json exclude each other")


def names(given: Iterable[str] | None) -> list[str]:
    """Split every NAME,NAME; a name that holds a comma is quoted as in CSV."""
    return [name for text in given or () for name in next(csv.reader([text]), [])]


def from_root(path: str) -> str:
    """Return a path of the user's folder as seen from the root, where commands run.

    A path that is not there is returned unchanged, so a path relative to the root works in every folder.
    """
    full = _user_folder() / path
    if not full.exists():
        return path
    return str(full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full)


def _user_folder() -> Path:
    return Path(os.environ.get("PWD", ""))
