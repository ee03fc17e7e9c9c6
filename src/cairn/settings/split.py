"""Section `split`: how rows are dealt to train, validation and test."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cairn.settings.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]


class TimeSplit(Section):
    """Train on the past, validate on what follows, test on the latest rows.

    Attributes:
        kind: order rows by data.time
        train_from: date; train on rows from this moment on; null: from the first row
        validation_from: share of the rows before validation, or a date such as "2013-09-01" (then
            test_from too)
        test_from: share of the rows before test, or a date; test is what follows
        test_until: date; leave out rows from this moment on; null: to the last row
        gap: time left out before validation and before test, so that no late label crosses, such as 36h or 1D
    """

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
    """Rows dealt at random; the target's shares kept and copies of a row on one side, if so asked.

    Attributes:
        kind: row by row
        validation: share of the rows; choices and early stopping use them
        test: share of the rows; only the last word uses them
        stratify: keep the share of every class (of every tenth, for a numeric target) equal in all parts
        copies_together: rows equal in all but their key go to one part, so that test holds nothing
            train has seen
    """

    kind: Literal["random"]
    stratify: bool
    copies_together: bool


class GroupSplit(_Shares):
    """Whole groups (data.group) dealt at random, so no entity is on two sides.

    Attributes:
        kind: all rows with one value of data.group land in one part
        validation: share of the groups; choices and early stopping use them
        test: share of the groups; only the last word uses them
    """

    kind: Literal["group"]


SplitConfig = Annotated[TimeSplit | RandomSplit | GroupSplit, Field(discriminator="kind")]
