"""What the HTML pages share: frame, style sheet, embedded figures, and what both say about a table."""

import base64
import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cairn.report.numbers import estimate, moment, number, percent, share, short
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig

NO_SCRIPT = "'none'"
SMALLEST_LABEL, GROWN_LABEL = 11.0, 9.75
"""Pixels of a figure's smallest letters on a phone; points of a legend: 4.8 inches have then 390 pixels."""
STYLED = re.compile(r'(<[a-zA-Z][^<>]*?) style="([^"<>]*)"([^<>]*>)')


def render(template: Path, **content: Any) -> str:
    """Fill a template that extends frame.html.j2; all text except Markup is escaped.

    The content security policy of the page names its scripts and style sheet by hash: no others are used.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    hashes: list[str] = []

    def script(code: str) -> Markup:
        hashes.append(_hash(code))
        return Markup("<script>") + Markup(code) + Markup("</script>")

    for format_number in (estimate, moment, number, percent, share, short):
        environment.filters[format_number.__name__] = format_number
    environment.filters["script"] = script
    page = with_style_sheet(environment.get_template(template.name).render(**content))
    return page.replace("script-src SCRIPTS", f"script-src {' '.join(hashes) or NO_SCRIPT}", 1)


def with_style_sheet(page: str) -> str:
    """Move every style attribute of a page, which a policy cannot name, to its style sheet, and name that."""
    classes: dict[str, str] = {}

    def classed(tag: re.Match[str]) -> str:
        before, style, after = tag.groups()
        name = classes.setdefault(style, f"i{len(classes)}")
        start, found, rest = f"{before}{after}".partition(' class="')
        return f"{start}{found}{name} {rest}" if found else f'{before} class="{name}"{after}'

    head, end, body = page.partition("</style>")
    body = STYLED.sub(classed, body)
    # An attribute overrides every rule of the style sheet; so does a class that is named three times.
    rules = "".join(f"\n.{name}.{name}.{name}{{{style}}}" for style, name in classes.items())
    top, start, sheet = f"{head}{rules}".partition("<style>")
    return f"{top.replace('style-src STYLES', f'style-src {_hash(sheet)}')}{start}{sheet}{end}{body}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(svg: str, prefix: str) -> str:
    """Prepare an SVG for a page with several: prefix its ids, drop its styles and metadata.

    It gets the colours of the page, which have more contrast, light and dark.
    """
    from cairn.report.plots.canvas import ON_PAGES

    svg = re.sub(r"<metadata>.*?</metadata>|<style\b.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(<text\b[^>]*\bfill: )#808080", r"\g<1>var(--soft)", svg)
    for colour, name in ON_PAGES.items():
        svg = re.sub(rf"(\b(?:fill|stroke): ){colour}\b", rf"\g<1>var(--{name})", svg)
    # Legends and notes, which have room to their right, grow a little, so that figures fit on a phone with
    # legible labels. A figure with smaller labels than that is scrolled there.
    svg = re.sub(
        r"(\bfont-size: )([\d.]+)(px;[^\"]*text-anchor: start)",
        lambda text: f"{text[1]}{max(float(text[2]), GROWN_LABEL):g}{text[3]}",
        svg,
    )
    sizes = [float(size) for size in re.findall(r"\bfont-size: ([\d.]+)px", svg)]
    if sizes and (width := re.search(r'\bwidth="([\d.]+)pt"', svg)):
        least = math.ceil(float(width[1]) * SMALLEST_LABEL / min(sizes))
        svg = svg.replace("<svg ", f'<svg style="--least:{least}px" ', 1)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return re.sub(r"[ \t]*\n[ \t\n]*", "\n", svg)


def seen_future(split: Mapping[str, Any]) -> str | None:
    """Say in a sentence that rows of train are later than the first row of test; None if none is.

    `split` is metrics/split.json; its parts have dates where the table has a time (data.time).
    """
    train, test = (split["parts"][part] for part in ("train", "test"))
    # ISO 8601 dates sort as text.
    if split["kind"] == "time" or "until" not in train or train["until"] <= test["from"]:
        return None
    return (
        f"split.kind={split['kind']} ignores data.time: train ends at {train['until']}, after test starts"
        f" at {test['from']}. A model trained on later rows than it is scored on may look much better than it"
        " will be on new rows; set split=time."
    )


def feature_groups(contract: Contract, inputs: Sequence[str]) -> list[dict[str, Any]]:
    """Count the columns of each feature group, and how many of them are inputs of the model."""
    counts = Counter(column.group for column in contract.columns.values() if column.group is not None)
    used = Counter(contract.columns[name].group for name in inputs)
    return [{"name": group, "columns": count, "used": used[group]} for group, count in counts.items()]


def column_rows(
    contract: Contract, inputs: Sequence[str], data: DataConfig, missing: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return one row per column of the contract: its kind, its values, and its role in the model."""
    roles = dict.fromkeys(contract.key, "key")
    roles |= {data.time: "time"} if data.time else {}
    roles |= {name: contract.columns[name].group or "" for name in inputs} | {data.target: "target"}
    return [
        {
            "name": name,
            "part": roles.get(name, "not used"),
            "missing": missing.get(name),
            "holds": bounds(column),
            "column": column,
        }
        for name, column in contract.columns.items()
    ]


def bounds(column: Column) -> str:
    """Say which values the contract of a column allows; nothing if any."""
    if column.allowed is not None:
        return ", ".join(map(str, column.allowed))
    if column.min is None and column.max is None:
        return ""
    low, high = (None if end is None else f"{end:g}" for end in (column.min, column.max))
    return f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}"
