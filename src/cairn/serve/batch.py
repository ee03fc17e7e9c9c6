"""Predict the rows of a source into a sink, in bounded memory, and count what is wrong with them."""

import csv
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from cairn.errors import UserError, did_you_mean
from cairn.models.package import Package
from cairn.report.numbers import listed
from cairn.serve.fields import Violation
from cairn.serve.outcomes import SAVING, outcomes, output_columns, prices
from cairn.serve.predictor import Predictions, Predictor
from cairn.serve.sinks import Write, replacing, unfinished_files
from cairn.serve.sources import Block, Source, as_text

ROW, VIOLATIONS = "row_id", "violations"


@dataclass
class Summary:
    """What was predicted.

    Attributes:
        rows: of the source.
        refused: rows without a prediction.
        violated: rows with a violation.
        violations: how many, by column and reason.
        acted: rows with a positive decision; stays 0 where the task is not binary.
        saving: expected, of all rows; None without prices.
    """

    rows: int = 0
    refused: int = 0
    violated: int = 0
    violations: Counter[tuple[str, str]] = field(default_factory=Counter)
    acted: int = 0
    saving: float | None = None

    def add(self, table: pa.Table, found: Predictions) -> None:
        """Count a block."""
        self.rows += table.num_rows
        self.refused += int(found.refused.sum())
        self.violated += len({violation.row for violation in found.violations})
        self.violations.update((violation.column, violation.reason) for violation in found.violations)
        if "decision" in table.column_names:
            self.acted += int(table["decision"].fill_null(False).to_numpy().sum())
        if SAVING in table.column_names:
            self.saving = (self.saving or 0.0) + float(np.nansum(table[SAVING].to_numpy()))


def needed_columns(predictor: Predictor, source: Source, keep: Sequence[str]) -> list[str]:
    """Return the columns that the model needs and the source has.

    Raises:
        UserError: none of them, all rows would be refused, no such column to keep, or one called like a
            column of the output.
    """
    if taken := [name for name in keep if name in written_columns(predictor)]:
        raise UserError(f"--keep: {taken[0]} is also a column of the predictions")
    if source.columns is None:
        return list(predictor.fields)
    unknown = [name for name in keep if name not in source.columns]
    if unknown:
        raise UserError(
            f"--keep: {source.name} has no column {unknown[0]}{did_you_mean(unknown[0], source.columns)}"
        )
    there = [name for name in predictor.fields if name in source.columns]
    missing = [name for name in predictor.fields if name not in source.columns]
    if missing and (not there or predictor.policy == "refuse"):
        hint = did_you_mean(missing[0], source.columns) or _other_separator(source.columns)
        of = predictor.package.target
        raise UserError(
            f"{source.name}: no column {listed(missing)}, which the model needs; it predicts {of}{hint}"
        )
    return there


def key_columns(predictor: Predictor, source: Source) -> list[str]:
    """Return the columns that identify a row, as far as the source has them: rows are joined by them."""
    there = predictor.package.key if source.columns is None else source.columns
    taken = written_columns(predictor)
    return [name for name in predictor.package.key if name in there and name not in taken]


def written_columns(predictor: Predictor) -> list[str]:
    """Return the columns that the output has beside those of the source."""
    return [ROW, *output_columns(predictor.package), VIOLATIONS]


def _other_separator(columns: Sequence[str]) -> str:
    found = [sign for sign in ";\t|" if len(columns) == 1 and sign in columns[0]]
    return (
        f"; the file seems to be separated by {found[0]!r}: data.load of the model sets it" if found else ""
    )


class Done(NamedTuple):
    """A block that is predicted: its output, what is wrong with it, and the share of the source up to it."""

    output: pa.Table
    found: Predictions
    share: float | None


def predict_source(
    predictor: Predictor,
    source: Source,
    keep: Sequence[str],
    predict: Callable[[Iterable[Block]], Iterator[tuple[pa.Table, Predictions]]] | None = None,
) -> Iterator[Done]:
    """Yield the kept columns, the row's number, its prediction and its violations, block by block.

    The number of a row is its position in the source, from 0; a row that is refused has nulls.

    Args:
        predictor: the model.
        source: of the rows.
        keep: columns to copy.
        predict: yields for each block, in order, its columns to keep and its predictions; None predicts here.
    """
    inputs = needed_columns(predictor, source, keep)
    shares: deque[float | None] = deque()

    def blocks() -> Iterator[Block]:
        for block in source.blocks(inputs, keep):
            shares.append(source.share())
            yield block

    here = ((block.kept, predictor.block(block.rows, text=source.text)) for block in blocks())
    done = 0
    for kept, found in predict(blocks()) if predict else here:
        rows = len(found.refused)
        columns = {name: kept[name] for name in keep}
        columns[ROW] = pa.array(np.arange(done, done + rows))
        columns |= _outputs(predictor.package, found) | {VIOLATIONS: _in_words(found)}
        yield Done(pa.table(columns), found, shares.popleft())
        done += rows


def write_all(
    blocks: Iterator[Done],
    source: Source,
    open_sink: Callable[[pa.Schema], AbstractContextManager[Write]],
    listing: Path | None,
    close: Callable[[], object] = lambda: None,
) -> Summary:
    """Write every block, list the violations, and show how far it is.

    Args:
        blocks: see predict_source.
        source: where they come from.
        open_sink: opens where they go, given the columns.
        listing: file of the violations; None for none. Without violations an old one is removed.
        close: closes the source, before the sink is complete.

    Raises:
        UserError: the source cannot be read to its end, or the sink not written; then nothing is written.
    """
    summary = Summary()
    first = next(blocks)
    bar = tqdm(total=source.rows, desc="predict", unit=" rows", unit_scale=True, disable=None, leave=False)
    with open_sink(first.output.schema) as write, _listing(listing) as add, bar:
        for output, found, share in chain([first], blocks):
            write(output)
            add(found.violations, summary.rows)
            summary.add(output, found)
            if source.rows is None and share:
                bar.total = round(summary.rows / share)
            bar.update(output.num_rows)
        close()
    return summary


@contextmanager
def _listing(target: Path | None) -> Generator[Callable[[list[Violation], int], None]]:
    """Write violations to a file of CSV: row, column, reason, value."""
    with ExitStack() as stack:
        writers: list[Any] = []

        def add(violations: list[Violation], first_row: int) -> None:
            if target is None or not violations:
                return
            if not writers:
                unfinished = stack.enter_context(replacing(target))
                file = stack.enter_context(unfinished.open("w", encoding="utf-8", newline=""))
                writers.append(csv.writer(file, lineterminator="\n"))
                writers[0].writerow([ROW, "column", "reason", "value"])
            for row, column, reason, value in violations:
                writers[0].writerow([first_row + row, column, reason, as_text(value)])

        yield add
    if target is not None and not writers:
        for left in (target, *unfinished_files(target)):
            left.unlink(missing_ok=True)


def _in_words(found: Predictions) -> pa.Array:
    """Return the violations of each row, such as `age: is missing; town: was not seen in training`."""
    said: list[str | None] = [None] * len(found.refused)
    for row, column, reason, _ in found.violations:
        before = said[row]
        said[row] = f"{column}: {reason}" if before is None else f"{before}; {column}: {reason}"
    return pa.array(said, pa.string())


def _outputs(package: Package, found: Predictions) -> dict[str, pa.Array]:
    """Return the columns of the predictions, null where a row was refused."""
    types = output_columns(package)
    values = outcomes(package, found.scores, prices(package))
    return {name: pa.array(values[name], kind, mask=found.refused) for name, kind in types.items()}
