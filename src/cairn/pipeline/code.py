"""Write down which source files each stage uses, so that a change reruns those stages and no others.

reads: src/cairn
writes: code/STAGE.txt for every other stage
"""

from pathlib import Path

from cairn.files import replace_file
from cairn.imports import code_of_stage, remember


def main() -> None:
    """Write code/STAGE.txt for every stage: a line `SHA256  PATH` per file it reaches by import."""
    folder = Path("code")
    for path in Path(__file__).parent.glob("[a-z]*.py"):
        if path.stem != "code":
            text = code_of_stage(path.stem)
            replace_file(folder / f"{path.stem}.txt", text.encode())
    remember()
