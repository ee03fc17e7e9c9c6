"""Look for better values of the model in force, on validation: `cairn search`."""

import argparse
from importlib.util import find_spec

from cairn.config.base import ConfigError
from cairn.engines.start import ENGINES


def main(*arguments: str) -> None:
    """Run a search, or go on with it, and print what is best.

    Raises:
        ConfigError: something in conf/ or the words cannot work, or the search cannot go on.
    """
    if find_spec("optuna") is None:
        raise ConfigError("a search needs Optuna: pip install -c constraints-dev.txt -e .[search]")
    asked = _parsed(arguments)
    if asked.worker:
        from cairn.search.worker import work

        work(asked.worker)
        return
    from cairn.search import driver

    driver.prepare_data()
    plan, space = driver.make_plan(asked.word, name=asked.name, storage=asked.storage, trials=asked.trials)
    workers = asked.workers or driver.default_workers(plan.base["threads"])
    study = driver.run(plan, space, workers=workers, engine=asked.on)
    from cairn.search.result import table

    print("\n".join(table(study, plan, space)))


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "cairn search",
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
    add("--worker", metavar="NAME", help="be a worker of this search; the search starts these by itself")
    # fmt: on
    return parser.parse_args(arguments)
