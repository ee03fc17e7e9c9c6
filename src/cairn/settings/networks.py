"""The parameters of our own networks, typed: they are checked before anything is computed, without torch."""

from typing import Annotated, Literal

from pydantic import Field

from cairn.settings.section import Section

Count = Annotated[int, Field(ge=1, lt=2**31)]
Auto = Literal["auto"]
Share = Annotated[float, Field(ge=0, lt=1)]


class NetworkParams(Section):
    """What every network takes; the defaults are in the constructors.

    Attributes:
        learning_rate: of AdamW, at the start
        schedule: cosine: the learning rate falls to 0 over max_epochs; constant: it stays
        weight_decay: of AdamW
        batch_size: rows per step; auto: by the number of rows
        max_epochs: most passes over the rows; auto: by the number of rows
        patience: epochs without a better validation loss before training stops; auto: a sixth of max_epochs
        device: of training
        random_state: seed of weights, order of rows and dropout
        dropout: share of activations set to 0 in each step
    """

    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    batch_size: Count | Auto = 1
    max_epochs: Count | Auto = 1
    patience: Count | Auto = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    random_state: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    dropout: Share = 0


class TorchParams(NetworkParams):
    """What `cairn.models.network.NetworkEstimator` takes beside.

    Attributes:
        precision: bfloat16 is faster on a GPU
    """

    precision: Literal["float32", "bfloat16"] = "float32"


class MLPParams(TorchParams):
    """What the multilayer perceptron takes beside.

    Attributes:
        hidden: widths of the hidden layers
        embedding: length of each category's vector
        bins: pieces of each number's piecewise linear encoding; 0: only the number
        categorical_features: positions of the columns that hold codes; null: those that the encoding has
    """

    hidden: list[Count] = Field(default_factory=list)
    embedding: Count = 1
    bins: Annotated[int, Field(ge=0, lt=2**31)] = 0
    categorical_features: list[Annotated[int, Field(ge=0)]] | None = None


class CNNParams(TorchParams):
    """What the convolutional network takes beside.

    Attributes:
        image_shape: height and width in pixels
        channels: feature maps of each convolution
        hidden: width of the last hidden layer
    """

    image_shape: Annotated[list[Count], Field(min_length=2, max_length=2)]
    channels: Annotated[list[Count], Field(min_length=1)] = Field(default_factory=lambda: [1])
    hidden: Count = 1


class KerasParams(NetworkParams):
    """What networks of Keras take beside.

    Attributes:
        backend: the library that computes
        hidden: widths of the hidden layers
        embedding: length of each category's vector
        activation: of the hidden layers, a name of keras.activations
        n_jobs: threads of TensorFlow
        categorical_features: positions of the columns that hold codes; null: those that the encoding has
    """

    backend: Literal["torch", "tensorflow"] = "torch"
    hidden: list[Count] = Field(default_factory=list)
    embedding: Count = 1
    activation: Literal["elu", "gelu", "leaky_relu", "relu", "selu", "silu", "tanh"] = "relu"
    n_jobs: Count = 1
    categorical_features: list[Annotated[int, Field(ge=0)]] | None = None


class TabMParams(TorchParams):
    """What TabM takes beside.

    Attributes:
        members: networks that share most of their weights
        blocks: hidden layers
        width: of each hidden layer
        bins: pieces of each number's encoding
        embedding: length of each number's vector
        categorical_features: positions of the columns that hold codes; null: those that the encoding has
    """

    members: Count = 1
    blocks: Count = 1
    width: Count = 1
    bins: Annotated[int, Field(ge=2, lt=2**31)] = 2
    embedding: Count = 1
    categorical_features: list[Annotated[int, Field(ge=0)]] | None = None


PARAMS_OF: dict[str, type[NetworkParams]] = {
    "cairn.models.cnn.CNNClassifier": CNNParams,
    "cairn.models.cnn.CNNRegressor": CNNParams,
    "cairn.models.keras.KerasClassifier": KerasParams,
    "cairn.models.keras.KerasRegressor": KerasParams,
    "cairn.models.mlp.MLPClassifier": MLPParams,
    "cairn.models.mlp.MLPRegressor": MLPParams,
    "cairn.models.tabm.TabMClassifier": TabMParams,
    "cairn.models.tabm.TabMRegressor": TabMParams,
}
"""By the `_target_` of a model."""
