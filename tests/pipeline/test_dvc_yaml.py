"""dvc.yaml says the truth about every stage: what it reads, what it writes, which settings it sees."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from closure import ROOT, SRC, closure, file_of, imported_by
from omegaconf import OmegaConf

from cairn.config.evaluate import METRICS_OF
from cairn.metrics.scores import METRICS
from cairn.models.package import TRUSTED

PIPELINE = OmegaConf.to_container(OmegaConf.load(ROOT / "dvc.yaml"))
STAGES = PIPELINE["stages"]
MAIN = SRC / "cairn/__main__.py"


def names(entries):
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries or []]


def commands(stage):
    return [stage["cmd"]] if isinstance(stage["cmd"], str) else stage["cmd"]


def covered(path: Path, deps: list[str]) -> bool:
    relative = path.relative_to(ROOT)
    return any(str(parent) in deps for parent in (relative, *relative.parents))


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


@pytest.mark.parametrize("stage", STAGES)
def test_every_local_module_a_stage_imports_is_among_its_deps(stage):
    deps = names(STAGES[stage]["deps"])
    needed = closure(SRC / f"cairn/pipeline/{stage}.py") | {MAIN}
    missing = sorted(str(path.relative_to(ROOT)) for path in needed if not covered(path, deps))
    assert not missing, f"dvc.yaml: {stage}: add to deps: {missing}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_module_that_it_does_not_use(stage):
    deps = [dep for dep in names(STAGES[stage]["deps"]) if dep.endswith(".py")]
    needed = {str(path.relative_to(ROOT)) for path in closure(SRC / f"cairn/pipeline/{stage}.py")}
    needed |= {
        str(path.relative_to(ROOT)) for path in (MAIN, SRC / "cairn/config/base.py", SRC / "cairn/pins.py")
    }
    assert set(deps) <= needed


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "compose"])
def test_a_stage_reads_exactly_the_params_it_declares(stage):
    parameters = inspect.signature(import_module(f"cairn.pipeline.{stage}").main).parameters.values()
    read = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert read == set(STAGES[stage].get("params", []))


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "compose"])
def test_every_stage_that_computes_depends_on_the_pins(stage):
    assert {"constraints.txt", "src/cairn/pins.py"} <= set(names(STAGES[stage]["deps"]))


def test_params_name_sections_and_never_keys_of_a_group_that_can_be_switched():
    sections = {p.stem if p.suffix else p.name for p in (ROOT / "conf").iterdir()} | {"seed", "threads"}
    assert all(set(stage.get("params", [])) <= sections for stage in STAGES.values())


@pytest.mark.parametrize("stage", [name for name in STAGES if name not in ("compose", "prepare")])
def test_the_docstring_of_a_stage_lists_what_dvc_yaml_lists(stage):
    told = docstring_lists(stage)
    deps = {
        dep for dep in names(STAGES[stage]["deps"]) if not dep.startswith("src/") and dep != "constraints.txt"
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


def test_every_target_that_conf_names_in_this_repository_is_covered_by_the_stage_that_builds_it():
    builders = {"data": ["prepare"], "model": ["train", "cross_validate"], "baseline": ["baseline"]}
    for group, stages in builders.items():
        for option in (ROOT / "conf" / group).glob("*.yaml"):
            for target in re.findall(r"_target_:\s*(cairn\.[\w.]+)", option.read_text(encoding="utf-8")):
                (module,) = file_of(target.rpartition(".")[0])
                for stage in stages:
                    deps = names(STAGES[stage]["deps"])
                    assert all(covered(path, deps) for path in closure(module)), (
                        f"{option.name}: {target}: {stage}"
                    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_loads_a_model_depends_on_every_class_a_model_may_hold(stage):
    if SRC / "cairn/models/package.py" not in closure(SRC / f"cairn/pipeline/{stage}.py"):
        return
    ours = {name.rpartition(".")[0] for name in TRUSTED if name.startswith("cairn.")}
    held = set().union(*(closure(path) for name in ours for path in file_of(name)))
    assert held
    missing = sorted(str(path) for path in held if not covered(path, names(STAGES[stage]["deps"])))
    assert not missing, f"dvc.yaml: {stage}: add to deps: {missing}"


def test_imports_run_downward_only():
    rank = {
        "config": 0,
        "progress": 0,
        "arguments": 0,
        "pins": 1,
        "data": 1,
        "features": 2,
        "metrics": 2,
        "models": 3,
        "card": 3,
    }
    rank |= {"engines": 1, "experiments": 3, "trial": 4, "pipeline": 4}
    rank |= {"page": 2, "explore": 3, "doctor": 5, "ablation": 5, "compare": 5, "scaffold": 5, "search": 5}
    rank |= {"commands": 6, "__main__": 7, "cli": 7}
    for path in (SRC / "cairn").rglob("*.py"):
        room = path.relative_to(SRC / "cairn").parts[0].removesuffix(".py")
        for other in imported_by(path):
            target = other.relative_to(SRC / "cairn").parts[0].removesuffix(".py")
            assert room == target or rank[room] > rank[target], f"{path.name} imports {other.name}"


def test_the_metrics_that_settings_may_name_are_those_that_are_computed():
    for task, names_of_task in METRICS_OF.items():
        assert set(names_of_task) == {name for name, metric in METRICS.items() if task in metric.tasks}
