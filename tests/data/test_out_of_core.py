"""`data.sql` makes the table out of raw files: what pandas makes of them, in bounded memory, and alone."""

import builtins
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from cairn.data.load import load
from cairn.errors import UserError
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig

JOIN = """
SELECT city, count(*) AS orders, sum(amount) AS spent, max(day) AS last, avg(pieces) AS pieces
FROM 'raw/orders-*.csv' JOIN 'raw/customers.parquet' USING (customer)
WHERE amount > 5 GROUP BY city -- no ORDER BY;
"""


@pytest.fixture
def raw(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    rng = np.random.default_rng(7)
    days = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 2_000), "D"))
    orders = pd.DataFrame(
        {
            "customer": rng.integers(0, 90, 2_000),
            "amount": rng.gamma(2, 10, 2_000).round(2),
            "pieces": pd.Series(rng.integers(1, 9, 2_000)).where(rng.random(2_000) > 0.1).astype("Int64"),
            "day": days.dt.strftime("%Y-%m-%d"),
        }
    )
    cities = rng.choice(["Łódź", "東京", "Oslo", "007"], 80)
    customers = pd.DataFrame({"customer": range(80), "city": cities})
    write(orders, customers)
    return orders, customers


def write(orders, customers):
    orders.iloc[:1_200].to_csv("raw/orders-1.csv", index=False)
    orders.iloc[1_200:].to_csv("raw/orders-2.csv", index=False)
    customers.to_parquet("raw/customers.parquet")


def table(query=JOIN, source="raw", **choices):
    sql = {"query": query, **choices}
    data = DataConfig(name="t", source=source, contract="c", task="regression", target="y", sql=sql)
    return load(data, Contract(columns={}))


def test_a_query_has_the_rows_that_pandas_finds(raw):
    orders, customers = raw
    joined = orders[orders["amount"] > 5].merge(customers, on="customer")
    joined["day"] = pd.to_datetime(joined["day"])
    by = joined.groupby("city")
    wanted = pd.DataFrame(
        {
            "orders": by.size(),
            "spent": by["amount"].sum(),
            "last": by["day"].max(),
            "pieces": by["pieces"].mean(),
        }
    ).reset_index()
    found = table()
    pd.testing.assert_frame_equal(
        found, wanted.sort_values("city", ignore_index=True), check_dtype=False, check_exact=False, rtol=1e-12
    )
    assert [str(kind) for kind in found.dtypes] == ["str", "int64", "float64", "datetime64[s]", "float64"]


def test_rows_have_one_order_whatever_order_the_files_have(raw):
    orders, customers = raw
    query = "SELECT day, amount, customer, pieces FROM 'raw/orders-*.csv'"
    before = table(query)
    write(orders.sample(frac=1, random_state=1), customers.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(table(query), before)
    names = ["day", "amount", "customer", "pieces"]
    pd.testing.assert_frame_equal(before, before.sort_values(names, ignore_index=True))


def test_more_than_fits_in_its_memory_goes_to_disk(raw, tmp_path):
    query = "SELECT hash(i) AS h, i AS i, hash(i + 1) AS more FROM range(2000000) AS numbers(i)"
    found = table(query, memory="40MB")
    assert found["i"].sum() == 1_999_999 * 1_000_000 and found.memory_usage().sum() > 40e6
    assert not list((tmp_path / ".dvc/tmp").iterdir())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM 'other.csv'", "a query can only read data.source, raw"),
        ("SELECT * FROM 'raw/../other.csv'", "a query can only read data.source, raw"),
        ("SELECT * FROM 'https://example.org/x.csv'", "data.sql.query: "),
        ("INSTALL httpfs", "not one SELECT"),
        ("COPY (SELECT 1) TO 'other.csv'", "not one SELECT"),
        ("SELECT 1; SELECT 2", "not one SELECT"),
        ("SELECT * FROM orders", "orders does not exist"),
        ("SELECT * FROM raw", "raw does not exist"),  # a variable of this test
        ("SELECT amuont FROM 'raw/orders-1.csv'", "amuont"),
        ("SELEC 1", "SELEC"),
        ("SELECT random() AS r", "random has another value in each run"),
        ("SELECT CURRENT_DATE AS d", "CURRENT_DATE has another value in each run"),
        ("SELECT age(day) AS a FROM 'raw/orders-1.csv'", "age(day) has another value in each run"),
        ("SELECT INTERVAL 3 DAY AS span", "span is an INTERVAL"),
        ("SELECT sum(x) AS total FROM (VALUES (9223372036854775807), (1)) AS t(x)", "INT64"),
        ("FROM 'raw/orders-1.csv' USING SAMPLE 10", "USING SAMPLE has another value in each run"),
    ],
)
def test_a_query_that_cannot_be_is_refused_in_one_line(raw, tmp_path, query, said):
    (tmp_path / "other.csv").write_text("secret\n1\n")
    with pytest.raises(UserError) as caught:
        table(query)
    assert said in str(caught.value) and str(caught.value).startswith("data.sql.query: ")
    assert "\n" not in str(caught.value) and (tmp_path / "other.csv").read_text() == "secret\n1\n"


