"""The base of every section: no unknown keys, no silent conversion, immutable."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the config; unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
