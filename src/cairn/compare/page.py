"""A comparison on one page that loads nothing."""

from cairn.compare.comparison import Comparison


def to_html(comparison: Comparison) -> str:
    """x."""
    return ""
