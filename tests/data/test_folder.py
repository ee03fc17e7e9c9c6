"""A folder of files is the table that they would make in one file, or one line says why not."""

import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.data.folder import files_in, read_folder
from cairn.data.load import load
from cairn.errors import UserError
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig

CELLS = st.sampled_from(["", "1", "2", "007", "1.5", "-3", "x", "Łódź", "True", "False", "NA", "2021-01-01"])
LINES = st.lists(st.tuples(CELLS, CELLS), min_size=2, max_size=12)


def text(lines):
    return "".join(f"{','.join(map(str, line))},.\n" for line in [("a", "b"), *lines])


@settings(max_examples=40, deadline=None)
@given(LINES, st.data())
def test_a_table_cut_into_files_is_the_table_in_one_file(tmp_path_factory, lines, data):
    folder = tmp_path_factory.mktemp("cut")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=4)))
    bounds = [0, *cuts, len(lines)]
    for i, (start, end) in enumerate(itertools.pairwise(bounds)):
        (folder / f"part-{i}.csv").write_text(text(lines[start:end]), encoding="utf-8")
    (folder / "whole.txt").write_text(text(lines), encoding="utf-8")
    whole = pd.read_csv(folder / "whole.txt", low_memory=False)
    pd.testing.assert_frame_equal(read_folder(folder, ".csv"), whole)


def test_files_come_in_the_order_of_their_paths_and_notes_are_left_alone(tmp_path):
    for name in (
        "b.csv",
        "a/z.CSV",
        "a/b.csv.gz",
        "B.csv",
        "_SUCCESS.csv",
        ".a.csv",
        ".git/x.csv",
        "README.md",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pd.DataFrame({"name": [name]}).to_csv(tmp_path / name, index=False)
    assert read_folder(tmp_path, ".csv")["name"].tolist() == ["B.csv", "a/b.csv.gz", "a/z.CSV", "b.csv"]
    named = read_folder(tmp_path, ".csv", file_column="file")
    assert named["file"].tolist() == ["B", "a/b", "a/z", "b"]


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_folders_of_hive_are_columns_as_pyarrow_reads_them(tmp_path, kind):
    parted = pd.DataFrame(
        {
            "year": [2023, 2023, 2024, 2024],
            "region": ["Łódź", "a b/c", "Łódź", "Łódź"],
            "amount": [1.5, 2.0, None, 4.0],
        }
    )
    parted.to_parquet(tmp_path / "hive", partition_cols=["year", "region"])
    expected = pd.read_parquet(tmp_path / "hive").astype({"year": "int64", "region": "str"})
    if kind == ".csv":
        for file in files_in(tmp_path / "hive", ".parquet"):
            pd.read_parquet(file).to_csv(file.with_suffix(".csv"), index=False)
    found = read_folder(tmp_path / "hive", kind)[list(expected)].sort_values("amount", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected.sort_values("amount", ignore_index=True))


def test_rows_of_hive_without_a_value_have_none(tmp_path):
    for name in ("n=1", "n=__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("x\n5\n", encoding="utf-8")
    assert read_folder(tmp_path, ".csv")["n"].isna().tolist() == [False, True]


def test_a_column_that_is_empty_in_one_parquet_file_keeps_its_type(tmp_path):
    full = pd.DataFrame({"n": [1], "day": [pd.Timestamp("2024-01-01")], "w": ["x"], "ok": [True]})
    full.to_parquet(tmp_path / "b.parquet")
    full.assign(n=None, day=None, w=None).to_parquet(tmp_path / "a.parquet")
    full.iloc[:0].astype("object").to_parquet(tmp_path / "c.parquet")
    found = read_folder(tmp_path, ".parquet")
    assert [str(kind)[:8] for kind in found.dtypes] == ["float64", "datetime", "str", "bool"]
    assert len(found) == 2


BAD = {
    "other": (
        {"a.csv": "x,y,z\n1,2,3\n", "b.csv": "x,yy\n1,2\n"},
        "b.csv has other columns than a.csv: without y, z and with yy",
    ),
    "many": ({"a.csv": "x\n1\n", "b.csv": "y\n1\n", "c.csv": "y\n1\n"}, "with y (2 of 3 files differ)"),
    "ragged": (
        {"a.csv": "x,y\n1,2\n", "b.csv": "x,y\n1,2\n1,2,3,4\n"},
        "b.csv: line 3 has 4 fields, and there are 2 columns",
    ),
    "twice": ({"x=1/a.csv": "x,y\n1,2\n"}, "x=1/a.csv: column x is also given by its path"),
    "none": ({"a.txt": "x,y\n"}, "has no file that ends in .csv"),
    "blank": ({"a.csv": ""}, "a.csv: the file is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_makes_no_table_is_one_line(name, tmp_path):
    files, said = BAD[name]
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_folder(tmp_path, ".csv")
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_parquet_files_that_disagree_on_a_type_are_named(tmp_path):
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"x": ["1"]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(UserError, match=r"x: text in b\.parquet, numbers in a\.parquet"):
        read_folder(tmp_path, ".parquet")


def test_an_option_that_pandas_does_not_know_is_one_line(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n", encoding="utf-8")
    where = {"_target_": "cairn.data.folder.read_folder", "kind": ".csv", "sepp": ";"}
    data = DataConfig(name="", source=str(tmp_path), contract="", task="binary", target="", load=where)
    with pytest.raises(UserError, match="unexpected keyword argument 'sepp'"):
        load(data, Contract(columns={}))
