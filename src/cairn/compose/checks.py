"""Combinations of sections that cannot work, found before anything is computed.

A check is a generator whose parameters are the sections it compares, by name; it runs if all of them are
valid.
"""

import importlib.util
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cairn.compose.signatures import defined_in, parameters
from cairn.errors import UserError, did_you_mean
from cairn.pins import PINS
from cairn.settings.baseline import BaselineConfig, RateRule
from cairn.settings.calibration import CalibrationConfig
from cairn.settings.contract import Contract
from cairn.settings.cross_validation import CrossValidationConfig
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import METRICS_OF, EvaluateConfig
from cairn.settings.expressions import names_in, parse
from cairn.settings.features import FeaturesConfig
from cairn.settings.kpi import CostKpi, KpiConfig
from cairn.settings.messages import Problem, problems
from cairn.settings.model import AnyModelConfig, ModelConfig
from cairn.settings.networks import PARAMS_OF
from cairn.settings.purpose import PurposeConfig
from cairn.settings.search import SAVING, SearchConfig
from cairn.settings.split import ColumnSplit, GroupSplit, SplitConfig, TimeSplit
from cairn.settings.train import TrainConfig
from cairn.settings.trusted import EXTRAS, how_to_install, is_listed, library_of, not_listed

DURATION = re.compile(r"\d+(\.\d+)?\s?(W|D|h|min|s)")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?")
MAX_BINS = 255
CHECKOUT = Path(__file__).resolve().parents[3]

Given = tuple[tuple[str, ...], dict[str, Any]]
"""Arguments of a `_target_`, with the path of the section they are in."""


def cross_checks(valid: Mapping[str, Any]) -> list[Problem]:
    """Run every check whose sections (and contract) are among the valid ones."""
    return [
        problem
        for check in CHECKS
        if (wanted := inspect.signature(check).parameters.keys()) <= valid.keys()
        for problem in check(**{name: valid[name] for name in wanted})
    ]


def _split_has_its_column(split: SplitConfig, data: DataConfig) -> Iterator[Problem]:
    if isinstance(split, TimeSplit) and data.time is None:
        yield ("split", "kind"), f"a time split needs data.time, which '{data.name}' does not have"
    if isinstance(split, GroupSplit) and data.group is None:
        yield ("split", "kind"), f"a group split needs data.group, which '{data.name}' does not have"
    if isinstance(split, ColumnSplit) and split.column is None:
        yield ("split", "column"), f"a column split needs a column that names the parts of '{data.name}'"


def _split_column_is_no_feature(split: SplitConfig, contract: Contract) -> Iterator[Problem]:
    if isinstance(split, ColumnSplit) and split.column is not None:
        yield from _known_before(("split", "column"), [split.column], contract)
        column = contract.columns.get(split.column)
        if column is not None and column.group is not None:
            yield ("split", "column"), f"'{split.column}' is a feature: remove its group from the contract"


def _dates_are_dates(split: SplitConfig) -> Iterator[Problem]:
    """Dates are YYYY-MM-DD, with HH:MM or HH:MM:SS if need be; spans a number and W, D, h, min or s."""
    if not isinstance(split, TimeSplit):
        return
    in_order = []
    for key in ("train_from", "validation_from", "test_from", "test_until"):
        value = getattr(split, key)
        if isinstance(value, str):
            if moment := _moment(value):
                in_order.append((key, value, moment))
            else:
                yield ("split", key), f"'{value}' is not a date such as 2013-09-01 or 2013-09-01 06:00"
    for (earlier, first, before), (later, second, after) in pairwise(in_order):
        if before >= after:
            yield ("split", later), f"{second} is not after {earlier} {first}"
    if not DURATION.fullmatch(split.gap):
        yield ("split", "gap"), f"'{split.gap}' is not a span of time such as 1D, 36h or 0D"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if MOMENT.fullmatch(text) else None
    except ValueError:
        return None


