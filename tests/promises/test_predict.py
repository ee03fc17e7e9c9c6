"""`cairn predict` on raw data gives what the stage `evaluate` wrote, bit for bit, in a real checkout."""

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow


def same(checkout, source):
    """Predict a source and compare with predictions/model.parquet, row by row."""
    checkout.run("python", "src/cairn", "predict", source, "-o", "from_raw.parquet")
    evaluated = pd.read_parquet(checkout.path / "predictions/model.parquet")
    evaluated = evaluated[evaluated["part"] == "test"]  # the model of validation has not seen it
    found = pd.read_parquet(checkout.path / "from_raw.parquet").set_index("row_id").loc[evaluated["row_id"]]
    first = "prediction" if "prediction" in found else "probability"
    np.testing.assert_array_equal(found[first], evaluated["model"])
    return found


def test_flights_from_the_raw_folder(tiny):
    found = same(tiny, "data/raw/flights")
    key = ["sched_dep_local", "carrier", "flight", "origin"]
    assert list(found) == [*key, "probability", "decision", "expected_saving", "violations"]
    assert found["decision"].equals(found["probability"] > 0.25)


def test_a_table_of_new_data_with_derived_columns(snapshot, tmp_path):
    rng = np.random.default_rng(0)
    moments = pd.date_range("2024-01-01", periods=3000, freq="37min")
    table = pd.DataFrame(
        {
            "id": [f"{n:05}" for n in range(3000)],
            "when": moments.strftime("%d.%m.%Y %H:%M"),
            "zone": rng.choice(["1", "2", "03"], 3000),
            "amount": [f"{x:,.2f}".translate({44: ".", 46: ","}) for x in rng.lognormal(6, 2, 3000)],
            "rate": [str(x).replace(".", ",") for x in rng.normal(size=3000)],
        }
    )
    table["delay"] = (rng.normal(size=3000) * 9 + 20 * (moments.hour > 15)).round(3)
    table["delay"] = table["delay"].astype(str).str.replace(".", ",")
    table.loc[::19, "rate"] = ""
    table.to_csv(tmp_path / "mine.csv", index=False, sep=";")
    checkout = snapshot.clone(tmp_path / "repository", share_cache=False)
    said = checkout.run(
        "python", "src/cairn", "new-data", str(tmp_path / "mine.csv"), "--target", "late = delay > 15"
    )
    choice = [word for word in said.rpartition("next: dvc exp run ")[2].split() if word != "-S"]
    assert "sep" in checkout.read("conf/data/mine.yaml") and "derive" in checkout.read("conf/data/mine.yaml")
    options = [part for override in choice for part in ("-S", override)]
    checkout.dvc("exp", "run", *options, "-S", "model=logistic")
    assert same(checkout, "data/raw/mine.csv")["decision"].any()
