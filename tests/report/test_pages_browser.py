"""Chromium runs the scripts of the pages: tables sort and search, the threshold moves, nothing needs a mouse.

Needs the Debian package chromium; axe-core comes from npm.
"""

import json
from pathlib import Path

import pandas as pd
import pytest
from card_inputs import DECIDED, record_of, sections, write_inputs
from chromium import title_after, violations
from explore_inputs import look, table

from cairn.pipeline import report
from cairn.report.plots.canvas import draw, legend, to_svg
from cairn.report.plots.figures import roc_figure
from cairn.report.studies.sheet import Section, Sheet, to_html

pytestmark = pytest.mark.scale
CELLS = """const cells = (table, at) => [...table.tBodies[0].rows].filter((row) => row.checkVisibility())
  .map((row) => row.cells[at].firstChild.textContent.trim());
const say = (what) => { document.title = JSON.stringify(what); };
const type = (field, text) => { field.value = text; field.dispatchEvent(new Event("input")); };"""


@pytest.fixture
def card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = record_of("binary", priced=True)
    record["slices"] = [
        {**row, "level": f"{row['level']} {at}", "rows": 900 + 1000 * at}
        for at in range(5)
        for row in record["slices"]
    ]
    write_inputs(record)
    report.main(**sections("binary", priced=True))
    return Path("reports/model_card.html").read_text(encoding="utf-8")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return look(table("binary"), "binary", time="at", slices=["city"])


def test_a_header_sorts_its_table_down_then_up_then_as_it_was(card, tmp_path):
    script = """const table = document.querySelector("#slices").closest("section").querySelector("table");
    const header = [...table.tHead.rows[0].cells].find((one) => one.textContent === "rows");
    const found = [];
    table.classList.remove("short");
    for (let click = 0; click < 4; click += 1) {
      found.push([header.getAttribute("aria-sort"), cells(table, 2)]);
      header.querySelector("button").click();
    }
    say(found);"""
    (_, at_first), (down, falling), (up, rising), (_, again) = json.loads(
        title_after(card, CELLS + script, tmp_path)
    )
    numbers = [int(text.replace(",", "")) for text in at_first]
    assert len(numbers) == 20 and max(numbers) > 1000  # 4,900 is above 900
    assert (down, up) == ("descending", "ascending")
    assert falling == [f"{rows:,}" for rows in sorted(numbers, reverse=True)]
    assert rising == [f"{rows:,}" for rows in sorted(numbers)]
    assert again == at_first


def test_a_long_table_is_shortened_and_searched(card, tmp_path):
    script = """const part = document.querySelector("#slices").closest("section");
    const table = part.querySelector("table"), field = part.querySelector("[type=search]");
    const found = [cells(table, 1).length];
    type(field, "HA"); found.push(cells(table, 1), part.querySelector("output").textContent);
    type(field, ""); part.querySelector(".more").click(); found.push(cells(table, 1).length);
    say(found);"""
    first, matches, said, all_rows = json.loads(title_after(card, CELLS + script, tmp_path))
    assert (first, all_rows) == (10, 20)
    assert matches == [f"HA {at}" for at in range(5)]
    assert said == "5 of 20 rows"


def test_the_threshold_in_use_can_be_moved_and_every_number_follows(card, tmp_path):
    script = """const shown = () => Object.fromEntries([...document.querySelectorAll("[data-shown]")]
      .map((part) => [part.dataset.shown, part.textContent]));
    const cut = document.getElementById("cut"), found = [shown()];
    cut.value = cut.max - 4; cut.dispatchEvent(new Event("input")); found.push(shown());
    document.getElementById("in-use").click(); found.push(shown(), cut.checkVisibility());
    say(found);"""
    before, moved, again, visible = json.loads(title_after(card, CELLS + script, tmp_path))
    assert visible and before == again and moved != before
    rows = DECIDED[DECIDED["part"] == "validation"]
    prices = sections("binary", priced=True)["kpi"]
    for shown in (before, moved):
        acted = rows["model"] > float(shown["threshold"])
        caught = int(rows.loc[acted, "target"].sum())
        wrong = int(acted.sum()) - caught
        assert (shown["caught"], shown["false_alarms"]) == (str(caught), str(wrong))
        assert shown["precision"] == f"{100 * caught / acted.sum():.1f}%"
        assert shown["recall"] == f"{100 * caught / rows['target'].sum():.1f}%"
        saving = 1000 / len(rows) * (caught * prices.loss * prices.share_saved - acted.sum() * prices.action)
        assert shown["saving"] == f"{saving:,.0f}".replace("-", "−")


