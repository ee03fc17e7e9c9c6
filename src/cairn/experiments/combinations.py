"""The combinations of a sweep: listed from `-S model=a,b`, composed and validated before any of them runs."""

import io
import subprocess
import tarfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tqdm import tqdm

from cairn.compose import params_file
from cairn.compose.conf import compose
from cairn.compose.validate import Origin, read_config, traps
from cairn.errors import UserError
from cairn.experiments.clone import message_of
from cairn.experiments.refs import git
from cairn.settings.config import Config

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


@dataclass(frozen=True)
class Combination:
    """Overrides of one value each, the config they compose to, and a digest of its values."""

    overrides: tuple[str, ...]
    config: Config
    digest: str


def combinations(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the Cartesian product of the values, read by Hydra as for `dvc exp run --queue -S`.

    Args:
        overrides: of one value or of several: `a,b`, choice(), range() with an exclusive stop, sort(),
            shuffle(). Of two overrides of the same key the later one counts, as in Hydra.

    Returns:
        The overrides of each combination, the first one slowest; one empty combination for no overrides.

    Raises:
        UserError: one line for each override that cannot be read or does not list its values.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ValueType
    from hydra.errors import HydraException

    wrong: list[str] = []
    read: list[Override] = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            wrong.append(f"-S {text}: cannot be read; put quotes around values other than words and numbers")
            continue
        if override.value_type is ValueType.INTERVAL_SWEEP:
            wrong.append(f"-S {text}: a sweep needs a list of values, not an interval; see `cairn search`")
        elif override.value_type is ValueType.GLOB_CHOICE_SWEEP:
            wrong.append(f"-S {text}: a sweep needs a list of values, not a pattern: key=a,b")
        read.append(override)
    if wrong:
        raise UserError("\n".join(wrong))
    # Hydra's sweeper makes `~key=null` of `~key`, which deletes a key only where it holds null.
    deletions = tuple(text for text, override in zip(overrides, read, strict=True) if _deletes(override))
    others = [override for override in read if not _deletes(override)]
    return [(*product, *deletions) for product in BasicSweeper.split_arguments(others, None)[0]]


def check_combinations(root: Path, revision: str, listed: Sequence[tuple[str, ...]]) -> list[Combination]:
    """Compose every combination with the conf/ of a commit.

    Raises:
        UserError: one line for each error; it names the combination.
    """
    wrong: list[str] = []
    valid: list[Combination] = []
    with _files_of(root, revision) as checkout:
        conf = checkout / "conf"
        wrong += traps(conf)
        for overrides in tqdm(listed, desc="check", unit="combination", delay=1, disable=None, leave=False):
            try:
                composed = compose(conf, overrides)
                config = read_config(composed.values, checkout, Origin(conf, composed, "-S {}").of)
            except UserError as error:
                wrong += [f"{message_of(overrides)}: {line}" for line in str(error).splitlines()]
            else:
                valid.append(Combination(overrides, config, params_file.digest(composed.values)))
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))
    return valid


def without_repeats(listed: Sequence[Combination]) -> tuple[list[Combination], list[str]]:
    """Drop combinations that compose to the values of an earlier one.

    Returns:
        The combinations left, and a line for each that was dropped.
    """
    first: dict[str, Combination] = {}
    dropped = []
    for combination in listed:
        same = first.setdefault(combination.digest, combination)
        if same is not combination:
            repeat, before = message_of(combination.overrides), message_of(same.overrides)
            dropped.append(f"{repeat}: the same settings as {before}; runs once")
    return list(first.values()), dropped


def _deletes(override: "Override") -> bool:
    return override.is_delete() and "=" not in (override.input_line or "")


@contextmanager
def _files_of(root: Path, revision: str) -> Generator[Path]:
    """Unpack the files of a commit into a temporary folder."""
    if not git(root, "ls-tree", revision, "conf"):
        raise UserError(f"commit {revision[:10]} has no conf/")
    packed = subprocess.run(["git", "archive", revision], cwd=root, capture_output=True, check=True)
    with TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
        yield Path(folder)
