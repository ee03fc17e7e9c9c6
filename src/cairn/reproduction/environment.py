"""What of an environment may change results, as JSON: `PYTHON environment.py CONSTRAINTS...`.

It runs in the environment that it describes, which may be years old: only the standard library is certain.
"""

import importlib
import json
import os
import platform
import sys
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")
"""Instructions of a processor by which numpy, OpenBLAS and torch choose their code."""
USES_THREADS = ("numpy", "scipy.linalg", "sklearn.utils._openmp_helpers")


def describe(constraints: list[Path]) -> dict[str, Any]:
    """Return Python, system, processor, libraries with their threads, packages, and what is not as pinned."""
    packages = {one.metadata["Name"]: one.version for one in distributions() if one.metadata["Name"]}
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "libraries": _libraries(),
        "packages": dict(sorted(packages.items(), key=lambda one: one[0].lower())),
        "unpinned": _other_versions(constraints),
    }


def _processor() -> dict[str, Any]:
    model, flags = platform.processor(), set()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags.update(value.split())
    return {"model": model, "flags": [flag for flag in FLAGS if flag in flags]}


def _libraries() -> list[dict[str, Any]]:
    """Return the libraries that compute, with the code that each has chosen for this processor."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    for name in USES_THREADS:
        with suppress(ImportError):
            importlib.import_module(name)
    # The path would name a user or a folder of this machine.
    return [{key: value for key, value in one.items() if key != "filepath"} for one in threadpool_info()]


def _other_versions(constraints: list[Path]) -> list[str]:
    try:
        from cairn.pins import other_versions
    except ImportError:
        return []
    return [line for file in constraints for line in other_versions(file)]


if __name__ == "__main__":
    # This module's folder would come first, and an installed Cairn may belong to another commit.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    print(json.dumps(describe([Path(name) for name in sys.argv[1:]])))
