"""`cairn ablate`."""

from pathlib import Path

from typer import Option

from cairn.commands.options import DecideBy, Forms, Html, Json, Markdown, Settings, names, show, stop_on_both
from cairn.errors import UserError


def main(
    *,
    settings: Settings = None,
    groups: list[str] | None = Option(None, metavar="NAME,NAME", help="Only these groups of features"),
    columns: bool = Option(False, "--columns", help="Leave out single columns instead of whole groups"),
    subsets: bool = Option(False, "--subsets", help="Fit every combination of groups, for Shapley values"),
    seeds: int = Option(3, metavar="N", min=1, help="Seeds per model"),
    decide_by: DecideBy = None,
    md: Markdown = False,
    json: Json = False,
    html: Html = None,
) -> None:
    """Measure what each group of features contributes.

    Fits the model without each group, and on each group alone, under several
    seeds, and compares the predictions for the same validation rows. Test is
    never read. The same data, settings and seeds give the same numbers.

    Examples:
      cairn ablate                                  every group, 3 seeds
      cairn ablate -S model=logistic --seeds 1      a fast model, quickly
      cairn ablate --columns --groups tail          each column of one group
    """
    stop_on_both(md, json)
    if subsets and (columns or groups):
        other = "--columns" if columns else "--groups"
        raise UserError(
            f"--subsets with {other}: subsets are of all groups; choose groups with -S 'features.groups=[…]'"
        )
    from cairn.report.ablation.sheet import to_html, to_markdown, to_text
    from cairn.report.ablation.words import sheet_of
    from cairn.studies.ablation.ablation import ablate
    from cairn.studies.ablation.parts import groups_in_use, parts_of
    from cairn.studies.ablation.settings import config_in_force
    from cairn.studies.trial import load_prepared, prepare_data

    config = config_in_force(settings or [])
    prepare_data()
    prepared = load_prepared(Path())
    used = groups_in_use(prepared.contract, config)
    ablation = ablate(
        config,
        prepared,
        used,
        parts_of(used, names(groups) or None, columns=columns),
        seeds=seeds,
        alone=not columns,
        subsets=subsets,
        decides=decide_by,
    )
    forms = Forms(to_text, to_markdown, lambda sheet: sheet.record, to_html)
    show(sheet_of(ablation, figures=html is not None), forms, md=md, as_json=json, html=html)