def _kpi_fits(kpi: KpiConfig, data: DataConfig) -> Iterator[Problem]:
    if isinstance(kpi, CostKpi) and data.task != "binary":
        yield ("kpi", "kind"), f"a cost model needs a binary task, '{data.name}' is {data.task}"


def _calibration_fits(calibration: CalibrationConfig, data: DataConfig) -> Iterator[Problem]:
    if calibration.method != "none" and data.task == "regression":
        yield ("calibration", "method"), f"'{data.name}' is a regression: no probabilities to calibrate"


def _folds_fit(cross_validation: CrossValidationConfig, data: DataConfig) -> Iterator[Problem]:
    if cross_validation.kind == "rolling" and data.time is None:
        yield ("cross_validation", "kind"), f"rolling needs data.time, which '{data.name}' does not have"


def _blocks_fit(evaluate: EvaluateConfig, data: DataConfig) -> Iterator[Problem]:
    if evaluate.block is None:
        return
    if not DURATION.fullmatch(evaluate.block):
        yield ("evaluate", "block"), f"'{evaluate.block}' is not a span of time such as 1D or 6h"
    if data.time is None:
        yield ("evaluate", "block"), f"blocks of time need data.time, which '{data.name}' does not have"


def _metrics_exist(evaluate: EvaluateConfig, data: DataConfig) -> Iterator[Problem]:
    known = METRICS_OF[data.task]
    for key, named in (("primary", [evaluate.primary]), ("ceiling", list(evaluate.ceiling))):
        for metric in named:
            if metric is not None and metric not in known:
                yield (
                    ("evaluate", key),
                    f"a {data.task} task has no metric {metric}{did_you_mean(metric, known)}",
                )


def _objective_exists(search: SearchConfig, data: DataConfig, kpi: KpiConfig) -> Iterator[Problem]:
    path, priced = ("search", "objective"), isinstance(kpi, CostKpi)
    if search.objective == SAVING and not priced:
        yield path, "saving needs a cost model: choose one with kpi=NAME"
    else:
        yield from _is_measured(path, search.objective, data, priced)


def _goal_is_measured(purpose: PurposeConfig, data: DataConfig) -> Iterator[Problem]:
    """A goal in money may stay where a run has no cost model: it is not measured there."""
    yield from _is_measured(("purpose", "goal", "measure"), purpose.goal.measure, data, priced=True)


def _is_measured(
    path: tuple[str, ...], measure: str | None, data: DataConfig, priced: bool
) -> Iterator[Problem]:
    known = [*METRICS_OF[data.task], *([SAVING] if priced else [])]
    if measure is not None and measure not in known:
        yield path, f"a {data.task} task has no metric {measure}{did_you_mean(measure, known)}"


def _model_fits(model: AnyModelConfig, data: DataConfig, trusted: Sequence[str]) -> Iterator[Problem]:
    for path, one in _single_models(model):
        yield from _estimator(path, one, data, trusted)


def _baselines_are_fitted_like_the_model(baseline: BaselineConfig, train: TrainConfig) -> Iterator[Problem]:
    if baseline.refit != train.refit:
        yield ("baseline", "refit"), f"is not train.refit, {train.refit}: change that, and leave this out"


def _weights_are_read(model: AnyModelConfig, train: TrainConfig, root: Path) -> Iterator[Problem]:
    """Files of pretrained weights are there, DVC knows that train reads them, and the models get them."""
    if "reads" not in train.model_fields_set:
        yield ("train", "reads"), f"missing; {PINS.name} for a model without weights"
    for path, one in _single_models(model):
        if one.weights is None:
            continue
        where, file = (*path, "weights"), one.weights
        if not (root / file).exists():
            known = (root / f"{file}.dvc").exists()
            cure = f"`dvc pull {file}`" if known else f"put it there and run `dvc add {file}`"
            yield where, f"no file {file}; {cure}"
        blocks = (one.params, one.classifier, one.regressor)
        if not any(value == file for block in blocks for value in (block or {}).values()):
            yield where, "no parameter of the model gets it: such as model_path: ${..weights} in params"
        if not f"{file}/".startswith(f"{train.reads}/"):
            ours = "model.reads" if len(path) > 1 else "train.reads"
            yield where, f"{file} is not in {ours}, {train.reads}: train would not run again when it changes"


