"""Self-contained HTML pages: one frame and one style sheet for all, with embedded figures."""

import re
from pathlib import Path
from typing import Any

from cairn.report.numbers import moment, number, percent, short


def render(template: Path, **content: Any) -> str:
    """Fill a template that extends frame.html.j2; all text except Markup is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number, "short": short, "moment": moment}
    return environment.get_template(template.name).render(**content)


def embedded(svg: str, prefix: str) -> str:
    """Prepare an SVG for a page with several: prefix its ids, drop its styles and metadata."""
    svg = re.sub(r"<metadata>.*?</metadata>|<style\b.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return re.sub(r"[ \t]*\n[ \t\n]*", "\n", svg)
