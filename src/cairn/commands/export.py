"""`cairn export`."""

from pathlib import Path

from typer import Argument, Option

from cairn.commands.options import Trust, names, user_folder


def main(
    folder: str = Argument(..., metavar="DIR", help="Folder to make; it must not exist"),
    *,
    model: str = Option(
        "models/model", metavar="DIR|REV|TAG", help="Model: a folder, or a revision of this repository"
    ),
    trust: Trust = None,
) -> None:
    """Write a model into a folder that serves and predicts by itself.

    The folder needs no clone, no git and no DVC, and no torch unless the model
    is a network. It holds the model, the code that predicts, the exact version
    of every library, a Dockerfile and the model card as Markdown.

    Examples:
      cairn export deploy                  the model of the workspace
      cairn export deploy-v1 --model v1    the model of a tag
    """
    from cairn.metrics.evaluation import Evaluation
    from cairn.models.package import load
    from cairn.report.card.markdown import markdown_card
    from cairn.serve.export import export
    from cairn.serve.model import find_model

    here = user_folder()
    found = find_model(model, here if (here / model).exists() else Path.cwd(), names(trust))
    package = load(found.folder, found.trust)
    record = found.text("metrics/evaluation.json")
    evaluation = Evaluation.model_validate_json(record) if record else None
    card = markdown_card(package, evaluation, found.commit or "")
    files = export(package, found.folder, here / folder, card)
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{folder}: {len(files)} files, {size:.1f} MB")
    print(f"start it: cd {folder} && pip install -r constraints.txt && python src/cairn serve")
