"""Look for better values of the model in force, on validation."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from cairn.errors import UserError
from cairn.experiments.engines.start import ENGINES, crew_size

CONF = Path("conf")


def main(*arguments: str) -> None:
    """Run a search, or go on with it; print what is best and write the report.

    Raises:
        UserError: something in conf/ or the words cannot work, or the search cannot go on.
    """
    if find_spec("optuna") is None:
        raise UserError("a search needs Optuna: pip install -c constraints-dev.txt -e .[search]")
    asked = _parsed(arguments)
    if asked.worker:
        from cairn.studies.search.worker import work

        work(asked.worker)
    else:
        _search(asked)


def _search(asked: argparse.Namespace) -> None:
    from cairn.compose.conf import compose
    from cairn.compose.presets import check_name, save_preset
    from cairn.report.studies.search import conclusion, table, write_report
    from cairn.studies.search import driver
    from cairn.studies.search.confirm import confirm, contenders
    from cairn.studies.search.reading import check_scientific
    from cairn.studies.search.study import ranked
    from cairn.studies.trial import prepare_data

    if asked.save_as:
        check_name(CONF, asked.save_as)
    prepare_data()
    shortcuts = {"trials": asked.trials, "top": asked.top, "seeds": asked.seeds}
    shortcut_words = [f"search.{key}={value}" for key, value in shortcuts.items() if value is not None]
    plan, space = driver.make_plan([*asked.word, *shortcut_words], name=asked.name, storage=asked.storage)
    check_scientific(asked.scientific, space)
    workers = crew_size(asked.workers, asked.on, plan.base["threads"])
    study = driver.run(plan, space, workers=workers, engine=asked.on)
    print("\n".join(table(study, plan, space)))

    top = plan.base["search"]["top"]
    few = contenders(study, plan, space, max(top, 1))
    confirmed = confirm(plan, few, workers=workers, engine=asked.on) if top and len(few) > 1 else None
    print("\n".join(conclusion(study, plan, confirmed)))
    print(f"report: {write_report(study, plan, space, confirmed, asked.scientific).as_posix()}")
    if confirmed is not None:
        best = confirmed.contenders[confirmed.winner]
    else:
        best = few[0] if ranked(study)[0].params == space.default else few[1]
    if asked.save_as:
        path = save_preset(CONF, asked.save_as, compose(CONF, best.overrides))
        print(f"{path.as_posix()} = {best.name}; select it with dvc exp run -S experiment={asked.save_as}")
    elif best.number is not None:
        print("keep: the same command with --save-as NAME writes conf/experiment/NAME.yaml")


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "cairn search",
        allow_abbrev=False,
        description="Look for better values of the model in force. What may vary is `space` in its file in"
        " conf/model; best is what is best on validation. Killed at any time, the same command goes on.",
    )
    add = parser.add_argument
    # fmt: off
    add("-S", dest="word", action="append", default=[], metavar="KEY=VALUE",
        help="fix a value (model=mlp), or vary one: KEY=interval(0.1, 1), KEY=a,b (may be repeated)")
    add("--trials", type=int, metavar="N", help="trials to finish (default: search.trials)")
    add("--workers", type=int, metavar="N", help="side by side (default: cores // threads)")
    add("--name", help="of the search (default: that of the model)")
    add("--storage", metavar="URL", help="an Optuna storage, such as postgresql+psycopg://user@host/base"
        " (default: a journal file of this checkout)")
    add("--on", default="local", choices=ENGINES, help="where the workers run (default: local)")
    add("--top", type=int, metavar="K", help="best trials to run as experiments (default: search.top)")
    add("--seeds", type=int, metavar="N", help="seeds for each of them (default: search.seeds)")
    add("--scientific", action="append", default=[], metavar="KEY",
        help="a hyperparameter the report shall compare level by level (may be repeated)")
    add("--save-as", metavar="NAME", help="keep the winner as conf/experiment/NAME.yaml")
    add("--worker", metavar="NAME", help="be a worker of this search; the search starts these by itself")
    # fmt: on
    return parser.parse_args(arguments)
