"""dvc.yaml says the truth about every stage: what it reads, what it writes, which settings it sees."""

import ast
import inspect
import re
from importlib import import_module

import pytest
from omegaconf import OmegaConf
from repository import ROOT, SRC

from cairn.imports import code_of_stage
from cairn.metrics.scores import METRICS
from cairn.models.trust import TRUSTED
from cairn.settings.evaluate import METRICS_OF

PIPELINE = OmegaConf.to_container(OmegaConf.load(ROOT / "dvc.yaml"))
STAGES = PIPELINE["stages"]
NOT_CODE = [name for name in STAGES if name != "code"]


def names(entries):
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries or []]


def commands(stage):
    return [stage["cmd"]] if isinstance(stage["cmd"], str) else stage["cmd"]


def module_file(name: str) -> str:
    """Return the path that code/STAGE.txt has for the module of a dotted name."""
    return f"src/{name.rpartition('.')[0].replace('.', '/')}.py"


def docstring_lists(stage):
    text = (
        ast.get_docstring(ast.parse((SRC / f"cairn/pipeline/{stage}.py").read_text(encoding="utf-8"))) or ""
    )
    found = {}
    for word in ("reads", "writes"):
        match = re.search(rf"^{word}:(.*?)(?=\n\S|\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
        assert match, f"{stage}.py: the docstring has no line '{word}:'"
        found[word] = {item.strip() for item in match[1].replace("\n", " ").split(",")}
    return found


def test_every_stage_is_a_module_and_every_module_a_stage():
    modules = {path.stem for path in (SRC / "cairn/pipeline").glob("[a-z]*.py")}
    elsewhere = OmegaConf.to_container(OmegaConf.load(ROOT / "data/dvc.yaml"))["stages"].values()
    typed = [words for stage in [*STAGES.values(), *elsewhere] for words in commands(stage)]
    used = {re.match(r"(?:python|torchrun .*) src/cairn (\w+)", words)[1] for words in typed}
    assert modules == used
    assert all(STAGES[name]["cmd"].endswith(f" src/cairn {name}") for name in STAGES)


def test_the_pipeline_and_every_stage_can_be_read_at_a_glance():
    def lines(path):
        return len(path.read_text(encoding="utf-8").splitlines())

    assert lines(ROOT / "dvc.yaml") <= 220
    assert {
        path.stem: lines(path) for path in (SRC / "cairn/pipeline").glob("*.py") if lines(path) > 60
    } == {}


@pytest.mark.parametrize("stage", [name for name in NOT_CODE if name != "compose"])
def test_a_stage_reads_exactly_the_params_it_declares(stage):
    parameters = inspect.signature(import_module(f"cairn.pipeline.{stage}").main).parameters.values()
    read = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert read == set(STAGES[stage].get("params", []))


def test_params_name_sections_and_never_keys_of_a_group_that_can_be_switched():
    sections = {p.stem if p.suffix else p.name for p in (ROOT / "conf").iterdir()} | {"seed", "threads"}
    assert all(set(stage.get("params", [])) <= sections for stage in STAGES.values())


@pytest.mark.parametrize("stage", [name for name in NOT_CODE if name not in ("compose", "prepare")])
def test_the_docstring_of_a_stage_lists_what_dvc_yaml_lists(stage):
    told = docstring_lists(stage)
    deps = {
        dep
        for dep in names(STAGES[stage]["deps"])
        if not dep.startswith("code/") and dep != "constraints.txt"
    }
    assert told["reads"] == deps
    assert told["writes"] == set(names(STAGES[stage]["outs"]))


def test_only_baseline_and_evaluate_read_the_test_part():
    readers = {name for name, stage in STAGES.items() if "data/splits/test.parquet" in names(stage["deps"])}
    assert readers == {"baseline", "evaluate"}
    mentions = {
        path.stem
        for path in (SRC / "cairn").rglob("*.py")
        if "splits/test" in path.read_text(encoding="utf-8")
    }
    # compare/evidence reads slices and days of the rows, to judge revisions that are finished.
    assert mentions == {"baseline", "evaluate", "evidence", "split"}


def test_a_dep_inside_the_pipeline_is_exactly_the_path_of_an_out():
    outs = {out for stage in STAGES.values() for out in names(stage["outs"])}
    tops = ("data/prepared", "data/splits", "models", "predictions", "metrics", "plots", "reports")
    deps = {dep for stage in STAGES.values() for dep in names(stage["deps"]) if dep.startswith(tops)}
    assert deps <= outs


def test_the_metrics_that_settings_may_name_are_those_that_are_computed():
    for task, names_of_task in METRICS_OF.items():
        assert set(names_of_task) == {name for name, metric in METRICS.items() if task in metric.tasks}


@pytest.mark.parametrize("stage", NOT_CODE)
def test_the_only_source_a_stage_names_is_the_list_of_its_own_code(stage):
    deps = names(STAGES[stage]["deps"])
    assert [dep for dep in deps if dep.startswith(("src", "code/"))] == [f"code/{stage}.txt"]
    assert ("constraints.txt" in deps) == (stage != "compose")


def test_the_stage_code_writes_one_list_for_every_other_stage():
    modules = {path.stem for path in (SRC / "cairn/pipeline").glob("[a-z]*.py")} - {"code"}
    assert set(names(STAGES["code"]["outs"])) == {f"code/{name}.txt" for name in modules}
    assert STAGES["code"]["deps"] == ["src"]


def test_every_target_that_conf_names_in_this_repository_is_code_of_the_stage_that_builds_it():
    builders = {"data": ["prepare"], "model": ["train", "cross_validate"], "baseline": ["baseline"]}
    found = 0
    for group, stages in builders.items():
        for option in (ROOT / "conf" / group).glob("*.yaml"):
            for target in re.findall(r"_target_:\s*(cairn\.[\w.]+)", option.read_text(encoding="utf-8")):
                found += 1
                assert all(module_file(target) in code_of_stage(stage) for stage in stages), target
    assert found


@pytest.mark.parametrize("stage", ["train", "calibrate", "cross_validate", "evaluate"])
def test_every_class_that_a_saved_model_may_hold_is_code_of_the_stages_that_load_it(stage):
    ours = [name for name in TRUSTED if name.startswith("cairn.")]
    assert ours
    assert all(module_file(name) in code_of_stage(stage) for name in ours)
