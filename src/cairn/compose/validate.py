"""Check conf/ and what was composed from it; report everything that is wrong in one go, with its origin."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from cairn.compose.checks import cross_checks
from cairn.compose.conf import EXPERIMENT, Composed, leaves, place, sets, settings_files, within
from cairn.errors import UserError, did_you_mean
from cairn.settings.config import Config
from cairn.settings.contract import read_contract
from cairn.settings.messages import Problem, problems
from cairn.settings.secrets import in_address, is_secret
from cairn.settings.trusted import read_trusted
from cairn.settings.yaml_text import TAGS, text_in, too_large

Where = Callable[[tuple[str, ...]], str]
TWO_READINGS = {
    re.compile(r"(?i:y|n|yes|no|on|off)"): "a boolean in YAML 1.1, text in YAML 1.2",
    re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?"): "a base-60 number in YAML 1.1, text in YAML 1.2",
    re.compile(r"[-+]?0\d+"): "an octal number in YAML 1.1, a decimal one in YAML 1.2",
    re.compile(r"[-+]?\d+_[\d_]*(\.\d*)?"): "a number in YAML 1.1, text in YAML 1.2",
}
HALVES = re.compile("[\ud800-\udfff]")
"""Code points that UTF-8 cannot hold alone."""
TAGGED = [("!!", tag) for tag in TAGS]
MOST_KEYS = {"": 5_000, "contract": 200_000}
"""Keys and values of a file, by its folder; Hydra takes a second for 5,000, and does not read contracts."""
MOST_CHARACTERS = 20_000_000
REFUSED = "a secret, which git would keep in params.yaml: leave it in the environment"
NAMED_BY_USERS = {"converters", "derive", "drop_where", "dtype", "rename", "rules"}
"""Keys whose own keys are names of columns and the like, such as password_changed."""
SHOWN = 80
"""Characters of a wrong value that a message repeats."""


def stop_on_traps(conf: Path) -> None:
    """Raise UserError with one line for every trap in conf/."""
    if found := traps(conf):
        raise UserError("\n".join(found))


def traps(conf: Path) -> list[str]:
    """Return one line for every value in conf/ that YAML 1.1 and 1.2 read differently, or is unusable.

    DVC reads params.yaml as YAML 1.2, Hydra reads conf/ as YAML 1.1; `???` would reach the stages as text;
    oc.env would put this machine's environment into a committed file. Files that are not YAML are skipped.
    """
    return [
        f"{conf.name}/{path.relative_to(conf).as_posix()}:{line}: {said}"
        for path in sorted(conf.rglob("*.yaml"))
        for line, said in _in_file(path)
    ]


def _in_file(path: Path) -> Iterator[tuple[int, str]]:
    import yaml

    text, why = _text(path)
    if why:
        yield 1, why
        return
    if text.startswith("\ufeff"):
        yield 1, "begins with a byte order mark, and Hydra does not see what follows: save it as plain UTF-8"
        return
    for line, written in enumerate(text.splitlines(), 1):
        if line > 1 and re.match(r"#\s*@package\b", written):
            yield line, f"Hydra reads {written!r} only in the first line: move it there"
    try:
        if why := too_large(text, MOST_KEYS.get(path.parent.name, MOST_KEYS[""])):
            yield 1, why
            return
        tokens = list(yaml.scan(text, Loader=getattr(yaml, "CLoader", yaml.Loader)))
    except (yaml.YAMLError, ValueError):
        return
    for token in tokens:
        line = token.start_mark.line + 1
        if isinstance(token, yaml.ScalarToken):
            yield from ((line, said) for said in _in_value(token.value, plain=token.plain))
        elif isinstance(token, yaml.TagToken) and token.value in TAGGED:
            yield line, f"!!{token.value[1]}: write text, a number, true or false"


def _text(path: Path) -> tuple[str, str | None]:
    """Return the text of a file, or why there is none."""
    try:
        text = text_in(path)
    except (OSError, ValueError) as error:
        return "", f"cannot be read as UTF-8 text: {error}"
    too_long = f"{len(text):,} characters; at most {MOST_CHARACTERS:,}"
    return text, too_long if len(text) > MOST_CHARACTERS else None


def _in_value(value: str, *, plain: bool) -> Iterator[str]:
    """Yield what is wrong with a value, which is plain where no quotes are around it."""
    if value == "???":
        yield "??? means a missing value: write a value, or null"
    if "${" in value and not _can_be_parsed(value):
        yield f"{value[:SHOWN]} is not an interpolation such as ${{seed}}: quote a $ as \\${{"
    if re.search(r"\$\{oc\.env\b", value):
        yield f"{value} would write this machine's environment into params.yaml: write the value"
    if HALVES.search(value):
        yield f"{value!r} holds half a character"
    for pattern, why in TWO_READINGS.items():
        if plain and pattern.fullmatch(value):
            yield f"{value} is {why}: quote it or write it differently"


def _can_be_parsed(value: str) -> bool:
    from omegaconf.errors import GrammarParseError
    from omegaconf.grammar_parser import parse

    try:
        parse(value)
    except GrammarParseError:
        return False
    return True


@dataclass(frozen=True)
class Origin:
    """Where the keys of a composed config come from.

    overridden_in is the text for a key that an override set: `{}` is replaced by the override.
    """

    conf: Path
    composed: Composed
    overridden_in: str

    def of(self, path: tuple[str, ...]) -> str:
        """Return the override that set a key or one below it, otherwise the file it is in or belongs in."""
        key = ".".join(path)
        for override in self.composed.overrides:
            name = override.lstrip("+~").partition("=")[0]
            if name not in self.composed.choices and (within(key, name) or within(name, key)):
                return self.overridden_in.format(override)
        preset = self.conf / EXPERIMENT
        for file in settings_files(self.conf, self.composed.choices):
            if sets(file, path):
                name = f"conf/{file.relative_to(self.conf).as_posix()}"
                return f"{name} (-S {EXPERIMENT}=null leaves it out)" if file.parent == preset else name
        return f"conf/{self._option(key) or 'config'}.yaml"

    def _option(self, key: str) -> str | None:
        """Return GROUP/OPTION of the innermost group that contains the key."""
        filling = [group for group in self.composed.choices if within(key, place(group))]
        if not filling:
            return None
        group = max(filling, key=lambda name: len(place(name)))
        return f"{group.partition('@')[0]}/{self.composed.choices[group]}"


def read_config(
    values: Mapping[str, Any],
    root: Path,
    where: Where = lambda _: "params.yaml",
) -> Config:
    """Validate every section, the contract they name, and their combination.

    data.contract is relative to root; for messages, where names the file or override that a key came from.

    Raises:
        UserError: one line per problem: `FILE: KEY: what`.
    """
    if secret := [*_secrets(values)]:
        # `where` may repeat the value, as a part of an override.
        raise UserError(
            "\n".join(f"{where(path).partition('=')[0]}: {'.'.join(path)}: {REFUSED}" for path in secret)
        )
    valid, wrong = _sections(values)
    valid |= {"trusted": read_trusted(root), "root": root}
    of_contract: list[str] = []
    if "data" in valid:
        name = valid["data"].contract
        try:
            valid["contract"] = read_contract(root / name, name)
        except UserError as error:
            of_contract = str(error).splitlines()
            if not (root / name).exists():
                known = [path.relative_to(root).as_posix() for path in (root / name).parent.glob("*.yaml")]
                wrong.append((("data", "contract"), f"no file {name}{did_you_mean(name, sorted(known))}"))
                of_contract = []
    wrong += cross_checks(valid)
    lines = [f"{where(path)}: {'.'.join(path)}: {said}" for path, said in wrong] + of_contract
    if lines:
        raise UserError("\n".join(dict.fromkeys(lines)))
    return Config(**{name: valid[name] for name in Config.model_fields})


def _secrets(values: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for keys, leaf in leaves(dict(values)).items():
        path = tuple(map(str, keys))
        texts = [
            text for text in (leaf if isinstance(leaf, list) else [leaf]) if text and isinstance(text, str)
        ]
        named = texts and path and is_secret(path[-1]) and not NAMED_BY_USERS & {*path[:-1]}
        if named or any(in_address(text) for text in texts):
            yield path


def _sections(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the sections that are valid by themselves, and the problems of the others."""
    hints = get_type_hints(Config, include_extras=True)
    valid, wrong, invalid = {}, [], set()
    try:
        Config.model_validate(dict(values))
    except ValidationError as error:
        wrong = problems(error, Config, dict(values))
        invalid = {detail["loc"][0] for detail in error.errors()}
    for name in set(Config.model_fields) - invalid:
        valid[name] = TypeAdapter(hints[name]).validate_python(values[name])
    return valid, wrong
