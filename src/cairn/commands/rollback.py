"""`cairn rollback`."""

from pathlib import Path
from typing import Literal

from typer import Option

from cairn.commands.options import Push, Reason


def main(
    *,
    stage: Literal["prod", "staging"] = Option("prod", help="Stage to roll back"),
    reason: Reason = None,
    push: Push = False,
) -> None:
    """Put the previous version back into a stage.

    Adds a tag and removes none, so the history stays. A second rollback goes
    one version further back.

    Examples:
      cairn rollback --reason "complaints from JFK" --push
      cairn rollback --stage staging
    """
    from cairn.registry.promotion import plan_rollback
    from cairn.registry.tags import open_registry, publish
    from cairn.report.registry import message, next_step, promoted

    root = Path()
    registry, remote = open_registry(root, push=push)
    plan = plan_rollback(root, registry, stage, reason=reason, on_remote=push)
    publish(root, plan.drafts, plan.at, message, remote)
    print("\n".join([*promoted(plan), *next_step(plan, remote)]))
