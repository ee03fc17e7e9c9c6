"""What a check found, as one line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["ok", "warn", "wrong"]


@dataclass(frozen=True)
class Line:
    """What one check found.

    Attributes:
        state: wrong is in the way; warn may be meant so.
        subject: what was looked at.
        said: how it is and, unless all is well, what to do.
    """

    state: State
    subject: str
    said: str

    def __str__(self) -> str:
        """Write it as one line of a table."""
        return f"{self.state:<6} {self.subject:<11} {self.said}"


def first(items: list[str]) -> str:
    """Name the first of some items, and say how many more there are."""
    return items[0] if len(items) == 1 else f"{items[0]} and {len(items) - 1} more"


def in_one_line(error: object) -> str:
    """Return what an error says without its line ends, or its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