def _single_models(model: AnyModelConfig) -> Iterator[tuple[tuple[str, ...], ModelConfig]]:
    if isinstance(model, ModelConfig):
        yield ("model",), model
    else:
        yield from ((("model", "members", name), member) for name, member in model.members.items())


def _linear_fits(baseline: BaselineConfig, data: DataConfig, trusted: Sequence[str]) -> Iterator[Problem]:
    faults = list(_estimator(("baseline", "linear"), baseline.linear, data, trusted))
    yield from faults
    role = "regressor" if data.task == "regression" else "classifier"
    block = getattr(baseline.linear, role)
    grid = baseline.candidates.get(role, {})
    if grid and not faults:
        path = ("baseline", "candidates", role)
        yield from _target(path, block["_target_"], "models", [(path, grid)], trusted=trusted)
        yield from (
            ((*path, name), "needs at least one value") for name, values in grid.items() if not values
        )


def _estimator(
    path: tuple[str, ...], model: ModelConfig, data: DataConfig, trusted: Sequence[str]
) -> Iterator[Problem]:
    """The class for this task exists and takes the parameters it is given."""
    kind = "regressor" if data.task == "regression" else "classifier"
    chosen = model.regressor if data.task == "regression" else model.classifier
    if chosen is None:
        yield (*path, kind), f"'{model.name}' has no {kind}, but the task of '{data.name}' is {data.task}"
        return
    given: list[Given] = [((*path, "params"), model.params), ((*path, kind), chosen)]
    needed = library_of(chosen["_target_"], model.params | chosen)
    if needed in EXTRAS and importlib.util.find_spec(needed) is None:
        yield (*path, kind, "_target_"), f"no module '{needed}' can be imported; {how_to_install(needed)}"
        return
    yield from _target((*path, kind), chosen["_target_"], "models", given, trusted=trusted)
    yield from _network_parameters(chosen["_target_"], given)
    name = chosen["_target_"].rpartition(".")[2]
    encoding = model.encoding
    codes = "HistGradientBoosting" in name and encoding.categorical == "ordinal"
    if codes and encoding.max_categories > MAX_BINS:
        yield (*path, "encoding", "max_categories"), f"{name} takes {MAX_BINS} codes per column at most"


def _network_parameters(target: str, given: list[Given]) -> Iterator[Problem]:
    """The values that one of our own networks is given have the types and bounds it takes."""
    takes = PARAMS_OF.get(target)
    if takes is None:
        return
    place_of = {key: place for place, keys in given for key in keys if key in takes.model_fields}
    values = {key: keys[key] for _, keys in given for key in keys if key in place_of}
    try:
        takes.model_validate(values)
    except ValidationError as error:
        for path, said in problems(error, takes, values):
            yield (*place_of.get(path[0], given[0][0]), *path), said


def _loader_fits(data: DataConfig, trusted: Sequence[str]) -> Iterator[Problem]:
    """The function that builds the table exists; it gets the source first, the other keys by name."""
    if data.load is not None:
        path = ("data", "load")
        yield from _target(
            path, data.load["_target_"], "datasets", [(path, data.load)], trusted=trusted, skip=1
        )


ALSO_TRACKED = ("cairn.data.folder.", "cairn.data.tables.")
"""Outside datasets/, where cairn.data.load names it."""


