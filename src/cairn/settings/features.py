"""Section `features`: which columns of the contract a model may use."""

from typing import Annotated, Literal

from pydantic import Field

from cairn.settings.section import Section


class SelectionConfig(Section):
    """none: every column; univariate: the best single columns; recursive: those a forest needs; on train.

    Attributes:
        kind: none, the best single columns, or recursive elimination with a forest
        keep: columns to keep: a share or a number of them; ignored with kind: none
    """

    kind: Literal["none", "univariate", "recursive"]
    keep: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]

    def kept_of(self, columns: int) -> int:
        """Return how many of this number of columns are kept."""
        wanted = self.keep if isinstance(self.keep, int) else max(1, round(self.keep * columns))
        return columns if self.kind == "none" else min(wanted, columns)


class FeaturesConfig(Section):
    """Feature groups of the contract (null: all), less some columns, and a selection among the rest.

    Attributes:
        groups: feature groups of the contract; null: every group
        exclude: columns to leave out nevertheless
        selection: a selection among the remaining columns, made on train
    """

    groups: list[str] | None
    exclude: list[str]
    selection: SelectionConfig
