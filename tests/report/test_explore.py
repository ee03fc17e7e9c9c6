"""The page of a table tells what pandas tells, whatever the table; it loads nothing and never varies."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from card_inputs import Page
from explore_inputs import BY_TIME, PAGE, look, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.pandas import column, data_frames, range_indexes
from repository import ROOT

from cairn.data.tables import read_json

MEGABYTE = 1_000_000


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def parts():
    return (pd.read_parquet(f"data/splits/{name}.parquet") for name in ("train", "validation", "test"))


@pytest.mark.parametrize("time", [None, "at"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_has_a_page_of_balanced_tags_that_loads_nothing(here, task, time):
    html = look(table(task), task, time=time)
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert all(load.startswith(("#", "data:")) for load in page.loads)
    anchors = {load[1:] for load in page.loads if re.fullmatch(r"#[a-z]+", load)}
    assert {"look", "target", "parts", "columns", "contract"} <= anchors <= set(page.ids)
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)\)", html))
    assert "@import" not in html
    assert page.tags.count("script") == 1
    assert ("figure" in page.tags) == (time is not None)
    for word in ("nan", "None", "NaN", "Undefined"):
        assert not re.search(rf"(?<![\w]){word}(?![\w])", page.text), word
    assert "Łódź" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert len(html) < MEGABYTE


def test_the_numbers_of_the_page_are_those_of_pandas(here):
    text = Page(look(table("binary"), "binary", time="at", slices=["city"])).text
    train, validation, _ = parts()
    assert f"rows of train {len(train):,} of 600 in the table" in text
    assert f"rate of y {100 * train['y'].mean():.1f}%" in text
    assert f"gappy {100 * train['gappy'].isna().mean():.2f}%" in text
    rho = train["x"].corr(train["y"].astype(float), method="spearman")
    assert re.search(rf"x {rho:.2f} 0\.\d\d\d numeric", text)
    for city, rows in train["city"].value_counts().items():
        mean = train.loc[train["city"] == city, "y"].mean()
        share = 100 * (validation["city"] == city).mean()
        line = f"{city} {rows} {100 * rows / len(train):.1f}% {share:.1f}% {100 * mean:.1f}%"
        assert line in text
    for name in ("x", "whole", "street"):
        assert str(train[name].nunique()) in text.split(f"{name} main")[1][:400]
    streets = train["street"].value_counts()
    assert f"street {len(streets)} {(streets < 20).sum()} 100.00%" in text


def test_what_is_wrong_with_a_table_is_said_first_and_by_name(here):
    frame = table("binary").assign(copy=lambda t: 3 * t["x"])
    frame = pd.concat([frame, frame.iloc[:50]], ignore_index=True)
    text = Page(look(frame, "binary")).text
    train, *_ = parts()
    copies = train.drop(columns="row_id").duplicated().sum()
    assert copies > 0
    assert f"Copied rows {copies} rows of train" in text
    assert "Empty columns empty: no value in train." in text
    assert "Constant columns same: one value in train." in text
    assert f"Mostly missing gappy ({train['gappy'].isna().mean():.0%}) of the rows of train." in text
    assert "Columns that say nearly the same: " in text
    assert re.search(r"Nearly the same .*(x copy|copy x) 1\.000", text)
    assert "Names of rows street: most values are of levels with fewer than 20 rows" in text
    assert text.index("Empty columns") < text.index("Copied rows")
    assert "One thing wrong," in text


def test_a_split_that_ignores_time_is_the_first_thing_wrong(here):
    page = Page(look(table("binary"), "binary", time="at"))
    train, _, test = parts()
    said = (
        f"Future split.kind=random ignores data.time: train ends at {train['at'].max()}, after test starts"
        f" at {test['at'].min()}"
    )
    assert re.search(rf"to look at\. {re.escape(said)}.*set split=time\. Empty columns", page.text)
    assert "Two things wrong," in page.text
    honest = Page(look(table("binary"), "binary", time="at", dealt=BY_TIME)).text
    assert "split=time" not in honest
    assert "One thing wrong," in honest


def test_the_event_is_called_by_its_name(here):
    frame = table("binary").assign(y=lambda t: np.where(t["x"] > 1.9, "bad", "good"))
    text = Page(look(frame, "binary", time="at", positive="bad")).text
    rate = next(parts())["y"].mean()
    assert 0 < rate < 0.05
    assert f"{100 * rate:.2f}% of the rows are events (y = bad): accuracy" in text
    assert f"rate of y = bad {100 * rate:.1f}%" in text
    assert "Share of rows that are events, y = bad, by week." in text
    plain = Page(look(table("binary"), "binary", time="at")).text
    assert re.search(r"rate of y \d", plain)
    assert "y = " not in plain


def test_a_suspect_that_is_trusted_or_no_feature_is_named_with_the_reason(here):
    frame = table("binary").assign(told=lambda t: t["y"] * 2.0, number=lambda t: t["y"] + 10)
    features = ["x", "whole", "told"]
    text = Page(look(frame, "binary", features=features, trusted=["told"], bound=0.95)).text
    assert "told: alone it reaches ROC-AUC 1.000, above 0.95; data.leakage.trusted lets it pass." in text
    assert "number suspect no feature 1.000" in text


def test_columns_known_only_afterwards_are_listed_as_left_out(here):
    frame = table("binary").assign(refund=1.0)
    text = Page(
        look(
            frame, "binary", columns={"refund": {"known": "after", "group": None, "description": "paid back"}}
        )
    ).text
    assert "1 columns left out: known only after the prediction refund paid back" in text


def test_test_is_known_by_its_counts_and_distances_alone(here):
    html = look(table("binary"), "binary", time="at")
    _, validation, test = parts()
    text = Page(html).text
    record = read_json(Path("metrics/split.json"))
    for name, frame in (("validation", validation), ("test", test)):
        furthest = max(record["shift"][name]["most"].values())
        assert re.search(rf"{name} {len(frame)} .*? {furthest:.3f} ", text), name
    assert f"{100 * test['y'].mean():.1f}%" not in text.split("Parts")[-1].split("Groups")[0]


def test_another_process_without_test_and_the_target_of_validation_writes_the_same_bytes(here):
    first = look(table("binary"), "binary", time="at")
    Path("data/splits/test.parquet").unlink()
    validation = pd.read_parquet("data/splits/validation.parquet")
    validation.assign(y=1 - validation["y"]).to_parquet("data/splits/validation.parquet")
    assert rerun("binary") == first


def test_two_processes_write_the_same_bytes_wherever_they_are(here, tmp_path):
    first = look(table("multiclass"), "multiclass", time="at")
    assert rerun("multiclass") == first
    assert str(tmp_path) not in first


def rerun(task):
    """Run the stage alone in a process with another hash seed and another time zone."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import explore_inputs as i;"
        "i.prepare.main = i.split.main = lambda **_: None;"
        f"i.look(i.table({task!r}), {task!r}, time='at')"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "3", "TZ": "Etc/GMT+5", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_table_of_1500_columns_has_a_page_of_less_than_5_megabytes(here):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(300, 1500)), columns=[f"gene_{i}" for i in range(1500)])
    html = look(wide.assign(y=wide["gene_7"] > 0).astype({"y": int}), "binary")
    assert len(html.encode()) < 5 * MEGABYTE
    text = Page(html).text
    assert "The 120 columns closest to the target; 1,380 more are in the contract below." in text
    assert "Wide 1,500 features for 180 rows of train." in text
    assert "gene_7 main" in text