def _target(
    path: tuple[str, ...],
    target: str,
    room: str,
    given: Iterable[Given],
    *,
    trusted: Sequence[str],
    skip: int = 0,
) -> Iterator[Problem]:
    """The module of a `_target_` exists and is trusted, DVC tracks its code, and it takes these keys.

    Args:
        path: of the section with the key `_target_`.
        target: dotted name of a class or function.
        room: package of cairn in which such code has to be.
        given: the arguments, with the path of the section they are in.
        trusted: what conf/trusted.yaml lists; no other module is imported.
        skip: number of positional arguments that the caller adds.
    """
    where = (*path, "_target_")
    module, _, name = target.rpartition(".")
    top = module.partition(".")[0]
    found = importlib.util.find_spec(top) if top.isidentifier() else None
    if found is None:
        yield where, f"no module '{module}' can be imported"
        return
    # A trusted module may have imported a name from one that is not.
    strange = [each for each in (target, defined_in(target)) if each and not is_listed(each, trusted)]
    if strange and (strange[0] == target or not strange[0].startswith(f"{top}.")):
        yield where, not_listed(strange[0])
        return
    places = [found.origin or "", *(found.submodule_search_locations or [])]
    own = any(Path(place).resolve().is_relative_to(CHECKOUT / "src") for place in places)
    if own and not f"{module}.".startswith((f"cairn.{room}.", *ALSO_TRACKED)):
        yield where, f"{target} is not tracked there: DVC would miss a change; move it to src/cairn/{room}/"
        return
    try:
        takes = parameters(target)
    except UserError as error:
        yield where, str(error)
        return
    if takes is None:
        return
    known = takes[skip:]
    for place, keys in given:
        for key in keys:
            if key not in (*known, "_target_"):
                yield (*place, key), f"{name} has no such parameter{did_you_mean(key, known)}"


def _data_is_in_the_contract(data: DataConfig, contract: Contract) -> Iterator[Problem]:
    columns = contract.columns
    yield from _declared(("data", "target"), [data.target], columns)
    if data.target in columns and columns[data.target].known != "after":
        yield ("data", "target"), f"{data.contract} must declare '{data.target}' known: after"
    for role in ("time", "group"):
        if (name := getattr(data, role)) is not None:
            yield from _known_before(("data", role), [name], contract)
    target, time = columns.get(data.target), columns.get(data.time or "")
    if target is not None and data.task == "regression" and target.kind not in ("numeric", "boolean"):
        yield ("data", "task"), f"a regression needs a numeric target, '{data.target}' is {target.kind}"
    if time is not None and time.kind != "datetime":
        yield ("data", "time"), f"'{data.time}' is {time.kind} in {data.contract}, it must be a datetime"
    for reason, expression in data.drop_where.items():
        if expression is not None:
            yield from _read_columns(("data", "drop_where", reason), expression, columns)
    yield from _declared(("data", "leakage", "trusted"), data.leakage.trusted, columns)


def _derived_columns_are_no_leaks(data: DataConfig, contract: Contract) -> Iterator[Problem]:
    """A derived column is known no earlier than its sources, and no source of the target is a feature."""
    columns, made_of = contract.columns, {}
    for name, expression in data.derive.items():
        path = ("data", "derive", name)
        if expression is None:
            continue
        yield from _declared(path, [name], columns)
        yield from _read_columns(path, expression, columns)
        used = names_in(expression) or []
        later = [other for other in used if other in data.derive and other not in made_of]
        if later:
            yield path, f"'{later[0]}' is derived too: put it before '{name}'"
        made_of[name] = {source for other in used for source in (other, *made_of.get(other, ()))}
        too_late = [u for u in used if u in columns and columns[u].known == "after"]
        if too_late and name in columns and columns[name].known == "before":
            yield path, f"'{too_late[0]}' is known: after, so '{name}' must be too"
    for source in sorted(made_of.get(data.target, set()) - set(data.leakage.trusted)):
        if source in columns and columns[source].known == "before":
            said = f"the target is computed from '{source}', so {data.contract} must declare it known: after"
            yield ("data", "derive", data.target), f"{said} (or add it to data.leakage.trusted)"


