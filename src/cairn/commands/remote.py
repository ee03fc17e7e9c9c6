"""`cairn remote`."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from tqdm import tqdm
from typer import Argument, Option

from cairn.commands.options import Timeout, pairs, user_folder


def main(
    where: Annotated[str, Argument(metavar="URL", help="URL, folder, or a remote of .dvc/config")],
    *,
    name: Annotated[str, Option(metavar="NAME", help="Name of the new remote")] = "storage",
    option: Annotated[
        list[str] | None,
        Option(metavar="KEY=VALUE", help="Option of the remote, as for `dvc remote modify` (repeatable)"),
    ] = None,
    secret: Annotated[
        list[str] | None,
        Option(metavar="KEY=VARIABLE", help="Secret option, from an environment variable (repeatable)"),
    ] = None,
    local: Annotated[bool, Option("--local", help="Write .dvc/config.local, for this clone alone")] = False,
    incomplete: Annotated[
        bool, Option("--incomplete", help="Move although files are lost or the old remote cannot be read")
    ] = False,
    timeout: Timeout = 3600,
) -> None:
    """Move to another remote, with all of the history.

    Copies every file that a commit, tag or experiment needs, verifies the copy,
    and only then makes it the default remote. Secrets are written to
    .dvc/config.local, which git ignores. The old remote stays as it is: `cairn
    remote NAME` moves back.

    Examples:
      cairn remote s3://bucket/cairn --secret secret_access_key=AWS_KEY
      cairn remote ../another-store --name team
      cairn remote local
    """
    from cairn.report.storage import lines, moved
    from cairn.storage.move import move, secrets_of
    from cairn.storage.remote_config import Place, known_remotes

    root = Path().resolve()
    known = where in known_remotes(root)
    url = where if urlsplit(where).scheme else os.path.relpath(user_folder() / where)
    place = Place(
        where if known else name,
        None if known else url,
        pairs("--option", option),
        secrets_of(pairs("--secret", secret)),
        local,
    )
    with tqdm(desc="verify", unit="B", unit_scale=True, delay=1, disable=None, leave=False) as bar:
        done = move(root, place, incomplete=incomplete, timeout=timeout, progress=bar.update)
    print("\n".join([*lines(done.stores), *moved(done, place)]))
