"""The report of a search: one HTML page that loads nothing, in the words of the tuning playbook.

https://github.com/google-research/tuning_playbook
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import TrialState

from cairn.metrics.kpi import PER_ROWS
from cairn.report.card.words import estimate, metric_name, places, tone
from cairn.report.page import embedded, render
from cairn.report.plots.canvas import to_svg
from cairn.report.search.charts import history_figure, importance_figure, parallel_figure, slices_figure
from cairn.settings.search import SAVING
from cairn.studies.search.confirm import Confirmed
from cairn.studies.search.objective import greater_is_better
from cairn.studies.search.plan import Plan
from cairn.studies.search.reading import boundary, importances, levels
from cairn.studies.search.result import rows_of, shown
from cairn.studies.search.space import TUNABLE, Space
from cairn.studies.search.study import DEFAULT, ERROR, ORIGIN, default_trial, failed, finished, ranked

REPORTS = Path("reports/search")


def write_report(
    study: Study, plan: Plan, space: Space, confirmed: Confirmed | None, scientific: Sequence[str]
) -> Path:
    """Write reports/search/NAME.html and return its path.

    Args:
        study: with one complete trial at least.
        plan: of the search.
        space: of the search.
        confirmed: what the seeds said; None where they were not asked.
        scientific: keys of the hyperparameters that are asked about; the others are nuisance.
    """
    template = Path(__file__).with_name("page.html.j2")
    page = render(template, **_content(study, plan, space, confirmed, scientific))
    path = REPORTS / f"{plan.name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def conclusion(study: Study, plan: Plan, confirmed: Confirmed | None) -> list[str]:
    """Return the verdict in sentences: what won, whether it beats luck, and what it does on test."""
    name = objective_name(plan)
    if confirmed is None:
        best = ranked(study)[0]
        where = ", the values in force," if best.user_attrs.get(ORIGIN) == DEFAULT else ""
        return [
            f"trial {best.number}{where} is the best: {name} {best.value:.5g} on validation",
            "one seed says nothing of luck: --top 3 runs the best as experiments under several seeds",
        ]
    winner = confirmed.contenders[confirmed.winner]
    if confirmed.winner == 0:
        return ["keep the values in force: no other is better on validation over the seeds"]
    if confirmed.gain is None or confirmed.gain_on_test is None:
        return [f"{winner.name} is the best on validation; one seed says nothing of luck (search.seeds)"]
    gain, on_test = confirmed.gain, confirmed.gain_on_test
    beats = {
        "better": f"{winner.name} beats the values in force by more than the luck of the seed",
        "unclear": f"cannot tell {winner.name} from the values in force: the seeds differ as much",
        "worse": f"{winner.name} is worse than the values in force",
    }[tone(gain)]
    digits = places([gain, on_test])
    return [
        f"{beats}: {name} gain {estimate(gain, digits)} on validation, over {len(confirmed.seeds)} seeds",
        f"on test, read after the choice: gain {estimate(on_test, digits)}",
    ]


def objective_name(plan: Plan) -> str:
    """Return the objective as people call it, with its unit where it has one."""
    if plan.objective == SAVING:
        return f"saving ({plan.base['kpi']['currency']} per {PER_ROWS:,} rows)"
    return metric_name(plan.objective)


def _content(
    study: Study, plan: Plan, space: Space, confirmed: Confirmed | None, scientific: Sequence[str]
) -> dict[str, Any]:
    best = ranked(study)
    default = default_trial(study)
    found = importances(study, space, plan.base["seed"])
    headline, *sentences = conclusion(study, plan, confirmed)
    how_good = "unclear"
    if confirmed is not None and confirmed.gain is not None:
        how_good = tone(confirmed.gain)
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
        "trials": rows_of(study, plan, space),
        "default_number": None if default is None else str(default.number),
        "contenders": [] if confirmed is None else _contenders(confirmed),
        "seeds": () if confirmed is None else confirmed.seeds,
        "importance": bool(found),
        "hyperparameters": [
            {
                "key": d.key,
                "role": "scientific" if d.key in scientific else "nuisance",
                "words": d.words,
                "default": shown(d.default),
                "best": shown(best[0].params[d.key]),
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
    told = [(f"best {objective_name(plan)}", f"{best.value:.5g}", f"trial {best.number}, one seed")]
    if default is not None:
        told.append(("values in force", f"{default.value:.5g}", f"trial {default.number}"))
    told.append(("trials", str(len(done)), f"{pruned} stopped early, {len(failed(study))} failed"))
    return [{"name": name, "value": value, "note": note} for name, value, note in told]


def _contenders(confirmed: Confirmed) -> list[dict[str, Any]]:
    return [
        {
            "name": contender.name,
            "winner": k == confirmed.winner,
            "validation": f"{np.mean(contender.validation):.5g}",
            "each": ", ".join(f"{value:.5g}" for value in contender.validation),
            # The others were not chosen, so their scores on test are nobody's business.
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
        "parallel": (
            parallel_figure(space.dimensions, best),
            "Every complete trial as a line; the best five are blue, the best one is thick.",
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
    told = [
        ("exploration", f"the values in force and scrambled Sobol points, {settings['startup']} in all"),
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
        ("begun with", " ".join(["conf/", *(f"-S {word}" for word in plan.overrides)])),
        ("identity", ", ".join(f"{name} {digest[:12]}" for name, digest in plan.key.items())),
    ]
    errors = failed(study)
    told += [(f"trial {trial.number}", f"failed: {trial.user_attrs[ERROR]}") for trial in errors]
    return told


def _as_yaml(values: Any) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(values)).rstrip()
