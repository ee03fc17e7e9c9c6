"""Types for argparse."""

import argparse
from collections.abc import Callable


def at_least(least: int) -> Callable[[str], int]:
    """Return a type for argparse: a whole number from this one on."""

    def number(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"should be a whole number, {least} or more, not {text}")
        return int(text)

    return number
