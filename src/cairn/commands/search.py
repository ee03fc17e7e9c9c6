"""`cairn search`."""

from importlib.util import find_spec
from math import ceil

from typer import Option

from cairn.commands.options import Engine, Workers, names
from cairn.errors import UserError


def main(
    *,
    settings: list[str] | None = Option(
        None,
        "-S",
        metavar="KEY=VALUE",
        help="Fix a value (model=mlp), or vary one: KEY='interval(0.1, 1)', KEY=a,b (repeatable)",
    ),
    trials: int | None = Option(None, metavar="N", help="Trials to finish", show_default="search.trials"),
    workers: Workers = None,
    name: str | None = Option(None, metavar="NAME", help="Name of the search", show_default="the model's"),
    storage: str | None = Option(
        None,
        metavar="URL",
        help="Optuna storage, such as postgresql+psycopg://user@host/base",
        show_default="a journal file of this checkout",
    ),
    on: Engine = "local",
    top: int | None = Option(
        None, metavar="K", help="Best trials to run as experiments", show_default="search.top"
    ),
    seeds: int | None = Option(None, metavar="N", help="Seeds for each of them", show_default="search.seeds"),
    scientific: list[str] | None = Option(
        None, metavar="KEY,KEY", help="Hyperparameters whose values the report compares one by one"
    ),
    save_as: str | None = Option(None, metavar="NAME", help="Keep the best as conf/experiment/NAME.yaml"),
    worker: str | None = Option(None, hidden=True),
) -> None:
    """Tune the hyperparameters of the current model on validation.

    `space` in conf/model/NAME.yaml says what may vary. The best trials are
    run again under several seeds. If the search is killed, the same command
    resumes it.

    Examples:
      cairn search --trials 5 --top 0                 a quick look
      cairn search -S model=mlp --trials 50           another model
      cairn search -S 'model.params.learning_rate=interval(0.01, 0.3)'
      cairn search --save-as best_gbdt                keep the best settings
    """
    if find_spec("optuna") is None:
        raise UserError("a search needs Optuna: pip install -c constraints-dev.txt -e .[search]")
    if worker:
        from cairn.studies.search.worker import work

        work(worker)
        return
    from cairn.compose.conf import compose
    from cairn.compose.params_file import CONF, check_name, save_preset
    from cairn.experiments.engines import crew_size
    from cairn.report.studies.search import conclusion, table, write_report
    from cairn.studies.protocol import prepare
    from cairn.studies.search import driver
    from cairn.studies.search.confirm import confirm, contenders
    from cairn.studies.search.space import split_words
    from cairn.studies.search.study import check_scientific, ranked
    from cairn.terminal import folded

    if save_as:
        check_name(CONF, save_as)
    shortcuts = {"trials": trials, "top": top, "seeds": seeds}
    words = [*(settings or []), *(f"search.{key}={n}" for key, n in shortcuts.items() if n is not None)]
    plan, space = driver.make_plan(words, name=name, storage=storage)
    keys = names(scientific)
    check_scientific(keys, space)
    crew = crew_size(workers, on, plan.base["threads"])
    prepare(split_words(words)[0])
    runs, count = plan.base["search"]["top"], plan.base["search"]["seeds"]
    if runs:
        said = (
            f"after {plan.trials} trials, the best {runs} and the current settings run as"
            f" {(runs + 1) * count} full experiments ({count} seeds each), {crew} side by side: as long as"
            f" {ceil((runs + 1) * count / crew)} times `dvc exp run`; --top 0 runs none"
        )
        print(folded(said), flush=True)
    study = driver.run(plan, space, workers=crew, engine=on)
    print("\n".join(table(study, plan, space)))

    few = contenders(study, plan, space, max(runs, 1))
    confirmed = confirm(plan, few, workers=crew, engine=on) if runs and len(few) > 1 else None
    print(folded("\n".join(conclusion(study, plan, confirmed))))
    print(f"report: {write_report(study, plan, space, confirmed, keys).as_posix()}")
    if confirmed is not None:
        best = confirmed.contenders[confirmed.winner]
    else:
        best = few[0] if ranked(study)[0].params == space.default else few[1]
    if save_as:
        path = save_preset(CONF, save_as, compose(CONF, best.overrides))
        print(
            folded(f"{path.as_posix()} = {best.name}; select it with `dvc exp run -S experiment={save_as}`")
        )
    elif best.number is not None:
        print("keep: the same command with --save-as NAME writes conf/experiment/NAME.yaml")
