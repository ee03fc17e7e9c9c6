"""`cairn new-data FILE|FOLDER|URL --target COL`: look at a table and write what conf/ has to say about it."""

import argparse
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from cairn.errors import UserError
from cairn.intake.draft.names import slug
from cairn.intake.draft.plan import make_plan
from cairn.intake.fetch import Intake, answered, imported, name_of, sql_source
from cairn.intake.read.source import open_source
from cairn.intake.request import Request
from cairn.intake.write.install import choice, free_name, prove, put, raw_path
from cairn.intake.write.yaml_files import texts
from cairn.progress import elapsed
from cairn.report.new_data import plan_text


def main(*arguments: str) -> None:
    """Bring the table here, look at it, write conf/, track it, and name the next command.

    Raises:
        UserError: a table, a target or a name that cannot work; nothing was written.
    """
    asked = _parsed(arguments)
    root = Path()
    name = free_name(asked.name or _name_by_itself(asked), root)
    with _brought(asked, name, root) as intake:
        _look_and_write(asked, name, intake, root)


def _look_and_write(asked: argparse.Namespace, name: str, intake: Intake, root: Path) -> None:
    path = intake.path
    with elapsed(f"reading {path.name}"):
        source = open_source(
            path, separator=asked.separator, encoding=asked.encoding, file_column=asked.file_column
        )
    destination = raw_path(path, name, root)
    request = Request(asked.target, asked.task, asked.positive, asked.time, asked.group, tuple(asked.keep))
    plan = make_plan(source, name, destination, request)
    written = texts(plan, intake.origin)
    with elapsed("proving that the contract holds and the split works"):
        prove(plan, source.table, written, root)
    print(plan_text(plan, source))
    files = intake.records | {f"conf/{file}": text for file, text in written.items()}
    if asked.dry:
        for file, text in files.items():
            print(f"\n--- {file}\n{text}", end="")
        print("\n--dry: nothing was written")
        return
    new = put(source, destination, files, root)
    print(f"new: {', '.join(new)}")
    if intake.update:
        print(f"later: {intake.update}")
    print(f"next: dvc exp run {' '.join(f'-S {override}' for override in choice(root / 'conf', name))}")


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "cairn new-data",
        allow_abbrev=False,
        description="Look at a table and write conf/ for it: contract, split, metric, baselines.",
    )
    parser.add_argument(
        "given",
        metavar="FILE|FOLDER|URL",
        nargs="?",
        help="a table: .csv, .tsv, .parquet, .feather or .jsonl; a folder of such files with the same"
        " columns; or the https:// or s3:// address of one, for `dvc import-url`",
    )
    parser.add_argument("--sql", metavar="SELECT", help="instead: a query, or a table, of a database")
    parser.add_argument(
        "--connection",
        metavar="NAME|URL",
        help="for --sql: environment variable or DVC setting that holds the URL; or a URL without a password",
    )
    parser.add_argument(
        "--order-by",
        metavar="COLUMN",
        action="append",
        default=[],
        help="for --sql: names the rows, and sorts them; may be repeated (default: the primary key)",
    )
    parser.add_argument(
        "--target",
        required=True,
        metavar="COLUMN",
        help="what to predict, or an expression: 'late = delay > 15'",
    )
    parser.add_argument("--name", help="of the data set (default: the name of the file)")
    parser.add_argument(
        "--task", choices=["binary", "multiclass", "regression"], help="(default: by the target)"
    )
    parser.add_argument("--positive", metavar="VALUE", help="value of the target that is the event")
    parser.add_argument("--time", metavar="COLUMN", help="orders the rows in time ('' for none)")
    parser.add_argument("--group", metavar="COLUMN", help="rows of one value stay together ('' for none)")
    parser.add_argument(
        "--keep",
        metavar="COLUMN",
        action="append",
        default=[],
        help="right although it looks like a leak; may be repeated",
    )
    parser.add_argument(
        "--separator", metavar="SIGN", help="between columns of a text file (default: found out)"
    )
    parser.add_argument("--encoding", help="of a text file (default: UTF-8)")
    parser.add_argument(
        "--file-column", metavar="NAME", help="for a folder: add a column that holds the name of the file"
    )
    parser.add_argument("--dry", action="store_true", help="show what would be written, write nothing")
    asked = parser.parse_args(arguments)
    if (asked.given is None) == (asked.sql is None):
        raise UserError("say where the table is: FILE, FOLDER, URL, or --sql with --connection")
    if asked.sql is None and (asked.connection or asked.order_by):
        raise UserError("--connection and --order-by are for --sql")
    return asked


def _name_by_itself(asked: argparse.Namespace) -> str:
    if asked.sql is not None:
        own = "" if len(asked.sql.split()) > 1 else asked.sql.rpartition(".")[2]
    elif "://" in asked.given:
        own = name_of(asked.given)
    else:
        own = Path(asked.given).resolve().name.partition(".")[0]
    if not own.strip():
        raise UserError("--name is missing: a query, or an address without a file, does not give one")
    return slug(own)


def _brought(asked: argparse.Namespace, name: str, root: Path) -> AbstractContextManager[Intake]:
    if asked.sql is not None:
        return answered(sql_source(asked.sql, asked.connection, asked.order_by), name, root)
    if "://" in asked.given:
        return imported(asked.given, name, root)
    return nullcontext(Intake(Path(_from_where_the_user_stands(asked.given))))


def _from_where_the_user_stands(given: str) -> str:
    """Return a relative path as seen from the user's folder: the command itself works in the root."""
    here = os.environ.get("PWD")
    if here and (Path(here) / given).exists():
        return str(Path(here) / given)
    return given