def _weight_is_one(evaluate: EvaluateConfig, contract: Contract) -> Iterator[Problem]:
    """The column that weights the scores holds a number from 0 in every row, and is not a feature."""
    if evaluate.weight is None:
        return
    path, name = ("evaluate", "weight"), evaluate.weight
    unknown = list(_known_before(path, [name], contract))
    yield from unknown
    if unknown:
        return
    column = contract.columns[name]
    if column.kind != "numeric":
        yield path, f"'{name}' is {column.kind}, it must be numeric"
    elif column.group is not None:
        yield path, f"'{name}' is a feature: remove its group from the contract"
    elif column.nullable or column.min is None or column.min < 0:
        yield path, f"the contract must say min: 0 of '{name}', and not nullable: true"


def _slices_are_known(evaluate: EvaluateConfig, contract: Contract) -> Iterator[Problem]:
    yield from _known_before(("evaluate", "slices"), evaluate.slices, contract)


def _rules_are_known(baseline: BaselineConfig, contract: Contract) -> Iterator[Problem]:
    for name, rule in baseline.rules.items():
        key, used = ("by", rule.by) if isinstance(rule, RateRule) else ("column", [rule.column])
        yield from _known_before(("baseline", "rules", name, key), used, contract)


def _features_are_there(features: FeaturesConfig, contract: Contract) -> Iterator[Problem]:
    groups = {name: column.group for name, column in contract.columns.items() if column.group is not None}
    names = sorted(set(groups.values()))
    wanted = names if features.groups is None else features.groups
    unknown = [group for group in wanted if group not in names]
    for group in unknown:
        known = f" (groups: {', '.join(names)})"
        yield (
            ("features", "groups"),
            f"the contract has no group '{group}'{did_you_mean(group, names)}{known}",
        )
    yield from _declared(("features", "exclude"), features.exclude, groups, "feature")
    if unknown:
        return
    left = sum(group in wanted and name not in features.exclude for name, group in groups.items())
    selection = features.selection
    if left == 0:
        yield ("features",), "no feature is left"
    elif selection.kind != "none" and selection.keep > left:
        yield ("features", "selection", "keep"), f"{selection.keep}, but there are only {left} columns"


def _declared(
    path: tuple[str, ...], used: list[str], columns: Collection[str], what: str = "column"
) -> Iterator[Problem]:
    for name in used:
        if name not in columns:
            yield path, f"the contract has no {what} '{name}'{did_you_mean(name, list(columns))}"


def _read_columns(path: tuple[str, ...], expression: str, columns: Collection[str]) -> Iterator[Problem]:
    used = names_in(expression)
    try:
        parse(expression)
    except ValueError as error:
        said = f"'{expression}' {error}" if used is None else f"'{expression[:50]}': {error}"
        yield path, said
    yield from _declared(path, used or [], columns)


def _known_before(path: tuple[str, ...], used: list[str], contract: Contract) -> Iterator[Problem]:
    yield from _declared(path, used, contract.columns)
    for name in used:
        if name in contract.columns and contract.columns[name].known == "after":
            yield path, f"'{name}' is known: after, which only the target may be"


CHECKS: tuple[Callable[..., Iterator[Problem]], ...] = (
    _split_has_its_column,
    _split_column_is_no_feature,
    _dates_are_dates,
    _kpi_fits,
    _calibration_fits,
    _folds_fit,
    _blocks_fit,
    _metrics_exist,
    _objective_exists,
    _goal_is_measured,
    _model_fits,
    _baselines_are_fitted_like_the_model,
    _weights_are_read,
    _linear_fits,
    _loader_fits,
    _data_is_in_the_contract,
    _derived_columns_are_no_leaks,
    _weight_is_one,
    _slices_are_known,
    _rules_are_known,
    _features_are_there,
)
