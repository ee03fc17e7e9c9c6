"""Section `features`: which of the columns known in time a model may use."""

from typing import Annotated, Literal

from pydantic import Field

from cairn.config.base import Section


class SelectionConfig(Section):
    """none: every column; univariate: the best by themselves; recursive: those a forest needs, on train."""

    kind: Literal["none", "univariate", "recursive"]
    keep: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]

    def kept_of(self, columns: int) -> int:
        """Return how many of so many columns are kept."""
        wanted = self.keep if isinstance(self.keep, int) else max(1, round(self.keep * columns))
        return columns if self.kind == "none" else min(wanted, columns)


class FeaturesConfig(Section):
    """Feature groups of the contract (null: every group), less some columns, and a choice among the rest."""

    groups: list[str] | None
    exclude: list[str]
    selection: SelectionConfig
