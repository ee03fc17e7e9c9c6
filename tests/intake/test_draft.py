"""What new-data finds out about a table is true, and what it writes works for any table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from drafts import ROOT, planned, proven, visits
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from toy_conf import edit, make_toy_conf

from cairn.data.prepare import prepare_table
from cairn.errors import UserError
from cairn.intake.draft.columns import date_formats, look_at
from cairn.intake.draft.defaults import choose
from cairn.intake.draft.names import is_code, is_entity, is_id, plan_of, shared_word, slug, words
from cairn.intake.draft.time_columns import FEW, follows
from cairn.intake.read.source import Source
from cairn.intake.write.install import choice, free_name, raw_path
from cairn.intake.write.yaml_files import comment, texts, written
from cairn.report.new_data import plan_text

RNG = np.random.default_rng(7)
SOURCE = Source(Path("table.parquet"), visits(), None, ())
ROWS = 400


def note(plan, name):
    return plan.findings[name].note


def roles(plan):
    return {name: finding.role for name, finding in plan.findings.items()}


# tasks

TARGETS = {
    "yes and no": (["yes", "no"], "binary", "yes"),
    "one and two": ([1, 2], "binary", 1),
    "booleans": ([True, False], "binary", None),
    "three words": (["a", "b", "c"], "multiclass", None),
    "grades": ([1, 2, 3, 4, 5], "multiclass", None),
    "counts": (list(range(40)), "regression", None),
    "fractions": ([0.5, 1.5, 2.5], "regression", None),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_the_task_follows_from_the_values_of_the_target(kind):
    values, task, positive = TARGETS[kind]
    table = visits().assign(bought=RNG.choice(np.array(values), ROWS))
    plan = proven(table, "bought")
    assert (plan.data.task, plan.data.positive) == (task, positive)


def test_the_task_and_the_event_can_be_said():
    table = visits()
    assert planned(table, "bought", positive="no").data.positive == "no"
    assert planned(table.assign(n=RNG.integers(1, 6, ROWS)), "n", task="regression").data.task == "regression"


def test_an_event_of_what_is_no_binary_task_is_refused():
    with pytest.raises(UserError, match=r"--positive a: only a binary task has a positive class"):
        planned(visits().assign(x=RNG.choice(list("abc"), ROWS)), "x", positive="a")


def test_a_rare_event_is_ranked_by_precision_and_a_long_tail_by_absolute_errors():
    table = visits(2000)
    table["bought"] = (np.arange(2000) % 50 == 0).astype(int)
    assert planned(table, "bought").defaults.primary.value == "pr_auc"
    assert planned(visits(), "bought").defaults.primary.value == "roc_auc"
    table["bought"] = RNG.lognormal(0, 2, 2000)
    assert planned(table, "bought").defaults.primary.value == "mae"
    table["bought"] = RNG.normal(size=2000)
    assert planned(table, "bought").defaults.primary.value == "rmse"


def test_a_target_made_by_an_expression_takes_its_sources_out_of_the_features():
    table = visits().assign(delay=RNG.normal(10, 20, ROWS)).drop(columns="bought")
    plan = planned(table, "late = delay > 15 and age > 0")
    assert (plan.data.target, plan.data.derive["late"]) == ("late", "delay > 15 and age > 0")
    assert {plan.findings[name].column.known for name in ("delay", "age", "late")} == {"after"}
    assert set(plan.named("feature")) == {"town", "noise"}


# splits


@pytest.mark.parametrize(
    ("rows", "timed", "model", "refit"),
    [
        (999, False, "hist_gbdt_small", None),
        (1_000, False, "hist_gbdt_general", None),
        (4_999_999, False, "hist_gbdt_general", None),
        (5_000_000, False, "hist_gbdt_large", "none"),
        (5_000_000, True, "hist_gbdt_large", None),
    ],
)
def test_the_number_of_rows_decides_the_model_and_whether_a_second_fit_is_worth_its_time(
    rows, timed, model, refit
):
    few = planned(pd.DataFrame({"size": RNG.normal(size=ROWS), "price": RNG.normal(size=ROWS)}), "price")
    table, time = pd.DataFrame(index=range(rows)), None
    if timed:
        time = "sold_at"
        table[time] = pd.date_range("2010-01-01", periods=rows, freq="s")
    found = choose(table, few.findings, few.question, time=time, group=None, alone={}, copies=0)
    data = yaml.safe_load(texts(replace(few, defaults=found))["data/mine.yaml"])
    assert {"override /model": model} in data["defaults"]
    assert data.get("train") == ({"refit": refit} if refit else None)


def test_a_table_with_a_time_is_split_by_time_and_a_birth_date_is_no_time():
    days = pd.Timestamp("2022-01-01") + pd.to_timedelta(RNG.integers(0, 600, ROWS), "D")
    born = pd.Timestamp("1960-01-01") + pd.to_timedelta(RNG.integers(0, 9000, ROWS), "D")
    dated = visits().assign(day=days.strftime("%d.%m.%Y"), birth_date=born.strftime("%Y-%m-%d"))
    plan = planned(dated, "bought")
    assert (plan.data.time, plan.defaults.split.value) == ("day", "time")
    assert plan.findings["day"].column.format == "%d.%m.%Y"
    assert {"birth_date_days_ago", "day_month", "day_weekday"} <= set(plan.named("feature"))
    plan = planned(dated.drop(columns="day"), "bought")
    assert (plan.data.time, plan.defaults.split.value) == (None, "random")
    assert "birth_date_year" in plan.named("feature")
    assert planned(dated, "bought", time="").defaults.split.value == "random"


def test_a_column_may_be_called_as_an_argument_of_pandas_is():
    days = pd.date_range("2021-01-01", periods=ROWS)
    plan = proven(visits().rename(columns={"town": "self"}).assign(axis=days.strftime("%d.%m.%Y")), "bought")
    assert (plan.data.time, plan.findings["self"].role) == ("axis", "feature")
    table = visits().rename(columns={"town": "axis"})
    table["self"] = days.astype(str)
    assert proven(table, "bought").data.time == "self"


def test_year_and_month_make_a_date_with_or_without_a_day_and_a_year_alone_does_not():
    days = pd.date_range("2021-01-01", periods=ROWS).to_series().sample(frac=1, random_state=0)
    table = visits().assign(year=days.dt.year.values, month=days.dt.month.values, day=days.dt.day.values)
    for there, format_ in ((table, "%Y%m%d"), (table.drop(columns="day"), "%Y%m")):
        plan = proven(there, "bought")
        assert (plan.data.time, plan.findings["calendar_date"].column.format) == ("calendar_date", format_)
    assert "calendar_date_weekday" not in plan.findings
    assert planned(table.drop(columns=["day", "month"]), "bought").defaults.split.value == "random"


def test_years_that_restart_for_each_entity_are_a_time_and_those_of_products_are_not():
    things = pd.MultiIndex.from_product([["Chile", "Perú", "Łódź"], ["corn", "rye"], range(1960, 2020)])
    panel = things.to_frame(index=False, name=["land", "crop", "year"]).sample(300, random_state=0)
    panel = panel.sort_index().assign(rain=RNG.normal(size=300), harvest=RNG.normal(size=300))
    plan = proven(panel[panel["crop"] == "rye"].drop(columns="crop"), "harvest")
    assert (plan.data.time, plan.defaults.split.value) == ("year", "time")
    assert {"land", "rain", "year_number"} == set(plan.named("feature"))
    assert planned(panel.drop(columns="crop"), "harvest").data.time is None
    built = panel.assign(year=RNG.integers(1960, 2020, 300))
    assert planned(built, "harvest").data.time is None


@pytest.mark.parametrize(("months", "counts"), [(14, "idle"), (30, "feature")])
def test_what_only_counts_the_time_is_a_feature_from_two_years_on(months, counts):
    days = pd.Timestamp("2022-01-01") + pd.to_timedelta(np.sort(RNG.integers(0, months * 30, ROWS)), "D")
    week = days.to_series().dt.isocalendar().week.to_numpy()
    table = visits().assign(
        day=days, year=days.year, week=week, number=(days - days[0]).days // 7, left=-np.arange(ROWS)
    )
    table = table.sample(frac=1, random_state=0).assign(rule=lambda t: (t["day"] > days[300]).astype(int))
    plan = proven(table, "bought")
    assert {plan.findings[name].role for name in ("year", "number", "left")} == {counts}
    assert {plan.findings[name].role for name in ("week", "rule", "day_month")} == {"feature"}
    assert ("day_year" in plan.findings) == (counts == "feature")


def test_one_row_out_of_order_is_found_in_a_long_table():
    count = np.arange(3 * FEW)
    table = pd.DataFrame({"day": pd.Timestamp("2022-01-01") + pd.to_timedelta(count, "min"), "count": count})
    assert follows(table, "day", "count")
    assert not follows(table.assign(count=np.where(count == FEW + 1, 0, count)), "day", "count")
    assert not follows(table.assign(count=count % 7), "day", "count")


def test_a_count_of_seconds_that_never_falls_is_a_time_and_one_in_disorder_is_not():
    seconds = np.sort(RNG.integers(0, 100_000, ROWS))
    assert planned(visits().assign(Time=seconds), "bought").data.time == "Time"
    assert planned(visits().assign(Time=RNG.permutation(seconds)), "bought").data.time is None
    assert planned(visits().assign(Time=seconds * 10**13), "bought").data.time is None


def test_days_and_years_that_never_fall_are_a_time_and_those_in_disorder_or_of_a_month_are_not():
    days, years = np.sort(RNG.integers(1, 366, ROWS)), np.sort(RNG.integers(1950, 1990, ROWS))
    for name, values, format_ in (("day", days, "unix"), ("year", years, "%Y")):
        plan = proven(visits().assign(**{name: values}), "bought")
        assert (plan.data.time, plan.defaults.split.value) == (name, "time")
        assert plan.findings[name].column.format == format_
        assert planned(visits().assign(**{name: RNG.permutation(values)}), "bought").data.time is None
    assert planned(visits().assign(day=np.sort(days % 31)), "bought").data.time is None
    assert planned(visits().assign(year=years - 1900), "bought").data.time is None


def test_a_date_later_than_the_time_of_its_row_is_left_out():
    days = pd.Timestamp("2022-01-01") + pd.to_timedelta(np.arange(ROWS), "D")
    later = days + pd.to_timedelta(RNG.integers(1, 9, ROWS), "D")
    table = visits().assign(ordered=days, arrived=later, due=later)
    plan = planned(table, "bought", time="ordered")
    assert roles(plan)["arrived"] == "suspect"
    assert note(plan, "arrived") == "later than ordered in 100 % of the rows: recorded afterwards"
    assert roles(plan)["due"] == "date"
    freed = days + pd.to_timedelta(
        RNG.integers(-90, 40, ROWS), "D"
    )  # of some rows it is known, of others not
    assert roles(planned(table.assign(freed=freed), "bought", time="ordered"))["freed"] == "suspect"
    born = days - pd.to_timedelta(RNG.integers(0, 900, ROWS), "D")
    assert roles(planned(table.assign(begun=born), "bought", time="ordered"))["begun"] == "date"


PUBLISHED = {
    "labels": ("usage", ["Train", "Train", "Dev", "Test"], [["Train"], ["Dev"], ["Test"]]),
    "train and val": ("set", ["train", "train", "val"], [["train"], [], ["val"]]),
    "a flag": ("is_train", [True, True, False], [[True], [], [False]]),
    "a number": ("test", [0, 0, 1], [[0], [], [1]]),
    "folds": ("fold", [1, 2, 3, 4, 5], [[1, 2, 3], [4], [5]]),
    "fold names": ("cv_fold", ["f2", "f10", "f1"], [["f1"], ["f2"], ["f10"]]),
}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_a_published_split_is_no_feature_and_is_used(kind):
    name, values, labels = PUBLISHED[kind]
    table = visits().assign(**{name: RNG.choice(np.array(values), ROWS)})
    plan = (proven if kind == "labels" else planned)(table, "bought")
    assert (plan.defaults.split.value, plan.findings[name].role) == ("column", "split")
    values = {key: default.value for key, default in plan.defaults.split_values.items()}
    assert values == dict(
        zip(["column", "train_labels", "validation_labels", "test_labels"], [name, *labels], strict=True)
    )
    other = planned(table, "bought", group="")
    assert (other.defaults.split.value, name in other.named("feature")) == ("random", False)


@pytest.mark.parametrize("name", ["test", "training"])
def test_a_flag_that_tells_the_target_is_the_result_of_a_test_and_no_published_split(name):
    table = visits()
    sick = (table["bought"] == "yes").to_numpy()
    result = np.where(RNG.random(ROWS) < 0.8, sick, ~sick).astype(int)
    plan = planned(table.assign(**{name: result}), "bought")
    assert (roles(plan)[name], plan.defaults.split.value) == ("feature", "random")
    said = "it tells the target, so it is not a published split; split.kind: column makes it one"
    assert f"check: {name}: {said}" in plan_text(plan, SOURCE)
    assert planned(table.assign(is_test=result), "bought").defaults.split.value == "column"

    drawn = table.assign(**{name: (RNG.random(ROWS) < 0.5).astype(int)})
    plan = proven(drawn, "bought")
    assert plan.defaults.split.value == "column"
    assert f"not a feature: {name}: a published split; --keep {name} makes it" in plan_text(plan, SOURCE)
    kept = planned(drawn, "bought", keep=(name,))
    assert (roles(kept)[name], kept.defaults.split.value) == ("feature", "random")


def test_a_flag_is_compared_with_a_number_to_predict_too():
    table = visits().drop(columns="bought").assign(amount=RNG.normal(size=ROWS))
    high = (table["amount"] > 0.3).astype(int)
    assert roles(planned(table.assign(test=high), "amount"))["test"] != "split"
    drawn = table.assign(test=(RNG.random(ROWS) < 0.3).astype(int))
    assert planned(drawn, "amount").defaults.split.value == "column"


def test_a_published_split_says_which_rows_are_in_no_part_and_needs_no_owner():
    part = np.resize(["train", "train", "validation", "test", None], ROWS)
    owner = np.where(np.arange(ROWS) < 9, None, [f"p{i}" for i in RNG.integers(0, 80, ROWS)])
    plan = proven(visits().assign(part=part, patient=owner), "bought")
    assert (plan.data.group, plan.data.drop_where) == ("patient", {})
    assert "dropped rows: 80 without a label of part are in no part" in plan_text(plan, SOURCE)
    # A part of train for validation has to keep owners whole.
    plan = proven(
        visits().assign(part=np.where(part == "validation", "train", part), patient=owner), "bought"
    )
    assert plan.data.drop_where == {"no_owner": "patient.isna()"}


@pytest.mark.parametrize(
    ("name", "values"), [("sex", ["m", "f"]), ("exam", ["test", "quiz"]), ("folds", [1, 2])]
)
def test_other_columns_of_few_values_are_no_published_split(name, values):
    assert name in planned(visits().assign(**{name: RNG.choice(values, ROWS)}), "bought").named("feature")


@pytest.mark.parametrize("shares", [[0.3, 0.3, 0.3, 0.1], [0.8, 0.1, 0.1]])
def test_a_year_of_few_values_is_cut_between_years(shares):
    years = RNG.choice(np.arange(2010, 2010 + len(shares)), ROWS, p=shares)
    plan = (proven if len(shares) == 4 else planned)(visits().assign(Year=years), "bought", time="Year")
    cuts = {key: default.value for key, default in plan.defaults.split_values.items()}
    assert "2010-01-01" < cuts["validation_from"] < cuts["test_from"] <= "2013-01-01"
    with pytest.raises(UserError, match="Year: only 2 different times; a split by time needs three"):
        planned(visits().assign(Year=np.arange(ROWS) % 2 + 2010), "bought", time="Year")


def test_a_time_whose_minutes_predict_is_when_it_happened():
    rows = 1500
    planned_at = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        np.sort(RNG.integers(0, 600 * 288, rows)) * 5, "min"
    )
    late = RNG.random(rows) < 0.4
    at = planned_at + pd.to_timedelta(np.where(late, RNG.integers(1, 5, rows), 0), "min")
    table = visits(rows).assign(departed=at, bought=np.where(late, "yes", "no"))
    alone = planned(table, "bought")
    assert alone.data.time == "departed" and alone.hourless == ("departed",)
    assert "departed_hour" not in alone.findings and "departed_weekday" in alone.named("feature")
    both = planned(table.assign(at=planned_at), "bought")
    assert both.data.time == "at" and both.named("suspect") == ["departed"] and "at_hour" in both.findings
    kept = planned(table, "bought", keep=("departed",))
    assert "departed_hour" in kept.findings
    noise = table.assign(bought=RNG.permutation(table["bought"]))
    assert planned(noise, "bought").hourless == ()


WEIGHTS = ["fnlwgt", "survey_wt", "weight"]


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_weight_of_a_survey_is_no_feature_and_that_of_a_body_is(name):
    weight = RNG.lognormal(0, 0.5, ROWS)
    table = visits().assign(**{name: weight / weight.mean()})
    assert "survey weight" in note(planned(table, "bought"), name)
    plan = proven(table, "bought")
    assert plan.defaults.weight.value == name
    assert f"  weight: {name} # all scores are weighted by it" in texts(plan)["data/mine.yaml"]
    kept = planned(table, "bought", keep=(name,))
    assert name in kept.named("feature")
    assert kept.defaults.weight is None
    assert "weight:" not in texts(kept)["data/mine.yaml"]
    assert "weight" in planned(visits().assign(weight=RNG.normal(70, 9, ROWS)), "bought").named("feature")
    assert name in planned(visits().assign(**{name: RNG.normal(size=ROWS)}), "bought").named("feature")


PEOPLE = {
    "kilograms": (RNG.normal(75, 14, ROWS).clip(40), "feature"),
    "kilograms of all ages": (RNG.choice([4, 20, 50, 90], ROWS) * RNG.uniform(0.8, 1.2, ROWS), "feature"),
    "a survey": (RNG.lognormal(5, 0.9, ROWS), "weight"),
    "a survey, normalized": ((w := RNG.lognormal(0, 0.3, ROWS)) / w.mean(), "weight"),
}


@pytest.mark.parametrize("kind", PEOPLE)
@pytest.mark.parametrize("name", ["person_weight", "personWgt"])
def test_the_values_say_whether_the_weight_of_persons_is_that_of_a_survey(kind, name):
    values, role = PEOPLE[kind]
    plan = planned(visits().assign(**{name: values}), "bought")
    assert roles(plan)[name] == role
    asked = f"if it is that of a survey, remove its group in the contract and set evaluate.weight: {name}"
    assert (asked in plan_text(plan, SOURCE)) == (role == "feature")


def test_of_several_weights_the_first_that_every_row_has_is_proposed():
    some = np.where(np.arange(ROWS) < 9, np.nan, RNG.lognormal(0, 1, ROWS))
    table = visits().assign(
        pweight1=some, pweight=RNG.lognormal(0, 1, ROWS), fnlwgt=RNG.lognormal(9, 1, ROWS)
    )
    plan = proven(table, "bought")
    assert plan.defaults.weight.value == "pweight"
    assert plan.defaults.weight.why.endswith("; other weights: fnlwgt")
    assert "weight: pweight: all scores are weighted by it, training is not" in plan_text(plan, SOURCE)
    assert planned(visits().assign(pweight=some), "bought").defaults.weight is None


@pytest.mark.parametrize(
    "labels", [["low", "medium", "high"], ["never", "sometimes", "always"], ["c", "a", "b"]]
)
def test_words_of_a_scale_are_in_its_order_and_others_by_the_alphabet(labels):
    plan = planned(visits().assign(level=RNG.choice(labels, ROWS)), "level")
    assert plan.findings["level"].column.allowed == (labels if labels[0] != "c" else None)


def test_the_most_predictive_category_may_have_many_values():
    many = RNG.choice([f"v{i}" for i in range(300)], 3000)
    bought = np.where(pd.Series(many).str[1:].astype(int) % 2 == RNG.integers(0, 10, 3000) // 9, "yes", "no")
    plan = planned(visits(3000).assign(many=many, bought=bought), "bought")
    assert plan.defaults.rules["best_category"].value == "many"


@pytest.mark.parametrize("name", ["patient", "customer_id", "userId", "id", "nr"])
@pytest.mark.parametrize("as_text", [True, False])
def test_rows_of_one_owner_stay_together(name, as_text):
    owner = RNG.integers(0, 80, ROWS)
    table = visits().assign(**{name: [f"p{i}" for i in owner] if as_text else owner})
    plan = planned(table, "bought")
    assert (plan.data.group, plan.defaults.split.value) == (name, "group")
    kept = planned(table, "bought", keep=(name,))
    assert (kept.data.group, kept.findings[name].column.group) == (None, "categories")
    assert plan.findings[name].column.group is None


@pytest.mark.parametrize("name", ["product", "family", "engine"])
def test_a_category_that_repeats_is_no_owner(name):
    values = RNG.choice([f"x{i}" for i in range(60)], ROWS)
    plan = planned(visits().assign(**{name: values}), "bought")
    assert (plan.data.group, plan.defaults.split.value) == (None, "random")
    assert name in plan.named("feature")


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_a_table_of_many_words_and_a_date_gives_no_warning_of_pandas():
    answers = pd.DataFrame({f"question_{i}": RNG.choice(["ja", "nein"], ROWS) for i in range(120)})
    asked = pd.Series(pd.date_range("2021-01-01", periods=ROWS), name="asked")
    plan = proven(pd.concat([visits(), answers, asked], axis=1), "bought")
    assert len(plan.named("feature")) == 3 + 120 + 1


def test_people_who_answer_alike_are_no_copies_and_copies_of_a_measurement_are():
    answers = pd.DataFrame(RNG.integers(0, 3, (ROWS, 3)), columns=["q1", "q2", "q3"])
    answers["vote"] = np.where(answers["q1"] + RNG.integers(0, 2, ROWS) > 1, "yes", "no")
    assert planned(answers, "vote").defaults.split.value == "random_rows"
    twice = pd.concat([visits(200), visits(200)], ignore_index=True)
    plan = planned(twice, "bought")
    assert (plan.defaults.split.value, plan.copies) == ("random", 200)
    assert planned(twice.assign(id=range(400)), "bought").copies == 200


# columns

LOOKS = {
    "row_no": (np.arange(ROWS), "key"),
    "Unnamed: 0": (np.arange(ROWS), "key"),
    "loan_id": (np.where(np.arange(ROWS) < 2, np.nan, np.arange(ROWS) * 3.0), "idle"),
    "uuid": ([f"{i:x}-{i * 7:x}" for i in range(ROWS)], "key"),
    "remark": ([f"the {i}th visitor asked for a lower price" for i in range(ROWS)], "idle"),
    "constant": (["same"] * ROWS, "idle"),
    "empty": ([None] * ROWS, "idle"),
    "records": ([{"a": i} for i in range(ROWS)], "idle"),
    "population": (RNG.permutation(ROWS) * 37, "feature"),
    "pool": (np.where(RNG.random(ROWS) < 0.5, "Y", "N"), "feature"),
    "only_flag": (np.where(RNG.random(ROWS) < 0.5, "x", None), "feature"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_what_says_nothing_about_other_rows_is_no_feature(name):
    values, role = LOOKS[name]
    found = look_at(pd.Series(values, name=name))
    assert found.role == role
    assert (found.column.group is not None) == (role == "feature")


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("zip", RNG.integers(10_000, 10_040, ROWS), "categorical"),
        ("region_code", RNG.integers(1, 17, ROWS), "categorical"),
        ("store_id", RNG.integers(1, 10, ROWS), "categorical"),
        ("rooms", RNG.integers(1, 17, ROWS), "numeric"),
        ("living_area", RNG.integers(20, 180, ROWS), "numeric"),
        ("glucose_level", RNG.integers(60, 250, ROWS), "numeric"),
        ("is_new", RNG.integers(0, 2, ROWS), "numeric"),
        ("member", RNG.random(ROWS) < 0.5, "boolean"),
    ],
)
def test_numbers_that_are_codes_become_categories(name, values, kind):
    found = look_at(pd.Series(values, name=name))
    assert (found.role, found.column.kind) == ("feature", kind)


@pytest.mark.parametrize(
    ("values", "format_"),
    [
        (["2020-01-31", "2020-02-01"], "ISO8601"),
        (["2020-01-31 10:00:00", None], "ISO8601"),
        (["20141013T000000", "20141014T000000"], "ISO8601"),
        (["31.01.2020", "01.02.2020"], "%d.%m.%Y"),
        (["1/31/2020", "2/1/2020"], "%m/%d/%Y"),
        (["31/1/2020", "1/2/2020"], "%d/%m/%Y"),
        (["31-Jan-2020", "1-Feb-2020"], "%d-%b-%Y"),
        (["January 31, 2020"], "%B %d, %Y"),
        (["12/31/2020 11:59 PM"], "%m/%d/%Y %I:%M %p"),
        (["1-2", "3-4"], None),
        (["2020", "2021"], None),
        (["10.1.1.1", "10.1.1.2"], None),
        (["31.01.2020", "soon"], None),
        (["99-99-9999"], None),
    ],
)
def test_dates_hidden_in_text_are_found_and_nothing_else_is(values, format_):
    assert date_formats(pd.Series(values, name="x"))[:1] == ([format_] if format_ else [])


def test_dates_that_fit_two_formats_are_read_as_months_with_a_note():
    months = pd.date_range("2015-01-01", periods=60, freq="MS")
    for format_, other in (("%d/%m/%Y", "%m/%d/%Y"), ("%m/%d/%Y", "%d/%m/%Y")):
        found = look_at(pd.Series(months.strftime(format_), name="x"))
        assert found.column.format == format_
        assert found.note == f"dates as 01/01/2015; {other} fits as well, check which is right"
    assert "fits as well" not in look_at(pd.Series(["5 May 2020", "6 May 2020"], name="x")).note


def test_texts_with_a_currency_or_percent_sign_become_numbers():
    worth, part = np.exp(RNG.normal(6, 1, ROWS)), RNG.random(ROWS) * 100
    signed = {"the price": [f"${x:,.2f}" for x in worth], "part": [f"{x:.1f}%" for x in part]}
    table = visits().assign(**signed, stars=RNG.choice(["1*", "2*"], ROWS))
    table.loc[3, "part"] = None
    plan = proven(table, "bought")
    assert set(plan.named("feature")) == {"age", "town", "noise", "stars", "the price", "part"}
    price = plan.findings["the price"].column
    assert (price.kind, price.decimal, price.thousands, price.unit) == ("numeric", ".", ",", "$")
    assert f"written as {table['the price'][0]}" in note(plan, "the price")
    prepared = prepare_table(table, plan.contract, plan.data).table
    np.testing.assert_allclose(prepared["the price"], worth, atol=0.01)
    assert prepared["part"].isna().sum() == 1
    sold = planned(table, "the price")
    assert sold.data.task == "regression"
    np.testing.assert_allclose(
        prepare_table(table, sold.contract, sold.data).table["the price"], worth, atol=0.01
    )


def test_numbers_are_dates_only_under_a_name_of_time():
    days = pd.Series([20200131, 20200201])
    assert date_formats(days.rename("date")) == ["%Y%m%d"]
    assert date_formats(days.rename("price")) == []
    for power, unit in ((0, "unix"), (3, "unix_ms"), (6, "unix_us"), (9, "unix_ns")):
        assert date_formats(pd.Series([1_600_000_000 * 10**power], name="timestamp")) == [unit]
    assert date_formats(pd.Series([20201331], name="date")) == []


def test_names_are_read_word_by_word():
    assert words("PassengerId") == ["passenger", "id"]
    assert words("customer_ID2 größe") == ["customer", "id", "2", "grosse"]
    assert (is_id("Passenger Id"), is_id("idea"), is_entity("patients_age"), is_code("area_code")) == (
        True, False, False, True,
    )  # fmt: skip
    assert (is_entity("vehicle_id"), is_entity("vehicle_model_id")) == (True, False)
    assert plan_of("dep_time", ["x", "sched_dep_time"]) == "sched_dep_time"
    assert plan_of("sched_dep_time", ["dep_time"]) is None
    assert (shared_word("dep_delay", ["arr_delay"]), shared_word("mean_x", ["mean_y"])) == ("delay", None)
    assert (slug("Café 1.csv"), slug("1st"), slug("北京")) == ("cafe_1_csv", "column_1st", "column")
    assert [slug(name) for name in ("Eröffnet", "Straße", "Łódź", "Ærø", "Ａ１", "한글")] == [
        "eroffnet", "strasse", "lodz", "aero", "a1", "column",
    ]  # fmt: skip
    assert (words("DatumEröffnet"), words("북 No"), is_id("idéal"), is_id("Kunden-ID")) == (
        ["datum", "eroffnet"], ["북", "no"], False, True,
    )  # fmt: skip


# tables that are refused

TOO_LITTLE = {
    "ten rows": (visits(10), "bought", r"10 rows are too few; at least 50 are needed"),
    "few labels": (
        visits(60).assign(bought=lambda t: t["bought"].where(t.index < 20)),
        "bought",
        r"20 rows with a known bought are too few",
    ),
    "one class": (visits().assign(bought="no"), "bought", r"every row has the same value \(no\)"),
    "three events": (
        visits().assign(bought=["yes"] * 3 + ["no"] * 397), "bought", r"only 3 rows are yes; at least 10",
    ),
    "a typo": (visits(), "bougth", r"no column 'bougth'; did you mean 'bought'\? \(columns: age, town,"),
    "a typo in an expression": (visits(), "old = aeg > 50", r"no column 'aeg'; did you mean 'age'\?"),
    "no expression": (visits(), "old = age >", r"is not an expression, such as"),
    "a name twice": (visits(), "age = noise > 1", r"the table has a column 'age' already"),
    "an id": (visits().assign(x=[f"n{i}" for i in range(ROWS)]), "x", r"almost every value is unique"),
    "hardly a class": (
        visits().assign(x=["a"] * 9 + ["b"] * 9 + [f"n{i}" for i in range(ROWS - 18)]), "x",
        r"x: 96% of the rows belong to classes with fewer than 5 rows \(382 such classes\)",
    ),
    "an infinite target": (
        visits().assign(x=[np.inf, *range(ROWS - 1)]), "x", r"x: the target has infinite values \(1 rows\)",
    ),
    "a date": (visits().assign(x=pd.date_range("2020-01-01", periods=ROWS)), "x", r"target cannot be a date"),
    "row_id": (visits().assign(row_id=1), "bought", r"the column name row_id is reserved"),
    "a name of YAML": (visits().assign(**{"${x}": 1}), "bought", r"cannot be written in YAML or pandas"),
    "one column": (visits()[["bought"]], "bought", r"found only one column \(bought\)"),
    "nothing but ids": (
        visits()[["bought"]].assign(id=range(ROWS)), "bought", r"no feature is left: no column can be",
    ),
    "nothing but leaks": (
        visits()[["bought"]].assign(copy=lambda t: t["bought"]), "bought", r"copy: alone.*--keep COLUMN",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_LITTLE)
def test_a_table_without_enough_to_learn_from_gives_one_line(case):
    table, target, said = TOO_LITTLE[case]
    with pytest.raises(UserError, match=said) as error:
        planned(table, target)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["Mine", "a b", "../up", "", "9x", "null", "true", "flights", "hourly-sales"]
)
def test_a_data_set_needs_a_plain_name_that_is_free(name):
    with pytest.raises(UserError, match=f"--name {name}: |the name '{name}' .* choose another with --name"):
        free_name(name, ROOT)


def test_the_next_command_leaves_out_a_preset_that_is_the_default(tmp_path):
    conf = make_toy_conf(tmp_path)
    assert choice(conf, "mine") == ["data=mine"]
    (conf / "experiment/narrow.yaml").write_text("# @package _global_\nseed: 7\n", encoding="utf-8")
    edit(conf / "config.yaml", "experiment: null", "experiment: narrow")
    assert choice(conf, "mine") == ["data=mine", "experiment=null"]


def test_a_file_keeps_its_place_in_data_raw_and_others_are_copied_under_the_new_name(tmp_path):
    raw = tmp_path / "data/raw"
    raw.mkdir(parents=True)
    assert raw_path(raw / "My Sales.csv", "sales", tmp_path) == "data/raw/My Sales.csv"
    assert raw_path(tmp_path / "v1.2 sales.csv.gz", "sales", tmp_path) == "data/raw/sales.csv.gz"
    assert raw_path(tmp_path / "SALES.CSV", "mine", tmp_path) == "data/raw/mine.csv"
    (raw / "sales.csv").touch()
    with pytest.raises(UserError, match=r"data/raw/sales.csv exists"):
        raw_path(tmp_path / "other.csv", "sales", tmp_path)


# what is written


@given(
    st.text(max_size=20)
    | st.integers()
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_every_value_is_written_so_that_yaml_reads_it_back(value):
    from omegaconf import OmegaConf

    if isinstance(value, str) and ("$" in value or value == "???"):
        return
    line = f"{written({'k': [value]})} # {comment(str(value))}"
    (read,) = OmegaConf.to_container(OmegaConf.create(line))["k"]
    assert read == value
    assert type(read) is type(value) or float(read) == value


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="`$"), min_size=1, max_size=8
) | st.sampled_from(
    [
        "id",
        "date",
        "year",
        "month",
        "day",
        "y",
        "no",
        "null",
        "1",
        "a.b",
        "row name",
        "Time",
        "user_id",
        "Łódź",
    ]
)
N = 64
# Shrinking a table costs minutes and says little more.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
CELLS = {
    "numbers": st.floats(allow_nan=True, allow_infinity=True),
    "whole": st.integers(-5, 2**40),
    "few": st.integers(0, 3),
    "words": st.text(max_size=6) | st.none(),
    "levels": st.sampled_from(["a", "ß", "", "no", "1"]),
    "flags": st.booleans() | st.none(),
    "dates": st.datetimes().map(lambda d: d.replace(microsecond=0)),
    "text dates": st.dates().map(str),
    "records": st.lists(st.integers(), max_size=2),
}


@st.composite
def frames(draw):
    names = draw(
        st.lists(NAMES.filter(lambda n: n not in ("???", "row_id")), min_size=1, max_size=4, unique=True)
    )
    columns = {}
    for name in names:
        kind = draw(st.sampled_from(list(CELLS)))
        seen = draw(st.lists(CELLS[kind], min_size=2, max_size=12))
        columns[name] = (seen * N)[:N]
    target = draw(st.sampled_from([[0, 1], ["a", "b", "c"], [0.5, 1.5, 2.5, 9.0], [True, False]]))
    columns["the target"] = np.random.default_rng(draw(st.integers(0, 99))).permutation((target * N)[:N])
    return pd.DataFrame(columns)


@pytest.mark.slow
@settings(
    max_examples=12,
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(table=frames())
def test_any_table_gives_a_plan_that_holds_or_one_clear_line(table):
    try:
        plan = proven(table, "the target")
    except UserError as error:
        assert str(error)
        assert "rules broken" not in str(error), "what was inferred from a table does not hold on it"
        return
    assert set(plan.contract.columns) >= set(table.columns)
    assert all(text.endswith("\n") for text in texts(plan).values())