def test_words_in_quotes_and_comments_are_no_functions(raw):
    assert table("SELECT 'random()' AS \"now()\" -- today()")["now()"].tolist() == ["random()"]


def test_one_file_is_a_source_too_and_its_neighbour_is_not(raw):
    assert len(table("FROM 'raw/orders-1.csv'", source="raw/orders-1.csv")) == 1_200
    with pytest.raises(UserError, match=r"data.source, raw/orders-1.csv$"):
        table("FROM 'raw/orders-2.csv'", source="raw/orders-1.csv")


def test_too_little_memory_is_named_with_its_key(raw):
    with pytest.raises(UserError, match=r"raise data.sql.memory, 1MB"):
        table("SELECT list(amount) AS every FROM 'raw/orders-*.csv'", memory="1MB")


def test_the_extra_is_named_where_it_is_missing(raw, monkeypatch):
    load_module = builtins.__import__

    def without(name, *more):
        if name == "duckdb":
            raise ImportError(name)
        return load_module(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"^data.sql: needs DuckDB, an extra: .*\[duckdb\]`$"):
        table()


def test_a_loader_and_a_query_exclude_each_other():
    with pytest.raises(ValidationError, match=r"not with data.load"):
        DataConfig(
            name="t", source="raw", contract="c", task="regression", target="y",
            load={"_target_": "a.b"}, sql={"query": "SELECT 1"},
        )  # fmt: skip


def test_exact_whole_numbers_and_missing_ones_stay_what_they_are(raw):
    pq.write_table(pq.read_table("raw/customers.parquet"), "raw/copy.parquet")
    found = table("SELECT * FROM (VALUES (9007199254740993, 1.5), (NULL, 2.5)) AS t(big, x)")
    assert found["big"].tolist()[0] == "9007199254740993"
    assert found["x"].tolist() == [1.5, 2.5]


def test_a_sum_of_whole_numbers_is_exact(raw):
    found = table("SELECT sum(x) AS total FROM (VALUES (9007199254740990), (3)) AS t(x); -- the end")
    assert found["total"].tolist() == [9007199254740993]
    assert found["total"].dtype == "int64"


def test_the_time_zone_of_the_machine_changes_nothing(raw, monkeypatch):
    query = "SELECT to_timestamp(0)::DATE AS day, '2024-01-01 12:00'::TIMESTAMPTZ AS moment"
    found = []
    for zone in ("UTC", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        found.append(table(query))
    monkeypatch.undo()
    time.tzset()
    pd.testing.assert_frame_equal(*found)
    assert str(found[0]["day"][0]) == "1970-01-01 00:00:00"


def test_columns_may_be_called_like_functions(raw):
    found = table("SELECT 1 AS localtime_of_day, 2 AS today, 3 AS age")
    assert list(found) == ["localtime_of_day", "today", "age"]


def test_files_that_link_into_the_cache_are_read_and_no_others(raw, tmp_path):
    cached = tmp_path / ".dvc/cache/files/md5/ab/cdef"
    cached.parent.mkdir(parents=True)
    (tmp_path / "raw/orders-2.csv").rename(cached)
    (tmp_path / "raw/orders-2.csv").symlink_to(cached)
    assert len(table("FROM 'raw/orders-*.csv'")) == 2_000
    (tmp_path / "other.csv").write_text("a\n1\n")
    (tmp_path / "raw/other.csv").symlink_to(tmp_path / "other.csv")
    with pytest.raises(UserError, match="can only read"):
        table("FROM 'raw/other.csv'")
