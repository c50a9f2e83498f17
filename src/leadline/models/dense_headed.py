"""Convolutions, the average over a grid of fixed size, and dense layers: the shape of AlexNet and VGG."""

from __future__ import annotations

from torch import Tensor, nn

from leadline.models.picture_sizes import check_batch


class DenseHeaded(nn.Module):
    """features → average over a grid of G×G cells → flatten → classifier. `alexnet` and `vgg16` build one.

    Where the map is G×G already, as it is for 224-pixel photos, nothing is averaged.

    Shapes: [B, C, H, W] → [B, classes].

    Args:
        features: [B, C, H, W] → [B, K, h, w].
        classifier: [B, K·G·G] → [B, classes].
        grid: G.
        name: of the network, for errors.
        channels: C.
        least: the shortest side of a picture.

    Errors: `ArgumentError` for a batch of other channels, or of pictures too small.
    """

    def __init__(self, features: nn.Module, classifier: nn.Module, *, grid: int, name: str, channels: int, least: int) -> None:
        super().__init__()
        self.features, self.avgpool, self.classifier = features, nn.AdaptiveAvgPool2d(grid), classifier
        self.grid, self.name, self.channels, self.least = grid, name, channels, least

    def forward(self, x: Tensor) -> Tensor:
        check_batch(self.name, x, channels=self.channels, least=self.least)
        x = self.features(x)
        if x.shape[2] != self.grid or x.shape[3] != self.grid:
            x = self.avgpool(x)
        return self.classifier(x.flatten(1))  # type: ignore[no-any-return]
