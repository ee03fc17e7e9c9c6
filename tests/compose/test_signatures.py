"""Reading a signature from source gives what importing the class gives."""

import ast
import importlib
import inspect
import json
import math
import os
import subprocess
import sys

import pytest
from sklearn.utils import all_estimators

from cairn.compose.signatures import parameters
from cairn.errors import UserError

ESTIMATORS = [made for _, made in all_estimators(type_filter=["classifier", "regressor"])]


def imported(made) -> list[str] | None:
    found = inspect.signature(made).parameters.values()
    return None if any(p.kind is p.VAR_KEYWORD for p in found) else [p.name for p in found]


@pytest.mark.parametrize("made", ESTIMATORS, ids=lambda made: made.__name__)
def test_source_and_import_agree_on_every_estimator_of_scikit_learn(made):
    public = ".".join(made.__module__.split(".")[:2])
    for module in {made.__module__, public}:
        assert parameters(f"{module}.{made.__name__}") == imported(made)


def test_an_inherited_constructor_and_a_plain_function_are_read_too():
    from cairn.models.mlp import MLPRegressor

    assert parameters("cairn.models.mlp.MLPRegressor") == imported(MLPRegressor)
    assert parameters("statistics.quantiles") == ["data", "n", "method"]


def test_what_source_does_not_show_is_imported():
    assert parameters("math.hypot") is None
    assert parameters("math.copysign") == imported(math.copysign)
    assert parameters("json.JSONEncoder") == imported(json.JSONEncoder)


def test_a_source_is_read_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file, parsed, parse = tmp_path / "of_a_user.py", [], ast.parse
    monkeypatch.setattr(ast, "parse", lambda source: parsed.append(source) or parse(source))
    for number, takes in enumerate(["depth", "depth, rate"]):
        file.write_text(f"def Model({takes}): pass\n")
        os.utime(file, ns=(number, number))
        importlib.invalidate_caches()
        assert [parameters("of_a_user.Model") for _ in range(3)] == [takes.split(", ")] * 3
    assert len(parsed) == 2


@pytest.mark.parametrize(
    "target", ["nowhere.Thing", "json.NoSuchThing", "plain", "json.", ".json", "", "math.pi"]
)
def test_a_name_that_leads_nowhere_is_one_line(target):
    with pytest.raises(UserError) as error:
        parameters(target)
    assert "\n" not in str(error.value)


def test_neither_scikit_learn_nor_torch_nor_pandas_is_imported():
    names = ["sklearn.ensemble.HistGradientBoostingClassifier", "cairn.models.mlp.MLPClassifier"]
    code = f"""
import sys
from cairn.compose.signatures import parameters
for name in {names}:
    assert parameters(name)
print([heavy for heavy in ("sklearn", "torch", "pandas", "numpy") if heavy in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
