"""Progress of long work, on stderr and only where that is a terminal."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tqdm import tqdm

OnIteration = Callable[[int, float], None]
"""Called after each iteration with its number, from 1, and validation loss; may raise to end the fit."""


@contextmanager
def elapsed(what: str) -> Generator[None]:
    """Show a line with the time passed, after the first second and until the work is done."""
    with tqdm(desc=what, bar_format="{desc} {elapsed}", delay=1, disable=None, leave=False) as bar:
        done = threading.Event()

        def tick() -> None:
            while not done.wait(1):
                bar.delay = 0  # else close() assumes that nothing was drawn, and does not clear the line
                bar.refresh()

        clock = threading.Thread(target=tick, daemon=True)
        if bar.disable:
            yield
            return
        clock.start()
        try:
            yield
        finally:
            done.set()
            clock.join()
