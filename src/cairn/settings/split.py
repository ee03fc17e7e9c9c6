"""Section `split`: how rows are split into train, validation and test."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cairn.settings.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]


class TimeSplit(Section):
    """Train on the past, validate on what follows, test on the latest rows.

    Attributes:
        kind: order rows by data.time
        train_from: date; train on rows from this date on; null: from the first row
        validation_from: share of the rows before validation, or a date such as "2013-09-01" (then
            test_from too)
        test_from: share of the rows before test, or a date; later rows are test
        test_until: date; leave out rows from this date on; null: up to the last row
        gap: time left out before validation and before test, such as 36h or 1D; keeps late labels apart
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
            raise ValueError("validation_from and test_from must both be dates or both be shares of the rows")
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
    """Rows assigned at random; stratified by the target and with copies of a row in one part, if wanted.

    Attributes:
        kind: assign single rows
        validation: share of the rows; for model selection and early stopping
        test: share of the rows; for the final evaluation only
        stratify: keep the share of every class (of every decile of a numeric target) equal in all parts
        copies_together: rows equal in all columns but the key go to one part, so that test has no copies of
            train rows
    """

    kind: Literal["random"]
    stratify: bool
    copies_together: bool


class GroupSplit(_Shares):
    """Whole groups (data.group) assigned at random, so that no group is in two parts.

    Attributes:
        kind: all rows with the same value of data.group are in one part
        validation: share of the groups; for model selection and early stopping
        test: share of the groups; for the final evaluation only
    """

    kind: Literal["group"]


class ColumnSplit(Section):
    """The parts that a column of the table names: a published split, or folds.

    Attributes:
        kind: a column of the table names the part of each row
        column: its name; it cannot be a feature
        train_labels: its values in the rows to train on
        validation_labels: its values in the rows for model selection and early stopping; []: a random share
            of train, whole groups if data.group is set
        test_labels: its values in the rows for the final evaluation only; rows with any other value are in
            no part
        validation: share of the training rows, where validation_labels is empty
    """

    kind: Literal["column"]
    column: str | None
    train_labels: list[str | int | bool] = Field(min_length=1)
    validation_labels: list[str | int | bool]
    test_labels: list[str | int | bool] = Field(min_length=1)
    validation: Share

    @model_validator(mode="after")
    def _labels_are_of_one_part(self) -> "ColumnSplit":
        labels = [*self.train_labels, *self.validation_labels, *self.test_labels]
        if twice := [label for at, label in enumerate(labels) if label in labels[:at]]:
            raise ValueError(f"{twice[0]!r} is a label of more than one part")
        return self


SplitConfig = Annotated[TimeSplit | RandomSplit | GroupSplit | ColumnSplit, Field(discriminator="kind")]
