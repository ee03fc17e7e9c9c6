"""Which file or override a key of the composed config came from, so that a message can name it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairn.compose.conf import EXPERIMENT, Composed, place, within


@dataclass(frozen=True)
class Origin:
    """Where the keys of a composed config were written.

    Attributes:
        conf: the folder of config.yaml.
        composed: what was composed from it.
        overridden_in: what to name for a key that an override set: `{}` stands for the override.
    """

    conf: Path
    composed: Composed
    overridden_in: str

    def of(self, path: tuple[str, ...]) -> str:
        """Return the override that set a key or one below it, or else the file it stands in or should."""
        key = ".".join(path)
        for override in self.composed.overrides:
            name = override.lstrip("+~").partition("=")[0]
            if name not in self.composed.choices and (within(key, name) or within(name, key)):
                return self.overridden_in.format(override)
        preset = self.composed.choices.get(EXPERIMENT)
        if preset and _holds(self.conf / EXPERIMENT / f"{preset}.yaml", path):
            return f"conf/{EXPERIMENT}/{preset}.yaml (-S {EXPERIMENT}=null leaves it out)"
        if _holds(self.conf / "config.yaml", path):
            return "conf/config.yaml"
        return f"conf/{self._option(key) or 'config'}.yaml"

    def _option(self, key: str) -> str | None:
        """Return GROUP/OPTION of the group whose place holds the key most closely."""
        filling = [group for group in self.composed.choices if within(key, place(group))]
        if not filling:
            return None
        group = max(filling, key=lambda name: len(place(name)))
        return f"{group.partition('@')[0]}/{self.composed.choices[group]}"


def _holds(file: Path, path: tuple[str, ...]) -> bool:
    from omegaconf import OmegaConf

    value: Any = OmegaConf.to_container(OmegaConf.load(file))
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
