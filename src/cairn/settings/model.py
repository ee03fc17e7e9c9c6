"""Section `model`: any estimator with scikit-learn's interface, and how columns are encoded; or several."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from cairn.pins import PINS
from cairn.settings.section import Section


def _in_the_checkout(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in path:
        raise ValueError("needs a path below the checkout, such as data/weights/NAME.ckpt")
    return path


Below = Annotated[str, AfterValidator(_in_the_checkout)]
"""A path of a file or folder of the checkout, with /."""


class Encoding(Section):
    """How columns are encoded; fitted on train and saved with the model.

    Attributes:
        numeric: passthrough: unchanged, missing values too; standard: mean 0 and variance 1; quantile: ranks
            mapped to a normal distribution
        categorical: ordinal: one code per value; onehot: one column per value
        min_frequency: rows; values seen less often in train share one code
        max_categories: codes per column; the rarest values share one
        target_above: a categorical column with more values in train than this becomes a number, the mean of
            the target by value, fitted within folds of train and shrunk; null: none does
    """

    numeric: Literal["passthrough", "standard", "quantile"]
    categorical: Literal["ordinal", "onehot"]
    min_frequency: int = Field(ge=1)
    max_categories: int = Field(ge=2)
    # Left out of the record of a model where it is null, which older versions did not have.
    target_above: int | None = Field(default=None, ge=1, exclude_if=lambda value: value is None)


class ModelConfig(Section):
    """A model: its estimator for either kind of task, their shared parameters, its encoding.

    Attributes:
        name: shown in tables and reports
        classifier: `_target_` is the class for binary and multiclass tasks, other keys are parameters of it
            alone; null: none
        regressor: the same for regression
        params: parameters of both classes
        weights: a file of pretrained weights that DVC tracks; a parameter names it as `${..weights}`;
            left out where a model has none
        encoding: how columns are encoded
    """

    name: str
    classifier: dict[str, Any] | None
    regressor: dict[str, Any] | None
    params: dict[str, Any]
    # Left out of the record of a model that has none, as older versions did.
    weights: Below | None = Field(default=None, exclude_if=lambda value: value is None)
    encoding: Encoding

    @field_validator("classifier", "regressor")
    @classmethod
    def _names_a_class(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and not isinstance(value.get("_target_"), str):
            raise ValueError("needs the key _target_, the dotted name of an estimator class")
        return value

    @field_validator("weights", mode="before")
    @classmethod
    def _names_a_file(cls, value: Any) -> Any:
        if value is None:  # conf/config.yaml could not tell it from a path
            raise ValueError("leave the key out: a model without pretrained weights does not have it")
        return value

    @property
    def checkpoints(self) -> list[str]:
        """The files of pretrained weights that the model reads."""
        return [self.weights] if self.weights else []

    @property
    def trusted(self) -> list[str]:
        """What loading the saved model has to trust beside scikit-learn: a library, or a class of our own."""
        named = [block["_target_"] for block in (self.classifier, self.regressor) if block is not None]
        return sorted(
            {target if target.startswith("cairn.") else target.split(".")[0] for target in named}
            - {"sklearn"}
        )


class EnsembleConfig(Section):
    """Several models whose predictions are averaged with weights.

    Attributes:
        kind: ensemble
        name: shown in tables and reports
        members: models by name, each as section model has it
        weights: greedy: chosen on validation, a member that does not help gets none; equal: the plain mean
        weights_from: validation: greedy weights are chosen there; folds: on rows of train, each predicted by
            models fitted on other folds, on earlier rows where data.time is set
        draws: members drawn by the greedy selection; more make finer weights
        seeds: times that each member is fitted, with seed, seed + 1 and so on; all of them are members
        reads: the file or folder with the pretrained weights of members; constraints.txt: there are none
        folds: for weights_from: folds, and for bag
        bag: fit each member once per fold, without its rows, on which it stops early, and average these
            models; false: one model fitted on train
    """

    kind: Literal["ensemble"]
    name: str
    members: Annotated[dict[str, ModelConfig], Field(min_length=1)]
    weights: Literal["greedy", "equal"]
    weights_from: Literal["validation", "folds"] = "validation"
    draws: int = Field(ge=1, le=10_000)
    seeds: int = Field(ge=1, le=100)
    folds: int = Field(default=5, ge=3, le=100)
    bag: bool = False
    reads: Below = Field(default=PINS.name, exclude_if=lambda value: value == PINS.name)

    @model_validator(mode="after")
    def _weights_have_names_of_their_own(self) -> "EnsembleConfig":
        names = [PurePosixPath(path).name for path in self.checkpoints]
        if len(set(names)) < len(names):
            raise ValueError(f"members have weights in files of the same name: {', '.join(self.checkpoints)}")
        return self

    @property
    def checkpoints(self) -> list[str]:
        """The files of pretrained weights that the members read."""
        return list(dict.fromkeys(path for member in self.members.values() for path in member.checkpoints))

    @property
    def trusted(self) -> list[str]:
        """What loading the saved model has to trust; see ModelConfig."""
        return sorted({name for member in self.members.values() for name in member.trusted})


def _kind(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "ensemble" if kind == "ensemble" else "model"


AnyModelConfig = Annotated[
    Annotated[ModelConfig, Tag("model")] | Annotated[EnsembleConfig, Tag("ensemble")], Discriminator(_kind)
]
