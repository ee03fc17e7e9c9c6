"""`cairn reproduce`."""

import json
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from typer import Argument, Option

from cairn.commands.options import Json, Remote, Settings, user_folder
from cairn.errors import UserError

CODES = {"identical": 0, "failed": 1, "undecided": 3, "different": 4}
"""Exit code by verdict, as in `cairn monitor`."""
RECORD = Path("reports/reproduction.json")


def main(
    revision: str = Argument(..., metavar="REV", help="Commit, branch, tag or DVC experiment"),
    *,
    experiment: str | None = Option(
        None, "--experiment", metavar="NAME", help="Preset of conf/experiment: short for -S experiment=NAME"
    ),
    settings: Settings = None,
    environment: Literal["new", "current"] = Option(
        "new", help="Install the pins of REV, or use what is installed"
    ),
    remote: Remote = None,
    keep: bool = Option(False, "--keep", help="Keep the temporary folder"),
    output: Path = Option(RECORD, metavar="FILE", help="Record to write: an in-toto statement"),
    earlier: Path | None = Option(
        None, metavar="FILE", help="An earlier record of REV: name what differs in the environment since"
    ),
    as_json: Json = False,
) -> None:
    """Run a revision again from scratch, and compare every byte.

    Clones REV into a temporary folder, installs its own pins, fetches only raw
    data, and runs its whole pipeline with an empty cache. Then compares every
    output of every stage with dvc.lock of REV, and says from which stage on they
    differ and why. With other settings it compares with the experiment of REV
    that has the same. The workspace is not touched.

    Exit codes: 0 identical, 1 error, 2 usage, 3 undecided (no record), 4 different.

    Examples:
      cairn reproduce HEAD
      cairn reproduce v1.0 --output audit.json
      cairn reproduce my-experiment --environment current
      cairn reproduce HEAD -S experiment=tiny --keep
    """
    from cairn.data.records import rounded, write_json
    from cairn.experiments.history import History
    from cairn.report.reproduction import lines, reasons
    from cairn.reproduction.reproduce import Asked, reproduce
    from cairn.reproduction.statement import statement

    root = Path.cwd()
    overrides = [*([f"experiment={experiment}"] if experiment else []), *(settings or [])]
    asked = Asked(History(root).resolve(revision), tuple(overrides), environment, remote, keep)
    before = _environment(user_folder() / earlier) if earlier else None
    # As Ctrl-C: the stages end and the folder is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = _Progress()
    try:
        done = reproduce(root, asked, progress.step, progress.stage)
    finally:
        progress.step(None)
    likely = list(reasons(done, before))
    record = rounded(statement(done, likely))
    write_json(record, root / output if output == RECORD else user_folder() / output)
    print(json.dumps(record, indent=1, ensure_ascii=False) if as_json else "\n".join(lines(done, likely)))
    raise SystemExit(CODES[done.verdict])


def _environment(file: Path) -> dict[str, Any]:
    """Return the environment in an earlier record."""
    from cairn.report.reproduction import facts

    try:
        found = json.loads(file.read_bytes())["predicate"]["buildDefinition"]["internalParameters"]
        facts(found), dict(found["packages"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"--earlier: {file.name} is not a record of `cairn reproduce`") from error
    return found


class _Progress:
    """Prints a line when a step or a stage has ended, and a clock while it runs; all on stderr."""

    def __init__(self) -> None:
        self.clock = ExitStack()
        self.running: tuple[str, float] | None = None

    def step(self, name: str | None) -> None:
        """End what runs and begin another one."""
        from cairn.progress import elapsed

        self.clock.close()
        if self.running:
            before, since = self.running
            print(f"{before:<24}{time.monotonic() - since:>7.1f} s", file=sys.stderr, flush=True)
        self.running = (name, time.monotonic()) if name else None
        if name:
            self.clock.enter_context(elapsed(name))

    def stage(self, name: str | None) -> None:
        """Begin a stage of the pipeline."""
        self.step(f"  {name}" if name else None)
