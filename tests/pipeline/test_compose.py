"""conf/ as shipped: every option composes and is valid, every key is explained, params.yaml says the same."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from repository import ROOT

from cairn.compose import params_file
from cairn.compose.conf import compose, options
from cairn.compose.params_file import settle
from cairn.compose.validate import read_config, traps
from cairn.settings.config import Config

CONF = ROOT / "conf"
FILES = sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml"))
GROUPS = sorted({Path(name).parent.as_posix() for name in FILES} - {".", "contract"})
COMPANIONS = {
    ("split", "group"): ["data.group=carrier"],
    ("split", "column"): ["split.column=sched_dep_local"],
    ("model", "svr"): ["data=flights_delay"],
}
LIBRARIES = (
    "catboost", "ensemble_general_libraries", "ensemble_libraries", "keras", "keras_tensorflow", "lightgbm",
    "tabm", "xgboost",
)  # fmt: skip
"""Models whose libraries are extras, which only the environment of the tests marked `scale` has."""
MODELS = [
    pytest.param(option, marks=pytest.mark.scale if option in LIBRARIES else [])
    for option in options(CONF, "model")
]
OTHERS = [
    pytest.param(group, option, marks=pytest.mark.scale if option == "flights_ensemble_libraries" else [])
    for group in GROUPS
    if group != "model"
    for option in options(CONF, group)
]
KEY = re.compile(r"\s*(- )?(override )?/?[\w@./]+:( |$)")


def valid(*overrides: str) -> Config:
    return read_config(compose(CONF, overrides).values, ROOT)


@pytest.mark.parametrize(("group", "option"), OTHERS)
def test_every_option_of_every_group_composes_and_is_valid(group, option):
    valid(f"{group}={option}", *COMPANIONS.get((group, option), []))


@pytest.mark.parametrize("option", MODELS)
def test_every_model_composes_and_is_valid(option):
    valid(f"model={option}", *COMPANIONS.get(("model", option), []))


@pytest.mark.parametrize("option", MODELS)
def test_every_model_serves_a_regression_as_well(option):
    config = valid(f"model={option}", "data=flights_delay")
    models = getattr(config.model, "members", {"": config.model})
    assert all(model.regressor is not None for model in models.values())


def test_the_linear_baseline_is_the_linear_model_itself():
    config = valid("model=logistic")
    assert config.baseline.linear == config.model


def test_choosing_the_flights_chooses_what_belongs_to_them_and_a_choice_of_the_user_wins():
    config = valid("data=flights")
    assert (config.split.kind, config.kpi.kind) == ("time", "cost")
    assert set(config.baseline.rules) == {"carrier_hour", "live_origin"}
    assert config.evaluate.ceiling == {"roc_auc": 0.8}
    assert valid("data=flights", "split=random").split == valid("data=digits").split
    assert valid("experiment=tiny", "kpi=none").kpi == valid("data=digits").kpi


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("contract/")])
def test_every_key_is_explained_beside_it_or_above_it(name):
    lines = (CONF / name).read_text(encoding="utf-8").splitlines()
    top = "\n".join(lines[:2])
    assert top.startswith("#")
    assert name in ("config.yaml", "trusted.yaml") or f"-S {name.split('/')[0]}={Path(name).stem}" in top
    bare = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if KEY.match(line) and "#" not in line and not above.lstrip().startswith("#")
    ]
    assert [line for line in bare if line.strip() != "defaults:"] == []


def test_nothing_in_conf_is_read_in_two_ways():
    assert traps(CONF) == []


def test_the_groups_of_conf_are_the_sections_of_params():
    values = compose(CONF).values
    assert set(values) == set(Config.model_fields)
    assert set(GROUPS) | {"seed", "threads"} == set(values) | {"experiment"}


def test_params_yaml_is_what_conf_says():
    found = params_file.read(ROOT / "params.yaml")
    assert found is not None, "params.yaml is not there: run `dvc repro compose`"
    composed, _ = settle(CONF, found)
    values = {name: composed.values[name] for name in Config.model_fields}
    text = params_file.text_of(values, composed.overrides)
    assert (ROOT / "params.yaml").read_text(encoding="utf-8") == text, "run `dvc repro compose` and commit"


def test_dvc_composes_with_hydra_too():
    config = (ROOT / ".dvc/config").read_text(encoding="utf-8")
    assert re.search(r"\[hydra\]\s+enabled = true", config, re.IGNORECASE)


def test_dvc_yaml_uses_no_other_value_of_params_in_its_own_text_than_compose_knows():
    from cairn.compose.params_file import TEMPLATED

    used = re.findall(r"\$\{([\w.]+)\}", (ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    assert set(used) == set(TEMPLATED)
    assert OmegaConf.select(OmegaConf.create(compose(CONF).values), TEMPLATED[0]) is not None
