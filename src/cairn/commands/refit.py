"""`cairn refit`."""

from pathlib import Path

from typer import Argument, Option

from cairn.commands.options import Trust, names, user_folder
from cairn.errors import UserError


def main(
    folder: str = Argument(..., metavar="DIR", help="Folder to make; it must not exist"),
    *,
    model: str = Option(
        "models/model", metavar="REV|@STAGE", help="Model: of the workspace, or a revision of this repository"
    ),
    trust: Trust = None,
) -> None:
    """Fit a model once more on train, validation and test, for deployment.

    Iterations, columns, weights, calibration and threshold are taken from the
    scored model. The new one has seen all rows, so no score belongs to it: its
    record, its card and every command that uses it say so, and the stage
    `evaluate` refuses it. `--model DIR` of predict, serve and export takes it.

    Examples:
      cairn refit all-rows                  the model of the workspace
      cairn refit all-rows --model @prod    the model in production
    """
    from cairn.models.package import save
    from cairn.serve.model import find_model
    from cairn.serve.refit import refitted_on_all
    from cairn.terminal import folded

    target = user_folder() / folder
    if target.exists():
        raise UserError(f"{folder}: exists already; name another folder, or remove it")
    package, rows = refitted_on_all(find_model(model, Path.cwd(), names(trust)))
    save(package, target)
    print(f"{folder}: {package.config['model']['name']} fitted on {rows:,} rows, all of them")
    print(folded(package.notes[0]))
