"""Section `kpi`: what a decision is worth in money."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cairn.settings.section import Section


class NoKpi(Section):
    """No cost model: the threshold is the one with the best F1 on validation.

    Attributes:
        kind: no prices
    """

    kind: Literal["none"]


class CostKpi(Section):
    """Acting on a row costs `action`; an event costs `loss`; acting prevents the share `share_saved` of it.

    Attributes:
        kind: act where P(event) is above action / (loss x share_saved)
        currency: printed after every amount
        action: cost of acting on one row
        loss: cost of one event without action
        share_saved: share of the loss that acting prevents
    """

    kind: Literal["cost"]
    currency: str
    action: float = Field(gt=0)
    loss: float = Field(gt=0)
    share_saved: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _acting_can_pay(self) -> "CostKpi":
        if self.action >= self.loss * self.share_saved:
            raise ValueError(
                f"action {self.action:g} costs at least as much as it can save"
                f" (loss {self.loss:g} x share_saved {self.share_saved:g}): acting would never pay"
            )
        return self

    @property
    def threshold(self) -> float:
        """Act where P(event) exceeds action / (loss x share_saved), the Bayes rule for these costs."""
        return self.action / (self.loss * self.share_saved)


KpiConfig = Annotated[NoKpi | CostKpi, Field(discriminator="kind")]
