"""The page of the service: one file without other resources, a field per column, nothing unescaped."""

import re
from dataclasses import replace

from http_service import in_thread, package, saved

from cairn.report.service.page import Field, form_page
from cairn.settings.contract import Column

ABOUT = {
    "name": "toy",
    "version": "1",
    "revision": None,
    "task": "binary",
    "target": "late",
    "threshold": 0.25,
    "currency": "USD",
    "contributions": "available",
}


def test_the_form_has_a_field_for_every_column_and_asks_for_nothing_else(tmp_path):
    with in_thread(saved(tmp_path)) as (client, _):
        answer = client.get("/")
        example = client.get("/example").json
    html = answer.content.decode()
    assert answer.headers["content-type"].startswith("text/html")
    assert re.findall(r'<(?:input|select) id="[^"]+" name="([^"]+)"', html) == list(
        package().contract.columns
    )
    assert not re.search(r'(?:src|href)="(?!data:|docs|model|metrics)', html) and "@import" not in html
    for value in (example["stop"], example["línea"], str(example["noise"])):
        assert f'value="{value}"' in html


def test_the_form_shows_unit_bounds_and_choices():
    speed = Column(kind="numeric", min=0, max=60, unit="m/s", description="mean wind", nullable=True)
    html = form_page(ABOUT, [Field("wind", speed, True, [], None)])
    assert "(m/s)" in html and "mean wind; 0 to 60" in html and 'placeholder="missing"' in html
    allowed = Column(kind="categorical", allowed=["a", "b"])
    html = form_page(ABOUT, [Field("grade", allowed, False, ["a", "b"], "b")])
    assert re.findall(r"<option( selected)?>(\w)</option>", html) == [("", "a"), (" selected", "b")]


def test_nothing_of_a_table_becomes_markup():
    evil = "</script><img src=x onerror=alert(1)>\"'"
    column = Column(kind="categorical", unit=evil, description=evil, group=evil)
    about = ABOUT | {"name": evil, "target": evil, "currency": evil}
    html = form_page(about, [Field(evil, column, False, [evil], evil)])
    assert "<img" not in html and html.count("</script>") == html.count("<script")


def test_a_category_that_may_be_a_number_is_sent_as_one():
    field = Field("month", Column(kind="categorical"), True, ["1", "2"], 1)
    assert (field.kind, field.text) == ("either", "1")
    assert replace(field, number=False).kind == "text"
    assert replace(field, column=Column(kind="datetime", format="unix")).kind == "number"
