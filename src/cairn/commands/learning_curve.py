"""`cairn learning-curve`."""

from pathlib import Path
from typing import Literal

from typer import Option

from cairn.commands.options import DecideBy, Html, Json, Markdown, Settings, check_output, show


def main(
    *,
    settings: Settings = None,
    by: Literal["recent", "random"] | None = Option(
        None,
        help="Smaller sets are the latest rows (would a longer history help?) or random rows, groups or"
        " blocks of time (would more of the same help?)",
        show_default="recent for a split by time, else random",
    ),
    points: int = Option(6, metavar="N", min=2, help="Number of sizes, each half of the next"),
    seeds: int = Option(5, metavar="N", min=1, help="Seeds per size"),
    decide_by: DecideBy = None,
    md: Markdown = False,
    json: Json = False,
    html: Html = None,
) -> None:
    """Estimate whether more data would help.

    Fits the model on all training rows, on half of them, on a quarter and so
    on, under several seeds, and compares the predictions for the same
    validation rows. Test is never read.

    Examples:
      cairn learning-curve                                     6 sizes, 5 seeds
      cairn learning-curve -S model=logistic --points 3 --seeds 1      a quick look
      cairn learning-curve --by random                         more of the same?
    """
    check_output(md, json, html)
    from cairn.data.parts import load_prepared
    from cairn.report.studies.learning_curve import sheet_of
    from cairn.settings.config import Config
    from cairn.studies.learning_curve import learning_curve, order_of
    from cairn.studies.protocol import deciding, prepare

    def check(config: Config) -> None:
        deciding(config, decide_by)
        order_of(config, by)

    config = prepare(settings or [], check)
    curve = learning_curve(
        config,
        load_prepared(Path()),
        by=order_of(config, by),
        points=points,
        seeds=seeds,
        decides=decide_by,
    )
    show(sheet_of(curve), md=md, as_json=json, html=html)
