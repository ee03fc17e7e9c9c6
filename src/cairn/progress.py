"""Progress on the terminal: shown only to a person, from the second second on, and cleared at the end."""

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

OnIteration = Callable[[int, float], None]
"""Called after each iteration with its number, from 1, and validation loss; may raise to end the fit."""


class _Bar(tqdm):
    """tqdm that always clears its line.

    tqdm's close() leaves the line if no update() has drawn it, even where refresh() or tqdm's own monitor
    thread, which redraws a bar after ten seconds without an update, has.
    """

    def close(self) -> None:
        self.delay = 0
        super().close()


def progress(
    items: Iterable[Any] | None = None, what: str = "", *, unit: str, total: int | None = None
) -> tqdm:
    """Return a bar over the items, or one of `total` steps for `with` and update()."""
    return _Bar(items, desc=what, unit=unit, total=total, delay=1, leave=False, disable=None)


@contextmanager
def elapsed(what: str) -> Generator[None]:
    """Show a line with the time passed."""
    with _Bar(desc=what, bar_format="{desc} {elapsed}", delay=1, disable=None, leave=False) as bar:
        done = threading.Event()

        def tick() -> None:
            while not done.wait(1):
                bar.refresh()

        clock = threading.Thread(target=tick, daemon=True)
        if not bar.disable:
            clock.start()
        try:
            yield
        finally:
            done.set()
            if not bar.disable:
                clock.join()
