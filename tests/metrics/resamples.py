"""The draws of the bootstrap, one by one: what its sums and scores are compared with."""

import numpy as np


def draw_counts(blocks, resamples, seed):
    """Return how often each block is drawn, shape (resamples, blocks)."""
    rng = np.random.default_rng(seed)
    n = int(np.max(blocks)) + 1
    return np.array([np.bincount(rng.integers(0, n, size=n), minlength=n) for _ in range(resamples)])
