"""What a model file may hold is what skops itself trusts, and the types that TRUSTED names; nothing else."""

import pytest
from sklearn.ensemble import RandomForestClassifier
from skops.io import _trusted_types, dumps, get_untrusted_types

from cairn.models.trust import LISTED, is_trusted, skops_io


@pytest.mark.parametrize("name", LISTED)
def test_all_that_skops_trusts_is_trusted(name):
    names = getattr(_trusted_types, f"{name}_TYPE_NAMES")
    assert names and [each for each in names if not is_trusted(each)] == []


def test_every_list_of_skops_is_known():
    assert {name.removesuffix("_TYPE_NAMES") for name in dir(_trusted_types) if name.endswith("_NAMES")} == {
        *LISTED
    }


STRANGE = [
    "",
    "eval",
    "builtins.eval",
    "os.system",
    "numpy.load",
    "numpy.random.seed",
    "scipy.special.test",
    "sklearn.base.BaseEstimator",
    "sklearn.datasets.load_iris",
    "sklearn.ensemble.RandomForestClassifier",
    "sklearn.ensemble._forest.Parallel",
    "sklearn.no_such_module.Model",
    "sklearn.tests.test_base.MyEstimator",
    "sklearn.utils._testing.MinimalClassifier",
    "sklearnx.ensemble._forest.RandomForestClassifier",
]


@pytest.mark.parametrize("name", STRANGE)
def test_nothing_else_is_trusted(name):
    assert not is_trusted(name)


def test_a_program_that_imports_skops_itself_gets_one_with_lists():
    content = dumps(RandomForestClassifier())
    assert get_untrusted_types(data=content) == []
    assert "sklearn.ensemble._forest.RandomForestClassifier" in skops_io().get_untrusted_types(data=content)
