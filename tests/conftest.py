"""In CI the same examples every time: a push fails for what it changed, not for a lucky draw."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker per core: more threads only wait
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

from checkouts import seconds_of_tiny, snapshot, tiny  # noqa: F401 - fixtures
from data_servers import bucket, postgresql, web  # noqa: F401 - fixtures
from hypothesis import settings
from toy_storage import made_storage, toy_storage  # noqa: F401 - fixtures

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
