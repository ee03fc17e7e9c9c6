"""`cairn new-data FILE --target COL`: look at a table and write what conf/ has to say about it."""

import argparse
import os
from pathlib import Path

from cairn.progress import elapsed
from cairn.scaffold.names import slug
from cairn.scaffold.pages import texts
from cairn.scaffold.place import free_name, prove, put, raw_path
from cairn.scaffold.plan import Plan, make_plan
from cairn.scaffold.source import Source, open_source
from cairn.scaffold.wishes import Wishes

MOST_SHOWN = 8


def main(*arguments: str) -> None:
    """Look at the table, write conf/, track the file, and name the next command.

    Raises:
        ConfigError: a file, a target or a name that cannot work; nothing was written.
    """
    asked = _parsed(arguments)
    root = Path()
    path = _from_where_the_user_stands(asked.file)
    name = free_name(asked.name or slug(Path(path).name.partition(".")[0]), root)
    with elapsed(f"reading {Path(path).name}"):
        source = open_source(path, separator=asked.separator, encoding=asked.encoding)
    destination = raw_path(source.path, name, root)
    wishes = Wishes(asked.target, asked.task, asked.positive, asked.time, asked.group, tuple(asked.keep))
    plan = make_plan(source, name, destination, wishes)
    written = texts(plan)
    with elapsed("proving that the contract holds and the split works"):
        prove(plan, source.table, written, root)
    print("\n".join(_told(plan, source)))
    if asked.dry:
        for file, text in written.items():
            print(f"\n--- conf/{file}\n{text}", end="")
        print("\n--dry: nothing was written")
        return
    new = put(source.path, destination, written, root)
    print(f"new: {', '.join(new)}")
    print(f"next: dvc exp run -S data={name}")


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "cairn new-data",
        description="Look at a table and write conf/ for it: contract, split, metric, baselines.",
    )
    parser.add_argument("file", metavar="FILE", help="a table: .csv, .tsv, .parquet, .feather or .jsonl")
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
    parser.add_argument("--dry", action="store_true", help="show what would be written, write nothing")
    return parser.parse_args(arguments)


def _from_where_the_user_stands(given: str) -> str:
    """Return a relative path as seen from the user's folder: the command itself works in the root."""
    here = os.environ.get("PWD")
    if here and (Path(here) / given).exists():
        return str(Path(here) / given)
    return given


def _told(plan: Plan, source: Source) -> list[str]:
    """Say in a few lines what the table is and what was decided."""
    data, findings, choices = plan.data, plan.findings, plan.choices
    rows, columns = source.table.shape
    lines = [f"{source.path.name}: {rows:,} rows, {columns:,} columns; {plan.copies:,} rows repeat another"]
    lines += [f"read: {note}" for note in source.notes]
    positive = (
        f", {plan.question.why_positive} ({data.positive if data.positive is not None else True})"
        if data.task == "binary"
        else ""
    )
    lines.append(f"task: {data.task}: {plan.question.why}{positive}")
    lines.append(f"split: {choices.split.value}: {choices.split.why}")
    lines.append(f"metric: {choices.primary.value}: {choices.primary.why}")
    lines.append(f"model: {choices.model.value}: {choices.model.why}")
    features = plan.named("feature")
    lines.append(f"features: {len(features)}: {_few(features)}")
    lines += [
        f"no feature: {name}: {findings[name].note}"
        for name in plan.named("idle", "key", "entity")[:MOST_SHOWN]
    ]
    lines += [f"LEAK? {name}: {findings[name].note}" for name in plan.named("suspect")]
    lines += [f"left out: {why}" for why in plan.drop_why.values()]
    return lines


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN:,} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
