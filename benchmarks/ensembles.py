"""Which ensemble suits the flights, chosen on six months before test, and what it scores on test.

    python benchmarks/ensembles.py choose      after `dvc repro split`; compares candidates without test
    python benchmarks/ensembles.py report      the shipped presets beside single models, on test, three seeds

`choose` fits every model of MODELS with two seeds before each of PERIODS, six months in all: the last two are
validation, the others train. A candidate is a set of models, with one seed or two; its weights are equal, or
chosen greedily on one month of the period and judged on the other, both ways round. Early stopping has seen
the period, in every candidate alike.

`report` fits the members of the presets and every single model on train, then again on train and validation
(train.refit: validation), and scores test. An interval of a difference is paired, by whole days, and holds
the spread between seeds too (see cairn.metrics.paired). Fitted models are kept in --folder, so a second run
goes on where the first one ended.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from cairn.compose.conf import compose
from cairn.data.parts import Prepared, load_prepared
from cairn.data.tables import read_table
from cairn.metrics.evaluation import time_blocks
from cairn.metrics.paired import EvaluationSet, Predictor, Scores, difference_of, mean_score, score_fits
from cairn.models.ensemble import chosen_weights, member, names_of
from cairn.models.package import Package
from cairn.models.recipe import Recipe
from cairn.models.resume import once
from cairn.run_stage import use_threads
from cairn.settings.config import Config
from cairn.settings.model import EnsembleConfig, ModelConfig

CONF = Path("conf")
PRESETS = ("flights_ensemble_libraries", "flights_ensemble")
"""Experiments of conf/ that `report` scores; the first one is the best."""
MODELS = {
    "hist_gbdt": ["model=hist_gbdt"],
    "lightgbm": ["model=lightgbm"],
    "xgboost": ["model=xgboost"],
    "catboost": ["model=catboost"],
    "mlp, bins=0": ["model=mlp", "model.params.bins=0"],
}
"""What `choose` fits, by name: the overrides that name a model."""
PERIODS = (("2013-05-01", "2013-07-01"), ("2013-07-01", "2013-09-01"), ("2013-09-01", "2013-11-01"))
"""Two months each, predicted by models that were fitted on all earlier rows but those of the day before."""
GAP = pd.Timedelta("1D")
SHOWN = 12
SINGLE = ("lightgbm", "xgboost", "catboost")
"""Single models that `report` compares the presets with, beside their own members."""
THREADS = "2"
"""As in conf/config.yaml: the last digits of a network depend on them."""
DEFAULT = "hist_gbdt, refitted"
"""What conf/ composes to."""
QUANTITIES = ("roc_auc", "log_loss")
RESAMPLES = 1000
Floats = NDArray[np.float64]


def recipe_of(prepared: Prepared, overrides: Sequence[str], seed: int) -> Recipe:
    """Return the recipe that conf/ composes to under overrides."""
    config = Config.model_validate(compose(CONF, overrides).values)
    return Recipe(
        prepared.contract, config.data, config.features, config.model, config.train, seed, config.threads
    )


def fitted(recipe: Recipe, prepared: Prepared, name: str, folder: Path, *, again: bool) -> Package:
    """Fit a single model on train, or (again) on train and validation; what is in the folder is loaded."""
    assert isinstance(recipe.model, ModelConfig)
    file = folder / f"{name.replace(', ', '-')}-{recipe.seed}.pt"
    trust, started, at = recipe.model.trusted, time.process_time(), time.monotonic()
    known = file.with_suffix("").exists()
    fit = partial(recipe.fit, prepared.train, prepared.validation, snapshot=file)
    package = once(fit, file, trust)
    if again:
        file = file.with_stem(f"{file.stem}-refitted")
        known = file.with_suffix("").exists()
        both = prepared.train, prepared.validation
        package = once(partial(recipe.refit, package, *both, snapshot=file), file, trust)
    if not known:
        cpu, wall = time.process_time() - started, time.monotonic() - at
        print(f"fitted {file.stem}: {cpu:.0f} CPU seconds, {wall:.0f} s", flush=True)
    return package


def rows_of(package: Package, table, recipe: Recipe) -> EvaluationSet:
    """Return the rows of a table as models are compared on them: whole days are drawn."""
    assert recipe.data.time is not None
    blocks = time_blocks(table[recipe.data.time], "1D")
    y = package.encode(table[package.target])
    return EvaluationSet(package.task, y, blocks, None, RESAMPLES, 2013, 0.95)


def mixture(scores: Sequence[Floats], weights: Floats) -> Floats:
    """Return the weighted mean."""
    return sum(weight * each for weight, each in zip(weights, scores, strict=True))  # ty: ignore


def told(names: Sequence[str], weights: Floats) -> str:
    """Return the members that have a weight."""
    return ", ".join(f"{name} {w:.2f}" for name, w in zip(names, weights, strict=True) if w)


def lines(rows: EvaluationSet, fits: Mapping[str, Sequence[Floats]], other: str) -> None:
    """Print one line per way of fitting: its scores, and what they are more than those of the other."""
    every = score_fits(rows, [[Predictor(one) for one in each] for each in fits.values()], QUANTITIES)
    scores: dict[str, Scores] = dict(zip(fits, every, strict=True))
    print(f"| model | ROC AUC | log loss | ROC AUC less {other}'s | log loss less {other}'s |")
    print("|---|---|---|---|---|")
    for name, each in scores.items():
        cells = []
        for quantity in QUANTITIES:
            score = mean_score(rows, each, quantity)
            cells.append(f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]")
        for quantity in QUANTITIES:
            d = difference_of(rows, scores[other], each, quantity)
            cells.append("" if name == other else f"{d.difference:+.4f} [{d.low:+.4f}, {d.high:+.4f}]")
        print(f"| {name} | {' | '.join(cells)} |")


def parts_at(prepared: Prepared, time: str, first: pd.Timestamp, last: pd.Timestamp) -> Prepared:
    """Return the rows before `first`, but for those of one day, as train, and up to `last` as validation."""
    rows = pd.concat([prepared.train, prepared.validation], ignore_index=True)
    train = rows[rows[time] < first - GAP]
    return replace(prepared, train=train, validation=rows[rows[time].between(first, last, "left")])


def candidates() -> list[tuple[str, ...]]:
    """Return the members of every candidate: two or more of MODELS, each with one seed or with two."""
    sets = [some for size in range(2, len(MODELS) + 1) for some in combinations(MODELS, size)]
    return [*sets, *(tuple(f"{name}{more}" for name in some for more in ("", "#2")) for some in sets)]


def choose(folder: Path, seed: int) -> None:
    """Print what every candidate reaches in PERIODS; test is not read."""
    prepared, judged = load_prepared(), []
    found: dict[str, list[Floats]] = {}
    for start, end in PERIODS:
        first, last = pd.Timestamp(start), pd.Timestamp(end)
        scores: dict[str, Floats] = {}
        for model, number in product(MODELS, (seed, seed + 1)):
            recipe = recipe_of(prepared, MODELS[model], number)
            assert recipe.data.time is not None
            parts = parts_at(prepared, recipe.data.time, first, last)
            package = fitted(recipe, parts, model, folder / start, again=False)
            scores[model if number == seed else f"{model}#2"] = package.scores(parts.validation)
        judged.append(parts.validation)
        rows = rows_of(package, parts.validation, recipe)
        late = (parts.validation[recipe.data.time] >= first + pd.DateOffset(months=1)).to_numpy()
        tried = {name: each for name, each in scores.items() if "#" not in name}
        for names in candidates():
            some = [scores[name] for name in names]
            tried[f"{' + '.join(names)}, weights greedy"] = across(some, rows, late)
            tried[f"{' + '.join(names)}, weights equal"] = np.mean(some, axis=0)
        for name, each in tried.items():
            found.setdefault(name, []).append(each)
    rows = rows_of(package, pd.concat(judged, ignore_index=True), recipe)
    fits = {name: np.concatenate(each) for name, each in found.items()}
    order = sorted(fits, key=lambda name: log_loss(rows.y, fits[name]))
    print(f"\n{len(fits)} models and ensembles on {len(rows.y):,} rows, the least log loss first\n")
    plain = [name for name in order if name in MODELS or not any(library in name for library in SINGLE)]
    shown = [name for at, name in enumerate(order) if at < SHOWN or name in plain]
    lines(rows, {name: [fits[name]] for name in shown}, "hist_gbdt")


def across(scores: Sequence[Floats], rows: EvaluationSet, half: NDArray[np.bool_]) -> Floats:
    """Return the mixture with weights chosen on one half of the rows for the other, both ways round."""
    found = np.empty(len(half))
    for judged in (half, ~half):
        weights = chosen_weights([each[~judged] for each in scores], rows.y[~judged], rows.task, 50)
        found[judged] = mixture([each[judged] for each in scores], weights)
    return found


def report(folder: Path, seeds: Sequence[int], single: Sequence[str]) -> None:
    """Print what the shipped presets and the single models reach on test."""
    prepared = load_prepared()
    test = read_table(Path("data/splits/test.parquet"))
    kept = folder / PERIODS[-1][0]
    found: dict[str, list[Floats]] = {}
    members: set[tuple[str, int]] = set()
    for preset, seed in product(PRESETS, seeds):
        whole = recipe_of(prepared, [f"experiment={preset}"], seed)
        model = whole.model
        assert isinstance(model, EnsembleConfig) and whole.train.refit == "validation"
        fits, again = {}, {}
        for name in names_of(model):
            config, more, _ = member(model, name)
            recipe = replace(whole, model=config, seed=seed + more)
            fits[name] = fitted(recipe, prepared, _named(config), kept, again=False)
            again[name] = fitted(recipe, prepared, _named(config), kept, again=True)
        some = [each.scores(prepared.validation) for each in fits.values()]
        weights = np.full(len(some), 1 / len(some))
        if model.weights == "greedy":
            y = next(iter(fits.values())).encode(prepared.validation[whole.data.target])
            weights = chosen_weights(some, y, whole.data.task, model.draws)
        print(f"{preset}, weights under seed {seed}: {told([*fits], weights)}", flush=True)
        scores = {name: each.scores(test) for name, each in again.items()}
        found.setdefault(preset, []).append(mixture([*scores.values()], weights))
        members |= {(_named(config), seed) for config in model.members.values()}
    for name, seed in sorted(members | set(product([*single, "hist_gbdt"], seeds))):
        recipe = recipe_of(prepared, MODELS[name], seed)
        one = fitted(recipe, prepared, name, kept, again=True)
        found.setdefault(f"{name}, refitted", []).append(one.scores(test))
        if name == "hist_gbdt":
            one = fitted(recipe, prepared, name, kept, again=False)
            found.setdefault(name, []).append(one.scores(test))
    print()
    rows = rows_of(one, test, recipe)
    for other in (PRESETS[0], DEFAULT):
        lines(rows, found, other)
        print()


def _named(config: ModelConfig) -> str:
    """Return the name of a model as MODELS has it."""
    return f"mlp, bins={config.params['bins']}" if config.name == "mlp" else config.name


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["choose", "report"])
    parser.add_argument("--folder", type=Path, default=Path(".dvc/tmp/ensembles"), help="for fitted models")
    parser.add_argument("--seed", type=int, default=2013, help="of choose")
    parser.add_argument("--seeds", default="2013,2015,2017", help="of report")
    parser.add_argument("--single", nargs="*", default=SINGLE, help="single models that report adds")
    args = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != THREADS:
        use_threads(int(THREADS))  # takes effect before the libraries are loaded
        os.execv(sys.executable, [sys.executable, *sys.argv])
    for start, _ in PERIODS:
        (args.folder / start).mkdir(parents=True, exist_ok=True)
    names = ("scikit-learn", "torch", "lightgbm", "xgboost-cpu", "catboost")
    libraries = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in names)
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, {libraries}")
    if args.what == "choose":
        choose(args.folder, args.seed)
    else:
        report(args.folder, [int(seed) for seed in args.seeds.split(",")], args.single)


if __name__ == "__main__":
    main()
