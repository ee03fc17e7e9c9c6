"""Put a new data set in its place: proven first, then file, DVC and conf/ together or not at all."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cairn.config.base import ConfigError
from cairn.config.compose import compose
from cairn.config.origin import Origin
from cairn.config.schema import read_config
from cairn.config.traps import traps
from cairn.data.contract import surviving, violations
from cairn.data.deal import deal
from cairn.data.leakage import leaks
from cairn.data.load import derived, with_dates
from cairn.pipeline.prepare import clean, encode_target
from cairn.scaffold.plan import Plan

NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = re.compile("null|true|false|nan|inf|yes|no|on|off|y|n|default|none")
EXTENSIONS = (".csv", ".tsv", ".txt", ".data", ".parquet", ".feather", ".jsonl")
RAW = "data/raw"
MANY_COLUMNS = 200


def free_name(name: str, root: Path) -> str:
    """Return the name if a data set may have it.

    Raises:
        ConfigError: no proper name, or one that is taken.
    """
    if not NAME.fullmatch(name) or RESERVED.fullmatch(name):
        raise ConfigError(
            f"--name {name}: a name is lower-case letters, digits and _, and begins with a letter"
        )
    taken = [
        path
        for path in (f"conf/{group}/{name}.yaml" for group in ("data", "contract", "evaluate", "baseline"))
        if (root / path).exists()
    ]
    if taken:
        raise ConfigError(f"--name {name}: {taken[0]} is there; take another name or remove it")
    return name


def raw_path(file: Path, name: str, root: Path) -> str:
    """Return where the file will stand, relative to the root: where it is, if that is data/raw already.

    Raises:
        ConfigError: another file stands there.
    """
    raw = (root / RAW).resolve()
    if file.resolve().parent == raw:
        return f"{RAW}/{file.name}"
    suffixes = [suffix.lower() for suffix in file.suffixes]
    first = next((i for i, suffix in enumerate(suffixes) if suffix in EXTENSIONS), len(suffixes) - 1)
    path = f"{RAW}/{name}{''.join(suffixes[first:])}"
    if (root / path).exists() or (root / f"{path}.dvc").exists():
        raise ConfigError(f"--name {name}: {path} is there; take another name or remove it")
    return path


def prove(plan: Plan, table: pd.DataFrame, texts: Mapping[str, str], root: Path) -> None:
    """Compose what would be written, and hold, deal and search the table as the stages will.

    Raises:
        ConfigError: something in it cannot work; nothing was written.
    """
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "conf"
        shutil.copytree(root / "conf", conf)
        for path, text in texts.items():
            (conf / path).parent.mkdir(exist_ok=True)
            (conf / path).write_text(text, encoding="utf-8", newline="\n")
        if wrong := traps(conf):
            raise ConfigError("\n".join(wrong))
        composed = compose(conf, [f"data={plan.data.name}"])
        config = read_config(composed.values, Path(folder), Origin(conf, composed, "override {}").of)
    contract, data = plan.contract, config.data
    whole = derived(with_dates(table, contract), data, contract)
    if broken := violations(whole, contract):
        raise ConfigError("\n".join(f"{data.contract}: {violation}" for violation in broken))
    kept, _ = clean(whole, data)
    contract = surviving(contract, data.target)
    kept[data.target] = encode_target(kept[data.target], data)
    kept = kept[["row_id", *contract.columns]]
    part = deal(kept, config.split, data, contract, config.seed)
    train, rest = kept[part == "train"], kept[part != "train"]
    if data.task != "regression":
        unseen = sorted(set(rest[data.target].unique()) - set(train[data.target].unique()), key=str)
        if unseen or train[data.target].nunique() < 2:
            shown = ", ".join(map(str, unseen)) or "one of the two"
            raise ConfigError(
                f"{data.target}: train would hold no row of {shown} with a {config.split.kind} split;"
                " choose another (--time '', --group '')"
            )
    if len(plan.named("feature")) > MANY_COLUMNS:
        return  # each was looked at already, and the stage looks again
    if found := leaks(train, contract, data, config.seed):
        raise ConfigError("\n".join(f"looks like a leak: {line}" for line in found))


def put(file: Path, path: str, texts: Mapping[str, str], root: Path) -> list[str]:
    """Copy the file, track it with DVC, write conf/ and tell git; undo all of it if any of it fails.

    Returns:
        The paths that are new, relative to the root.

    Raises:
        ConfigError: DVC or git refuses.
    """
    ignore = root / RAW / ".gitignore"
    before = ignore.read_bytes() if ignore.exists() else None
    raw, tracked = root / path, root / f"{path}.dvc"
    mine = [] if raw.exists() else [raw]
    mine += [] if tracked.exists() else [tracked]
    mine += [root / "conf" / name for name in texts]
    try:
        if raw in mine:
            raw.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, raw)
        if tracked in mine:
            _run(root, sys.executable, "-m", "dvc", "add", "--quiet", path)
        for name, text in texts.items():
            (root / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "conf" / name).write_text(text, encoding="utf-8", newline="\n")
        new = [tracked.relative_to(root).as_posix(), *(f"conf/{name}" for name in texts)]
        _run(root, "git", "add", *new, ignore.relative_to(root).as_posix())
    except BaseException:
        for leftover in mine:
            leftover.unlink(missing_ok=True)
        if before is None:
            ignore.unlink(missing_ok=True)
        else:
            ignore.write_bytes(before)
        raise
    return new


def _run(root: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or [
            "no reason given"
        ]
        raise ConfigError(f"{' '.join(command[-3:])}: {said[0].removeprefix('ERROR: ')}; nothing was written")
