"""Section `purpose`: the question that the model answers, for whom, and what it must reach."""

from pydantic import Field, model_validator

from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.section import Section

PURPOSE = "purpose"
"""The section that no result depends on: two runs that differ in it alone are the same run."""


class Goal(Section):
    """What the model must reach on test: at least the value, or at most, if lower is better.

    Attributes:
        measure: metric of the task, or saving (money per 1,000 rows, from conf/kpi); null: no goal
        value: in the unit of the measure; reached if the whole interval on test is at least as good
    """

    measure: str | None = None
    value: float | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Goal":
        if (self.measure is None) != (self.value is None):
            raise ValueError("needs both a measure and a value, or neither")
        return self


class PurposeConfig(Section):
    """The definition of the task, for people: reports show it, and nothing is computed from it.

    Attributes:
        question: what is asked of every row; null: made from the target
        decision: what somebody decides with the answer
        owner: who answers for the model
        intended_use: where the model may be used
        misuse: where it must not be used
        licence: of the data that the model is made from
        goal: what the model must reach on test
    """

    question: str | None = None
    decision: str | None = None
    owner: str | None = None
    intended_use: list[str] = Field(default_factory=list)
    misuse: list[str] = Field(default_factory=list)
    licence: str | None = None
    goal: Goal = Field(default_factory=Goal)


def question_of(data: DataConfig, contract: Contract) -> str:
    """Ask what the model answers for every row, made from the target."""
    unit = contract.columns[data.target].unit
    if data.task == "regression":
        return f'What will "{data.target}" be{f", in {unit}" if unit else ""}?'
    if data.task == "multiclass":
        return f'Which "{data.target}" will it be?'
    event = "true" if data.positive in (None, True) else f'"{data.positive}"'
    return f'Will "{data.target}" be {event}?'
