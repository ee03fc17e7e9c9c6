"""Section `split`: how rows are dealt to train, validation and test."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cairn.config.base import Section

Share = Annotated[float, Field(gt=0, lt=1)]


class TimeSplit(Section):
    """Train on the past, validate on what follows, test on the latest rows."""

    kind: Literal["time"]
    train_from: str | None
    validation_from: str | Share
    test_from: str | Share
    test_until: str | None
    gap: str

    @model_validator(mode="after")
    def _in_order(self) -> "TimeSplit":
        first, second = self.validation_from, self.test_from
        if type(first) is not type(second):
            raise ValueError("validation_from and test_from are both dates or both shares of the rows")
        if first >= second:  # ty: ignore[unsupported-operator]
            raise ValueError(f"validation_from {first} is not before test_from {second}")
        return self


class _Shares(Section):
    validation: Share
    test: Share

    @model_validator(mode="after")
    def _leave_rows_to_train_on(self) -> "_Shares":
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} + test {self.test} leave no rows to train on")
        return self


class RandomSplit(_Shares):
    """Rows dealt at random; the target's shares kept and copies of a row on one side, if so asked."""

    kind: Literal["random"]
    stratify: bool
    copies_together: bool


class GroupSplit(_Shares):
    """Whole groups (data.group) dealt at random, so no entity is on two sides."""

    kind: Literal["group"]


SplitConfig = Annotated[TimeSplit | RandomSplit | GroupSplit, Field(discriminator="kind")]
