"""The `cairn` command: the same as `python src/cairn` in the checkout you stand in."""

import os
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run the code of the nearest checkout above the current folder, never that of another one."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        program = folder / "src" / "cairn"
        if (program / "__main__.py").exists():
            run([sys.executable, str(program), *sys.argv[1:]])
    sys.exit("cairn: no src/cairn here or above; run it inside a clone of the repository")


def run(command: list[str]) -> None:
    """Become this command, so that Ctrl-C and signals reach it and nothing else."""
    if os.name == "posix":
        os.execv(command[0], command)
    process = subprocess.Popen(command)
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:  # it was told as well, and says when it is done
            continue
