"""Chromium shows the page explore on a laptop and a phone, light and dark, without any request.

Needs the Debian package chromium.
"""

import re

import pytest
from chromium import FRAME, LAPTOP, PHONE, WIDTHS, browse, with_script
from explore_inputs import PAGE, look, table
from matplotlib.image import imread

pytestmark = pytest.mark.scale

BROKEN = """<script>
const named = [...document.querySelectorAll(".limits dt")];
const lines = (part) => { const whole = document.createRange(); whole.selectNodeContents(part);
  return new Set([...whole.getClientRects()].map((box) => box.top)).size; };
document.title = `${named.length} names, ${named.filter((part) => lines(part) > 1).length} broken`;
</script>"""


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def page(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp(request.param)
        patch.chdir(folder)
        look(table(request.param), request.param, time="at")
    return folder / PAGE


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_page_is_shown_without_a_console_message_or_a_request(page, tmp_path, size, scheme):
    shot = tmp_path / "shot.png"
    dark = ["--force-dark-mode"] if scheme == "dark" else []
    done, asked = browse(page.as_uri(), tmp_path, size, f"--screenshot={shot}", *dark)
    assert "CONSOLE" not in done.stderr, done.stderr
    assert asked == []
    pixels = imread(shot)
    assert pixels.shape[:2] == size[::-1]
    paper = pixels[2, 2, :3].mean()
    assert paper < 0.2 if scheme == "dark" else paper > 0.9
    assert pixels.std() > 0.05


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_nothing_overflows_the_page_at_either_width(page, tmp_path, size):
    copy = tmp_path / "page.html"
    copy.write_text(with_script(page.read_text(encoding="utf-8"), WIDTHS), encoding="utf-8")
    # A window of the browser is 500 wide at least; a frame in it may be as narrow as a phone.
    (tmp_path / "frame.html").write_text(FRAME % size, encoding="utf-8")
    done, _ = browse(
        (tmp_path / "frame.html").as_uri(), tmp_path, LAPTOP, "--dump-dom", "--virtual-time-budget=3000"
    )
    wide, inner = map(int, re.search(r"<title>(\d+) of (\d+)</title>", done.stdout).groups())
    assert wide <= inner == size[0]


def test_the_name_of_a_column_is_not_broken_across_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("arrival_date_num", "default_payment_next_month")
    after = {name: {"known": "after", "group": None, "description": "what it is"} for name in names}
    html = look(table("binary").assign(**dict.fromkeys(names, 1.0)), "binary", columns=after)
    copy = tmp_path / "page.html"
    copy.write_text(with_script(html, BROKEN), encoding="utf-8")
    done, _ = browse(copy.as_uri(), tmp_path, LAPTOP, "--dump-dom")
    assert re.search(r"<title>(.*?)</title>", done.stdout)[1] == "2 names, 0 broken"


def test_the_checks_detect_a_console_message_and_a_request(tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<script>console.error('wrong')</script><img src='http://127.0.0.1:9/x.png'>", encoding="utf-8"
    )
    done, asked = browse(bad.as_uri(), tmp_path, LAPTOP, f"--screenshot={tmp_path / 'shot.png'}")
    assert "CONSOLE" in done.stderr
    assert "http://127.0.0.1:9/x.png" in asked
