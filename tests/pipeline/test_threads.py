"""The libraries that compute are set up alike on every processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = """
import json, os
from cairn.run_stage import use_threads
use_threads(2)
import numpy, threadpoolctl
print(json.dumps(threadpoolctl.threadpool_info()))
"""


def openblas(environment):
    command = [sys.executable, "-c", SHOW]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return next(library for library in json.loads(said) if library["internal_api"] == "openblas")


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists() or " avx2 " not in Path("/proc/cpuinfo").read_text(),
    reason="needs Linux on x86-64 with AVX2",
)
def test_openblas_uses_the_same_kernels_on_every_processor_unless_told_otherwise():
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    assert openblas(plain)["architecture"] == "Haswell"
    assert openblas(plain | {"OPENBLAS_CORETYPE": "Sandybridge"})["architecture"] == "Sandybridge"
