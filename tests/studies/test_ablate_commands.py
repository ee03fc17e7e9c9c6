"""`cairn ablate` and `cairn learning-curve` in a real checkout: the model of the stages, nothing touched."""

import json

import pandas as pd
import pytest
from omegaconf import OmegaConf
from sklearn.metrics import roc_auc_score

pytestmark = pytest.mark.slow


def cairn(tiny, *words, fails=False):
    return tiny.run("python", "src/cairn", *words, fails=fails)


def record(tiny, *words):
    """What a command says as JSON; what it says on stderr comes after that."""
    return json.JSONDecoder().raw_decode(cairn(tiny, *words, "--json"))[0]


def test_both_judge_the_model_that_the_pipeline_made_and_change_nothing(tiny):
    rows = pd.read_parquet(tiny.path / "predictions/model.parquet").query("part == 'validation'")
    costs = OmegaConf.load(tiny.path / "params.yaml").kpi
    acted = rows["model"] > costs.action / (costs.loss * costs.share_saved)
    saving = 1000 * (acted * (rows["target"] * costs.loss * costs.share_saved - costs.action)).mean()
    area = roc_auc_score(rows["target"], rows["model"])
    before = tiny.git("status", "--porcelain")
    ablation = record(tiny, "ablate", "--groups", "tail", "--seeds", "1")
    curve = record(tiny, "learning-curve", "--points", "2", "--seeds", "1")
    assert ablation["full"]["roc_auc"]["value"] == pytest.approx(area, abs=1e-6)
    assert ablation["full"]["saving"]["value"] == pytest.approx(saving, rel=1e-5)
    assert curve["points"][-1]["score"]["value"] == pytest.approx(area, abs=1e-6)
    assert [part["part"] for part in ablation["parts"]] == ["tail"]
    assert tiny.git("status", "--porcelain") == before


def test_another_model_is_a_word_away_and_a_page_is_written(tiny):
    words = ["learning-curve", "-S", "model=logistic", "--by", "random", "--points", "2", "--seeds", "2"]
    page = tiny.path / "curve.html"
    said = cairn(tiny, *words, "--html", str(page))
    first = page.read_bytes()
    assert "would more of the same help logistic?" in said
    assert cairn(tiny, *words, "--html", str(page)) == said
    assert page.read_bytes() == first
    page.unlink()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ablate", "-S", "split.gap=2"), "split.gap"),
        (("ablate", "-S", "model=mpl"), "conf/model: no option 'mpl'; did you mean 'mlp'?"),
        (
            ("ablate", "--groups", "wether"),
            "--groups wether: not a feature group in use; did you mean 'weath",
        ),
        (("ablate", "--decide-by", "rmse"), "--decide-by rmse: a binary task has no such metric"),
        (("learning-curve", "--points", "1"), "--points: must be at least 2"),
    ],
)
def test_what_is_wrong_is_one_line(tiny, words, told):
    said = cairn(tiny, *words, fails=True)
    assert told in said
    assert "Traceback" not in said
