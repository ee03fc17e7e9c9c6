"""The evaluation protocol of a study."""

import pytest
from toy_study import config, prepared

from cairn.errors import UserError
from cairn.studies.protocol import evaluation_set, protocol_of


def protocol(decides):
    return protocol_of(config(), evaluation_set(config(), prepared()), seeds=1, decides=decides)


def test_what_decides_has_to_be_a_metric_of_the_task():
    with pytest.raises(UserError, match="--decide-by rmse: a binary task has no such metric"):
        protocol("rmse")
    with pytest.raises(UserError, match="--decide-by saving"):
        protocol("saving")
