"""Section `features`: which of the columns known in time a model may use."""

from cairn.config.base import Section


class FeaturesConfig(Section):
    """Feature groups of the contract (null: every group), less some columns."""

    groups: list[str] | None
    exclude: list[str]
