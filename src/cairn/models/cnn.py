"""A small convolutional network for tables whose columns are the pixels of a grey image."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from cairn.data.predictions import Floats
from cairn.models.network import NetworkClassifier, NetworkEstimator, NetworkRegressor
from cairn.models.rows import finite


@dataclass(kw_only=True, eq=False, repr=False)
class _CNN(NetworkEstimator):
    image_shape: Sequence[int]
    channels: Sequence[int] = (32, 64)
    hidden: int = 128
    dropout: float = 0.5
    learning_rate: float = 0.003
    batch_size: int | Literal["auto"] = 64
    patience: int | Literal["auto"] = 10

    def _start(self, X: Floats) -> nn.Module:
        shape = list(self.image_shape)
        if len(shape) != 2 or not all(isinstance(side, int) and side > 0 for side in shape):
            raise ValueError(f"image_shape is [height, width] in pixels, such as [8, 8], not {shape}")
        if prod(shape) != X.shape[1]:
            raise ValueError(
                f"image_shape {shape} takes {prod(shape)} columns, one per pixel, and gets {X.shape[1]}"
            )
        if not self.channels:
            raise ValueError("channels names no convolution: such as [32, 64]")
        # One mean and one scale for all pixels: a scale for each would distort the picture.
        self.pixel_mean_ = float(X.mean())
        self.pixel_scale_ = float(X.std()) or 1.0
        return self._network()

    def _network(self) -> nn.Module:
        layers: list[nn.Module] = []
        for place, (maps, following) in enumerate(pairwise((1, *self.channels))):
            layers += [nn.Conv2d(maps, following, 3, padding=1), nn.ReLU()]
            layers += [nn.AvgPool2d(2, ceil_mode=True)] if place else []
        width = self.channels[-1] * prod(
            -(-side // 2 ** (len(self.channels) - 1)) for side in self.image_shape
        )
        layers += [nn.Flatten(), nn.Dropout(self.dropout), nn.Linear(width, self.hidden), nn.ReLU()]
        layers += [nn.Dropout(self.dropout), nn.Linear(self.hidden, self.n_outputs_)]
        image = nn.Unflatten(1, (1, *self.image_shape))  # pixels come row by row
        return nn.Sequential(OrderedDict(image=image, layers=nn.Sequential(*layers)))

    def _inputs(self, X: Floats, device: torch.device) -> tuple[Tensor]:
        return (torch.from_numpy(finite((X - self.pixel_mean_) / self.pixel_scale_)).to(device),)


class CNNClassifier(_CNN, NetworkClassifier):
    """A network for two or more classes of images, fitted by log loss.

    Convolutions of 3 × 3 with ReLU, averaged over 2 × 2 after each but the first, then a linear layer.

    Input is a float matrix of pixels: the columns are the image row by row, on any one scale (0 to 16,
    0 to 255), none missing. Predictions are computed on the CPU whatever the device of training.

    Args:
        image_shape: height and width in pixels; their product is the number of columns.
        channels: feature maps of each convolution; each after the first halves height and width.
        hidden: width of the linear layer before the outputs.
        dropout: share of the values before each linear layer that is set to 0 while training.
        learning_rate, schedule, …: of the training, see NetworkEstimator.

    Attributes:
        pixel_mean_, pixel_scale_: mean and standard deviation of all pixels in training.
        classes_, weights_, train_score_, validation_score_, n_iter_, best_iteration_: as of MLPClassifier.
    """


class CNNRegressor(_CNN, NetworkRegressor):
    """A network for a number read off an image, fitted by squared error; see CNNClassifier."""
