"""`cairn verify`."""

import json
from pathlib import Path

from tqdm import tqdm
from typer import Option

from cairn.commands.options import AllCommits, Json, Remote
from cairn.errors import UserError


def main(
    *,
    remote: Remote = None,
    cache: bool = Option(False, "--cache", help="Verify only the cache"),
    all_commits: AllCommits = False,
    deep: bool = Option(False, "--deep", help="Read every object, even if the remote keeps checksums"),
    repair: bool = Option(False, "--repair", help="Replace damaged copies with intact ones"),
    strays: bool = Option(False, "--strays", help="Remove leftovers of killed transfers"),
    as_json: Json = False,
) -> None:
    """Compare every object of the cache and of a remote with its name.

    DVC names a file by the hash of its content but rarely computes it again.
    This command does, and finds objects that are missing, empty, truncated,
    swapped or otherwise changed. Of a remote that keeps checksums (S3, Google)
    only the listing is read; of other stores the sizes, unless --deep is given.
    The exit code is 1 if anything is damaged and was not repaired.

    Examples:
      cairn verify                      the cache and the default remote
      cairn verify --repair             each repaired from the other
      cairn verify --all-commits --deep --remote backup
    """
    from cairn.report.storage import as_record, lines
    from cairn.storage.transfer import check, open_storage, remove_strays

    if cache and remote:
        raise UserError("--cache looks at no remote; leave out --remote")
    storage = open_storage(Path().resolve(), remote, all_commits=all_commits, offline=cache)
    with tqdm(desc="verify", unit="B", unit_scale=True, delay=1, disable=None, leave=False) as bar:
        found = check(storage, deep=deep, with_repair=repair, progress=bar.update)
    if strays:
        found = remove_strays(storage, found)
    print(json.dumps(as_record(found), indent=1) if as_json else "\n".join(lines(found)), flush=True)
    if bad := len(set().union(*(verified.bad for verified in found))):
        cure = "" if repair else "; --repair replaces them with intact copies"
        raise UserError(f"{bad} {'object is' if bad == 1 else 'objects are'} damaged or missing{cure}")
