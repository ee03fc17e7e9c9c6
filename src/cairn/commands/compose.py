"""`cairn compose`: the help of a stage that people call with arguments."""

from typer import Argument, Option

from cairn.commands.options import Settings


def main(
    overrides: list[str] | None = Argument(
        None, metavar="[KEY=VALUE]...", help="Choose an option or set a key: model=mlp seed=1"
    ),
    settings: Settings = None,
    *,
    reset: bool = Option(False, "--reset", help="Drop the current overrides first"),
    save_as: str | None = Option(
        None, metavar="NAME", help="Keep the overrides as conf/experiment/NAME.yaml"
    ),
) -> None:
    """Write params.yaml from conf/ and overrides.

    Adds the given overrides to the current ones. `dvc repro` does the same
    without arguments, so you need this only to change or drop an override.

    Examples:
      cairn compose model=mlp train.device=cpu    set these two
      cairn compose --reset                       conf/ and nothing else
      cairn compose --save-as my_experiment       keep the current overrides
    """
    from cairn.run_stage import run_stage

    flags = [*(["--reset"] if reset else []), *([f"--save-as={save_as}"] if save_as else [])]
    run_stage("compose", (*flags, "--", *(overrides or []), *(settings or [])))
