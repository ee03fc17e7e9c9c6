"""What the driver and the workers of one search agree on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cairn.data.parts import CONTRACT, PARTS
from cairn.experiments import pool
from cairn.imports import code_of
from cairn.models.resume import resume_key
from cairn.pins import PINS
from cairn.studies.search.dimension import Dimension, of_options, of_values
from cairn.studies.search.space import Space

FOLDER = Path(".dvc/tmp/search")


@dataclass(frozen=True, kw_only=True)
class Plan(pool.Plan):
    """A search: what it starts from, what it varies, and when it ends.

    Attributes:
        storage: an Optuna storage, or None for a journal in the search's folder.
        base: the current sections, of which every trial changes a few values.
        overrides: that make conf/ into base.
        space: key and Hydra's text of each dimension.
        groups: for a dimension that is a group, its options' values.
        objective: see cairn.studies.search.objective.
        key: hashes of code, data, settings and space: a study can be resumed only with the same.
        trials: how many to finish.
        until: seconds since 1970 after which no trial begins, or None.
    """

    storage: str | None
    base: dict[str, Any]
    overrides: list[str]
    space: list[tuple[str, str]]
    groups: dict[str, dict[str, Any]]
    objective: str
    trials: int
    until: float | None
    key: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the search and its study."""
        return self.folder.name

    @property
    def demand(self) -> dict[str, int]:
        """Cores of a worker, and a GPU if the network is trained on one."""
        return {"threads": self.base["threads"], "gpus": int(self.base["train"]["device"] == "cuda")}

    def dimensions(self) -> Space:
        """Return the space that the search began with; conf/ may have been edited since."""
        return Space(tuple(self._dimension(key, text) for key, text in self.space))

    def _dimension(self, key: str, text: str) -> Dimension:
        if key not in self.groups:
            value: Any = self.base
            for step in key.split("."):
                value = value[step]
            return of_values(key, text, value)
        options = self.groups[key]
        now = next(name for name, values in options.items() if values == self.base[key])
        made = of_options(key, text, list(options), now)
        return Dimension(key, text, made.distribution, made.default, options)


def keys(base: Mapping[str, Any], space: Space, objective: str) -> dict[str, str]:
    """Return the hashes that a study depends on: of code, prepared data, settings and space."""
    judged = {"startup", "prune", "warmup"}
    settings = {name: values for name, values in base.items() if name != "search"}
    search = {name: value for name, value in base["search"].items() if name in judged}
    return {
        "code": resume_key([PINS], {"code": code_of("cairn.studies.search.worker")}),
        "data": resume_key([CONTRACT, *PARTS.values()], {}),
        "settings": resume_key([], {**settings, "search": search, "objective": objective}),
        "space": resume_key([], {d.key: [d.words, d.options] for d in space.dimensions}),
    }
