"""Which ensemble suits the flights, chosen on validation only, and what it scores on test.

    python benchmarks/ensembles.py choose      after `dvc repro split`; compares candidates without test
    python benchmarks/ensembles.py report      the shipped preset beside single models, on test, three seeds

`choose` fits every model of MODELS on train. A candidate is a set of them; its weights are chosen on the days
of one half of validation (September or October) and judged on the days of the other, both ways round. Early
stopping has seen all of validation, in every candidate alike.

`report` fits the members of the preset and every single model on train, then again on train and validation
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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
PRESET = "experiment=flights_ensemble"
MODELS = {
    "hist_gbdt": ["model=hist_gbdt"],
    "lightgbm": ["model=lightgbm"],
    "xgboost": ["model=xgboost"],
    "catboost": ["model=catboost"],
    "mlp, bins=0": ["model=mlp", "model.params.bins=0"],
    "mlp, bins=16": ["model=mlp", "model.params.bins=16"],
}
"""What `choose` fits, by name: the overrides that name a model."""
TWICE = ("hist_gbdt", "mlp, bins=0")
"""Models that `choose` fits with a second seed."""
SINGLE = ("lightgbm", "xgboost", "catboost")
"""Single models that `report` compares the preset with, beside its own members."""
THREADS = "2"
"""As in conf/config.yaml: the last digits of a network depend on them."""
DEFAULT = "hist_gbdt, refitted"
"""What conf/ composes to."""
QUANTITIES = ("roc_auc", "log_loss")
RESAMPLES = 1000
HALVES_AT = "2013-10-01"
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


def choose(folder: Path, seed: int, without: Sequence[str]) -> None:
    """Print what every candidate reaches on validation; test is not read."""
    prepared = load_prepared()
    packages, scores = {}, {}
    fits = [(name, seed) for name in MODELS if name not in without]
    fits += [(name, seed + 1) for name in TWICE if name not in without]
    for name, number in fits:
        recipe = recipe_of(prepared, MODELS[name], number)
        key = name if number == seed else f"{name}#2"
        packages[key] = fitted(recipe, prepared, name, folder, again=False)
        scores[key] = packages[key].scores(prepared.validation)
    rows = rows_of(packages["hist_gbdt"], prepared.validation, recipe)
    late = (prepared.validation[recipe.data.time] >= HALVES_AT).to_numpy()
    print(f"\n{late.sum():,} of {len(late):,} rows of validation are from {HALVES_AT} on\n")
    single: dict[str, Sequence[Floats]] = {name: [each] for name, each in scores.items()}
    mixed: dict[str, Sequence[Floats]] = {}
    libraries = [name for name in ("lightgbm", "xgboost", "catboost") if name in scores]
    boosting = ["hist_gbdt", "hist_gbdt#2"]
    mlps = [name for name in scores if name.startswith("mlp") and "#" not in name]
    candidates = [[*first, mlp] for mlp in mlps for first in (["hist_gbdt"], boosting)]
    candidates += [[*boosting, name, f"{name}#2"] for name in mlps if f"{name}#2" in scores]
    candidates += [boosting, [*boosting, *libraries]]
    candidates += [[*boosting, *libraries, mlp] for mlp in mlps]
    candidates += [[*boosting, each, mlps[0]] for each in libraries] if mlps else []
    candidates += [["hist_gbdt", "lightgbm", "xgboost", mlps[0]]] if mlps else []
    candidates += [[*boosting, *libraries, *mlps]] if len(mlps) > 1 else []
    for names in candidates:
        some, found, said = [scores[name] for name in names], np.empty(len(late)), []
        for judged in (late, ~late):
            weights = chosen_weights([each[~judged] for each in some], rows.y[~judged], rows.task, 50)
            found[judged] = mixture([each[judged] for each in some], weights)
            said.append(told(names, weights))
        name = " + ".join(names)
        mixed[name] = [found]
        print(f"{name}: weights of September {said[0]}; of October {said[1]}")
    print()
    lines(rows, single | mixed, "hist_gbdt")


def report(folder: Path, seeds: Sequence[int], single: Sequence[str]) -> None:
    """Print what the shipped preset and the single models reach on test."""
    prepared = load_prepared()
    test = read_table(Path("data/splits/test.parquet"))
    found: dict[str, list[Floats]] = {}
    for seed in seeds:
        whole = recipe_of(prepared, [PRESET], seed)
        model = whole.model
        assert isinstance(model, EnsembleConfig) and whole.train.refit == "validation"
        fits, again = {}, {}
        for name in names_of(model):
            config, more, _ = member(model, name)
            recipe = replace(whole, model=config, seed=seed + more)
            fits[name] = fitted(recipe, prepared, _named(config), folder, again=False)
            again[name] = fitted(recipe, prepared, _named(config), folder, again=True)
        y = next(iter(fits.values())).encode(prepared.validation[whole.data.target])
        some = [each.scores(prepared.validation) for each in fits.values()]
        weights = chosen_weights(some, y, whole.data.task, model.draws)
        print(f"weights under seed {seed}: {told([*fits], weights)}", flush=True)
        scores = {name: each.scores(test) for name, each in again.items()}
        found.setdefault("preset", []).append(mixture([*scores.values()], weights))
        found.setdefault("hist_gbdt", []).append(fits["hist_gbdt"].scores(test))
        for name, config in model.members.items():
            found.setdefault(f"{_named(config)}, refitted", []).append(scores[name])
    for name in single:
        for seed in seeds:
            recipe = recipe_of(prepared, [*MODELS[name], "train.refit=validation"], seed)
            one = fitted(recipe, prepared, name, folder, again=True)
            found.setdefault(f"{name}, refitted", []).append(one.scores(test))
    print()
    rows = rows_of(fits["hist_gbdt"], test, whole)
    for other in ("preset", DEFAULT):
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
    parser.add_argument("--without", nargs="*", default=[], help="models that choose leaves out")
    parser.add_argument("--single", nargs="*", default=SINGLE, help="single models that report adds")
    args = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != THREADS:
        use_threads(int(THREADS))  # takes effect before the libraries are loaded
        os.execv(sys.executable, [sys.executable, *sys.argv])
    args.folder.mkdir(parents=True, exist_ok=True)
    names = ("scikit-learn", "torch", "lightgbm", "xgboost-cpu", "catboost")
    libraries = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in names)
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, {libraries}")
    if args.what == "choose":
        choose(args.folder, args.seed, args.without)
    else:
        report(args.folder, [int(seed) for seed in args.seeds.split(",")], args.single)


if __name__ == "__main__":
    main()
