"""What every section of the config shares: no unknown key, no silent conversion, no change after reading."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen part of the config that refuses unknown keys and wrong types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
