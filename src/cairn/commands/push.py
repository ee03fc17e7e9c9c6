"""`cairn push`."""

from pathlib import Path

from tqdm import tqdm

from cairn.commands.options import AllCommits, Remote, Timeout
from cairn.errors import UserError


def main(*, remote: Remote = None, all_commits: AllCommits = False, timeout: Timeout = 3600) -> None:
    """Push to a remote, and prove that everything arrived.

    Verifies the files of the cache before `dvc push`, and of the remote
    after it. A damaged file of the cache is never pushed, one of the remote is
    replaced. The exit code is 1 unless the remote has every file, unchanged.

    Examples:
      cairn push
      cairn push --remote backup --all-commits
    """
    from cairn.report.storage import lines
    from cairn.storage.transfer import open_storage, push

    storage = open_storage(Path().resolve(), remote, all_commits=all_commits)
    with tqdm(desc="verify", unit="B", unit_scale=True, delay=1, disable=None, leave=False) as bar:
        found = push(storage, all_commits=all_commits, timeout=timeout, progress=bar.update)
    print("\n".join(lines(found)), flush=True)
    if bad := len(found[-1].bad):
        raise UserError(f"{bad} {'object is' if bad == 1 else 'objects are'} not right on the remote")
