"""What a search found: the table on the terminal, the conclusion, and one HTML page that loads nothing.

The page uses the terms of the tuning playbook, https://github.com/google-research/tuning_playbook
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cairn.metrics.paired import Difference, greater_is_better, judged
from cairn.report.page import embedded, render
from cairn.report.plots.canvas import to_svg
from cairn.report.studies.difference import quantity_title, size, verdict
from cairn.report.studies.search_figures import history_figure, importance_figure, slices_figure
from cairn.report.table import Table, aligned
from cairn.studies.search.confirm import CONFIDENCE, Confirmed
from cairn.studies.search.dimension import Dimension
from cairn.studies.search.plan import Plan
from cairn.studies.search.reading import TOP, at_end, importances, levels
from cairn.studies.search.space import TUNABLE, Space
from cairn.studies.search.study import DEFAULT, ERROR, ORIGIN, default_trial, failed, finished, ranked

REPORTS = Path("reports/search")
SHOWN = 5
"""Trials in the table."""


def write_report(
    study: Study, plan: Plan, space: Space, confirmed: Confirmed | None, scientific: Sequence[str]
) -> Path:
    """Write reports/search/NAME.html and return its path.

    Args:
        study: with one complete trial at least.
        plan: of the search.
        space: of the search.
        confirmed: the experiments under several seeds; None where there were none.
        scientific: keys of the scientific hyperparameters; the others are nuisance.
    """
    template = Path(__file__).with_name("search.html.j2")
    page = render(template, **_content(study, plan, space, confirmed, scientific))
    path = REPORTS / f"{plan.name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def conclusion(study: Study, plan: Plan, confirmed: Confirmed | None) -> list[str]:
    """Return the verdict in sentences: what won, whether it beats chance, and what it does on test."""
    name = objective_name(plan)
    if confirmed is None:
        best = ranked(study)[0]
        where = ", the current values," if best.user_attrs.get(ORIGIN) == DEFAULT else ""
        return [
            f"trial {best.number}{where} is the best: {name} {best.value:.5g} on validation",
            "one seed does not show what is chance: --top 3 runs the best as experiments under several seeds",
        ]
    winner = confirmed.contenders[confirmed.winner].name
    if confirmed.winner == 0:
        return ["keep the current values: no other is better on validation over the seeds"]
    if confirmed.on_validation is None or confirmed.on_test is None:
        return [f"{winner} is the best on validation; one seed does not show what is chance (search.seeds)"]
    return [
        f"{verdict(_outcome(confirmed.on_validation, plan), winner, 'the current values')}:"
        f" {_size(confirmed.on_validation, plan)} on validation, mean over {len(confirmed.seeds)} seeds",
        f"on test, read after the choice: {_size(confirmed.on_test, plan)}",
    ]


def _outcome(difference: Difference, plan: Plan) -> str:
    return judged(difference, plan.objective, 1 - CONFIDENCE)


def _size(difference: Difference, plan: Plan) -> str:
    return size(difference, plan.objective, plan.base["kpi"].get("currency"))


def objective_name(plan: Plan) -> str:
    """Return the usual name of the objective, with its unit where it has one."""
    return quantity_title(plan.objective, plan.base["kpi"].get("currency"))


def table(study: Study, plan: Plan, space: Space) -> list[str]:
    """Return the lines for the terminal: the best few trials and, below them, the current values."""
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    direction = "higher" if greater_is_better(plan.objective) else "lower"
    count = f"{len(ranked(study))} trials complete, {pruned} stopped early, {len(failed(study))} failed"
    heading = f"search {plan.name}: {plan.objective} on validation, {direction} is better; {count}"
    return [heading, *aligned(trials_table(study, plan, space))]


def trials_table(study: Study, plan: Plan, space: Space) -> Table:
    """Return the best few trials, the current values among them or last."""
    best, default = ranked(study)[:SHOWN], default_trial(study)
    listed = best if default is None or default in best else [*best, default]
    heads = ["trial", plan.objective, *(d.key.rpartition(".")[2] for d in space.dimensions), ""]
    rows = [
        [
            str(trial.number),
            "" if trial.value is None else f"{trial.value:.5g}",
            *(_shown(trial.params[d.key]) for d in space.dimensions),
            "current values" if trial == default else "",
        ]
        for trial in listed
    ]
    return Table(heads, rows)


def boundary(dimension: Dimension, best: Sequence[FrozenTrial]) -> str:
    """Say whether the best point is on the boundary, and how many of the best few are there with it."""
    if isinstance(dimension.distribution, CategoricalDistribution):
        return "a choice has no ends"
    ends = [at_end(dimension, trial.params[dimension.key]) for trial in best[:TOP]]
    first = ends[0]
    if first is None:
        return "inside"
    low = first == "lower"
    end = dimension.distribution.low if low else dimension.distribution.high
    return (
        f"at the {first} end, {end:g}, with {ends.count(first)} of the best {len(ends)}:"
        f" search {'lower' if low else 'higher'} too, unless nothing lies beyond"
    )


def _shown(parameter: Any) -> str:
    return f"{parameter:.4g}" if isinstance(parameter, float) else str(parameter)


def _content(
    study: Study, plan: Plan, space: Space, confirmed: Confirmed | None, scientific: Sequence[str]
) -> dict[str, Any]:
    best = ranked(study)
    found = importances(study, space, plan.base["seed"])
    headline, *sentences = conclusion(study, plan, confirmed)
    how_good = "unclear"
    if confirmed is not None and confirmed.on_validation is not None:
        how_good = _outcome(confirmed.on_validation, plan)
    return {
        "name": plan.name,
        "model": plan.base["model"]["name"],
        "objective": objective_name(plan),
        "greater": greater_is_better(plan.objective),
        "verdict": {
            "tone": how_good,
            "headline": _sentence(headline),
            "sentences": [_sentence(text) for text in sentences],
        },
        "facts": _facts(study, plan),
        "trials": trials_table(study, plan, space),
        "contenders": [] if confirmed is None else _contenders(confirmed),
        "seeds": () if confirmed is None else confirmed.seeds,
        "importance": bool(found),
        "hyperparameters": [
            {
                "key": d.key,
                "role": "scientific" if d.key in scientific else "nuisance",
                "words": d.words,
                "default": _shown(d.default),
                "best": _shown(best[0].params[d.key]),
                "importance": f"{found.get(d.key, 0):.0%}",
                "boundary": boundary(d, best),
            }
            for d in space.dimensions
        ],
        "levels": {
            d.key: levels(d, best, greater=greater_is_better(plan.objective))
            for d in space.dimensions
            if d.key in scientific
        },
        "figures": _figures(study, plan, space, found),
        "fixed": {name: _as_yaml(plan.base[name]) for name in (*TUNABLE, "data", "split")},
        "how": _how(study, plan),
    }


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _facts(study: Study, plan: Plan) -> list[dict[str, str]]:
    best, default, done = ranked(study)[0], default_trial(study), finished(study)
    pruned = sum(trial.state == TrialState.PRUNED for trial in done)
    facts = [(f"best {objective_name(plan)}", f"{best.value:.5g}", f"trial {best.number}, one seed")]
    if default is not None:
        facts.append(("current values", f"{default.value:.5g}", f"trial {default.number}"))
    facts.append(("trials", str(len(done)), f"{pruned} stopped early, {len(failed(study))} failed"))
    return [{"name": name, "value": value, "note": note} for name, value, note in facts]


def _contenders(confirmed: Confirmed) -> list[dict[str, Any]]:
    return [
        {
            "name": contender.name,
            "winner": k == confirmed.winner,
            "validation": f"{np.mean(contender.validation):.5g}",
            "each": ", ".join(f"{value:.5g}" for value in contender.validation),
            # The others were not chosen, so their scores on test are not read.
            "test": f"{np.mean(contender.test):.5g}" if k in (0, confirmed.winner) else "",
            "experiments": ", ".join(contender.experiments),
        }
        for k, contender in enumerate(confirmed.contenders)
    ]


def _figures(study: Study, plan: Plan, space: Space, found: Mapping[str, float]) -> list[dict[str, Any]]:
    from markupsafe import Markup

    best, name = ranked(study), objective_name(plan)
    made = {
        "history": (
            history_figure(finished(study), name, greater=greater_is_better(plan.objective)),
            "Every trial, where its point came from, and the best so far.",
        ),
        "slices": (
            slices_figure(space.dimensions, best, name),
            "Every complete trial over each hyperparameter by itself; the best is ringed.",
        ),
    }
    if found:
        made["importance"] = (
            importance_figure(found),
            "Share of the objective's variance over the space that each one explains by itself (fANOVA).",
        )
    return [
        {"svg": Markup(embedded(to_svg(figure), key)), "caption": caption}
        for key, (figure, caption) in made.items()
    ]


def _how(study: Study, plan: Plan) -> list[tuple[str, str]]:
    settings = plan.base["search"]
    rows = [
        ("exploration", f"the current values and scrambled Sobol points, {settings['startup']} in all"),
        ("exploitation", "then TPE, all hyperparameters together, running trials counted as bad"),
        (
            "early stopping",
            f"the worst {settings['prune']:.0%} at iterations 1, 2, 4, 8, … by the loss on validation, not"
            f" in the first {settings['warmup']:.0%} of the iterations and not before"
            f" {settings['startup']} trials were complete"
            if settings["prune"]
            else "none",
        ),
        ("rows", "fitted on train, judged on validation; no trial can read test"),
        ("started with", " ".join(["conf/", *(f"-S {word}" for word in plan.overrides)])),
        ("identity", ", ".join(f"{name} {digest[:12]}" for name, digest in plan.key.items())),
    ]
    errors = failed(study)
    rows += [(f"trial {trial.number}", f"failed: {trial.user_attrs[ERROR]}") for trial in errors]
    return rows


def _as_yaml(values: Any) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(values)).rstrip()
