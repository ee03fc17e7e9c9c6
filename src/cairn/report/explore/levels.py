"""Levels of categories that are too rare to learn from, and those that validation has and train has not."""

from dataclasses import dataclass

import numpy as np

from cairn.report.explore.values import Values

FEW = 20
NAMED = 3
NEARLY_ALL = 0.5


@dataclass(frozen=True)
class Rare:
    """A category with rare levels.

    Attributes:
        column: its name.
        levels: how many it has in train.
        rare: how many of them have fewer than 20 rows.
        rare_share: of the values of train that these are.
        examples: the rarest of them.
        unseen_share: of the values of validation whose level train does not have.
        unseen: some of these levels.
    """

    column: str
    levels: int
    rare: int
    rare_share: float
    examples: tuple[str, ...]
    unseen_share: float
    unseen: tuple[str, ...]

    @property
    def names_rows(self) -> bool:
        """Whether it rather names rows than groups them: most values have a rare level."""
        return self.rare_share > NEARLY_ALL


def rare_levels(columns: dict[str, tuple[Values, Values]]) -> list[Rare]:
    """Return the categories that have rare or unseen levels, the most concerned first.

    Args:
        columns: by name, train and validation coded alike; only categories count.
    """
    found = [_rare(name, *parts) for name, parts in columns.items() if parts[0].kind == "categorical"]
    concerned = [rare for rare in found if rare.rare or rare.unseen]
    return sorted(concerned, key=lambda rare: (-max(rare.rare_share, rare.unseen_share), rare.column))


def _rare(name: str, train: Values, validation: Values) -> Rare:
    size = len(train.levels)
    rows, others = (
        np.bincount(part.numbers[part.known].astype(np.int64), minlength=size) for part in (train, validation)
    )
    rare = np.flatnonzero((rows > 0) & (rows < FEW))
    unseen = np.flatnonzero((rows == 0) & (others > 0))
    return Rare(
        column=name,
        levels=int((rows > 0).sum()),
        rare=len(rare),
        rare_share=float(rows[rare].sum() / max(rows.sum(), 1)),
        examples=tuple(train.levels[code] for code in rare[::-1][:NAMED]),
        unseen_share=float(others[unseen].sum() / max(others.sum(), 1)),
        unseen=tuple(train.levels[code] for code in unseen[:NAMED]),
    )
