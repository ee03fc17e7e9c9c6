"""One grammar for the space of a search: Hydra's sweep words become Optuna's distributions."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from toy_search import ROOT

from cairn.compose import params_file
from cairn.compose.conf import compose
from cairn.compose.overrides import derive
from cairn.compose.validate import read_config
from cairn.errors import UserError
from cairn.settings.config import Config
from cairn.studies.search.space import of_values, read_space, split_words

CONF = ROOT / "conf"
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
BASES = {model: compose(CONF, [f"model={model}"]) for model in MODELS}
# One that has no classifier is looked at with a number to predict.
BASES |= {
    model: compose(CONF, ["data=flights_delay", f"model={model}"])
    for model, base in BASES.items()
    if base.values["model"].get("classifier", "members") is None
}
TASKS = {model: base.values["data"]["task"] for model, base in BASES.items()}
GROUPS = ["calibration=none,isotonic", "features=all,schedule", "train.early_stopping=true,false"]
SPACES = {
    model: read_space(CONF, base, TASKS[model], varied=GROUPS[TASKS[model] == "regression" :])
    for model, base in BASES.items()
}
RATE = "model.params.learning_rate"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_every_point_composes_validates_and_keeps_the_types(model, data):
    base, space = BASES[model], SPACES[model]
    share = st.floats(0, 1, exclude_max=True)
    point = {d.key: d.at(data.draw(share, label=d.key)) for d in space.dimensions}
    for dimension in space.dimensions:
        found = point[dimension.key]
        assert dimension.distribution._contains(dimension.distribution.to_internal_repr(found))
        assert type(found) is type(dimension.default)
        assert 0 <= dimension.position(found) <= 1
    values = space.values(base.values, point)
    read_config(values, ROOT)
    assert values == compose(CONF, [*base.overrides, *space.overrides(point)]).values
    assert space.values(base.values, space.default) == base.values


@pytest.mark.parametrize(
    ("model", "task"), [(m, task) for m in MODELS for task in dict.fromkeys((TASKS[m], "regression"))]
)
def test_the_space_of_every_shipped_model_holds_its_defaults(model, task):
    keys = [d.key for d in read_space(CONF, BASES[model], task).dimensions]
    assert keys
    assert not any(key.startswith("model.classifier") for key in keys if task == "regression")


@pytest.mark.parametrize(
    ("words", "current", "wanted"),
    [
        ("interval(0.1, 1)", 0.5, FloatDistribution(0.1, 1.0)),
        ("interval(1, 10)", 5.0, FloatDistribution(1.0, 10.0)),
        ("interval(1, 10)", 5, IntDistribution(1, 10)),
        ("int(interval(1, 10))", 5, IntDistribution(1, 10)),
        ("tag(log, interval(0.001, 1))", 0.1, FloatDistribution(0.001, 1.0, log=True)),
        ("tag(log, interval(8, 128))", 31, IntDistribution(8, 128, log=True)),
        ("range(10, 60, step=10)", 50, IntDistribution(10, 50, step=10)),
        ("range(10, 61, step=10)", 60, IntDistribution(10, 60, step=10)),
        ("range(0.1, 0.5, step=0.1)", 0.2, FloatDistribution(0.1, 0.4, step=0.1)),
        ("range(5, 1, step=-2)", 3, IntDistribution(3, 5, step=2)),
        ("choice(1, 10)", 1.0, CategoricalDistribution(["1.0", "10.0"])),
        ("1,2,null", 2, CategoricalDistribution(["1", "2", "null"])),
        ("choice([64], [128, 64])", [64], CategoricalDistribution(["[64]", "[128,64]"])),
        ("true,false", True, CategoricalDistribution(["true", "false"])),
        ("'a b',c", "c", CategoricalDistribution(['"a b"', "c"])),
    ],
)
def test_words_become_the_distribution(words, current, wanted):
    made = of_values("k", words, current)
    assert made.distribution == wanted
    assert made.value(made.default) == current


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model=mlp,hist_gbdt", "run one search for each"),
        ("seed=1,2", "cairn sweep -S 'seed=1,2'"),
        ("data=flights,flights_2023", "cairn sweep"),
        ("split.gap=1D,2D", "cairn sweep"),
        ("threads=1,2", "cairn sweep"),
        ("kpi.action=50,100", "does not affect a trial"),
        ("model.params.learning_rat=interval(0, 1)", "did you mean 'model.params.learning_rate"),
        (f"{RATE}=interval(0.1, 1)", "is 0.05, which is not in"),
        (f"{RATE}=choice(0.1, 1)", "is 0.05, which is not in"),
        (f"{RATE}=range(0.02, 0.1, step=0.02)", "is 0.05, which is not in"),
        (f"{RATE}=choice(0.05, fast)", "wrong type"),
        (f"{RATE}=tag(lg, interval(0.01, 1))", "use tag log"),
        (f"{RATE}=interval(1, 0.01)", "fewer than two numbers"),
        (f"{RATE}=tag(log, interval(0, 1))", "above 0"),
        (f"{RATE}=range(0, 1, step=0)", "fewer than two numbers"),
        (f"{RATE}=glob(*)", "cannot be varied"),
        ("model.params.max_leaf_nodes=interval(7.5, 90)", "whole ends"),
        ("model.encoding.numeric=interval(0, 1)", "use choice"),
        ("features=all,schedul", "did you mean 'schedule"),
        ("features=interval(0, 1)", "is a config group"),
    ],
)
def test_what_cannot_be_searched_is_one_line(word, said):
    _, varied = split_words([word])
    with pytest.raises(UserError) as error:
        read_space(CONF, BASES["hist_gbdt"], "binary", varied=varied)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_words_that_cannot_be_read_say_what_can():
    with pytest.raises(UserError, match="write interval"):
        split_words([f"{RATE}=interval(0.1"])


def test_the_command_line_adds_replaces_and_fixes():
    words = ["model=hist_gbdt", "model.params.max_features=0.5", f"{RATE}=interval(0.01, 0.3)"]
    fixed, varied = split_words([*words, "model.params.max_iter=range(100, 700, step=100)"])
    base = compose(CONF, fixed)
    found = {
        d.key: d.distribution for d in read_space(CONF, base, "binary", fixed=fixed, varied=varied).dimensions
    }
    assert "model.params.max_features" not in found
    assert found[RATE] == FloatDistribution(0.01, 0.3)
    assert found["model.params.max_iter"] == IntDistribution(100, 600, step=100)
    assert "model.params.max_leaf_nodes" in found


def test_a_key_is_not_varied_twice():
    with pytest.raises(UserError, match="already varied as part of features"):
        read_space(
            CONF,
            BASES["hist_gbdt"],
            "binary",
            varied=["features=all,schedule", "features.exclude=[],[carrier]"],
        )


def test_quasi_random_points_fill_every_dimension_evenly():
    space = SPACES["hist_gbdt"]
    points = space.quasi_random(16, seed=1)
    assert len(points) == 16
    for dimension in space.dimensions:
        low_half = sum(dimension.position(point[dimension.key]) < 0.5 for point in points)
        assert 6 <= low_half <= 10, dimension.key  # 8 by the net property, whole numbers round
    assert points == space.quasi_random(16, seed=1)
    assert points != space.quasi_random(16, seed=2)


def test_an_edit_of_the_space_changes_nothing_that_a_stage_reads(tmp_path):
    import shutil

    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)

    def params() -> str:
        values = compose(conf).values
        return params_file.text_of({name: values[name] for name in Config.model_fields}, [])

    before = params()
    for name in ("hist_gbdt", "logistic"):  # the second also stands in the place of another section
        file = conf / f"model/{name}.yaml"
        text = file.read_text(encoding="utf-8")
        assert "interval(" in text
        file.write_text(text.replace("interval(", "interval(0.0001, 9), interval("), encoding="utf-8")
    assert params() == before
    assert "space" not in before
    assert before == (ROOT / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_space_that_dvc_composes_into_params_yaml_is_no_override():
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CONF), version_base=None):
        written_by_dvc = OmegaConf.to_container(
            hydra_compose("config", ["model=mlp", "seed=5"]), resolve=True
        )
    assert "space" in written_by_dvc["model"]
    assert "space" in written_by_dvc["baseline"]["linear"]
    assert derive(Path(CONF), written_by_dvc).overrides == ("model=mlp", "seed=5")
