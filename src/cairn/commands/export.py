"""`cairn export`."""

from pathlib import Path

from typer import Argument, Option

from cairn.commands.options import Trust, names, user_folder
from cairn.errors import UserError


def main(
    folder: str = Argument(..., metavar="DIR", help="Folder to make; it must not exist"),
    *,
    model: str = Option(
        "models/model", metavar="DIR|REV|@STAGE", help="Model: a folder, or a revision of this repository"
    ),
    trust: Trust = None,
    data: bool = Option(False, "--data", help="Also copy the prepared table, which croissant.json describes"),
) -> None:
    """Write a model into a folder that serves and predicts by itself.

    The folder needs no clone, no git and no DVC, and no torch unless the model
    is a network. It holds the model, the code that predicts, the exact version
    of every library, a Dockerfile, the model card as Markdown, and Croissant
    metadata of the data set.

    Examples:
      cairn export deploy                  the model of the workspace
      cairn export deploy-v1 --model v1    the model of a tag
    """
    from cairn.metrics.evaluation import Evaluation
    from cairn.models.package import load
    from cairn.report.card.markdown import markdown_card
    from cairn.serve.data_set import TABLE, metadata, prepared_table
    from cairn.serve.export import export
    from cairn.serve.model import find_model
    from cairn.settings.data import DataConfig

    here = user_folder()
    found = find_model(model, here if (here / model).exists() else Path.cwd(), names(trust))
    package = load(found.folder, found.trust)
    record = found.text("metrics/evaluation.json")
    evaluation = Evaluation.model_validate_json(record) if record else None
    texts = {"README.md": markdown_card(package, evaluation, found.commit or "")}
    try:
        texts["croissant.json"] = metadata(found, DataConfig.model_validate(package.config["data"]))
    except UserError as error:
        if data:
            raise
        print(f"without croissant.json: {error}")
    tables = {TABLE: prepared_table(found)} if data else {}
    files = export(package, found.folder, here / folder, texts, tables)
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{folder}: {len(files)} files, {size:.1f} MB")
    print(f"start it: cd {folder} && pip install -r constraints.txt && python src/cairn serve")
