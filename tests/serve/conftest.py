"""A repository with a model at each of two tags."""

import pandas as pd
import pytest
from checkouts import Checkout, start_repository
from synthetic import fit, rows

from cairn.data.tables import write_table
from cairn.models.package import save

STAGE = """\
stages:
  evaluate:
    cmd: "true"
    outs: [predictions/model.parquet, models/model]
"""
CONFIG = """\
[core]
    remote = store
    analytics = false
['remote "store"']
    url = {store}
"""


@pytest.fixture(scope="module")
def models():
    return {tag: fit("hist_gbdt", max_iter=trees) for tag, trees in (("v1", 3), ("v2", 6))}


@pytest.fixture(scope="module")
def toy(tmp_path_factory, models):
    """A repository with a model at each of two tags; the second is in the workspace, both on the remote."""
    toy = Checkout(tmp_path_factory.mktemp("toy") / "repository")
    start_repository(toy, CONFIG.format(store=toy.path.parent / "store"), STAGE)
    for tag, model in models.items():
        save(model, toy.path / "models/model")
        table = pd.DataFrame({"row_id": range(600), "model": model.scores(rows(600, seed=1))})
        write_table(table, toy.path / "predictions/model.parquet")
        toy.dvc("commit", "--force", "--quiet")
        toy.git("add", "--all")
        toy.git("commit", "--quiet", f"--message={tag}")
        toy.git("tag", tag)
    toy.dvc("push", "--quiet", "--all-commits")
    (toy.path / "below").mkdir()
    return toy
