"""Show that something long is under way where no library can say how far it has come."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def elapsed(what: str) -> Generator[None]:
    """Show a line with the time passed, on a terminal only and gone when the work is done."""
    with tqdm(desc=what, bar_format="{desc} {elapsed}", delay=1, disable=None, leave=False) as bar:
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
            if clock.is_alive():
                clock.join()
