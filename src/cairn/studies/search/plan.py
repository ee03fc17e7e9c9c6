"""What driver and workers of one search agree on, written down once in the search's folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cairn.data.parts import CONTRACT, PARTS
from cairn.errors import UserError
from cairn.imports import code_of
from cairn.models.resume import resume_key
from cairn.pins import PINS
from cairn.studies.search.dimension import Dimension, of_options, of_values
from cairn.studies.search.space import Space

FOLDER = Path(".dvc/tmp/search")
FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """A search: from what it starts, what it varies, and when it ends.

    Attributes:
        name: of the search and its study.
        storage: an Optuna storage, or None for a journal in the search's folder.
        base: the sections in force, which every trial changes in a few places.
        overrides: the words that make conf/ into base.
        space: key and words of each dimension.
        groups: for a dimension that is a group, its options' values.
        objective: see cairn.studies.search.objective.
        key: hashes by what they are of (code, data, settings, space): a study goes on only under the same.
        trials: to finish.
        until: seconds since 1970 after which no trial begins, or None.
        driver: differs for each driver, so that workers of a killed one end when another takes over.
    """

    name: str
    storage: str | None
    base: dict[str, Any]
    overrides: list[str]
    space: list[tuple[str, str]]
    groups: dict[str, dict[str, Any]]
    objective: str
    trials: int
    until: float | None
    key: dict[str, str] = field(default_factory=dict)
    driver: str = ""

    @property
    def demand(self) -> dict[str, int]:
        """What a worker takes: cores, and a GPU if the network shall be trained on one."""
        return {"threads": self.base["threads"], "gpus": int(self.base["train"]["device"] == "cuda")}

    @property
    def folder(self) -> Path:
        """Where plan, journal, locks and logs of the search lie."""
        return FOLDER / self.name

    def dimensions(self) -> Space:
        """Return the space as it was when the search began, whatever conf/ says by now."""
        return Space(tuple(self._dimension(key, words) for key, words in self.space))

    def _dimension(self, key: str, words: str) -> Dimension:
        if key not in self.groups:
            value: Any = self.base
            for step in key.split("."):
                value = value[step]
            return of_values(key, words, value)
        options = self.groups[key]
        now = next(name for name, values in options.items() if values == self.base[key])
        made = of_options(key, words, list(options), now)
        return Dimension(key, words, made.distribution, made.default, options)


def keys(base: Mapping[str, Any], space: Space, objective: str) -> dict[str, str]:
    """Return the hashes a study is bound to: of code, prepared data, settings and space."""
    judged = {"startup", "prune", "warmup"}
    settings = {name: values for name, values in base.items() if name != "search"}
    search = {name: value for name, value in base["search"].items() if name in judged}
    return {
        "code": resume_key([PINS], {"code": code_of("cairn.studies.search.worker")}),
        "data": resume_key([CONTRACT, *PARTS.values()], {}),
        "settings": resume_key([], {**settings, "search": search, "objective": objective}),
        "space": resume_key([], {d.key: [d.words, d.options] for d in space.dimensions}),
    }


def write(plan: Plan) -> None:
    """Write the plan for the workers; readable by this user alone, as a storage may hold a password."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    fresh = plan.folder / f"{FILE}.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(plan), file)
    fresh.replace(plan.folder / FILE)


def read(name: str) -> Plan:
    """Read the plan of a search.

    Raises:
        UserError: there is none of this name.
    """
    path = FOLDER / name / FILE
    if not path.exists():
        raise UserError(f"no search '{name}' here: {path} is not there")
    return Plan(**json.loads(path.read_text(encoding="utf-8")))
