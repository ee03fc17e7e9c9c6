"""What a study of the model in force starts from."""

from collections.abc import Sequence
from pathlib import Path

from cairn.config import params_file
from cairn.config.base import ConfigError
from cairn.config.compose import compose
from cairn.config.origin import Origin
from cairn.config.overrides import differing, replaced
from cairn.config.schema import Config, read_config
from cairn.pipeline.compose import CONF, PARAMS, settle
from cairn.trial import SHARED


def config_in_force(words: Sequence[str]) -> Config:
    """Return what the next `dvc repro` would run with, and the words of -S on top.

    Raises:
        ConfigError: a word that does not compose, or one that would need other rows than the prepared ones.
    """
    base, _ = settle(CONF, params_file.read(PARAMS))
    composed = compose(CONF, replaced(base.overrides, words)) if words else base
    changed = [key for key in differing(base.values, composed.values) if key.partition(".")[0] in SHARED]
    if changed:
        raise ConfigError(
            f"-S changes {', '.join(changed[:3])}, which the prepared rows depend on: first"
            f" `python src/cairn compose {' '.join(words)}`, then the same command without these words"
        )
    return read_config(composed.values, Path(), Origin(CONF, composed, "-S {}").of)
