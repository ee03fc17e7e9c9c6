"""Chromium opens the form and the description of the service, on a laptop and a phone, light and dark."""

import html
import json
import re

import pytest
from chromium import FRAME, LAPTOP, PHONE, WIDTHS, browse, violations, with_script
from http_service import in_thread, saved
from matplotlib.image import imread
from starlette.responses import HTMLResponse
from synthetic import TARGETS

pytestmark = pytest.mark.scale
TIME = "--virtual-time-budget=4000"
CHANGE = """<script>setTimeout(() => {
const field = document.getElementsByName(%s)[0]; field.value = %s;
field.dispatchEvent(new Event("change", { bubbles: true }));
}, 500)</script>"""


@pytest.fixture(scope="module", params=TARGETS)
def service(request, tmp_path_factory):
    folder = saved(tmp_path_factory.mktemp(request.param), "hist_gbdt", request.param)
    with in_thread(folder) as (client, app):
        yield client, app, request.param


def serve(app, path, text):
    """Let the service answer a path with some HTML, which is then of its own origin."""

    async def page(_):
        return HTMLResponse(text)

    app.router.routes = [route for route in app.router.routes if getattr(route, "path", "") != path]
    app.add_route(path, page)
    return path


def changed_page(client, script, path="/"):
    return with_script(client.get(path).content.decode(), script)


def seen(client, path, folder, *options, size=LAPTOP, has_script=True):
    done, asked = browse(f"http://127.0.0.1:{client.port}{path}", folder, size, "--dump-dom", TIME, *options)
    assert "CONSOLE" not in done.stderr, done.stderr
    hosts = {address.split("/")[2] for address in asked}
    # Without a script a page asks for nothing but itself, which is not in the list.
    assert hosts == {f"127.0.0.1:{client.port}"} or not (has_script or hosts)
    return done.stdout


def element(dom, name):
    return html.unescape(re.search(rf'id="{name}"[^>]*>(.*?)</(?:h2|p|ul)>', dom, re.DOTALL)[1])


def test_the_page_shows_what_the_service_predicts_for_the_example(service, tmp_path):
    client, _, task = service
    (said,) = client.predict(client.get("/example").content).json["predictions"]
    dom = seen(client, "/", tmp_path)
    if task == "binary":
        assert element(dom, "headline") == f"Probability of late: {100 * said['probability']:.1f}%"
        assert ("yes" if said["decision"] else "no") in element(dom, "detail")
        assert f"{said['expected_saving']:.2f} USD" in element(dom, "detail")
    elif task == "multiclass":
        assert element(dom, "headline") == f"Prediction {said['prediction']}"
        assert f"{said['prediction']} {100 * said['probability_' + said['prediction']]:.1f}%" in element(
            dom, "shares"
        )
    else:
        shown = float(element(dom, "headline").removeprefix("Prediction ").replace(",", ""))
        assert shown == pytest.approx(said["prediction"], abs=1e-3)
    assert element(dom, "wrong") == ""


def test_a_changed_field_is_predicted_again_and_what_is_wrong_is_said(service, tmp_path):
    client, app, _ = service
    script = CHANGE % (json.dumps("load"), json.dumps("<b>high</b>"))
    dom = seen(client, serve(app, "/changed", changed_page(client, script)), tmp_path)
    assert "load is not a number" in element(dom, "wrong")
    assert len(re.findall('<input[^>]+aria-invalid="true"', dom)) == 1
    (said,) = client.predict(client.get("/example").json | {"load": "high"}).json["predictions"]
    if "probability" in said:
        assert element(dom, "headline") == f"Probability of late: {100 * said['probability']:.1f}%"


def test_the_page_shows_the_five_strongest_columns_as_bars_with_their_sign(service, tmp_path):
    client, _, task = service
    (said,) = client.post("/predict?explain=true", client.get("/example").content).json["predictions"]
    columns = said["contributions"]["columns"]
    strongest = sorted(columns, key=lambda name: -abs(columns[name]))[:5]
    bars = re.findall(
        r'<li class="(up|down)"><span class="name"[^>]*>(.*?)</span><span class="track">'
        r'<span class="bar" style="width: ([\d.]+)%;?"></span></span><span class="value">(.)([\d.,]+)</span>',
        seen(client, "/", tmp_path),
    )
    assert [html.unescape(name) for _, name, *_ in bars] == strongest
    for (side, _, width, sign, shown), name in zip(bars, strongest, strict=True):
        value = columns[name]
        assert (side, sign) == (("down", "\u2212") if value < 0 else ("up", "+"))
        assert float(width) == pytest.approx(50 * abs(value / columns[strongest[0]]), abs=0.1)
        size = abs(value) * (1 if task == "regression" else 100)
        assert float(shown.replace(",", "")) == pytest.approx(size, abs=0.06)


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_page_follows_the_scheme_of_the_system(service, tmp_path, size, scheme, path):
    client, _, _ = service
    shot = tmp_path / "shot.png"
    dark = ["--force-dark-mode"] if scheme == "dark" else []
    seen(client, path, tmp_path, f"--screenshot={shot}", *dark, size=size, has_script=path == "/")
    pixels = imread(shot)
    paper = pixels[2, 2, :3].mean()
    assert paper < 0.2 if scheme == "dark" else paper > 0.9
    assert pixels.std() > 0.05


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_nothing_overflows_a_page_at_either_width(service, tmp_path, size, path):
    client, app, _ = service
    serve(
        app,
        "/page.html",
        changed_page(client, f"<script>setTimeout(() => {{ {WIDTHS[8:-9]} }}, 800)</script>", path),
    )
    serve(app, "/frame", FRAME % size)
    dom = seen(client, "/frame", tmp_path, has_script=path == "/")
    wide, inner = map(int, re.search(r"<title>(\d+) of (\d+)</title>", dom).groups())
    assert wide <= inner == size[0]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_axe_finds_nothing_on_the_pages_of_the_service(service, tmp_path, path):
    client, _, task = service
    if task == "binary":  # the others have the same fields
        assert violations(client.get(path).content.decode(), tmp_path) == {}
