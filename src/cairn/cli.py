"""The installed `cairn`: the same as `python src/cairn` in the checkout that the current folder is in."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the code of the nearest checkout above the current folder, never the code of another one."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        program = folder / "src" / "cairn"
        if (program / "__main__.py").exists():
            run([sys.executable, str(program), *sys.argv[1:]])
    if "_CAIRN_COMPLETE" in os.environ:  # a shell asks for completions, where there are none
        sys.exit(1)
    sys.exit("cairn: no src/cairn here or above; run it inside a clone of the repository")


def run(command: list[str]) -> None:
    """Become this command, so that Ctrl-C and signals reach it alone."""
    if os.name == "posix":
        os.execv(command[0], command)
    import subprocess

    process = subprocess.Popen(command)
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:  # the command got it too, and ends by itself
            continue
