"""The `cairn` command: the same as `python src/cairn` in the checkout you stand in."""

import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run the code of the nearest checkout above the current folder, never that of another one."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        program = folder / "src" / "cairn"
        if (program / "__main__.py").exists():
            sys.exit(subprocess.run([sys.executable, str(program), *sys.argv[1:]], check=False).returncode)
    sys.exit("cairn: no src/cairn here or above; run it inside a clone of the repository")
