"""What must not stand in conf/ although it is YAML: values that two readers take for different things."""

import re
from collections.abc import Iterator
from pathlib import Path

TWO_READINGS = {
    re.compile(r"(?i:y|n|yes|no|on|off)"): "true or false to some readers of YAML, a word to others",
    re.compile(
        r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?"
    ): "a number in base 60 to some readers of YAML, text to others",
    re.compile(r"[-+]?0\d+"): "a number in base 8 to some readers of YAML, in base 10 to others",
    re.compile(r"[-+]?\d+_[\d_]*(\.\d*)?"): "a number to some readers of YAML, text to others",
}


def traps(conf: Path) -> list[str]:
    """Return one line for every value in any file of conf/ that would be read in two ways, or in none.

    DVC reads params.yaml as YAML 1.2, Hydra conf/ as YAML 1.1; `???` would reach the stages as text; and
    oc.env would put this machine's environment into a committed file. Files that are not YAML are left out.
    """
    return [
        f"{conf.name}/{path.relative_to(conf).as_posix()}:{line}: {said}"
        for path in sorted(conf.rglob("*.yaml"))
        for line, said in _in_file(path)
    ]


def _in_file(path: Path) -> Iterator[tuple[int, str]]:
    import yaml

    text = path.read_text(encoding="utf-8")
    for line, written in enumerate(text.splitlines(), 1):
        if line > 1 and re.match(r"#\s*@package\b", written):
            yield line, f"Hydra reads {written!r} only in the first line: move it there"
    try:
        tokens = list(yaml.scan(text, Loader=getattr(yaml, "CLoader", yaml.Loader)))
    except yaml.YAMLError:
        return
    for token in tokens:
        if not isinstance(token, yaml.ScalarToken):
            continue
        line, value = token.start_mark.line + 1, token.value
        if value == "???":
            yield line, "??? stands for no value: write one, or null"
        if re.search(r"\$\{oc\.env\b", value):
            yield line, f"{value} would write this machine's environment into params.yaml: write the value"
        for pattern, why in TWO_READINGS.items():
            if token.plain and pattern.fullmatch(value):
                yield line, f"{value} is {why}: write it in quotes or another way"
