"""Section `explain`: how thoroughly the fitted model is explained."""

from pydantic import Field

from cairn.settings.section import Section


class ExplainConfig(Section):
    """Permutation importance and partial dependence; time grows with repeats x columns x column_rows.

    Attributes:
        rows: validation rows, evenly spaced, to shuffle feature groups in; more make intervals narrower
        column_rows: the same for single columns, of which there are more, and for partial dependence
        repeats: shuffles of every column and every feature group, whose mean is the importance
        resamples: bootstrap resamples for every interval
        curves: columns, the most important ones, to draw a partial dependence of
        points: values, or most frequent categories, on each of these curves
    """

    rows: int = Field(ge=10)
    column_rows: int = Field(ge=10)
    repeats: int = Field(ge=1)
    resamples: int = Field(ge=100)
    curves: int = Field(ge=0)
    points: int = Field(ge=2)
