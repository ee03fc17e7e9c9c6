"""What the stage evaluate claims beside its metrics, against NumPy by hand."""

import numpy as np
import pytest

from cairn.metrics.bootstrap import draw_counts
from cairn.metrics.evaluation import mean_error
from cairn.settings.evaluate import EvaluateConfig

EVALUATE = EvaluateConfig(
    primary=None,
    resamples=200,
    confidence=0.9,
    block=None,
    slices=[],
    min_slice_rows=30,
    ceiling={},
)


@pytest.mark.parametrize("blocked", [True, False])
def test_the_mean_error_and_its_interval_are_those_of_the_rows_drawn(blocked):
    rng = np.random.default_rng(0)
    y = rng.normal(100, 20, 150)
    low = y - 19.3 + rng.normal(0, 5, 150)
    blocks = rng.permutation(np.arange(150) % 12) if blocked else None
    found = mean_error(y, low, evaluate=EVALUATE, blocks=blocks, seed=4)
    codes = np.arange(150) if blocks is None else blocks
    drawn = [
        np.mean(np.repeat(low, counts[codes]) - np.repeat(y, counts[codes]))
        for counts in draw_counts(codes, 200, 4)
    ]
    by_hand = (np.mean(low - y), *np.quantile(drawn, [0.05, 0.95]))
    assert tuple(found.values()) == pytest.approx(by_hand)
    assert found["high"] < -15
