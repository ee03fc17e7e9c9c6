"""params.yaml and conf/ tell the same story, and any values can be told as overrides of conf/."""

import json
import math
import os
import re
import time
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from ruamel.yaml import YAML
from toy_conf import ROOT, edit, make_toy_conf

from cairn.compose import params_file
from cairn.compose.conf import compose, options
from cairn.compose.overrides import derive, differing, key_overrides, written
from cairn.compose.params_file import save_preset, settle
from cairn.errors import UserError

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)
plain = words.filter(lambda text: "${" not in text and text != "???")
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | plain
names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(lambda name: name not in ("y", "n"))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
sections = st.dictionaries(names, values, max_size=4)


@pytest.fixture(scope="module")
def conf(tmp_path_factory) -> Path:
    return make_toy_conf(tmp_path_factory.mktemp("toy"))


def found_in(text: str, folder: Path) -> params_file.Params:
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    found = params_file.read(folder / "params.yaml")
    assert found is not None
    return found


@given(values=sections)
def test_dvc_and_we_read_the_same_values_from_what_we_write(values, tmp_path_factory):
    text = params_file.text_of(values, ["a=1"])
    assert differing(dict(YAML(typ="safe").load(text) or {}), values) == []
    found = found_in(text, tmp_path_factory.mktemp("params"))
    assert differing(found.values, values) == []
    assert found.overrides == ["a=1"]
    assert found.digest == params_file.digest(values)


@given(value=scalars | st.lists(scalars, max_size=3))
def test_a_value_written_as_an_override_is_read_back_by_hydra(value):
    (override,) = OverridesParser.create().parse_overrides([f"key={written(value)}"])
    assert differing(override.value(), value) == []


@given(before=sections, after=sections)
def test_any_values_are_reached_from_any_others_by_overrides_of_keys(before, after):
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    config = OmegaConf.create(before)
    OmegaConf.set_struct(config, True)
    parsed = OverridesParser.create().parse_overrides(key_overrides(before, after))
    ConfigLoaderImpl._apply_overrides_to_config(parsed, config)
    assert differing(OmegaConf.to_container(config), after) == []


def test_one_is_not_one_point_nought_and_true_is_not_one():
    assert differing({"a": 1}, {"a": 1.0}) == ["a"]
    assert differing({"a": 1}, {"a": True}) == ["a"]
    assert differing({"a": math.inf, "b": {}}, {"a": math.inf, "b": {}}) == []
    assert differing({"a": {"b": 1}}, {"a": {"b": 1, "c": None}}) == ["a.c"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model=mlp", "model.params.hidden=[8,8]", "train.device=cpu"],
        ["data=flights_like", "split.gap=36h"],
        ["data=flights_like", "split=random", "split.test=0.2"],
        ["model@baseline.linear=hist_gbdt", "model=logistic"],
        ["+model.params.verbose=0", "~model.params.max_features", "model.classifier._target_=a.b"],
        ["data.positive='it\\'s \"yes\": #1'", "seed=7", "kpi=cost", "kpi.action=1e-05"],
        ["experiment=small", "threads=1"],
        ["data.load={_target_:a.b,until:null}", "data.drop_where.test_rows='a > \"b\\c\"'"],
    ],
)
def test_the_overrides_behind_given_values_are_found(tmp_path, overrides):
    conf = make_toy_conf(tmp_path)
    other = (conf / "data/visits.yaml").read_text(encoding="utf-8").replace("visits", "others")
    switched = "# @package _global_\ndefaults:\n  - override /split: time\n  - _self_\nsplit: {gap: 1D}\n"
    (conf / "data/flights_like.yaml").write_text(switched + other, encoding="utf-8")
    preset = "# @package _global_\ndefaults:\n  - override /model: logistic\ntrain: {device: cuda}\n"
    (conf / "experiment/small.yaml").write_text(preset, encoding="utf-8")
    wanted = compose(conf, overrides).values
    derived = derive(conf, wanted)
    assert differing(derived.values, wanted) == []
    assert {o.partition("=")[0] for o in derived.overrides} >= {
        o.partition("=")[0] for o in overrides if o.partition("=")[0] in derived.choices
    }


SEVERAL = """\
# @package _global_
defaults:
  - override /split: time
  - override /kpi: cost
  - _self_
split: {validation_from: 0.6, gap: 1D}
kpi: {action: 5.0}
"""
EXTENDED = """\
# @package _global_
defaults:
  - several
  - override /kpi: none
  - _self_
data: {name: extended}
split: {test_from: 0.9}
"""


def with_several(root: Path) -> Path:
    """Add a data set that sets keys of several sections, and one that extends it."""
    conf = make_toy_conf(root)
    toy = (conf / "data/visits.yaml").read_text(encoding="utf-8").partition("\n")[2]
    (conf / "data/several.yaml").write_text(SEVERAL + toy, encoding="utf-8")
    (conf / "data/extended.yaml").write_text(EXTENDED, encoding="utf-8")
    return conf


