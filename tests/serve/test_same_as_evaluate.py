"""A file predicted from its raw rows gives the bits that the stages compute from the same file."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from repository import ROOT
from synthetic import config, recipe

from cairn.data.load import load, parsed
from cairn.data.prepare import prepare_table
from cairn.data.tables import read_raw
from cairn.errors import UserError
from cairn.models.package import reference_rows
from cairn.serve.batch import predict_source
from cairn.serve.observed import from_text, read_rows
from cairn.serve.predictor import Predictor
from cairn.serve.sources import open_file
from cairn.settings.contract import Column, Contract, read_contract
from cairn.settings.data import DataConfig

COLUMNS = {
    "when": Column(kind="datetime", format="%d.%m.%Y %H:%M"),
    "amount": Column(kind="numeric", group="g", nullable=True),
    "code": Column(kind="categorical", group="g", nullable=True),
    "flag": Column(kind="boolean", group="g", nullable=True),
    "after": Column(kind="numeric", known="after", nullable=True),
    "half": Column(kind="numeric", group="g", nullable=True),
    "large": Column(kind="boolean", group="g", nullable=True),
    "hour": Column(kind="numeric", group="g"),
    "y": Column(kind="numeric"),
}
NUMBERS = Contract(columns={name: COLUMNS[name] for name in ("amount", "after")})
DERIVE = {"half": "amount / 3", "large": "half > 1", "hour": "when.dt.hour + when.dt.day * 24"}
CODES = [["a", "b", "A", "ä,\n"], ["1", "2", "03"], ["1", "2.0", "x"], ["1.0", "2.5", "1"]]
FLAGS = [["True", "False"], ["TRUE", "false"]]
ODD = ["0.1", "1e-7", " 2.5", "+3", "1E3", "0.30000000000000004", "-0.0", "12345678901234567890"]
MISSING = ["", "NA", "null", "NaN"]


def written(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """A table as text: any way to write its numbers, with or without missing values, by column."""

    def column(values, missing):
        absent = rng.random(rows) < 0.2 * missing
        return np.where(absent, rng.choice(MISSING, rows), values)

    def numbers():
        values = [repr(float(x)) for x in rng.normal(size=rows) * 10.0 ** rng.integers(-9, 9, rows)]
        values = [str(x) for x in rng.integers(-9, 9, rows)] if rng.random() < 0.3 else values
        return np.where(rng.random(rows) < 0.1 * rng.integers(0, 2), rng.choice(ODD, rows), values)

    moments = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500_000, rows), unit="min")
    return pd.DataFrame(
        {
            "when": moments.strftime("%d.%m.%Y %H:%M"),
            "code": column(rng.choice(CODES[rng.integers(len(CODES))], rows), rng.integers(0, 2)),
            "amount": column(numbers(), rng.integers(0, 2)),
            "flag": rng.choice(FLAGS[rng.integers(len(FLAGS))], rows),
            "after": column(numbers(), 1),
            "y": rng.integers(0, 7, rows).astype(str),
        }
    )


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["csv", "parquet", "jsonl"]),
    st.sampled_from(["hist_gbdt", "logistic"]),
)
@example(1654, "csv", "hist_gbdt")  # whole numbers, one beyond int64, which pandas leaves as text
def test_a_file_is_predicted_to_the_bits_of_the_stages(seed, kind, model):
    table = written(np.random.default_rng(seed), 60)
    with TemporaryDirectory() as folder:
        source = Path(folder) / f"in.{kind}"
        table.to_csv(source.with_suffix(".csv"), index=False)
        typed = parsed(read_raw(source.with_suffix(".csv")), NUMBERS)
        if kind == "parquet":
            typed.to_parquet(source)
        elif kind == "jsonl":
            typed.to_json(source, orient="records", lines=True)
        data = DataConfig(
            name="mine", source=str(source), contract="c", task="regression", target="y", derive=DERIVE
        )
        contract = Contract(columns=COLUMNS)
        prepared = prepare_table(load(data, contract), contract, data)
        small = config(model, max_iter=3) if model == "hist_gbdt" else config(model)
        made = recipe(small, prepared.contract, "y", "regression")
        made = replace(made, data=data).fit(prepared.table)
        made = replace(made, reference=reference_rows(made, prepared.table))
        expected = pd.Series(made.scores(prepared.table), prepared.table["row_id"])
        with open_file(source, None, made) as opened:
            blocks = [found for found, *_ in predict_source(Predictor(made), opened, [])]
    found = pd.concat([block.to_pandas() for block in blocks]).set_index("row_id")["prediction"]
    np.testing.assert_array_equal(found[expected.index], expected)


@pytest.mark.parametrize("name", ["diabetes", "digits"])
def test_a_shipped_file_is_predicted_to_the_bits_of_the_stages(name):
    written = OmegaConf.to_container(OmegaConf.load(ROOT / f"conf/data/{name}.yaml"))
    data = DataConfig.model_validate(written["data"])
    data = data.model_copy(update={"source": str(ROOT / data.source)})
    contract = read_contract(ROOT / data.contract)
    prepared = prepare_table(load(data, contract), contract, data)
    made = recipe(config("logistic"), prepared.contract, data.target, data.task)
    made = replace(made, data=data).fit(prepared.table.iloc[:300])
    made = replace(made, reference=reference_rows(made, prepared.table.iloc[300:]))
    with open_file(Path(data.source), None, made) as opened:
        found = pd.concat([block.to_pandas() for block, *_ in predict_source(Predictor(made), opened, [])])
    expected = made.predict(prepared.table).assign(row_id=prepared.table["row_id"])
    assert len(found) == len(expected)
    for column in expected:
        np.testing.assert_array_equal(found[column], expected[column])


MARKED = {
    "size": Column(kind="numeric", group="g", nullable=True, missing=["-", "-999"]),
    "price": Column(kind="numeric", group="g", nullable=True, missing=["k.A."], decimal=",", thousands="."),
    "region": Column(kind="categorical", group="g", nullable=True, missing=["?"], labels=True),
    "y": Column(kind="numeric", known="after"),
}
REGIONS = ["NA", "None", "EU", "?", ""]


def marked(rows=400):
    """A table as text with markers of missing values, and the values that are meant."""
    rng = np.random.default_rng(8)
    size, price = rng.integers(1, 90, rows).astype(float), np.round(rng.gamma(2, 900, rows), 2)
    region = rng.choice(REGIONS, rows)
    gaps = rng.random((2, rows)) < 0.2
    text = pd.DataFrame(
        {
            "size": np.where(gaps[0], rng.choice(["-", "-999", "-999.0", "NA"], rows), size.astype(str)),
            "price": np.where(gaps[1], "k.A.", [f"{p:,.2f}".translate({44: ".", 46: ","}) for p in price]),
            "region": region,
        }
    )
    meant = pd.DataFrame({"size": size, "price": price, "region": region}).mask(
        pd.DataFrame({"size": gaps[0], "price": gaps[1], "region": np.isin(region, ["?", ""])})
    )
    y = meant["size"].fillna(70) / 9 + meant["price"].fillna(0) / 700 + 5 * (region == "NA")
    return text.assign(y=y.astype(str)), meant.assign(y=y)


def test_texts_that_mean_missing_by_the_contract_do_so_for_every_reader(tmp_path):
    text, meant = marked()
    contract, path = Contract(columns=MARKED), tmp_path / "in.csv"
    text.to_csv(path, index=False)
    data = DataConfig(name="m", source=str(path), contract="c", task="regression", target="y")
    prepared = prepare_table(load(data, contract), contract, data)
    pd.testing.assert_frame_equal(prepared.table[list(meant)], meant, check_dtype=False)
    made = recipe(config("hist_gbdt"), prepared.contract, "y", "regression")
    made = replace(made, data=data).fit(prepared.table)
    made = replace(made, reference=reference_rows(made, prepared.table))
    expected, predictor = made.scores(meant), Predictor(made)
    assert len(np.unique(expected)) > 100
    with open_file(path, None, made) as opened:
        found = np.concatenate([done.found.scores for done in predict_source(predictor, opened, [])])
    np.testing.assert_array_equal(found, expected)
    # Rows with types, where only what the contract names is missing, and a blank is a value.
    typed = text.assign(
        size=[v if v == "-" else None if v == "NA" else float(v) for v in text["size"]],
        region=text["region"].replace("", "?"),
    )
    alone = predictor.rows(typed.drop(columns="y").to_dict("records"))
    assert not alone.violations
    np.testing.assert_array_equal(alone.scores, expected)
    table = pa.Table.from_pandas(typed.assign(size=pd.to_numeric(typed["size"].replace("-", -999))))
    np.testing.assert_array_equal(predictor.table(table).scores, expected)
    np.testing.assert_array_equal(made.scores(table.to_pandas()), expected)
    # What `predict` copies, and the raw rows that `monitor` reads.
    copied = parsed(from_text(text, contract), contract)
    pd.testing.assert_frame_equal(copied[list(MARKED)], meant, check_dtype=False)
    read = read_rows(path, "rows", made, contract)
    np.testing.assert_array_equal(read.scores, expected)
    assert read.frame["region"].tolist() == meant["region"].where(meant["region"].notna(), None).tolist()


def test_markers_are_in_one_place(tmp_path):
    (tmp_path / "in.csv").write_text("size,y\n1,2\n", encoding="utf-8")
    how = {"_target_": "pandas.read_csv", "na_values": ["-"]}
    data = DataConfig(
        name="m", source=str(tmp_path / "in.csv"), contract="c", task="regression", target="y", load=how
    )
    assert load(data, Contract(columns={"size": COLUMNS["amount"]}))["size"].tolist() == [1]
    with pytest.raises(
        UserError, match=r"data\.load\.na_values: the contract lists texts for size that mean"
    ):
        load(data, Contract(columns=MARKED))
