"""The page of a table agrees with pandas, whatever the table; it loads nothing and never varies."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from card_inputs import Page, same_as_golden
from explore_inputs import BY_TIME, PAGE, TASKS, examine, look, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.pandas import column, data_frames, range_indexes
from repository import ROOT

from cairn.data.records import read_json
from cairn.errors import UserError
from cairn.report.explore.findings import by_column, headline

MEGABYTE = 1_000_000


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def parts():
    return (pd.read_parquet(f"data/splits/{name}.parquet") for name in ("train", "validation", "test"))


@pytest.mark.slow
@pytest.mark.parametrize("time", [None, "at"])
@pytest.mark.parametrize("task", TASKS)
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


@pytest.mark.parametrize("task", TASKS)
def test_the_page_is_the_golden_page(here, task):
    frame = table(task, rows=200)
    html = look(frame, task, time="at" if task == "binary" else None, slices=["city"])
    same_as_golden(html, f"explore_{task}.html")


def test_the_numbers_of_the_study_are_those_of_pandas(here):
    found, _ = examine(table("binary"), "binary", time="at", slices=["city"])
    train, validation, _ = parts()
    assert (found.rows, found.validation_rows) == (len(train), len(validation))
    assert found.target.mean == pytest.approx(train["y"].mean())
    assert found.profiles["gappy"].missing == pytest.approx(train["gappy"].isna().mean())
    rho = train["x"].corr(train["y"].astype(float), method="spearman")
    assert found.associations["x"] == pytest.approx(rho)
    groups = {group.name: group for group in found.groups["city"]}
    for city, rows in train["city"].value_counts().items():
        group = groups.pop(city)
        assert (group.rows, group.train) == (rows, pytest.approx(rows / len(train)))
        assert group.validation == pytest.approx((validation["city"] == city).mean())
        assert group.target.value == pytest.approx(train.loc[train["city"] == city, "y"].mean())
    assert not groups
    for name in ("x", "whole", "street"):
        assert found.profiles[name].distinct == train[name].nunique()
    streets = train["street"].value_counts()
    (rare,) = (rare for rare in found.rare if rare.column == "street")
    assert (rare.levels, rare.rare, rare.rare_share) == (len(streets), (streets < 20).sum(), 1.0)


def test_findings_name_the_columns_and_the_numbers_problems_first(here):
    frame = table("binary").assign(copy=lambda t: 3 * t["x"])
    frame = pd.concat([frame, frame.iloc[:50]], ignore_index=True)
    found, findings = examine(frame, "binary")
    train, *_ = parts()
    copies = train.drop(columns="row_id").duplicated().sum()
    assert copies > 0
    assert found.duplicates.rows == copies
    assert f"{copies} rows" in findings["Duplicate rows"].fact
    assert findings["Empty columns"].fact.endswith(": empty.")
    assert findings["Constant columns"].fact.endswith(": same.")
    assert f"gappy ({train['gappy'].isna().mean():.0%})" in findings["Mostly missing"].fact
    assert "of at least 0.98" in findings["Redundant features"].fact
    for pair in found.alike[:4]:
        assert f"{pair.first} with {pair.second} (1.000)" in findings["Redundant features"].fact
    assert any({pair.first, pair.second} == {"x", "copy"} for pair in found.alike)
    assert findings["Identifiers"].fact.endswith(": street (100%).")
    tones = [finding.tone for finding in findings.values()]
    assert tones == sorted(tones, key=["worse", "unclear", "better"].index)
    assert [subject for subject, finding in findings.items() if finding.tone == "worse"] == ["Empty columns"]
    assert headline(list(findings.values()))[0] == "worse"


def test_a_column_has_the_findings_about_it(here):
    frame = table("binary").assign(copy=lambda t: 3 * t["x"])
    _, findings = examine(frame, "binary")
    found = by_column(list(findings.values()))
    assert found["empty"][0] == ("worse", "Empty columns")
    assert ("unclear", "Redundant features with endless, gappy and 1 more") in found["copy"]
    train, *_ = parts()
    assert ("unclear", f"Mostly missing {train['gappy'].isna().mean():.0%}") in found["gappy"]
    assert set(found) <= set(frame.columns)


def test_a_finding_says_what_to_do_unless_all_is_well(here):
    _, findings = examine(table("regression"), "regression")
    assert {finding.tone for finding in findings.values()} == {"worse", "unclear", "better"}
    for finding in findings.values():
        assert bool(finding.advice) == (finding.tone != "better")


def test_rows_with_the_same_features_and_another_target_are_counted(here):
    frame = table("binary").drop(columns=["at", "street"])
    twins = frame.iloc[:30].assign(y=lambda t: 1 - t["y"])
    found, findings = examine(pd.concat([frame, twins], ignore_index=True), "binary")
    train, *_ = parts()
    features = train.columns.drop(["row_id", "y"]).tolist()
    expected = sum(len(rows) for _, rows in train.groupby(features, dropna=False) if rows["y"].nunique() > 1)
    assert found.duplicates.conflicting == expected > 0
    assert f"{expected} rows" in findings["Conflicting rows"].fact


def test_a_split_that_ignores_time_is_the_first_problem(here):
    _, findings = examine(table("binary"), "binary", time="at")
    train, _, test = parts()
    assert next(iter(findings)) == "Time order"
    assert findings["Time order"].tone == "worse"
    for part in (str(train["at"].max()), str(test["at"].min()), "split=time"):
        assert part in findings["Time order"].fact
    _, honest = examine(table("binary"), "binary", time="at", parts=BY_TIME)
    assert "Time order" not in honest


def test_the_event_is_called_by_its_name(here):
    frame = table("binary").assign(y=lambda t: np.where(t["x"] > 1.9, "bad", "good"))
    page = Page(look(frame, "binary", time="at", positive="bad"))
    rate = next(parts())["y"].mean()
    assert 0 < rate < 0.05
    assert page.text.count("y = bad") >= 4
    assert f"{100 * rate:.2f}% of the rows of train are events (y = bad)" in page.text
    assert "y = " not in Page(look(table("binary"), "binary", time="at")).text


def test_a_suspect_that_is_trusted_or_not_a_feature_is_reported_with_the_reason(here):
    frame = table("binary").assign(told=lambda t: t["y"] * 2.0, number=lambda t: t["y"] + 10)
    features = ["x", "whole", "told"]
    found, findings = examine(frame, "binary", features=features, trusted=["told"], bound=0.95)
    flagged = {suspect.column: suspect for suspect in found.suspects if suspect.reason}
    assert set(flagged) == {"told", "number"}
    assert all(suspect.score == pytest.approx(1) for suspect in flagged.values())
    assert all("0.95" in suspect.reason for suspect in flagged.values())
    trusted, outside = findings["Trusted column"], findings["Leak outside the features"]
    assert (trusted.tone, outside.tone) == ("worse", "unclear")
    assert outside.fact.startswith("number: ")
    assert flagged["told"].reason in trusted.fact


def test_columns_known_only_afterwards_are_listed_as_left_out(here):
    frame = table("binary").assign(refund=1.0)
    after = {"refund": {"known": "after", "group": None, "description": "paid back"}}
    assert "refund paid back" in Page(look(frame, "binary", columns=after)).text


def test_test_is_known_by_its_counts_and_distances_alone(here):
    html = look(table("binary"), "binary", time="at")
    _, validation, test = parts()
    text = Page(html).text
    record = read_json(Path("metrics/split.json"))
    for name, frame in (("validation", validation), ("test", test)):
        furthest = max(record["shift"][name]["most"].values())
        assert re.search(rf"{name} {len(frame)} .*? {furthest:.3f} ", text), name
    assert f"{100 * test['y'].mean():.1f}%" not in text.split("Parts")[-1].split("Groups")[0]


@pytest.mark.slow
def test_another_process_without_test_and_the_target_of_validation_writes_the_same_bytes(here):
    first = look(table("binary"), "binary", time="at")
    Path("data/splits/test.parquet").unlink()
    validation = pd.read_parquet("data/splits/validation.parquet")
    validation.assign(y=1 - validation["y"]).to_parquet("data/splits/validation.parquet")
    assert rerun("binary") == first


@pytest.mark.slow
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
    assert "1,380 more" in text
    assert "1,500 features and 180 rows" in text
    assert "gene_7 main" in text


def test_groups_that_a_split_keeps_together_are_counted(here):
    frame = table("regression")
    found, _ = examine(frame, "regression", group="street")
    train, *_ = parts()
    assert found.entities.number == train["street"].nunique()
    assert (
        "distinct values in train, with a median of" in Page(look(frame, "regression", group="street")).text
    )


CELLS = {
    "number": st.floats(allow_nan=True, allow_infinity=True),
    "whole": st.integers(-(2**62), 2**62),
    "flag": st.booleans(),
    "word": st.sampled_from(["", " ", "a", "ä", "\u202e", "0", "0.0", "nan", "<b>", "\n"]) | st.none(),
    "date": st.datetimes(pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")) | st.just(pd.NaT),
    "gap": st.just(float("nan")),
}


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frame=data_frames(
        [column(name, elements=cells, dtype=object) for name, cells in CELLS.items()],
        index=range_indexes(min_size=12, max_size=60),
    ),
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    timed=st.booleans(),
)
def test_any_valid_table_has_a_page(here, frame, task, timed):
    frame = frame.astype(
        {"number": float, "whole": "int64", "flag": bool, "gap": float, "date": "datetime64[us]"}
    )
    order = np.arange(len(frame))
    target = {"binary": order % 2, "multiclass": (order % 3).astype(str), "regression": order**2.0}
    frame["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(order // 3, unit="h")
    kinds = {"word": "categorical", "date": "datetime"}
    try:
        html = look(frame.assign(y=target[task]), task, kinds=kinds, time="when" if timed else None)
    except UserError as error:  # the split of a few rows may leave one class alone in a part
        assert task != "regression" and "nothing can be measured on it" in str(error)
        return
    Page(html)
