"""`cairn new-data`."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from typer import Argument, Option

from cairn.commands.options import from_root, names
from cairn.errors import UserError


def main(
    *,
    target: str = Option(
        ..., metavar="COLUMN", help="What to predict, or an expression: 'late = delay > 15'"
    ),
    given: str | None = Argument(
        None,
        metavar="[FILE|FOLDER|URL]",
        help="Table: .csv, .tsv, .parquet, .feather, .jsonl or .json, packed or not; .xlsx, .ods, .dta,"
        " .sas7bdat or .sav; a folder of files with the same columns; or an https:// or s3:// address",
    ),
    sql: str | None = Option(None, metavar="SELECT", help="Instead: a query, or a table, of a database"),
    connection: str | None = Option(
        None,
        metavar="NAME|URL",
        help="For --sql: environment variable or DVC setting that holds the URL, or a URL without a password",
    ),
    order_by: list[str] | None = Option(
        None,
        metavar="COLUMN,COLUMN",
        help="For --sql: columns that identify and sort the rows",
        show_default="primary key",
    ),
    name: str | None = Option(
        None, metavar="NAME", help="Name of the data set", show_default="name of the file"
    ),
    task: Literal["binary", "multiclass", "regression"] | None = Option(
        None, help="Task", show_default="by the target"
    ),
    positive: str | None = Option(
        None, metavar="VALUE", help="Value of the target that is the positive class"
    ),
    time: str | None = Option(
        None, metavar="COLUMN", help="Column that orders the rows in time; '' for none"
    ),
    group: str | None = Option(
        None, metavar="COLUMN", help="Column that names the entity of a row, such as a patient; '' for none"
    ),
    keep: list[str] | None = Option(
        None, metavar="COLUMN,COLUMN", help="Use these columns although they look like leaks"
    ),
    separator: str | None = Option(
        None, metavar="CHAR", help="Separator of a text file", show_default="detected"
    ),
    encoding: str | None = Option(None, metavar="NAME", help="Encoding of a text file", show_default="UTF-8"),
    sheet: str | None = Option(
        None, metavar="NAME", help="Sheet of a workbook", show_default="the one with the most cells"
    ),
    missing: list[str] | None = Option(
        None, metavar="TEXT,TEXT", help="Texts of the target that are missing values, not labels: NA, None"
    ),
    labels: list[str] | None = Option(
        None, metavar="COLUMN,COLUMN", help="Columns in which None, NA and the like are values"
    ),
    file_column: str | None = Option(
        None, metavar="NAME", help="For a folder: add a column with the name of the file"
    ),
    dry: bool = Option(False, "--dry", help="Show what would be written, write nothing"),
) -> None:
    """Write conf/ for a table: contract, split, metric, baselines.

    Reads the table, decides on each column and says why, checks that the
    contract holds and the split works, and only then writes. Track a file
    with DVC; take a snapshot of a URL or a query.

    Examples:
      cairn new-data ~/sales.csv --target amount --dry     show, write nothing
      cairn new-data flights.csv --target 'late = arr_delay > 15'
      cairn new-data --sql loans --connection LOANS_DB --target paid
    """
    if (given is None) == (sql is None):
        raise UserError("no table given: pass FILE, FOLDER or URL, or --sql with --connection")
    if sql is None and (connection or order_by):
        raise UserError("--connection and --order-by are for --sql")
    if sql is not None and sheet is not None:
        raise UserError("--sheet is for a workbook, not for --sql")
    from cairn.intake.draft.plan import make_plan
    from cairn.intake.draft.task import Request
    from cairn.intake.fetch import imported, opened, queried
    from cairn.intake.read.source import open_source
    from cairn.intake.write.install import choice, free_name, prove, put, raw_path
    from cairn.intake.write.yaml_files import texts
    from cairn.progress import elapsed
    from cairn.report.new_data import plan_text
    from cairn.terminal import folded

    root = Path()
    name = free_name(name or _default_name(given, sql), root)
    if sql is not None:
        taken = queried(sql, connection, names(order_by), name, root)
    elif "://" in str(given):
        taken = imported(str(given), name, sheet, root)
    else:
        taken = opened(Path(from_root(str(given))), name, sheet, root)
    with taken as intake:
        with elapsed(f"reading {intake.path.name}"):
            source = open_source(
                intake.path,
                separator=separator,
                encoding=encoding,
                file_column=file_column,
                target=target,
                missing=names(missing),
                labels=names(labels),
            )
            source = replace(source, notes=(*intake.notes, *source.notes))
        destination = raw_path(intake.path, name, root)
        request = Request(target, task, positive, time, group, tuple(names(keep)))
        plan = make_plan(source, name, destination, request)
        written = texts(plan, intake.origin)
        said = plan_text(plan, source)
        with elapsed("checking the contract and the split"):
            prove(plan, source.table, written, root, emptied=True)
        print(folded(said))
        files = intake.records | {f"conf/{file}": text for file, text in written.items()}
        if dry:
            for file, text in files.items():
                print(f"\n--- {file}\n{text}", end="")
            print("\n--dry: nothing was written")
            return
        new = put(source, destination, files, root)
    print(folded(f"new: {', '.join(new)}"))
    if intake.update:
        print(folded(f"later: {intake.update}"))
    print(f"next: dvc exp run {' '.join(f'-S {override}' for override in choice(root / 'conf', name))}")


def _default_name(given: str | None, sql: str | None) -> str:
    from cairn.intake.draft.names import slug
    from cairn.intake.fetch import name_of

    if sql is not None:
        own = "" if len(sql.split()) > 1 else sql.rpartition(".")[2]
    elif "://" in str(given):
        own = name_of(str(given))
    else:
        own = Path(str(given)).resolve().name.partition(".")[0]
    if not own.strip():
        raise UserError("--name is required for a query or a URL without a file name")
    return slug(own)