def test_groups_that_a_split_keeps_together_are_counted(here):
    frame = table("regression")
    text = Page(look(frame, "regression", group="street")).text
    train, *_ = parts()
    assert f"street names {train['street'].nunique()} groups of" in text


CELLS = {
    "number": st.floats(allow_nan=True, allow_infinity=True),
    "whole": st.integers(-(2**62), 2**62),
    "flag": st.booleans(),
    "word": st.sampled_from(["", " ", "a", "ä", "\u202e", "0", "0.0", "nan", "<b>", "\n"]) | st.none(),
    "date": st.datetimes(pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")) | st.just(pd.NaT),
    "gap": st.just(float("nan")),
}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frame=data_frames(
        [column(name, elements=cells, dtype=object) for name, cells in CELLS.items()],
        index=range_indexes(min_size=12, max_size=60),
    ),
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    timed=st.booleans(),
)
def test_no_table_is_too_odd(here, frame, task, timed):
    frame = frame.astype(
        {"number": float, "whole": "int64", "flag": bool, "gap": float, "date": "datetime64[us]"}
    )
    order = np.arange(len(frame))
    target = {"binary": order % 2, "multiclass": (order % 3).astype(str), "regression": order**2.0}
    frame["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(order // 3, unit="h")
    kinds = {"word": "categorical", "date": "datetime"}
    html = look(frame.assign(y=target[task]), task, kinds=kinds, time="when" if timed else None)
    Page(html)
