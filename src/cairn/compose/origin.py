"""Which file or override a key of the composed config came from, so that a message can name it."""

from dataclasses import dataclass
from pathlib import Path

from cairn.compose.conf import EXPERIMENT, Composed, place, sets, settings_files, within


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
        preset = self.conf / EXPERIMENT
        for file in settings_files(self.conf, self.composed.choices):
            if sets(file, path):
                name = f"conf/{file.relative_to(self.conf).as_posix()}"
                return f"{name} (-S {EXPERIMENT}=null leaves it out)" if file.parent == preset else name
        return f"conf/{self._option(key) or 'config'}.yaml"

    def _option(self, key: str) -> str | None:
        """Return GROUP/OPTION of the group whose place holds the key most closely."""
        filling = [group for group in self.composed.choices if within(key, place(group))]
        if not filling:
            return None
        group = max(filling, key=lambda name: len(place(name)))
        return f"{group.partition('@')[0]}/{self.composed.choices[group]}"
