"""Find the overrides that turn conf/ into given values: nearest options first, then single keys."""

import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cairn.compose.conf import EXPERIMENT, Composed, at, compose, leaves, options, place, sections_of
from cairn.errors import UserError

KEY = re.compile(r"[\w$-]+", re.ASCII)
LONGEST = 30_000
"""Characters of overrides; Hydra's parser takes half a minute for a list of 10,000 numbers."""
WORD = re.compile(r"(?!(?:null|true|false|nan|inf)\Z)[A-Za-z_][\w./-]*", re.IGNORECASE | re.ASCII)


def derive(conf: Path, wanted: dict[str, Any], leaving_out: Collection[str] = ()) -> Composed:
    """Return conf/ composed to exactly the wanted values.

    For each group, in the order of the defaults list, choose the option nearest to the wanted values; then
    add one override for each key that still differs. The groups in leaving_out keep their default option.

    Raises:
        UserError: a section is missing, no override can give a value, or too much differs.
    """
    now = compose(conf)
    wanted = sections_of(conf, now.choices, wanted)
    missing = [_missing(conf, now, section) for section in now.values if section not in wanted]
    if missing:
        raise UserError("\n".join(missing))
    settled = set(leaving_out)
    while group := next((name for name in now.choices if name not in settled), None):
        now = _with_nearest_option(conf, now, group, wanted)
        wanted = sections_of(conf, now.choices, wanted)
        settled.add(group)
    _stop_if_far(now.values, wanted)
    keys = key_overrides(now.values, wanted)
    return _exactly(conf, (*now.overrides, *keys), wanted) if keys else now


def _stop_if_far(now: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise UserError where the overrides would be so long that Hydra needs minutes to read them."""
    before, after = leaves(now), leaves(wanted)
    new = [(path, leaf) for path, leaf in after.items() if leaf != before.get(path)]
    if (length := len(json.dumps(new))) > LONGEST:
        said = f"{length:,} characters differ from conf/, which is too much for overrides; change conf/"
        raise UserError(f"params.yaml: {new[0][0][0]} and others: {said}")


def _missing(conf: Path, now: Composed, section: str) -> str:
    known = ", ".join(options(conf, section))
    choice = f"; choose one of conf/{section}: {known}" if section in now.choices else ""
    return f"params.yaml: {section}: missing, a section cannot be left out (~{section}){choice}"


def _with_nearest_option(conf: Path, now: Composed, group: str, wanted: dict[str, Any]) -> Composed:
    best, fewest = now, _count(now, group, wanted)
    others = [option for option in options(conf, group) if option != now.choices[group]]
    for option in others if fewest else []:
        with suppress(UserError):  # an option that conflicts with the others is not a candidate
            other = compose(conf, (*now.overrides, f"{group}={option}"))
            count = _count(other, group, wanted)
            if count < fewest:
                best, fewest = other, count
    return best


def _count(composed: Composed, group: str, wanted: dict[str, Any]) -> int:
    """Count the keys that differ within the package of a group; for a preset, the sections.

    Counting keys of a preset would favour one that chooses the right model and nothing else.
    """
    if group == EXPERIMENT:
        return sum(bool(differing(composed.values.get(name), wanted[name])) for name in wanted)
    path = tuple(place(group).split("."))
    return len(differing(at(composed.values, path), at(wanted, path)))


def replaced(overrides: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return all overrides, a new one replacing an old one of the same key."""
    keys = {key_of(override) for override in new}
    return [*(override for override in overrides if key_of(override) not in keys), *new]


def key_of(override: str) -> str:
    """Return the dotted name or the group that an override sets."""
    return override.lstrip("+~").partition("=")[0]


def differing(one: Any, other: Any) -> list[str]:
    """Return the dotted names of leaves that only one has, or that differ in value or type."""
    left, right = ({path: json.dumps(leaf) for path, leaf in leaves(side).items()} for side in (one, other))
    return [".".join(path) for path in left | right if left.get(path) != right.get(path)]


def key_overrides(now: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the overrides `k=v`, `+k=v` and `~k` that turn one mapping into another.

    Raises:
        UserError: a key that Hydra's override grammar cannot express.
    """
    found = []
    for key in now | wanted:
        name = f"{prefix}{key}"
        if differing(now.get(key), wanted.get(key)) and not KEY.fullmatch(str(key)):
            raise UserError(f"params.yaml: {name}: no override can name this key; change conf/")
        if key not in wanted:
            # Hydra treats a null as a missing key and refuses to delete it.
            found += [f"{name}=0", f"~{name}"] if now[key] is None else [f"~{name}"]
            continue
        before, after = now.get(key), wanted[key]
        if {type(before), type(after)} == {list, dict}:
            # Hydra cannot replace a list by a mapping or a mapping by a list, but either by a number.
            found.append(f"{name}=0")
        if isinstance(after, dict) and (after or isinstance(before, dict)):
            if key in now and not isinstance(before, dict):
                found.append(f"{name}={{}}")
            found += key_overrides(before if isinstance(before, dict) else {}, after, f"{name}.")
        elif key not in now:
            found.append(f"+{name}={written(after)}")
        elif differing(before, after):
            found.append(f"{name}={written(after)}")
    return found


def written(value: Any) -> str:
    """Return a value as Hydra's override grammar reads it back, with the same type."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str() if not WORD.fullmatch(value):
            from hydra.core.override_parser.types import Quote, QuotedString

            return QuotedString(value, Quote.double).with_quotes()
        case list():
            return f"[{','.join(map(written, value))}]"
        case dict():
            return f"{{{','.join(f'{key}:{written(item)}' for key, item in value.items())}}}"
    return str(value)


def _exactly(conf: Path, overrides: tuple[str, ...], wanted: dict[str, Any]) -> Composed:
    composed = compose(conf, overrides)
    wrong = differing(composed.values, wanted)
    if wrong:
        raise UserError(
            "\n".join(f"params.yaml: {key}: no override can express this; change conf/" for key in wrong)
        )
    return composed
