"""`cairn models`."""

import json
import sys
from pathlib import Path

from typer import Option

from cairn.commands.options import Json
from cairn.errors import UserError


def main(
    *,
    as_json: Json = False,
    verify: bool = Option(
        False, "--verify", help="Check the tags, and every byte of the models, in the cache or the remote"
    ),
) -> None:
    """List the versions of the model, and what is in each stage.

    Shows the primary metric on test with its interval, the prepared table by
    its hash, and what metrics/monitor.json of the commit says, if it is there.
    --verify exits with 1 if a tag or the bytes of a model are not as they were.

    Examples:
      cairn models
      cairn models --verify
      cairn models --json
    """
    from cairn.experiments.versions import is_shallow, read_registry
    from cairn.registry.integrity import HARMLESS, problems
    from cairn.registry.listing import listed
    from cairn.report.registry import as_record, models_table, problem_lines, verified

    root = Path()
    registry = read_registry(root)
    found = listed(root, registry)
    wrong = problems(root, registry) if verify else None
    if is_shallow(root):
        print("cairn models: a shallow clone may lack tags: `git fetch --unshallow --tags`", file=sys.stderr)
    if as_json:
        print(json.dumps(as_record(found, registry, wrong), indent=1, ensure_ascii=False))
    else:
        print("\n".join([*models_table(found), *problem_lines(wrong or [])]))
    if wrong is not None:
        bad = [one for one in wrong if one.kind not in HARMLESS]
        if not as_json:
            print(verified(wrong, len(found)), flush=True)
        if bad:
            raise UserError(f"{len(bad)} {'problem' if len(bad) == 1 else 'problems'}, listed above")
