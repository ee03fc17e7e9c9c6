"""`cairn ablate`."""

from pathlib import Path

from typer import Option

from cairn.commands.options import DecideBy, Html, Json, Markdown, Settings, names, show, stop_on_both


def main(
    *,
    settings: Settings = None,
    groups: list[str] | None = Option(None, metavar="NAME,NAME", help="Only these groups of features"),
    columns: bool = Option(False, "--columns", help="Leave out single columns instead of whole groups"),
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
    from cairn.data.parts import load_prepared
    from cairn.report.studies.ablation import sheet_of
    from cairn.studies.ablation import ablate, groups_in_use, parts_of
    from cairn.studies.protocol import prepare

    config = prepare(settings or [])
    prepared = load_prepared(Path())
    used = groups_in_use(prepared.contract, config)
    ablation = ablate(
        config,
        prepared,
        used,
        parts_of(used, names(groups) or None, columns=columns),
        seeds=seeds,
        alone=not columns,
        decides=decide_by,
    )
    show(sheet_of(ablation), md=md, as_json=json, html=html)
