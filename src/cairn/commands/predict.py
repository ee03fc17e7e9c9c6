"""`cairn predict`."""

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from typer import Argument, Option

from cairn.commands.options import Policy, Trust, from_root, names, user_folder
from cairn.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from cairn.models.package import Package
    from cairn.serve.batch import Summary
    from cairn.serve.predictor import Predictor
    from cairn.serve.sources import Block, Source
    from cairn.settings.kpi import CostKpi

REFUSED = 3
"""Exit code: with --policy refuse, some rows got no prediction."""


def main(
    given: str | None = Argument(
        None,
        metavar="[FILE|FOLDER|-]",
        help="Rows as they come from the source: .csv, .tsv, .jsonl, .parquet or .feather; a folder that"
        " data.load reads; - for standard input",
    ),
    *,
    output: str | None = Option(
        None, "-o", "--output", metavar="FILE|-", help="Predictions: .parquet, .csv, .jsonl, or - for stdout"
    ),
    model: str = Option(
        "models/model", metavar="DIR|REV|@STAGE", help="Model: a folder, or a revision of this repository"
    ),
    policy: Policy = "flag",
    keep: list[str] | None = Option(
        None,
        metavar="COLUMN,COLUMN",
        help="Columns of the input to copy to the output; '' for none",
        show_default="key of the contract",
    ),
    violations: str | None = Option(
        None,
        metavar="FILE",
        help="CSV file for the values that break the contract",
        show_default="OUTPUT with .violations.csv",
    ),
    form: Literal["csv", "tsv", "jsonl", "parquet", "feather"] | None = Option(
        None, "--format", help="Format of the input", show_default="by its name"
    ),
    output_format: Literal["csv", "jsonl", "parquet"] | None = Option(
        None, help="Format of the output", show_default="by its name; csv for stdout"
    ),
    sql: str | None = Option(None, metavar="SELECT", help="Instead of a file: a query, or a table"),
    connection: str | None = Option(
        None,
        metavar="NAME|URL",
        help="For --sql: environment variable or DVC setting that holds the URL, or the URL",
    ),
    to_table: str | None = Option(None, metavar="NAME", help="Instead of -o: a new table of a database"),
    to_connection: str | None = Option(
        None, metavar="NAME|URL", help="For --to-table", show_default="--connection"
    ),
    on: Literal["local", "ray"] = Option(
        "local", help="Where to predict: here, or on the Ray cluster at RAY_ADDRESS"
    ),
    workers: int | None = Option(
        None,
        metavar="N",
        min=1,
        help="With --on ray: Blocks in flight at a time",
        show_default="2 for each CPU of the cluster, at most 64",
    ),
    trust: Trust = None,
) -> None:
    """Predict the rows of a file, a folder or a query.

    Reads rows as they come from the source, in blocks, and writes one
    prediction per row: the key of the contract, row_id (the position), the
    probability and the decision, or the prediction, the expected saving, and
    what breaks the contract. The output appears when it is complete.

    Exit codes: 1 error, 2 wrong command line, 3 some rows were refused
    (--policy refuse).

    Examples:
      cairn predict new.csv -o predictions.parquet
      cairn predict new.jsonl -o late.csv --keep id --model v1
      cairn predict - --format csv -o - < new.csv > late.csv
      cairn predict --sql loans --connection LOANS_DB --to-table scores
    """
    _one_of("input", [given, sql], "pass FILE, FOLDER or -, or --sql with --connection")
    _one_of("output", [output, to_table], "pass -o FILE, or --to-table with a connection")
    if workers is not None and on != "ray":
        raise UserError("--workers needs --on ray")
    from cairn.progress import elapsed
    from cairn.serve.batch import key_columns, predict_source, write_all
    from cairn.serve.model import named_model
    from cairn.serve.outcomes import prices
    from cairn.serve.predictor import Predictor

    if on == "ray":
        from cairn.experiments.ray_cluster import connected

        connected()  # before anything that takes long
    folder = user_folder()
    with elapsed("loading the model"):
        found = folder if (folder / model).exists() else Path.cwd()
        predictor = Predictor(named_model(model, found, names(trust)), policy)
    target = None if output in (None, "-") else folder / str(output)
    listing = folder / violations if violations else _beside(target)
    sink = _sink(target, output_format, to_table, to_connection or connection)
    with ExitStack() as stack:
        if sql is not None:
            opened = _query(sql, connection)
        else:
            path = None if given == "-" else Path(from_root(str(given)))
            _refuse_the_input(path, {"-o": target, "--violations": listing})
            opened = _file(path, form, predictor.package, names(trust))
        source = stack.enter_context(opened)
        predict = _on_ray(predictor, source.text, workers) if on == "ray" else None
        kept = key_columns(predictor, source) if keep is None else names(keep)
        blocks = predict_source(predictor, source, kept, predict)
        _say_if_stopped(target)
        summary = write_all(blocks, source, sink, listing, stack.close)
    _say_what_is_missing(predictor, source)
    if predictor.package.refit_of:
        print(f"cairn predict: {model}: {predictor.package.notes[0]}", file=sys.stderr)
    text = _said(summary, prices(predictor.package), to_table or str(output), listing)
    print(text, file=sys.stderr if output == "-" else sys.stdout)
    if policy == "refuse" and summary.refused:
        raise SystemExit(REFUSED)


