"""A recipe: everything that decides a model except the rows it is fitted on."""

import inspect
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.folds import fold_rows, left_out_rows
from cairn.data.load import type_of
from cairn.data.predictions import Floats
from cairn.data.tables import blocks_of, empty, joined, read_table, rows_in
from cairn.errors import UserError
from cairn.features.encode import build_encoder, categorical_positions, forget_folds, target_columns
from cairn.features.fitting import encoded, fit_and_encode
from cairn.features.select import choose_columns, select_features
from cairn.models.build import (
    build_estimator,
    needs_probabilities,
    quiet,
    stops_early,
    takes_sparse,
    unconverged,
)
from cairn.models.ensemble import chosen_weights, combined, member, members_of, names_of, parts_of
from cairn.models.in_place import encoding_in_place
from cairn.models.package import Label, Package, class_labels, raw_contract, target_values
from cairn.models.resume import once
from cairn.progress import OnIteration, elapsed
from cairn.settings.contract import Contract
from cairn.settings.cross_validation import CrossValidationConfig
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.model import AnyModelConfig, EnsembleConfig
from cairn.settings.train import TrainConfig

TARGET_FOLDS = 5
"""Folds of train within which means of the target by category are fitted, as many as scikit-learn has."""


@dataclass(frozen=True)
class Recipe:
    """How a model is made: everything but the rows it is fitted on."""

    contract: Contract
    data: DataConfig
    features: FeaturesConfig
    model: AnyModelConfig
    train: TrainConfig
    seed: int
    threads: int

    @property
    def candidates(self) -> list[str]:
        """The features before any selection, see select_features."""
        return select_features(self.contract, self.data.target, self.features)

    @property
    def settings(self) -> dict[str, Any]:
        """The sections of params.yaml that the recipe holds, as plain values."""
        sections = {"data": self.data, "features": self.features, "model": self.model, "train": self.train}
        values = {name: section.model_dump() for name, section in sections.items()}
        return {"seed": self.seed, "threads": self.threads, **values}

    def fit(
        self,
        train: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        classes: list[Label] | None = None,
        snapshot: Path | None = None,
        on_iteration: OnIteration | None = None,
        like: Package | None = None,
        share: float = 1.0,
        files: Sequence[Path] = (),
    ) -> Package:
        """Select the columns, fit encoder and estimator on train, and use validation only for early stopping.

        If train.early_stopping is true, an estimator whose fit takes X_val and y_val gets the validation
        rows, except those of a class that train lacks. If it is false, such an estimator does not stop early:
        the rows it would hold out by itself are a random part of train, which says little about the future.

        classes are the labels where train may lack some (folds). on_iteration is called after each epoch of
        our networks and each iteration of HistGradientBoosting while they stop early.

        `like` is a model of this recipe that was fitted on a share of these rows, see `refit`.

        `files` hold the rows of train, see write_table. A single model then reads these again in blocks to
        encode them, and takes the columns out of train and validation: a large table is not in memory beside
        its matrix.

        The members of an ensemble are fitted one after the other, and their weights chosen on validation or
        on folds of train.

        Raises:
            UserError: see select_features, build_estimator and class_labels, or the estimator fails.
        """
        if isinstance(self.model, EnsembleConfig):
            more: dict[str, Any] = {"classes": classes, "snapshot": snapshot, "like": like, "share": share}
            return self._fit_members(self.model, train, validation, **more)
        task, target = self.data.task, self.data.target
        classes = self._classes(train) if classes is None else classes
        y = target_values(train[target], task, classes)
        features = like.features if like else self._chosen(train, y)
        inputs = Contract(columns={name: self.contract.columns[name] for name in features})
        sparse = takes_sparse(self._estimator(categorical=[]))
        means = target_columns(like.encoder) if like else self._many_valued(train, features)
        encoder = build_encoder(
            inputs,
            features,
            self.model.encoding,
            sparse=sparse,
            by_target=means,
            task=task,
            folds=left_out_rows(train, TARGET_FOLDS, self.data, self.seed) if means else (),
        )
        raw = raw_contract(self.contract, features, self.data)
        types = {name: type_of(train[name]) for name in raw.columns if name in train.columns}

        def again(rows: int) -> Iterator[pd.DataFrame]:
            empty(train)
            yield from blocks_of(files, features, rows)

        held_out = None
        if validation is not None:
            validation = self.of_known_classes(validation, train)
        with quiet():
            X = fit_and_encode(encoder, train[features], y, again if files else None)
        forget_folds(encoder)
        estimator = self._estimator(categorical=categorical_positions(encoder))
        package = Package(
            encoder,
            estimator,
            inputs,
            task,
            target,
            classes,
            config=self.settings,
            raw=raw,
            types=types,
            key=self.contract.key,
            weights={Path(path).name: Path(path) for path in self.model.checkpoints},
        )
        if validation is not None and len(validation):
            held_out = encoded(encoder, validation[features]), package.encode(validation[target])
        for rows in (train, validation) if files else ():
            if rows is not None:
                empty(rows)
        extra = self._extra(estimator, held_out, snapshot, on_iteration)
        if like is not None:
            extra |= _as_long_as(like.estimator, estimator, share)
        shows_progress_itself = "snapshot" in inspect.signature(estimator.fit).parameters
        try:
            with (
                quiet(),
                nullcontext() if shows_progress_itself else elapsed(f"fitting {type(estimator).__name__}"),
                _reported(estimator, on_iteration),
                encoding_in_place(estimator),
            ):
                estimator.fit(X, y, **extra)
        except (ValueError, FloatingPointError) as error:
            raise UserError(f"model '{self.model.name}': {str(error).splitlines()[0]}") from error
        if task != "regression":
            needs_probabilities(estimator, "model.classifier", type(estimator).__name__)
        note = unconverged(estimator)
        return replace(package, notes=[note]) if note else package

    def fit_both(
        self, train: Path, validation: Path, *, folder: Path | None = None
    ) -> tuple[Package, Package | None]:
        """Fit on train, and then, if train.refit says so, on train and validation.

        Args:
            train: a file of write_table.
            validation: another one.
            folder: where an interrupted run keeps its snapshots and what it has finished.
        """
        own, again = (folder and folder / f"{name}.pt" for name in ("snapshot", "refit"))
        files = [train, validation]

        def fit() -> Package:
            return self.fit(*map(read_table, files), snapshot=own, files=[train])

        if self.train.refit == "none":
            return fit(), None
        fitted = once(fit, own, self.model.trusted)
        return fitted, self.refit(fitted, *map(read_table, files), snapshot=again, files=files)

    def refit(
        self,
        fitted: Package,
        train: pd.DataFrame,
        *others: pd.DataFrame,
        snapshot: Path | None = None,
        files: Sequence[Path] = (),
    ) -> Package:
        """Fit on train and other parts together, as the model that was fitted on train alone.

        The columns, the weights of members and the number of iterations are those of that model; networks
        take as many steps as its best ones. Rows of a class that train lacks are left out. `files` hold the
        parts, which are emptied, see fit; if rows are left out, they are not read.

        Raises:
            UserError: as for fit.
        """
        known = [self.of_known_classes(rows, train) for rows in others]
        number = len(train) + sum(map(len, known))
        files = files if rows_in(files) == number else ()  # they have more if a row is left out
        share = len(train) / number
        rows = joined([train, *known]) if files else pd.concat([train, *known], ignore_index=True)
        classes = fitted.classes or None
        return self.fit(rows, classes=classes, snapshot=snapshot, like=fitted, share=share, files=files)

    def _classes(self, train: pd.DataFrame) -> list[Label]:
        column = self.contract.columns.get(self.data.target)
        allowed = column.allowed if column is not None else None
        return class_labels(train[self.data.target], self.data.task, allowed)

    def _many_valued(self, train: pd.DataFrame, features: list[str]) -> list[str]:
        """Return the categorical features with more values in train than encoding.target_above."""
        most = None if isinstance(self.model, EnsembleConfig) else self.model.encoding.target_above
        if most is None:
            return []
        kinds = self.contract.columns
        return [
            name for name in features if kinds[name].kind == "categorical" and train[name].nunique() > most
        ]

    def _chosen(self, train: pd.DataFrame, y: NDArray[Any]) -> list[str]:
        return choose_columns(
            train,
            y,
            self.candidates,
            contract=self.contract,
            task=self.data.task,
            selection=self.features.selection,
            seed=self.seed,
            threads=self.threads,
        )

    def _fit_members(
        self,
        model: EnsembleConfig,
        train: pd.DataFrame,
        validation: pd.DataFrame | None,
        *,
        classes: list[Label] | None,
        snapshot: Path | None,
        like: Package | None,
        share: float,
    ) -> Package:
        before = (
            dict(zip(like.estimator.names, members_of(like, like.estimator), strict=True)) if like else {}
        )
        classes = self._classes(train) if classes is None else classes
        folds = left_out_rows(train, model.folds, self.data, self.seed) if model.bag else []
        names = [part for name in names_of(model) for part in parts_of(model, name)]
        members = {}
        for number, name in enumerate(before or names):
            recipe, fold = self._member(model, name)
            own = snapshot and snapshot.with_stem(f"{snapshot.stem}-{number}")
            rows, stop = train, validation
            if fold is not None:
                rows, stop = (train.iloc[places] for places in folds[fold])
            stop = None if like else stop
            fit = partial(recipe.fit, rows, stop, classes=classes, snapshot=own, share=share)
            members[name] = once(partial(fit, like=before.get(name)), own, recipe.model.trusted)
        if like is not None:
            return combined(members, like.estimator.weights, self.settings)
        weights = self._weights(model, members, train, validation, classes=classes, snapshot=snapshot)
        each = np.repeat(weights, model.folds) / model.folds if model.bag else weights
        return combined(members, each, self.settings)

    def _member(self, model: EnsembleConfig, name: str) -> tuple["Recipe", int | None]:
        """Return the recipe of a member, and its fold if it is fitted without one."""
        config, seeds, fold = member(model, name)
        return replace(self, model=config, seed=self.seed + seeds), fold

    def _weights(
        self,
        model: EnsembleConfig,
        members: Mapping[str, Package],
        train: pd.DataFrame,
        validation: pd.DataFrame | None,
        *,
        classes: list[Label],
        snapshot: Path | None,
    ) -> Floats:
        """Return the weights of the members, a bagged one counting once; equal without validation rows."""
        names = names_of(model)
        if model.weights == "greedy" and model.weights_from == "folds":
            scores, rows = self._out_of_fold(model, train, classes=classes, snapshot=snapshot)
        else:
            rows = None if validation is None else self.of_known_classes(validation, train)
            if model.weights == "equal" or rows is None or not len(rows):
                return np.full(len(names), 1 / len(names))
            parts = {name: [members[part] for part in parts_of(model, name)] for name in names}
            scores = [np.mean([part.scores(rows) for part in parts[name]], axis=0) for name in names]
        y = target_values(rows[self.data.target], self.data.task, classes)
        return chosen_weights(scores, y, self.data.task, model.draws)

    def _out_of_fold(
        self, model: EnsembleConfig, train: pd.DataFrame, *, classes: list[Label], snapshot: Path | None
    ) -> tuple[list[Floats], pd.DataFrame]:
        """Return what each member predicts of rows of train that it was not fitted on, and these rows."""
        kind: Literal["rolling", "kfold"] = "rolling" if self.data.time else "kfold"
        settings = CrossValidationConfig(kind=kind, folds=model.folds)
        scores: dict[str, list[Floats]] = {name: [] for name in names_of(model)}
        held_out = []
        for fold, (first, stop, last) in enumerate(fold_rows(train, settings, self.data, self.seed)):
            rows = self.of_known_classes(train.iloc[last], train.iloc[first])
            held_out.append(rows)
            for number, name in enumerate(scores):
                recipe, _ = self._member(model, name)
                early = stops_early(recipe.model, self.data.task, self.train)
                fitted = train.iloc[first if early else np.concatenate([first, stop])]
                own = snapshot and snapshot.with_stem(f"{snapshot.stem}-fold-{fold}-{number}")
                fit = partial(recipe.fit, fitted, train.iloc[stop], classes=classes, snapshot=own)
                scores[name].append(once(fit, own, recipe.model.trusted).scores(rows))
        return [np.concatenate(each) for each in scores.values()], pd.concat(held_out)

    def of_known_classes(self, rows: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of classes that train has; all rows of a regression."""
        if self.data.task == "regression":
            return rows
        known = rows[self.data.target].isin(train[self.data.target].unique())
        return rows if known.all() else rows[known]

    def _estimator(self, categorical: list[int]) -> Any:
        assert not isinstance(self.model, EnsembleConfig), "its members are fitted by recipes of their own"
        return build_estimator(
            self.model,
            self.data.task,
            seed=self.seed,
            threads=self.threads,
            device=self.train.device,
            categorical=categorical,
        )

    def _extra(
        self,
        estimator: Any,
        held_out: tuple[Any, NDArray[Any]] | None,
        snapshot: Path | None,
        on_iteration: OnIteration | None,
    ) -> dict[str, Any]:
        """Return what else the estimator's fit takes, and switch its early stopping on or off."""
        found: dict[str, Any] = {"snapshot": snapshot, "on_iteration": on_iteration}
        taken = inspect.signature(estimator.fit).parameters
        if "X_val" in taken:
            stops = self.train.early_stopping and held_out is not None
            if "early_stopping" in estimator.get_params():
                estimator.set_params(early_stopping=stops)
            if stops:
                found["X_val"], found["y_val"] = held_out
        return {name: value for name, value in found.items() if name in taken and value is not None}


def _as_long_as(fitted: Any, estimator: Any, share: float) -> dict[str, Any]:
    """Return what the estimator's fit takes to do as many iterations as the fitted one had, on more rows."""
    taken = inspect.signature(estimator.fit).parameters
    if "like" in taken:
        return {"like": fitted, **({"share": share} if "share" in taken else {})}
    if getattr(fitted, "do_early_stopping_", False):
        estimator.set_params(max_iter=fitted.n_iter_)
    return {}


@contextmanager
def _reported(estimator: Any, on_iteration: OnIteration | None) -> Generator[None]:
    """Call on_iteration where HistGradientBoosting asks itself whether to stop.

    It takes no callbacks (scikit-learn 1.9), and warm_start in chunks would bin the table again for each of
    them. The method is private, so a test checks that it is called and that the model has the same bits.
    """
    if on_iteration is None or not hasattr(estimator, "_should_stop"):
        yield
        return
    should_stop = estimator._should_stop

    def reporting(scores: list[float]) -> bool:
        if len(scores) > 1:  # the first is the constant that boosting starts from
            on_iteration(len(scores) - 1, -float(scores[-1]))
        return should_stop(scores)

    estimator._should_stop = reporting
    try:
        yield
    finally:
        del estimator._should_stop
