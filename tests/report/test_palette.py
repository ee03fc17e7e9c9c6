"""Colours agree with the text, differ from each other, and have the contrast that WCAG asks for."""

import math
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from cairn.metrics.bootstrap import Estimate
from cairn.report import page
from cairn.report.plots.canvas import (
    HARMFUL,
    MODEL,
    ON_PAGES,
    OTHERS,
    TEXT,
    draw,
    keep_readable,
    limits,
    to_svg,
)
from cairn.report.plots.figures import interval_figure, training_figure

SHEET = Path(page.__file__).with_name("page.css").read_text(encoding="utf-8")
SCHEMES = dict(zip(("light", "dark"), re.findall(r":root \{(.*?)\}", SHEET, re.DOTALL), strict=False))
# Viénot, Brettel and Mollon (1999), on linear RGB: what people without long- or medium-wave cones see.
SEEN = {
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "anybody": np.eye(3),
}


def colours(scheme):
    return dict(re.findall(r"--([\w-]+): (#\w{6})", SCHEMES[scheme]))


def linear(colour):
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """By the definition of WCAG 2.2."""
    low, high = sorted(linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_have_enough_contrast(scheme):
    named = colours(scheme)
    for name in ("ink", "soft", "accent", "better", "unclear", "worse"):
        assert contrast(named[name], named["paper"]) >= 4.5, name
        assert contrast(named[name], named["panel"]) >= 4.5, name
    for name in set(ON_PAGES.values()) | {"minus"}:
        assert contrast(named[name], named["paper"]) >= 3, name


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lines_of_a_figure_are_told_apart_by_everybody(scheme, eyes):
    """In colour alone by at least a tenth of the way from black to white; their dashes differ too."""
    named = colours(scheme)
    drawn = {name: named[name] for name in [ON_PAGES[colour] for colour in (MODEL, *OTHERS[:4])]}
    roots = {name: np.clip(SEEN[eyes] @ linear(colour), 0, 1) ** (1 / 2.2) for name, colour in drawn.items()}
    for one, other in combinations(roots, 2):
        assert np.linalg.norm(roots[one] - roots[other]) > 0.1 * np.sqrt(3), (one, other)


def test_the_colours_of_a_figure_become_those_of_the_page():
    svg = to_svg(interval_figure({"a": Estimate(1.0, 0.5, 1.5)}, label="gain"))
    assert MODEL in svg
    shown = page.embedded(svg, "p")
    assert MODEL not in shown and "var(--accent)" in shown


def test_an_interval_has_the_colour_of_its_verdict():
    estimates = {"up": Estimate(1.0, 0.5, 1.5), "down": Estimate(-1.0, -1.5, -0.5), "?": Estimate(0, -1, 1)}

    def colours_of(tones):
        (axes,) = interval_figure(estimates, label="", tones=tones).axes
        return [line.get_color() for line in axes.lines if line.get_marker() == "o"]

    assert colours_of({"up": "worse", "down": "better", "?": "unclear"}) == [HARMFUL, MODEL, TEXT]
    # Corrected for the number of tests, an interval that excludes 0 may be no evidence.
    assert colours_of({"up": "unclear", "down": "unclear", "?": "same"}) == [TEXT, TEXT, TEXT]
    assert colours_of(None) == [MODEL, MODEL, TEXT]


def test_the_first_steps_of_training_do_not_flatten_the_rest():
    steps = [-1000.0, *np.linspace(-1, -0.5, 99)]
    (axes,) = training_figure(steps, []).axes
    assert -2 < axes.get_ylim()[0] < -0.9
    assert axes.get_title("right") == "1 below, down to \u22121,000"
    (axes,) = training_figure([-0.6, *np.linspace(-0.5, -0.1, 99)], []).axes
    assert axes.get_ylim()[0] < -0.6
    assert axes.get_title("right") == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Quartiles 2 and 4: the fences are -4 and 10.
        ([1, 2, 3, 4, 100], (1, 4)),
        ([-4, 2, 3, 4, 10], (-4, 10)),
        ([-4.01, 2, 3, 4, 10.01], (2, 4)),
        ([5, 5, 5, 5, 100], (5, 100)),
        ([math.nan, 7, math.inf], (7, 7)),
        ([math.nan], None),
    ],
)
def test_the_range_of_an_axis_leaves_out_what_is_beyond_tukeys_outer_fences(values, expected):
    assert limits(values) == expected


def test_an_axis_shows_what_must_be_shown_and_says_what_it_leaves_out():
    values = [1, 2, 3, 4, 5, 60, -700]
    _, (axes,) = draw()
    keep_readable(axes, values, shown=[8])
    low, high = axes.get_ylim()
    assert low < 1
    assert 8 < high < 10
    assert axes.get_title("right") == "1 below, down to \u2212700; 1 above, up to 60"
    _, (axes,) = draw()
    axes.set_yscale("log")
    keep_readable(axes, [1, 2, 4, 8, 16, 1e9])
    low, high = axes.get_ylim()
    assert 0.5 < low < 1
    assert 16 < high < 20