def test_a_data_set_sets_keys_of_every_section_and_can_be_extended(tmp_path):
    conf = with_several(tmp_path)
    values = compose(conf, ["data=several"]).values
    assert (values["split"]["kind"], values["split"]["gap"], values["kpi"]["action"]) == ("time", "1D", 5.0)
    values = compose(conf, ["data=extended"]).values
    assert values["data"]["name"] == "extended"
    assert (values["split"]["validation_from"], values["split"]["test_from"]) == (0.6, 0.9)
    assert values["kpi"] == {"kind": "none"}


@pytest.mark.parametrize("data", ["several", "extended"])
def test_an_option_of_another_kind_drops_what_the_data_set_sets(tmp_path, data):
    conf = with_several(tmp_path)
    composed = compose(conf, [f"data={data}", "split=group", "kpi=none"])
    assert composed.values["split"] == compose(conf, ["split=group"]).values["split"]
    assert composed.values["kpi"] == {"kind": "none"}


def test_what_dvc_composes_of_another_kind_is_understood(tmp_path):
    conf = with_several(tmp_path)
    wanted = compose(conf, ["data=extended", "split=random"])
    as_dvc = wanted.values | {"split": wanted.values["split"] | {"test_from": 0.9, "gap": "1D"}}
    derived = derive(conf, as_dvc)
    assert derived.overrides == ("data=extended", "split=random")
    assert differing(derived.values, wanted.values) == []


def test_a_key_of_another_kind_that_the_user_sets_is_not_dropped(tmp_path):
    values = compose(with_several(tmp_path), ["data=several", "split=random", "split.gap=3D"]).values
    assert values["split"]["gap"] == "3D"


def test_a_data_set_written_before_it_could_set_other_sections_still_composes(tmp_path):
    conf = make_toy_conf(tmp_path)
    toy = compose(conf).values["data"] | {"name": "old"}
    head = "defaults: [override /split@_global_.split: time, override /kpi@_global_.kpi: none, _self_]\n"
    (conf / "data/old.yaml").write_text(head + OmegaConf.to_yaml(OmegaConf.create(toy)), encoding="utf-8")
    composed = compose(conf, ["data=old"])
    assert (composed.values["data"], composed.values["split"]["kind"]) == (toy, "time")
    assert derive(conf, composed.values).overrides == ("data=old",)
    assert compose(conf, ["data=old", "split=group"]).values["split"]["kind"] == "group"


def test_a_whole_section_cannot_be_left_out(conf):
    wanted = {name: section for name, section in compose(conf).values.items() if name != "model"}
    with pytest.raises(
        UserError, match=r"model: missing.* \(~model\); choose one of conf/model: catboost, cnn, ensemble"
    ):
        derive(conf, wanted)


def test_a_key_no_override_can_name_is_told(conf):
    wanted = compose(conf).values
    wanted["data"]["drop_where"]["two words"] = "age < 1"
    with pytest.raises(UserError, match=r"data\.drop_where\.two words: no override can name this key"):
        derive(conf, wanted)


def test_without_a_header_values_are_kept_and_their_overrides_found(conf, tmp_path):
    values = compose(conf, ["model=mlp"]).values
    composed, said = settle(conf, found_in(OmegaConf.to_yaml(values), tmp_path))
    assert (composed.overrides, said) == (("model=mlp",), "-S {}")


def test_an_edit_of_conf_is_taken_and_the_overrides_stay(tmp_path):
    conf = make_toy_conf(tmp_path)
    old = compose(conf, ["model=mlp", "train.device=cpu"])
    found = found_in(params_file.text_of(old.values, old.overrides), tmp_path)
    edit(conf / "model/mlp.yaml", "dropout: 0.3", "dropout: 0.2")
    composed, _ = settle(conf, found)
    assert composed.overrides == old.overrides
    assert differing(old.values, composed.values) == ["model.params.dropout"]


def test_an_edit_of_params_is_kept_and_becomes_an_override(conf, tmp_path):
    text = params_file.text_of(compose(conf).values, [])
    composed, _ = settle(conf, found_in(text.replace("seed: 2013", "seed: 7"), tmp_path))
    assert composed.overrides == ("seed=7",)


def test_edits_of_both_stop_and_name_two_ways_out(tmp_path):
    conf = make_toy_conf(tmp_path)
    text = params_file.text_of(compose(conf, ["train.device=cpu"]).values, ["train.device=cpu"])
    found = found_in(text.replace("seed: 2013", "seed: 7"), tmp_path)
    edit(conf / "config.yaml", "threads: 2", "threads: 1")
    with pytest.raises(UserError) as error:
        settle(conf, found)
    assert re.search(
        r"^to keep conf/: python src/cairn compose --reset train.device=cpu$", str(error.value), re.M
    )
    assert re.search(r"^to keep params.yaml: undo the edit of conf/", str(error.value), re.M)


