"""Every test here gets a checkout of its own and works inside it."""

import pytest
from threadpoolctl import threadpool_limits
from toy_search import make_toy_search


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(make_toy_search(tmp_path))
    # As the command does by the environment; threads that wait for each other cost seconds on a busy machine.
    with threadpool_limits(1):
        yield tmp_path
