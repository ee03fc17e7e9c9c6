"""The question that a page asks where nobody has worded it."""

import pytest

from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.purpose import question_of


@pytest.mark.parametrize(
    ("task", "target", "positive", "unit", "question"),
    [
        ("binary", "late", None, None, 'Will "late" be true?'),
        ("binary", "late", True, None, 'Will "late" be true?'),
        ("binary", "Risk", "bad", None, 'Will "Risk" be "bad"?'),
        ("regression", "bill", None, "USD", 'What will "bill" be, in USD?'),
        ("regression", "bill", None, None, 'What will "bill" be?'),
        ("multiclass", "species", None, None, 'Which "species" will it be?'),
    ],
)
def test_a_question_is_made_from_the_target(task, target, positive, unit, question):
    kind = "numeric" if task == "regression" else "categorical"
    column = {"kind": kind} | ({"unit": unit} if unit else {})
    contract = Contract.model_validate({"key": [], "columns": {target: column}})
    data = DataConfig.model_construct(task=task, target=target, positive=positive)
    assert question_of(data, contract) == question
