"""Compose and validate every combination of a sweep before any of them runs."""

import hashlib
import io
import re
import subprocess
import tarfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from cairn.compose import params_file
from cairn.compose.conf import compose
from cairn.compose.validate import Origin, read_config, traps
from cairn.errors import UserError
from cairn.experiments.clone import message_of
from cairn.experiments.plan import Job
from cairn.experiments.refs import git
from cairn.settings.config import Config

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Combination:
    """Overrides that compose to a valid config.

    Attributes:
        overrides: each of one value.
        config: what they compose to.
        digest: of the composed values; the same for overrides that mean the same.
    """

    overrides: tuple[str, ...]
    config: Config
    digest: str


def check_combinations(
    root: Path, revision: str, combinations: Sequence[tuple[str, ...]]
) -> list[Combination]:
    """Compose every combination with conf/ as it is in a commit.

    Args:
        root: the repository.
        revision: the commit.
        combinations: of overrides.

    Raises:
        UserError: one line for all that is wrong with each combination, which it names.
    """
    wrong: list[str] = []
    valid: list[Combination] = []
    with _files_of(root, revision) as checkout:
        conf = checkout / "conf"
        wrong += traps(conf)
        for overrides in tqdm(
            combinations, desc="check", unit="combination", delay=1, disable=None, leave=False
        ):
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


def without_repeats(combinations: Sequence[Combination]) -> tuple[list[Combination], list[str]]:
    """Drop combinations that compose to the values of an earlier one.

    Returns:
        Those left, and a line for each that was dropped.
    """
    first: dict[str, Combination] = {}
    dropped = []
    for combination in combinations:
        same = first.setdefault(combination.digest, combination)
        if same is not combination:
            said, before = message_of(combination.overrides), message_of(same.overrides)
            dropped.append(f"{said}: the same settings as {before}; runs once")
    return list(first.values()), dropped


def job_of(combination: Combination, sweep: str, revision: str) -> Job:
    """Return the job of a combination, whose name follows from the sweep, the commit and the settings.

    So the same command finds what it has run, and other words under the same name add to it.

    Raises:
        UserError: a name that DVC or a file system would not take.
    """
    if not NAME.fullmatch(sweep):
        raise UserError(f"--name {sweep}: use letters, digits, _ and -")
    digest = hashlib.sha256(f"{revision} {combination.digest}".encode()).hexdigest()[:7]
    return Job(f"{sweep}-{digest}", combination.overrides)


@contextmanager
def _files_of(root: Path, revision: str) -> Generator[Path]:
    """Have the files of a commit in a folder for a while."""
    if not git(root, "ls-tree", revision, "conf"):
        raise UserError(f"no conf/ in {revision[:10]}: nothing to compose")
    packed = subprocess.run(["git", "archive", revision], cwd=root, capture_output=True, check=True)
    with TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
        yield Path(folder)
