"""Validate every section of params.yaml, and report everything that is wrong with it in one go."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from cairn.compose.checks import cross_checks
from cairn.compose.conf import not_yaml
from cairn.compose.messages import Problem, problems
from cairn.errors import UserError, did_you_mean
from cairn.settings.config import Config
from cairn.settings.contract import Contract

Where = Callable[[tuple[str, ...]], str]


def read_config(
    values: Mapping[str, Any],
    root: Path,
    where: Where = lambda _: "params.yaml",
) -> Config:
    """Validate every section, the contract they speak of, and what they say of each other.

    Args:
        values: the sections as mappings.
        root: the folder that data.contract is relative to.
        where: names the file or override that a key came from, for the messages.

    Raises:
        UserError: one line for everything that is wrong: `FILE: KEY: what`.
    """
    valid, wrong = _sections(values)
    of_contract: list[str] = []
    if "data" in valid:
        contract, of_contract = _contract(root, valid["data"].contract, where)
        valid |= {"contract": contract} if contract else {}
    wrong += cross_checks(valid)
    lines = [f"{where(path)}: {'.'.join(path)}: {said}" for path, said in wrong] + of_contract
    if lines:
        raise UserError("\n".join(dict.fromkeys(lines)))
    return Config(**{name: valid[name] for name in Config.model_fields})


def _sections(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the sections that are right by themselves, and what is wrong with the others."""
    hints = get_type_hints(Config, include_extras=True)
    valid, wrong = {}, []
    try:
        Config.model_validate(dict(values))
    except ValidationError as error:
        wrong = problems(error, Config, dict(values))
    for name in set(Config.model_fields) - {path[0] for path, _ in wrong}:
        valid[name] = TypeAdapter(hints[name]).validate_python(values[name])
    return valid, wrong


def _contract(root: Path, name: str, where: Where) -> tuple[Contract | None, list[str]]:
    """Return the contract that data.contract names, or the lines that say why there is none."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    file = root / name
    try:
        written: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    except OSError:
        beside = [path.relative_to(root).as_posix() for path in sorted(file.parent.glob("*.yaml"))]
        return None, [
            f"{where(('data', 'contract'))}: data.contract: no file {name}{did_you_mean(name, beside)}"
        ]
    except (OmegaConfBaseException, YAMLError) as error:
        return None, [not_yaml(name, error)]
    try:
        return Contract.model_validate(written), []
    except ValidationError as error:
        found = problems(error, Contract, written)
        return None, [": ".join(filter(None, [name, ".".join(path), said])) for path, said in found]
