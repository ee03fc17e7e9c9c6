"""`cairn pull`."""

from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm
from typer import Option

from cairn.commands.options import Remote, Timeout
from cairn.errors import UserError

if TYPE_CHECKING:
    from cairn.storage.verify import Verified


def main(
    *,
    remote: Remote = None,
    rebuild: bool = Option(True, help="Run the stages whose outputs are lost"),
    timeout: Timeout = 3600,
) -> None:
    """Pull what this revision needs, verify it, and rebuild what is lost.

    A file that is damaged in the cache is fetched again, one that is damaged on
    the remote never reaches the workspace. What no store has a right copy of is
    LOST: outputs of stages are computed again by `dvc repro`.

    Examples:
      cairn pull
      cairn pull --remote backup --no-rebuild
    """
    from cairn.report.storage import lines
    from cairn.storage.transfer import open_storage, pull, run_dvc
    from cairn.storage.verify import lost

    def tell(bar: tqdm, damaged: "list[Verified]") -> None:
        bar.clear()
        print("\n".join(lines(damaged)), flush=True)

    root = Path().resolve()
    storage = open_storage(root, remote, all_commits=False)
    with tqdm(desc="verify", unit="B", unit_scale=True, delay=1, disable=None, leave=False) as bar:
        found = pull(storage, timeout=timeout, progress=bar.update, tell=lambda first: tell(bar, first))
    print("\n".join(lines(found)), flush=True)
    gone = list(lost(found))
    stages = sorted({one.stage for one in gone if one.rebuilt})
    if stages and rebuild:
        print(f"rebuild: dvc repro {' '.join(stages)}", flush=True)
        if not run_dvc(root, ["repro", *stages], timeout):
            raise UserError(f"{', '.join(stages)}: `dvc repro` failed; its message is above")
    left = [one.path for one in gone if not (one.rebuilt and rebuild)]
    if left:
        raise UserError(f"lost: {', '.join(left)}; get them from a clone that has them: `cairn push` there")