def test_columns_are_found_by_their_words_and_ordered_by_what_the_reader_asks(data, tmp_path):
    script = """const items = () => [...document.querySelectorAll("#cards > details")];
    const form = document.querySelector("form.finder"), order = form.querySelector("select");
    const choose = (value) => { order.value = value; order.dispatchEvent(new Event("change")); };
    const named = () => items().map((one) => one.dataset.name), found = [named()];
    choose("missing"); found.push(items().map((one) => Number(one.dataset.missing)));
    choose("name"); found.push(named());
    type(form.querySelector("[type=search]"), "gap");
    found.push(items().filter((one) => one.checkVisibility()).map((one) => one.dataset.name));
    say(found);"""
    at_first, missing, names, matches = json.loads(title_after(data, CELLS + script, tmp_path))
    assert at_first[0] == "empty"  # the only column with a problem
    assert missing == sorted(missing, reverse=True) and missing[0] == 1
    assert names == sorted(at_first)
    assert "gappy" in matches and len(matches) < len(names)


def test_axe_finds_nothing_on_the_card_and_on_the_page_of_the_data(card, data, tmp_path):
    assert violations(card, tmp_path) == {}
    assert violations(data, tmp_path) == {}


def test_axe_finds_what_is_wrong(card, tmp_path):
    wrong = card.replace("<main>", '<main><p id="pale">pale</p><img src="data:,">')
    wrong = wrong.replace("<style>", "<style>#pale { color: #777777; background: #888888; }")
    wrong = wrong.replace("style-src", "style-src 'unsafe-inline' ;x ")
    assert {"light: color-contrast", "light: image-alt"} <= violations(wrong, tmp_path).keys()


HOVER = """const svg = document.querySelector("figure svg"), tip = document.querySelector("figure .tip");
const paths = [...svg.querySelectorAll('g[id*="-line2d_"] > path')];
const line = paths.find((path) => path.getAttribute("d").split("L").length === 5);
const found = [tip.checkVisibility()];
for (const [, x, y] of line.getAttribute("d").matchAll(/[ML] (\\S+) (\\S+)/g)) {
  const at = new DOMPoint(Number(x) + 3, Number(y) - 3).matrixTransform(svg.getScreenCTM());
  svg.dispatchEvent(new PointerEvent("pointermove", { clientX: at.x, clientY: at.y }));
  found.push(tip.textContent);
}
say(found);"""


def test_the_values_of_a_figure_are_said_beside_the_pointer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    curve = pd.DataFrame({"fpr": [0.0, 0.125, 0.4, 0.7, 1.0], "tpr": [0.0, 0.55, 0.8, 0.9, 1.0]})
    write_inputs(record_of("binary"))
    Path("plots/images/roc.svg").write_text(to_svg(roc_figure({"forest": curve}, {"forest": 0.7})))
    report.main(**sections("binary"))
    page = Path("reports/model_card.html").read_text(encoding="utf-8")
    hidden, *said = json.loads(title_after(page, CELLS + HOVER, tmp_path))
    assert not hidden
    assert said == [
        f"forest: false positive rate {fpr:g}, true positive rate {tpr:g}"
        for fpr, tpr in curve.itertuples(index=False)
    ]


def test_a_logarithmic_axis_and_one_of_names_are_read_too(tmp_path):
    figure, (axes,) = draw(5, 4)
    values = [1.0, 10.0, 250.0, 1000.0, 3000.0]
    axes.plot(range(5), values, label="found")
    axes.set_yscale("log")
    axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    axes.set_xticks(range(5), ["before 09", "09 to 12", "12 to 15", "15 to 18", "after 18"])
    axes.set(xlabel="hour", ylabel="rows")
    legend(axes)
    sheet = Sheet("Test", "test", [], [Section("", figures=lambda: [("", to_svg(figure))])], [])
    _, *said = json.loads(title_after(to_html(sheet), CELLS + HOVER, tmp_path))
    assert said[1:3] == ["found: hour 09 to 12, rows 10", "found: hour 12 to 15, rows 250"]
