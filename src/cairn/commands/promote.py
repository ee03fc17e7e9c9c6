"""`cairn promote`."""

import sys
from pathlib import Path
from typing import Literal

from typer import Argument, Option

from cairn.commands.options import DecideBy, Push, Reason
from cairn.errors import UserError

REFUSED = 3
"""Exit code: the comparison does not justify the promotion."""


def main(
    revision: str = Argument(
        ..., metavar="REV", help="Commit, tag, branch, DVC experiment, version or @STAGE"
    ),
    *,
    stage: Literal["prod", "staging"] = Option(..., help="Stage to put the model into"),
    decide_by: DecideBy = None,
    force: bool = Option(False, "--force", help="Promote whatever the comparison shows; needs --reason"),
    reason: Reason = None,
    push: Push = False,
) -> None:
    """Put the model of a revision into a stage.

    Registers the commit as a version (v0.0.1, v0.0.2, …) if it has none, and
    puts that into the stage: two annotated tags of git, in the format of GTO.
    If the stage has a model, both are compared on the same validation rows,
    and the new one must be better.

    Exit codes: 1 error, 2 usage, 3 the new model is not shown to be better.

    Examples:
      cairn promote HEAD --stage staging
      cairn promote @staging --stage prod --push
      cairn promote HEAD --stage prod --force --reason "the old one leaks"
    """
    if force and not reason:
        raise UserError("--force needs --reason TEXT, which is kept in the tag")
    from cairn.registry.promotion import plan_promotion
    from cairn.registry.tags import open_registry, publish
    from cairn.report.registry import message, next_step, promoted, refusal

    root = Path()
    registry, remote = open_registry(root, push=push)
    plan = plan_promotion(
        root, registry, revision, stage, decides=decide_by, reason=reason, force=force, on_remote=push
    )
    lines = list(promoted(plan))
    if plan.is_refused:
        print("\n".join(lines), flush=True)
        print(f"cairn promote: {refusal(plan)}", file=sys.stderr)
        raise SystemExit(REFUSED)
    publish(root, plan.drafts, plan.at, message, remote)
    print("\n".join([*lines, *next_step(plan, remote)]))
