"""Headless Chromium opens a page. Needs the Debian package chromium."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from data_servers import missing

LAPTOP, PHONE = (1280, 900), (390, 844)
OF_A_PAGE = 101845102
"""How Chromium's log marks requests of a page (blink_resource_loader), unlike its own for updates."""
WIDTHS = (
    "<script>parent.postMessage(`${document.documentElement.scrollWidth} of ${innerWidth}`, '*')</script>"
)
AXE = """;
document.title = "…";
axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((found) => {
  document.title = JSON.stringify(Object.fromEntries(found.violations.map((rule) =>
    [rule.id, rule.nodes.map((node) => `${node.target}: ${node.any.map((one) => one.message)}`)])));
});"""
FRAME = """<script>addEventListener("message", (sent) => { document.title = sent.data; })</script>
<iframe src="page.html" width="%d" height="%d" style="border: 0"></iframe>"""


def with_script(page, script):
    """Return a page of HTML with a script of the test, which the page's own policy would not run."""
    allowed, policies = re.subn(r'script-src [^;"]*', "script-src 'unsafe-inline'", page, count=1)
    assert policies
    return allowed.replace("</body>", f"{script}</body>")


def browse(address, folder, size, *options):
    """Open an address in headless Chromium; return its output and the addresses that the page requested."""
    program = shutil.which("chromium")
    assert program, "this test needs Chromium: apt-get install chromium"
    log = folder / "net.json"
    command = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
        f"--window-size={size[0]},{size[1]}",
        *options,
        address,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    asked = re.findall(rf'"traffic_annotation":{OF_A_PAGE},"url":"((?!file:)[^"]+)"', log.read_text("utf-8"))
    return done, asked


def title_after(page, script, folder, *options):
    """Open a page of HTML with a script of the test; return the title of the document that it sets."""
    copy = folder / "page.html"
    copy.write_text(with_script(page, f"<script>{script}</script>"), encoding="utf-8")
    done, _ = browse(copy.as_uri(), folder, LAPTOP, "--dump-dom", "--virtual-time-budget=20000", *options)
    return html.unescape(re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)[1])


def violations(page, folder):
    """Return where a page breaks the rules A and AA of WCAG 2.2 that axe-core can check, light and dark."""
    axe = Path(sys.prefix, "node_modules/axe-core/axe.min.js")
    if not axe.exists():
        missing("axe-core is not installed: .ci/run installs it, from npm")
    code = axe.read_text(encoding="utf-8").replace("</script", r"<\/script")
    found = {}
    for scheme, options in {"light": [], "dark": ["--force-dark-mode"]}.items():
        said = title_after(page, code + AXE, folder, *options)
        found |= {f"{scheme}: {rule}": where for rule, where in json.loads(said).items()}
    return found
