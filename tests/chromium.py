"""Headless Chromium opens a page. Needs the Debian package chromium."""

import re
import shutil
import subprocess

LAPTOP, PHONE = (1280, 900), (390, 844)
OF_A_PAGE = 101845102
"""How Chromium's log marks requests of a page (blink_resource_loader), unlike its own for updates."""
WIDTHS = (
    "<script>parent.postMessage(`${document.documentElement.scrollWidth} of ${innerWidth}`, '*')</script>"
)
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
