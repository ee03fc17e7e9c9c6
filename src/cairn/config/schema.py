"""The whole config: every section of params.yaml, typed, and what is wrong with it in one go."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from cairn.config.base import ConfigError, Section
from cairn.config.baseline import BaselineConfig
from cairn.config.calibration import CalibrationConfig
from cairn.config.checks import cross_checks
from cairn.config.compose import nearest, not_yaml
from cairn.config.contract import Contract
from cairn.config.cross_validation import CrossValidationConfig
from cairn.config.data import DataConfig
from cairn.config.errors import Problem, problems
from cairn.config.evaluate import EvaluateConfig
from cairn.config.features import FeaturesConfig
from cairn.config.kpi import KpiConfig
from cairn.config.model import ModelConfig
from cairn.config.search import SearchConfig
from cairn.config.split import SplitConfig
from cairn.config.train import TrainConfig

Where = Callable[[tuple[str, ...]], str]


class Config(Section):
    """params.yaml, section by section; a stage is given only those it names.

    Attributes:
        seed: every random choice (split, model, resampling) follows from it
        threads: CPU threads; part of the seed, as sums differ in the last digits between 1 and 2 threads
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    threads: Annotated[int, Field(ge=1)]
    data: DataConfig
    split: SplitConfig
    features: FeaturesConfig
    model: ModelConfig
    train: TrainConfig
    calibration: CalibrationConfig
    baseline: BaselineConfig
    evaluate: EvaluateConfig
    cross_validation: CrossValidationConfig
    kpi: KpiConfig
    search: SearchConfig


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
        ConfigError: one line for everything that is wrong: `FILE: KEY: what`.
    """
    valid, wrong = _sections(values)
    of_contract: list[str] = []
    if "data" in valid:
        contract, of_contract = _contract(root, valid["data"].contract, where)
        valid |= {"contract": contract} if contract else {}
    wrong += cross_checks(valid)
    lines = [f"{where(path)}: {'.'.join(path)}: {said}" for path, said in wrong] + of_contract
    if lines:
        raise ConfigError("\n".join(dict.fromkeys(lines)))
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
        return None, [f"{where(('data', 'contract'))}: data.contract: no file {name}{nearest(name, beside)}"]
    except (OmegaConfBaseException, YAMLError) as error:
        return None, [not_yaml(name, error)]
    try:
        return Contract.model_validate(written), []
    except ValidationError as error:
        found = problems(error, Contract, written)
        return None, [": ".join(filter(None, [name, ".".join(path), said])) for path, said in found]
