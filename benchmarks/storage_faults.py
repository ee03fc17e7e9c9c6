"""Inject every fault of an object into a small repository, and count what DVC alone and Cairn make of it.

    python benchmarks/storage_faults.py [PLACE]      about 15 minutes; PLACE: remote, cache, 'before a push'

Silent: the object stays damaged, and the command that meets it ends with 0 and no word of it. Lost: the right
bytes, which one place still had, do not arrive with the next pull. What is injected: tests/storage_faults.py.
"""

import os
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from storage_faults import FAULTS, TOOLS, meet  # noqa: E402
from toy_storage import make_toy  # noqa: E402


def main(places: list[str]) -> None:
    """Print a line for each place and tool."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    table = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # where DVC, which Cairn runs, prints
    print(f"{'place':15}{'tool':7}{'faults':>7}{'mended':>8}{'silent':>8}{'lost':>6}", file=table, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        made = make_toy(Path(folder, "made"))
        for place in places:
            faults = [fault for fault in FAULTS if fault.place == place]
            for name, tool in TOOLS.items():
                found = []
                for number, fault in enumerate(faults):
                    found.append(meet(fault, made.copied(Path(folder, place, name, str(number))), tool))
                counts = [sum(one.mended for one in found), sum(one.silent for one in found)]
                counts.append(sum(one.lost for one in found))
                print(
                    f"{place:15}{name:7}{len(faults):7}{counts[0]:8}{counts[1]:8}{counts[2]:6}",
                    file=table,
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:] or list(dict.fromkeys(fault.place for fault in FAULTS)))
