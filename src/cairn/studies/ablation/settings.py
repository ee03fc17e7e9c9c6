"""What a study of the model in force starts from."""

from collections.abc import Sequence
from pathlib import Path

from cairn.compose import params_file
from cairn.compose.conf import compose
from cairn.compose.overrides import differing, replaced
from cairn.compose.params_file import CONF, PARAMS, settle
from cairn.compose.validate import Origin, read_config
from cairn.errors import UserError
from cairn.settings.config import Config
from cairn.studies.trial import SHARED


def config_in_force(words: Sequence[str]) -> Config:
    """Return what the next `dvc repro` would run with, and the words of -S on top.

    Raises:
        UserError: a word that does not compose, or one that would need other rows than the prepared ones.
    """
    base, _ = settle(CONF, params_file.read(PARAMS))
    composed = compose(CONF, replaced(base.overrides, words)) if words else base
    changed = [key for key in differing(base.values, composed.values) if key.partition(".")[0] in SHARED]
    if changed:
        raise UserError(
            f"-S changes {', '.join(changed[:3])}, which the prepared rows depend on: first"
            f" `python src/cairn compose {' '.join(words)}`, then the same command without these words"
        )
    return read_config(composed.values, Path(), Origin(CONF, composed, "-S {}").of)
