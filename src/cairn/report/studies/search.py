"""What a search found: the table on the terminal, the conclusion, and one HTML page that loads nothing.

The page uses the terms of the tuning playbook, https://github.com/google-research/tuning_playbook
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from optuna.distributions import CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cairn.compose.conf import leaves
from cairn.metrics.paired import Difference, greater_is_better, judged
from cairn.report.plots.canvas import MODEL, OTHERS, TEXT, draw, keep_readable, legend, to_svg
from cairn.report.studies.difference import quantity_title, size, verdict
from cairn.report.studies.sheet import Section, Sheet, to_html
from cairn.report.table import Table, aligned
from cairn.studies.search.confirm import CONFIDENCE, Confirmed
from cairn.studies.search.space import TUNABLE, Dimension, Space
from cairn.studies.search.study import (
    DEFAULT,
    ERROR,
    EXPLORED,
    FOLLOWED,
    KEY,
    ORIGIN,
    TOP,
    Plan,
    at_end,
    default_trial,
    failed,
    finished,
    importances,
    levels,
    ranked,
    value,
)
from cairn.terminal import wrapped

REPORTS = Path("reports/search")
SHOWN = 5
"""Trials in the table."""
COLUMNS = 3
COLOURS = {EXPLORED: OTHERS[0], FOLLOWED: MODEL, DEFAULT: OTHERS[2]}


def write_report(
    study: Study, plan: Plan, space: Space, confirmed: Confirmed | None, scientific: Sequence[str]
) -> Path:
    """Write reports/search/NAME.html, of at least one complete trial, and return its path."""
    found = importances(study, space, plan.base["seed"])
    tone = "unclear"
    if confirmed is not None and confirmed.on_validation is not None:
        tone = _outcome(confirmed.on_validation, plan)
    direction = "highest" if greater_is_better(plan.objective) else "lowest"
    tables = {"Best trials, one seed each": _trials_table(study, plan, space)}
    if confirmed is not None:
        tables[f"Under the seeds {', '.join(map(str, confirmed.seeds))}"] = _contenders_table(confirmed)
    tables["Hyperparameters"] = _hyperparameters_table(study, space, found, scientific)
    for dimension in space.dimensions:
        if dimension.key in scientific:
            tables[f"{dimension.key} by level"] = _levels_table(study, plan, dimension)
    fixed = {name: plan.base[name] for name in (*TUNABLE, "data", "split")}
    sheet = Sheet(
        kind="Search",
        title=f"{plan.name}: which values of {plan.base['model']['name']} give the {direction}"
        f" {_objective_name(plan)} on validation?",
        verdicts=[(f"{text[0].upper()}{text[1:]}.", tone) for text in conclusion(study, plan, confirmed)],
        sections=[
            *(Section(title, content) for title, content in tables.items()),
            Section("Figures", figures=lambda: _figures(study, plan, space)),
            Section(
                "Fixed in all trials, but for the hyperparameters",
                lines=[f"{'.'.join(map(str, key))}: {value}" for key, value in leaves(fixed).items()],
            ),
        ],
        notes=[*_notes(study, confirmed, found), *_how(study, plan)],
    )
    path = REPORTS / f"{plan.name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_html(sheet), encoding="utf-8", newline="\n")
    return path


def conclusion(study: Study, plan: Plan, confirmed: Confirmed | None) -> list[str]:
    """Return the verdict in sentences: what won, whether it beats chance, and what it does on test."""
    name = _objective_name(plan)
    if confirmed is None:
        best = ranked(study)[0]
        where = ", the current values," if best.user_attrs.get(ORIGIN) == DEFAULT else ""
        return [
            f"trial {best.number}{where} is the best: {name} {best.value:.5g} on validation",
            "one seed cannot show how much is chance: --top 3 runs the best under several seeds",
        ]
    winner = confirmed.contenders[confirmed.winner].name
    if confirmed.winner == 0:
        return ["keep the current values: no other is better on validation over the seeds"]
    if confirmed.on_validation is None or confirmed.on_test is None:
        return [f"{winner} is the best on validation; one seed cannot show how much is chance (search.seeds)"]
    return [
        f"{verdict(_outcome(confirmed.on_validation, plan), winner, 'the current values')}:"
        f" {_size(confirmed.on_validation, plan)} on validation, mean over {len(confirmed.seeds)} seeds",
        f"on test, read after the choice: {_size(confirmed.on_test, plan)}",
    ]


def _outcome(difference: Difference, plan: Plan) -> str:
    return judged(difference, plan.objective, 1 - CONFIDENCE)


def _size(difference: Difference, plan: Plan) -> str:
    return size(difference, plan.objective, plan.base["kpi"].get("currency"))


def _objective_name(plan: Plan) -> str:
    return quantity_title(plan.objective, plan.base["kpi"].get("currency"))


def table(study: Study, plan: Plan, space: Space) -> list[str]:
    """Return the lines for the terminal: the best few trials and, below them, the current values."""
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    direction = "higher" if greater_is_better(plan.objective) else "lower"
    count = f"{len(ranked(study))} trials complete, {pruned} stopped early, {len(failed(study))} failed"
    heading = f"search {plan.name}: {plan.objective} on validation, {direction} is better; {count}"
    return [*wrapped(heading), *aligned(_trials_table(study, plan, space))]


def _trials_table(study: Study, plan: Plan, space: Space) -> Table:
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
        return "not applicable to a choice"
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


def _contenders_table(confirmed: Confirmed) -> Table:
    rows = [
        [
            contender.name,
            f"{np.mean(contender.validation):.5g}",
            ", ".join(f"{value:.5g}" for value in contender.validation),
            # The others were not chosen, so their scores on test are not read.
            f"{np.mean(contender.test):.5g}" if k in (0, confirmed.winner) else "",
            ", ".join(contender.experiments),
        ]
        for k, contender in enumerate(confirmed.contenders)
    ]
    return Table(["", "mean on validation", "each seed", "mean on test", "experiments"], rows)


def _hyperparameters_table(
    study: Study, space: Space, found: Mapping[str, float], scientific: Sequence[str]
) -> Table:
    best = ranked(study)
    rows = [
        [
            d.key,
            "scientific" if d.key in scientific else "nuisance",
            d.words,
            _shown(d.default),
            _shown(best[0].params[d.key]),
            f"{found.get(d.key, 0):.0%}" if found else "",
            boundary(d, best),
        ]
        for d in space.dimensions
    ]
    header = ["key", "role", "space", "current", "best trial", "importance", "on the boundary?"]
    return Table(header, rows, words=True)


def _levels_table(study: Study, plan: Plan, dimension: Dimension) -> Table:
    found = levels(dimension, ranked(study), greater=greater_is_better(plan.objective))
    rows = [[one.name, str(one.trials), f"{one.best:.5g}", str(one.best_trial)] for one in found]
    return Table(["level", "trials", f"best {_objective_name(plan)}", "trial"], rows)


def _figures(study: Study, plan: Plan, space: Space) -> list[tuple[str, str]]:
    history = _history(study, plan)
    slices = _slices(space.dimensions, ranked(study), _objective_name(plan))
    return [
        ("Every complete trial, where its point came from, and the best so far.", to_svg(history)),
        ("Every complete trial over each hyperparameter by itself; the best is ringed.", to_svg(slices)),
    ]


def _history(study: Study, plan: Plan) -> Figure:
    figure, (axes,) = draw(6.6, 3.6)
    complete = [trial for trial in finished(study) if trial.state == TrialState.COMPLETE]
    numbers, values = [t.number for t in complete], np.array([value(t) for t in complete])
    best = (np.maximum if greater_is_better(plan.objective) else np.minimum).accumulate(values)
    axes.step(numbers, best, where="post", color=TEXT, linewidth=1.2, label="best so far")
    for origin, colour in COLOURS.items():
        mine = {t.number: value(t) for t in complete if t.user_attrs.get(ORIGIN) == origin}
        if mine:
            shape = "D" if origin == DEFAULT else "o"
            axes.plot(list(mine), list(mine.values()), shape, color=colour, markersize=6, label=origin)
    axes.set(xlabel="trial", ylabel=_objective_name(plan))
    keep_readable(axes, values, shown=[best[-1]])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes, loc="best")
    return figure


def _slices(dimensions: Sequence[Dimension], best: Sequence[FrozenTrial], objective: str) -> Figure:
    columns = min(COLUMNS, len(dimensions))
    rows = math.ceil(len(dimensions) / columns)
    figure, all_axes = draw(2.9 * columns + 0.4, 2.5 * rows, rows=(1.0,) * rows, columns=(1.0,) * columns)
    values = [value(trial) for trial in best]
    colours = [COLOURS.get(trial.user_attrs.get(ORIGIN), TEXT) for trial in best]
    for axes, dimension in zip(all_axes, dimensions, strict=False):
        parameters = [trial.params[dimension.key] for trial in best]
        if isinstance(dimension.distribution, CategoricalDistribution):
            names = dimension.distribution.choices
            parameters = [names.index(parameter) for parameter in parameters]
            axes.set_xticks(range(len(names)), [str(name) for name in names], fontsize=8)
            axes.set_xlim(-0.5, len(names) - 0.5)
        elif dimension.distribution.log:
            axes.set_xscale("log")
            ticks = np.geomspace(dimension.distribution.low, dimension.distribution.high, 3)
            axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
            axes.xaxis.set_minor_locator(NullLocator())
        axes.scatter(parameters, values, c=colours, s=22, linewidths=0)
        axes.plot(parameters[0], values[0], "o", color=MODEL, markersize=11, markerfacecolor="none")
        axes.set_xlabel(dimension.key.rpartition(".")[2], fontsize=9)
        axes.tick_params(labelsize=8)
        keep_readable(axes, values, shown=[values[0]])
    for row in range(rows):
        all_axes[row * columns].set_ylabel(objective, fontsize=9)
    for axes in all_axes[len(dimensions) :]:
        axes.set_visible(False)
    return figure


def _notes(study: Study, confirmed: Confirmed | None, found: Mapping[str, float]) -> list[str]:
    done = finished(study)
    pruned = sum(trial.state == TrialState.PRUNED for trial in done)
    lines = [
        f"{len(done)} trials, {pruned} stopped early, {len(failed(study))} failed. Each has one seed, and the"
        " best of many trials on the same rows is partly chance.",
        "A scientific hyperparameter is one you want to learn about (--scientific KEY): each of its levels is"
        " shown at its best over the others. A nuisance one is tuned to make that fair. The fixed ones are"
        " the same in all trials.",
        "Importance is the share of the objective's variance over the space that a hyperparameter explains by"
        " itself (fANOVA)."
        if found
        else "There are too few complete trials to compute importances.",
    ]
    if confirmed is not None:
        lines.append("The mean on validation over the seeds decides; test is read after that, for two only.")
    return lines


def _how(study: Study, plan: Plan) -> list[str]:
    settings = plan.base["search"]
    early = (
        f"The worst {settings['prune']:.0%} of the trials are stopped at iterations 1, 2, 4, 8, … by the loss"
        f" on validation, not in the first {settings['warmup']:.0%} of the iterations and not before"
        f" {settings['startup']} trials are complete."
    )
    return [
        f"Exploration: the current values and scrambled Sobol points, {settings['startup']} in all."
        " Exploitation: TPE over all hyperparameters together, running trials counted as bad.",
        early if settings["prune"] else "No trial is stopped early.",
        "Models are fitted on train and judged on validation; no trial can read test.",
        f"Started with {' '.join(['conf/', *(f'-S {word}' for word in plan.overrides)])};"
        f" {', '.join(f'{name} {digest[:12]}' for name, digest in study.user_attrs[KEY].items())}.",
        *(f"Trial {trial.number} failed: {trial.user_attrs[ERROR]}" for trial in failed(study)),
    ]
