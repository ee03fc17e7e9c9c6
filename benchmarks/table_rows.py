"""Rows of real tables for benchmarks of models: each as `cairn new-data` describes it, dealt by a seed."""

import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from table_list import PACKAGED, content

from cairn.compose.conf import compose
from cairn.data.parts import load_prepared
from cairn.data.prepare import prepare_table
from cairn.data.split import PARTS, assign_parts
from cairn.data.tables import read_table
from cairn.features.encode import word
from cairn.features.select import select_features
from cairn.intake.draft.plan import make_plan
from cairn.intake.draft.task import Request
from cairn.intake.read.source import open_source
from cairn.intake.write.yaml_files import texts
from cairn.models.package import Label, class_labels, target_values
from cairn.models.recipe import Recipe
from cairn.settings.config import Config
from cairn.settings.contract import Contract

CONF = Path("conf")
FLIGHTS = "flights"
MOST_TEST = 5_000
"""Rows of test that are drawn at most."""
VALIDATION = 0.25
"""Rows of validation that are drawn at most, as a share of those of train."""


@dataclass(frozen=True)
class Described:
    """A prepared table, its contract, and what conf/ composes to for it."""

    name: str
    contract: Contract
    config: Config
    table: pd.DataFrame

    def recipe(self, model: Config, seed: int) -> Recipe:
        """Return the recipe of a model, taken from another composition of conf/, for this table."""
        c = self.config
        return Recipe(self.contract, c.data, c.features, model.model, model.train, seed, threads=1)

    @property
    def features(self) -> list[str]:
        """The columns that models learn from."""
        return select_features(self.contract, self.config.data.target, self.config.features)


@dataclass(frozen=True)
class Dealt:
    """Rows drawn from the parts of a table."""

    of: Described
    parts: dict[str, pd.DataFrame]

    @cached_property
    def classes(self) -> list[Label]:
        """The labels in train, in the order of their codes."""
        data = self.of.config.data
        allowed = (
            self.of.contract.columns[data.target].allowed if data.target in self.of.contract.columns else None
        )
        return class_labels(self.parts["train"][data.target], data.task, allowed)

    def y(self, part: str) -> NDArray[Any]:
        """Return the target of a part, shape (n,): codes, or numbers."""
        data = self.of.config.data
        return target_values(self.parts[part][data.target], data.task, self.classes)

    def plain(self) -> pd.DataFrame:
        """Return all parts with the features alone as any library reads them, and the columns .y and .part.

        Numbers are float64 with NaN, categories are text.
        """
        rows = pd.concat([self.parts[part] for part in PARTS], ignore_index=True)
        columns = {}
        for name in self.of.features:
            if self.of.contract.columns[name].kind == "categorical":
                columns[name] = rows[name].map(word, na_action="ignore").astype(object)
            else:
                numbers = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
                columns[name] = np.where(np.isinf(numbers), np.nan, numbers)
        columns[".y"] = np.concatenate([self.y(part) for part in PARTS])
        columns[".part"] = np.repeat(PARTS, [len(self.parts[part]) for part in PARTS])
        return pd.DataFrame(columns)


def described(name: str, packages: Path, folder: Path | None = None) -> Described:
    """Describe a table of a package as `cairn new-data` does, without writing anything into the checkout.

    A folder gets the conf/ that it would leave.
    """
    if name == FLIGHTS:
        if folder is not None:
            shutil.copytree(CONF, folder / CONF)
        prepared = load_prepared()
        parts = {"train": prepared.train, "validation": prepared.validation}
        parts["test"] = read_table(Path("data/splits/test.parquet"))
        table = pd.concat([rows.assign(**{".part": part}) for part, rows in parts.items()], ignore_index=True)
        return Described(name, prepared.contract, composed([f"data={FLIGHTS}"]), table)
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / f"{name}.csv"
        file.write_bytes(content(PACKAGED[name], packages))
        source = open_source(file, separator=None, encoding=None, target=PACKAGED[name].target)
        plan = make_plan(source, name, f"data/raw/{name}.csv", Request(PACKAGED[name].target))
        conf = (folder or Path(temporary)) / CONF
        shutil.copytree(CONF, conf)
        for path, text in texts(plan).items():
            (conf / path).write_text(text, encoding="utf-8", newline="\n")
        config = composed([f"data={name}"], conf)
    prepared = prepare_table(source.table, plan.contract, config.data)
    return Described(name, prepared.contract, config, prepared.table)


def composed(overrides: list[str], conf: Path = CONF) -> Config:
    """Return what conf/ composes to under overrides."""
    return Config.model_validate(compose(conf, overrides).values)


def dealt(table: Described, seed: int, most: int) -> Dealt:
    """Split the table under the seed, and draw at most so many rows of train; rows keep their order.

    Rows of validation and test whose class train lacks are left out. Those of test are drawn without
    the seed: where the split has dates, they are the same under all seeds.
    """
    config, rows = table.config, table.table
    if ".part" in rows:
        part, rows = rows[".part"], rows.drop(columns=".part")
    else:
        part = assign_parts(rows, config.split, config.data, table.contract, seed)
    parts = {}
    limits = {"train": most, "validation": round(VALIDATION * most), "test": MOST_TEST}
    for name, limit in limits.items():
        places = np.flatnonzero(part == name)
        if len(places) > limit:
            rng = np.random.default_rng([0, 0] if name == "test" else [seed, limit])
            places = np.sort(rng.choice(places, limit, replace=False))
        parts[name] = rows.iloc[places].reset_index(drop=True)
    if config.data.task != "regression":
        known = parts["train"][config.data.target].unique()
        parts = {
            name: r[r[config.data.target].isin(known)].reset_index(drop=True) for name, r in parts.items()
        }
    return Dealt(table, parts)
