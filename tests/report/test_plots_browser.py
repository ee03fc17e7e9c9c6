"""The page of `dvc plots` is drawn without a network: with the template of .dvc/ that .dvc/config names."""

import configparser
import re

import numpy as np
import pytest
import yaml
from chromium import LAPTOP, browse
from repository import ROOT

MEGABYTE = 1_000_000


def template():
    settings = configparser.ConfigParser()
    settings.read(ROOT / ".dvc/config", encoding="utf-8")
    return ROOT / ".dvc" / settings["plots"]["html_template"]


def test_the_template_holds_vega_and_its_licence_and_loads_nothing():
    text = template().read_text(encoding="utf-8")
    assert "{plot_divs}" in text and "{scripts}" not in text  # DVC's scripts are addresses
    assert not re.search(r"<(script|link)\b[^>]*(src|href)=", text)
    assert "Redistributions in binary form must reproduce the above copyright notice" in text
    assert template().stat().st_size < MEGABYTE


@pytest.mark.scale
def test_every_plot_of_the_pipeline_is_drawn_without_a_network(tmp_path):
    from dvc_render.html import render_html
    from dvc_render.vega import VegaRenderer

    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    drawn = []
    for name, plot in (next(iter(one.items())) for one in declared if isinstance(one, dict)):
        (columns,) = plot["y"].values()
        y = columns if isinstance(columns, str) else columns[0]
        values = ["no", "yes"] * 5 if plot["template"] == "confusion" else np.linspace(0, 1, 10)
        points = [{plot["x"]: value, y: value, "rev": "workspace"} for value in values]
        drawn.append(VegaRenderer(points, name, template=plot["template"], x=plot["x"], y=y))
    assert len(drawn) == 5
    page = tmp_path / "plots.html"
    render_html(drawn, page, template())
    done, asked = browse(page.as_uri(), tmp_path, LAPTOP, "--dump-dom", "--virtual-time-budget=5000")
    assert asked == []
    assert len(re.findall(r"<canvas", done.stdout)) == len(drawn)
    assert "Error" not in done.stderr
