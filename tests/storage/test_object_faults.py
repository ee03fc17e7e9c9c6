"""One test for each fault of an object: none is silent, no byte is lost."""

import pytest
from storage_faults import FAULTS, contents, meet, with_cairn

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_mended_and_no_byte_is_lost(toy_storage, fault):
    outcome = meet(fault, toy_storage, with_cairn)
    assert outcome.mended and not outcome.lost
    assert outcome.said or fault.kind == "deleted"  # which a push or a pull is there for
    assert contents(toy_storage.checkout.path)
