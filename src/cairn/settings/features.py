"""Section `features`: which of the columns known in time a model may use."""

from typing import Annotated, Literal

from pydantic import Field

from cairn.settings.section import Section


class SelectionConfig(Section):
    """none: every column; univariate: the best by themselves; recursive: those a forest needs, on train.

    Attributes:
        kind: none, the best one by one, or those that a forest cannot do without
        keep: columns to keep: a share of them, or a whole number; no effect with kind: none
    """

    kind: Literal["none", "univariate", "recursive"]
    keep: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]

    def kept_of(self, columns: int) -> int:
        """Return how many of so many columns are kept."""
        wanted = self.keep if isinstance(self.keep, int) else max(1, round(self.keep * columns))
        return columns if self.kind == "none" else min(wanted, columns)


class FeaturesConfig(Section):
    """Feature groups of the contract (null: every group), less some columns, and a choice among the rest.

    Attributes:
        groups: feature groups of the contract; null: every group
        exclude: columns to leave out all the same
        selection: a choice among what is left, made on train
    """

    groups: list[str] | None
    exclude: list[str]
    selection: SelectionConfig
