"""What the commands that show a study have in common on the command line."""

import argparse
import json
from pathlib import Path

from cairn.errors import UserError
from cairn.report.studies.sheet import Sheet, to_html, to_markdown, to_text


def parser_of(name: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with the options of both commands."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog=f"cairn {name}",
        description=description,
        epilog="Judged on validation; test is never read. The same data, settings and seeds give the same"
        " numbers to the last bit.",
    )
    parser.add_argument(
        "-S", dest="set", action="append", default=[], metavar="KEY=VALUE",
        help="other settings, as in dvc exp run -S (may be given again)",
    )  # fmt: skip
    parser.add_argument(
        "--decide-by", metavar="NAME",
        help="the metric that verdicts are about, or `saving`; choose before you look (evaluate.primary)",
    )  # fmt: skip
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--md", action="store_true", help="print Markdown")
    form.add_argument("--json", action="store_true", help="print everything, for programs")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page that loads nothing, too")
    return parser


def show(sheet: Sheet, args: argparse.Namespace) -> None:
    """Print the sheet in the form that was asked for, and write the page.

    Raises:
        UserError: the page cannot be written; the numbers are printed all the same.
    """
    if args.json:
        print(json.dumps(sheet.record, indent=1, ensure_ascii=False))
    else:
        print(to_markdown(sheet) if args.md else to_text(sheet))
    if args.html:
        try:
            args.html.parent.mkdir(parents=True, exist_ok=True)
            args.html.write_text(to_html(sheet), encoding="utf-8", newline="\n")
        except OSError as error:
            raise UserError(f"--html: {args.html} cannot be written: {error.strerror}") from error
