"""Numbers are formatted the same way on every page and in every table."""

import pytest

from cairn.metrics.bootstrap import Estimate
from cairn.report.numbers import (
    estimate,
    in_order,
    listed,
    moment,
    number,
    p_value,
    percent,
    places,
    share,
    short,
    signed,
    span,
)
from cairn.report.table import Table, aligned, escaped, piped
from cairn.terminal import wrapped

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0123456, "0.01235"), (-12.3456, "−12.35"), (12345.6, "12,346"), (3.2e12, "3.2e+12"),
     (1e-9, "1e-09"), (None, "–"), (NAN, "–"), (float("inf"), "inf")],
)  # fmt: skip
def test_short_numbers_have_four_significant_digits(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(-1234.567, 1), "−1,234.6"),
        (number(-0.0001, 2), "0.00"),
        (number(NAN, 2), "–"),
        (signed(0.012, 2), "+0.01"),
        (signed(-0.012, 2), "−0.01"),
        (signed(0.001, 2), "0.00"),
        (signed(None, 2), "–"),
        (percent(0.1234), "12.3%"),
        (percent(None), "–"),
        (p_value(0.0004), "<0.001"),
        (p_value(0.0124), "0.012"),
        (p_value(None), "–"),
        (share(Estimate(0.17931, 0.176, 0.183)), "17.93% [17.60, 18.30]"),
        (share(Estimate(NAN, NAN, NAN)), "– [–, –]"),
        (listed([]), ""),
        (listed("a"), "a"),
        (listed("abcd"), "a, b, c and d"),
        (listed("abcdef"), "a, b, c, d and 2 more"),
        (moment(0), "1970-01-01"),
        (moment(3600), "1970-01-01 01:00"),
        (span(Estimate(0.7, 0.6, 0.8), 2), "[0.60, 0.80]"),
        (span(Estimate(1250.0, 1200.0, 1300.0), 0), "[1,200 to 1,300]"),
        (estimate(Estimate(0.7412, 0.728, 0.755)), "0.741 [0.728, 0.755]"),
        (estimate(Estimate(0.7412, NAN, NAN)), "0.741 [–, –]"),
        (estimate(Estimate(0.00104, -0.0009, 0.00298)), "0.0010 [−0.0009, 0.0030]"),
        (estimate(Estimate(32815.4, 27359.5, 38376.0)), "32,815 [27,360 to 38,376]"),
        (estimate(Estimate(-0.00001, -0.02, 0.02)), "0.000 [−0.020, 0.020]"),
        (estimate(Estimate(0.5, 0.5, 0.5)), "0.500 [0.500, 0.500]"),
        (estimate(Estimate(NAN, NAN, NAN)), "– [–, –]"),
    ],
)
def test_numbers_and_intervals_as_text(text, expected):
    assert text == expected


@pytest.mark.parametrize(
    ("intervals", "digits"),
    [
        ([Estimate(0.7, 0.69, 0.71)], 3),
        ([Estimate(0.7, 0.69, 0.71), Estimate(0.7, 0.2, 0.9)], 3),
        ([Estimate(0.7, 0.69999, 0.70001), Estimate(0.7, 0.2, 0.9)], 2),
        ([Estimate(1234.5, 1234.5, 1234.5)], 0),
        ([Estimate(0.01234, NAN, NAN)], 5),
        ([], 3),
    ],
)
def test_intervals_of_a_table_share_two_digits_of_the_narrowest(intervals, digits):
    assert places(intervals) == digits


def test_one_table_as_text_and_as_markdown():
    table = Table(["name", "rows", "note"], [["a|b", "12", "x"], ["long_name", "1,234", ""]])
    assert aligned(table) == ["name        rows  note", "a|b           12  x", "long_name  1,234"]
    assert piped(table)[1:3] == ["| --- | ---: | --- |", "| a\\|b | 12 | x |"]
    assert escaped("<0.001*") == "\\<0.001\\*"


def test_a_paragraph_is_broken_at_the_width_of_a_terminal():
    lines = wrapped("word " * 60)
    assert max(map(len, lines)) <= 100
    assert all(line.startswith("  word") for line in lines[1:])


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["10", "9", "-1", "2.5"], ["-1", "2.5", "9", "10"]),
        (
            ["15 to 18", "after 21", "(missing)", "before 09", "09 to 12", "18 to 21"],
            ["before 09", "09 to 12", "15 to 18", "18 to 21", "after 21", "(missing)"],
        ),
        (["up to 5", "above 9", "up to 9"], ["up to 5", "up to 9", "above 9"]),
        (["UA", "9E", "AA"], ["UA", "9E", "AA"]),
        (["v10", "v9"], ["v10", "v9"]),
        ([], []),
    ],
)
def test_levels_with_numbers_are_in_their_order_and_others_as_they_were(names, ordered):
    assert [names[at] for at in in_order(names)] == ordered