def test_the_same_edit_of_both_is_no_conflict(tmp_path):
    conf = make_toy_conf(tmp_path)
    found = found_in(params_file.text_of(compose(conf).values, []).replace("seed: 2013", "seed: 7"), tmp_path)
    edit(conf / "config.yaml", "seed: 2013", "seed: 7")
    assert settle(conf, found)[0].overrides == ()


def test_comments_line_endings_and_options_not_chosen_do_not_count_as_edits_of_conf(tmp_path):
    conf = make_toy_conf(tmp_path)
    text = params_file.text_of(compose(conf).values, [])
    for path in conf.rglob("*.yaml"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"# a comment\r\n")
    edit(conf / "model/mlp.yaml", "dropout: 0.3", "dropout: 0.2")
    composed, _ = settle(conf, found_in(text, tmp_path))
    assert params_file.text_of(composed.values, composed.overrides) == text
    hand_edited, _ = settle(conf, found_in(text.replace("seed: 2013", "seed: 7"), tmp_path))
    assert hand_edited.overrides == ("seed=7",)


def test_a_recorded_override_that_conf_no_longer_takes_is_named(tmp_path):
    conf = make_toy_conf(tmp_path)
    old = compose(conf, ["train.device=cpu"])
    found = found_in(params_file.text_of(old.values, old.overrides), tmp_path)
    edit(conf / "train/default.yaml", "device:", "where:")
    with pytest.raises(UserError, match=r"override train.device=cpu: no key.*compose --reset` drops all"):
        settle(conf, found)


@pytest.mark.parametrize("damage", ["<<<<<<< ours\n", "# overrides: [\n", "- a\n"])
def test_a_damaged_params_file_is_one_line_that_says_how_to_go_on(conf, tmp_path, damage):
    text = damage if damage == "- a\n" else params_file.text_of(compose(conf).values, []) + damage
    with pytest.raises(
        UserError, match=r"^params.yaml|/params.yaml.*compose --reset` writes it again"
    ) as error:
        found_in(text, tmp_path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("value", ["x" * 1_000_000, [1] * 20_000, {f"k{n}": n for n in range(20_000)}])
def test_so_much_of_an_edit_that_hydra_would_take_minutes_is_one_line(conf, tmp_path, value):
    text = params_file.text_of(compose(conf).values, []) + f"more: {json.dumps(value)}\n"
    found = found_in(text, tmp_path)
    start = time.process_time()
    with pytest.raises(UserError, match=r"^params.yaml: more and others: .* change conf/$"):
        settle(conf, found)
    assert time.process_time() - start < 30


def test_params_yaml_that_is_no_file_is_one_line(tmp_path):
    path = tmp_path / "params.yaml"
    os.mkfifo(path)
    with pytest.raises(UserError, match="not a file"):
        params_file.read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        params_file.write(path, "a: 1\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [[], ["model=mlp", "model.params.hidden=[8,8]", "seed=7"], ["experiment=one", "split=time", "threads=1"]],
)
def test_a_saved_preset_says_the_same_without_any_override(tmp_path, overrides):
    conf = make_toy_conf(tmp_path)
    preset = "# @package _global_\ndefaults:\n  - override /model: mlp\ntrain: {device: cuda}\n"
    (conf / "experiment/one.yaml").write_text(preset, encoding="utf-8")
    composed = compose(conf, overrides)
    path = save_preset(conf, "best", composed)
    again = compose(conf, ["experiment=best"])
    assert differing(again.values, composed.values) == []
    assert [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and "#" not in line and not line.startswith(("  - override", "defaults:"))
    ] == []


@pytest.mark.parametrize("name", ["Best", "a b", "../up", "", "9"])
def test_a_preset_needs_a_plain_name(conf, name):
    with pytest.raises(UserError, match="use lower-case letters"):
        save_preset(conf, name, compose(conf))


def test_a_preset_is_never_overwritten_and_never_half_true(tmp_path):
    conf = make_toy_conf(tmp_path)
    with pytest.raises(UserError, match=r"experiment/tiny.yaml exists"):
        save_preset(conf, "tiny", compose(conf))
    with pytest.raises(UserError, match=r"a preset cannot express model.params.max_features"):
        save_preset(conf, "less", compose(conf, ["~model.params.max_features"]))
    assert "less" not in options(conf, "experiment")


def test_the_shipped_files_are_found(conf):
    assert {"logistic", "hist_gbdt", "mlp", "extra_trees"} <= set(options(ROOT / "conf", "model"))