def _one_of(what: str, given: list[str | None], fix: str) -> None:
    count = sum(each is not None for each in given)
    if count != 1:
        raise UserError(f"{'no' if count == 0 else 'more than one'} {what} given: {fix}")


def _refuse_the_input(path: Path | None, written: dict[str, Path | None]) -> None:
    for option, file in written.items():
        if path is not None and file is not None and file.resolve() == path.resolve():
            raise UserError(f"{option}: {file.name} is the input, which would be lost; name another file")


def _say_what_is_missing(predictor: "Predictor", source: "Source") -> None:
    there = source.columns
    absent = [] if there is None else [name for name in predictor.fields if name not in there]
    if absent and there is not None:
        from cairn.report.numbers import listed

        shown, hint = listed(absent, 5), did_you_mean(absent[0], there)
        print(
            f"cairn predict: {source.name}: no column {shown}: missing in every row{hint}",
            file=sys.stderr,
        )


def _query(sql: str, connection: str | None) -> "AbstractContextManager[Source]":
    from cairn.data.database import url_given
    from cairn.serve.sources import open_query

    if connection is None:
        raise UserError("--sql needs --connection: a name, or a URL such as sqlite:///data/a.db")
    return open_query(url_given(connection), sql)


def _file(
    path: Path | None, form: Any, package: "Package", trust: list[str]
) -> "AbstractContextManager[Source]":
    from cairn.serve.sources import needs_loader, open_file, open_loader

    if path is not None and needs_loader(path, form, package):
        return open_loader(path, package, trust)
    return open_file(path, form, package)


def _on_ray(predictor: "Predictor", text: bool, workers: int | None) -> "Callable[[Iterable[Block]], Any]":
    from cairn.serve.cluster import predict_on_ray

    return lambda blocks: predict_on_ray(predictor, blocks, text=text, workers=workers)


def _sink(
    target: Path | None, form: Any, table: str | None, connection: str | None
) -> "Callable[[Any], AbstractContextManager[Any]]":
    from cairn.serve.sinks import file_sink, format_of, stdout_sink, table_sink

    if table is not None:
        from cairn.data.database import url_given

        if connection is None:
            raise UserError("--to-table needs --to-connection: a name, or a URL such as sqlite:///data/a.db")
        url = url_given(connection)
        return lambda schema: table_sink(url, table, schema)
    if target is None:
        return lambda schema: stdout_sink(schema, form or "csv")
    kind = form or format_of(target)
    return lambda schema: file_sink(target, schema, kind)


def _said(summary: "Summary", costs: "CostKpi | None", output: str, listing: Path | None) -> str:
    from cairn.report.numbers import short, to_ascii
    from cairn.report.predict import violations_text

    lines = [f"{'standard output' if output == '-' else output}: {summary.rows:,} rows"]
    if summary.refused:
        lines[0] += f", {summary.refused:,} of them without a prediction"
    if costs is not None:
        saving = to_ascii(short(summary.saving or 0.0))
        lines.append(f"rows to act on: {summary.acted:,}; expected saving {saving} {costs.currency}")
    if summary.violations:
        lines.append(f"rows with violations (contract or unseen category): {summary.violated:,}")
        lines.append(violations_text(summary.violations))
        lines += [f"listed in {listing.name}"] if listing else []
    return "\n".join(lines)


def _beside(target: Path | None) -> Path | None:
    return target.with_name(f"{target.name}.violations.csv") if target else None


def _say_if_stopped(target: Path | None) -> None:
    from cairn.serve.sinks import unfinished_of

    if target is not None and unfinished_of(target).exists():
        print(
            f"cairn predict: {target.name}: an earlier run was stopped before its end; starting again from"
            " the first row",
            file=sys.stderr,
        )
