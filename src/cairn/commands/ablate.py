"""`cairn ablate`."""

from pathlib import Path

from typer import Option

from cairn.commands.options import DecideBy, Html, Json, Markdown, Settings, check_output, names, show


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
    check_output(md, json, html)
    from cairn.data.parts import load_prepared
    from cairn.report.studies.ablation import sheet_of
    from cairn.settings.config import Config
    from cairn.settings.contract import Contract, read_contract
    from cairn.studies.ablation import Parts, ablate, groups_in_use, parts_of
    from cairn.studies.protocol import deciding, prepare

    def parts(contract: Contract, config: Config) -> tuple[Parts, Parts]:
        used = groups_in_use(contract, config)
        return used, parts_of(used, names(groups) or None, columns=columns)

    def check(config: Config) -> None:
        deciding(config, decide_by)
        parts(read_contract(Path(config.data.contract)), config)

    config = prepare(settings or [], check)
    prepared = load_prepared(Path())
    used, chosen = parts(prepared.contract, config)
    ablation = ablate(
        config,
        prepared,
        used,
        chosen,
        seeds=seeds,
        alone=not columns,
        decides=decide_by,
    )
    show(sheet_of(ablation), md=md, as_json=json, html=html)
