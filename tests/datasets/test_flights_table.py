"""The shipped table as a whole: what it holds, that its contract is true, what is said when it cannot be."""

from pathlib import Path

import pandas as pd
import pytest

from cairn.compose.conf import compose
from cairn.compose.validate import read_config
from cairn.data.contract import violations
from cairn.data.load import load
from cairn.data.prepare import usable_rows
from cairn.datasets.flights.table import build_table, load_flights
from cairn.errors import UserError
from cairn.settings.contract import Contract

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def data_config(option):
    return read_config(compose(ROOT / "conf", [f"data={option}"]).values, ROOT).data


def test_there_is_a_row_for_each_of_the_336776_scheduled_flights_and_none_twice(year, contract):
    assert len(year) == 336_776
    assert not year.duplicated(contract.key).any()
    by_day = year.assign(day=year["sched_dep_local"].dt.normalize())
    assert by_day.duplicated(["day", "carrier", "flight"]).sum() == 24  # WN 2269 flies two legs a day


def test_outcomes_are_those_counted_in_the_published_file(year):
    assert year["outcome"].value_counts().to_dict() == {
        "completed": 327_346,
        "cancelled": 8_255,
        "diverted": 1_175,
    }
    assert year["late"].mean() == pytest.approx(0.237, abs=5e-4)
    assert year["late"].isna().sum() == 8_255 + 1_175
    assert year["disrupted"].mean() == pytest.approx(0.2585, abs=5e-4)
    assert (year["late"].fillna(True) == year["disrupted"]).all()


def test_the_table_keeps_its_contract_column_by_column(year, contract):
    assert list(year.columns) == list(contract.columns)
    assert [str(violation) for violation in violations(year, contract)] == []


def test_the_impossible_wind_is_taken_as_missing_and_counted(year, raw):
    assert year.attrs["cleaned"] == {"impossible wind readings": 1, "impossible scheduled durations": 0}
    assert raw["weather"]["wind_speed"].max() > 1_000
    assert year["wind_speed"].max() < 60


def test_rows_do_not_depend_on_the_order_of_the_raw_files(days, contract):
    raw = days("2013-04-01", "2013-04-04")
    shuffled = {name: table.sample(frac=1, random_state=3) for name, table in raw.items()}
    pd.testing.assert_frame_equal(build_table(raw, 120, "utc"), build_table(shuffled, 120, "utc"))


def test_until_leaves_out_later_flights_as_if_they_did_not_exist(folder, days):
    short = load_flights(folder, until="2013-01-08")
    pd.testing.assert_frame_equal(short, build_table(days("2013-01-01", "2013-01-08"), 120, "utc"))
    assert short["sched_dep_local"].max() < pd.Timestamp("2013-01-08")


def test_parquet_files_give_the_same_table_as_csv(folder, tmp_path, raw):
    for name, table in raw.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    pd.testing.assert_frame_equal(
        load_flights(tmp_path, until="2013-01-04"), load_flights(folder, until="2013-01-04")
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lead_minutes": -1}, "data.load.lead_minutes: -1 is not between 0 and 1440"),
        ({"lead_minutes": 5_000}, "data.load.lead_minutes: 5000 is not"),
        ({"clock": "gmt"}, "data.load.clock: 'gmt' is not utc or local"),
        ({"until": "soon"}, "data.load.until: 'soon' is not a date such as 2013-03-01"),
        ({"until": "2012-01-01"}, "data.load.until: no flight is scheduled before 2012-01-01"),
    ],
)
def test_an_impossible_option_is_told_in_one_line(folder, options, said):
    with pytest.raises(UserError, match=said) as error:
        load_flights(folder, **options)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_broken_one_are_named(folder, tmp_path):
    with pytest.raises(UserError, match=r"has no flights\.parquet or \.csv\.zip or \.csv; run `dvc repro`"):
        load_flights(tmp_path)
    (tmp_path / "flights.parquet").write_bytes(b"not a table")
    with pytest.raises(UserError, match=r"flights\.parquet cannot be read"):
        load_flights(tmp_path)


def test_the_question_drops_cancelled_and_diverted_flights_and_says_how_many(year):
    kept, dropped = usable_rows(year, data_config("flights"))
    assert dropped == {"cancelled": 8_255, "diverted": 1_175, "no_target": 0}
    assert len(kept) == 327_346


def test_the_question_with_cancelled_flights_drops_none_and_sees_no_tail(year, contract):
    config = read_config(compose(ROOT / "conf", ["data=flights_disrupted"]).values, ROOT)
    kept, _ = usable_rows(year, config.data)
    assert len(kept) == len(year)
    assert config.features.groups is not None
    groups = {column.group for column in contract.columns.values()} - {None}
    assert groups - set(config.features.groups) == {"tail"}


@pytest.mark.parametrize("option", ["flights_delay", "flights_disrupted", "flights_2023"])
def test_a_variant_differs_from_the_flights_only_where_it_says_so(option):
    said = {
        "flights_delay": {"name", "task", "target", "leakage"},
        "flights_disrupted": {"name", "target", "drop_where"},
        "flights_2023": {"name", "source", "load"},
    }
    plain, other = data_config("flights").model_dump(), data_config(option).model_dump()
    assert {key for key in plain if plain[key] != other[key]} == said[option]


def test_conf_names_a_function_that_builds_the_table(folder):
    data = data_config("flights")
    assert data.load is not None
    short = data.model_copy(update={"source": str(folder), "load": {**data.load, "until": "2013-01-03"}})
    assert len(load(short, Contract(columns={}))) == 842 + 943


@pytest.mark.skipif(not (ROOT / "data/raw/flights_2023").exists(), reason="`dvc repro` brings it")
def test_the_flights_of_2023_keep_the_same_contract_once_their_clock_is_repaired(contract):
    later = load_flights(ROOT / "data/raw/flights_2023", clock="local")
    assert len(later) == 435_352
    assert [str(violation) for violation in violations(later, contract)] == []
    assert later["late"].mean() == pytest.approx(0.207, abs=5e-4)
