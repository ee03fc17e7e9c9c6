"""The description of the service: every column with unit, range and example, and a command that works."""

import html
import json
import re
import subprocess

import pytest
from http_service import GOOD, in_thread, package, saved

from cairn.report.service.page import Field, docs_page
from cairn.settings.contract import Column


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with in_thread(saved(tmp_path_factory.mktemp("docs"))) as (client, _):
        answer = client.get("/docs")
        assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
        yield client, answer.content.decode()


def block(page, name):
    return html.unescape(re.search(rf'<pre id="{name}">(.*?)</pre>', page, re.DOTALL)[1])


def cells(page):
    """Return the texts of the cells of each row of the page, by the text of its first one."""
    found = {}
    for row in re.findall("<tr><th>(.*?)</tr>", page, re.DOTALL):
        first, *others = re.split(r"</t[hd]><td[^>]*>", row)
        name = html.unescape(re.sub("<.*", "", first.removeprefix("<code>")))
        found[name] = [html.unescape(re.sub("<[^>]+>", "", cell)).strip() for cell in others]
    return found


def test_every_column_has_its_type_and_the_value_of_the_example(page):
    client, text = page
    example, rows = client.get("/example").json, cells(text)
    for name, column in package().contract.columns.items():
        words, _, values, missing, shown = rows[name]
        assert words == {"numeric": "number", "boolean": "true or false", "categorical": "text"}[column.kind]
        assert missing == ("yes" if column.nullable else "no")
        assert shown == str(example[name]) or json.loads(shown) == example[name]
        if column.kind == "categorical":
            assert set(values.split(" and ")[0].split(", ")) <= {
                "Ω",
                "北",
                "3",
                *(f"s{i}" for i in range(30)),
            }
    assert rows["stop"][2].endswith("and 20 more")


def test_the_answer_and_the_requests_are_those_of_the_service(page):
    client, text = page
    rows = cells(text)
    (prediction,) = client.post("/predict?explain=true", GOOD).json["predictions"]
    assert set(prediction) <= set(rows)
    assert rows["expected_saving"][1] == "USD"
    for path, methods in client.get("/openapi.json").json["paths"].items():
        assert rows[path][0].lower() in methods
    assert rows["422"][0].startswith("values that the policy refuses")


def test_the_commands_of_the_example_print_a_prediction(page, tmp_path):
    client, text = page
    done = subprocess.run(
        block(text, "command"), shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    example = client.get("/example").json
    assert json.loads(done.stdout) == client.predict(example).json
    assert (
        json.loads(block(text, "sent")) == example == json.loads((tmp_path / "row.json").read_text("utf-8"))
    )


def test_the_commands_send_the_key_that_the_service_asks_for(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sesame, open")
    with in_thread(saved(tmp_path), api_key_env="MY_KEY") as (client, _):
        assert client.get("/docs").status == 401
        text = client.get("/docs", **{"X-API-Key": "sesame, open"}).content.decode()
        done = subprocess.run(
            block(text, "command"), shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
        )
    assert "predictions" in json.loads(done.stdout) and "sesame, open" not in text


def test_the_page_loads_nothing(page):
    _, text = page
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert {link for link in links if link[0] != "#"} == {"data:,", "./", "openapi.json", "model", "metrics"}
    assert "@import" not in text and "url(" not in text


def test_nothing_of_a_table_becomes_markup():
    evil = "</pre><img src=x onerror=alert(1)>\"'"
    column = Column(kind="categorical", unit=evil, description=evil, group=evil)
    about = {"name": evil, "version": evil, "revision": None, "target": evil, "policy": "flag"}
    text = docs_page(
        about,
        [Field(evil, column, False, [evil], evil)],
        command=evil,
        example={evil: evil},
        answer={evil: evil},
        outputs={evil: {"type": "string", "x-unit": evil, "description": evil}},
        requests=[(evil, evil, evil)],
        errors={400: evil},
        most_explained=1,
    )
    assert "<img" not in text and text.count("</pre>") == 3


def test_dates_ranges_and_choices_are_in_words():
    def field(choices=(), number=True, **column):
        return Field("x", Column(**column), number, choices, None)

    assert field(kind="datetime").type == "date, ISO 8601"
    assert field(kind="datetime", format="%d.%m.%Y").type == "date, %d.%m.%Y"
    assert field(kind="categorical").type == "text or number"
    assert field(kind="numeric", min=0, max=60).values == "0 to 60"
    assert field(kind="categorical", allowed=["a", "b"], choices=["a"]).values == "a, b"
    assert (
        field(kind="categorical", choices=list("abcdefghijkl")).values
        == "a, b, c, d, e, f, g, h, i, j and 2 more"
    )
