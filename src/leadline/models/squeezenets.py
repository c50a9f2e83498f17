"""SqueezeNet 1.1: the accuracy of AlexNet with a fiftieth of its weights; parameter names are torchvision's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import unknown
from leadline.layers.arguments import check_dropped, check_whole
from leadline.models.picture_sizes import check_batch, check_pictures
from leadline.models.tabular_networks import TASKS

LEAST = 17
"""The shortest side of a picture: the stride of 2 and three poolings leave one pixel of it."""

# Of the fire modules: filters of the squeeze layer, and of each of the two that expand. None is a maximum.
SIZES: tuple[tuple[int, int] | None, ...] = (
    (16, 64),
    (16, 64),
    None,
    (32, 128),
    (32, 128),
    None,
    (48, 192),
    (48, 192),
    (64, 256),
    (64, 256),
)


class Fire(nn.Module):
    """Few 1×1 filters, then many of 1×1 and as many of 3×3 side by side.

    y = [relu(W₁ s), relu(W₃ ∗ s)] with s = relu(W x).

    Shapes: [B, C, H, W] → [B, 2 · expand, H, W].

    Args:
        channels: C.
        squeeze: filters of the narrow layer.
        expand: filters of 1×1, and of 3×3.

    Example:
        >>> Fire(8, 4, expand=16)(torch.zeros(1, 8, 5, 5)).shape
        torch.Size([1, 32, 5, 5])
    """

    def __init__(self, channels: int, squeeze: int, *, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        near, around = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return torch.cat([near, around], dim=1)


class SqueezeNet(nn.Module):
    """A convolution, eight fire modules, and a head that is a 1×1 convolution averaged over the map. `squeezenet` builds one.

    Shapes: [B, C, H, W] → [B, outputs].

    Args:
        outputs: of the head.
        channels: C.
        dropout: before the head.
        positive: whether the head's map goes through a ReLU before it is averaged, as in the published network.

    Errors: `ArgumentError` for a batch of other channels, or of pictures too small.
    """

    def __init__(self, outputs: int, *, channels: int, dropout: float, positive: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(channels, 64, 3, 2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        ]
        self.channels, maps = channels, 64
        for sizes in SIZES:
            if sizes is None:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            else:
                layers.append(Fire(maps, sizes[0], expand=sizes[1]))
                maps = 2 * sizes[1]
        self.features = nn.Sequential(*layers)
        head = nn.Conv2d(maps, outputs, 1)
        last = nn.ReLU(inplace=True) if positive else nn.Identity()
        self.classifier = nn.Sequential(nn.Dropout(dropout), head, last, nn.AdaptiveAvgPool2d(1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is head:
                    nn.init.normal_(module.weight, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        check_batch("squeezenet", x, channels=self.channels, least=LEAST)
        return self.classifier(self.features(x)).flatten(1)  # type: ignore[no-any-return]


def squeezenet(
    classes: int = 1000,
    channels: int = 3,
    *,
    shape: Sequence[int] | None = None,
    task: str = "classes",
    dropout: float = 0.5,
) -> nn.Module:
    """SqueezeNet 1.1: 1,235,496 parameters for 1,000 classes of colour pictures.

    The published head gives no answer below 0; for tasks whose answers may be negative its ReLU is left out.

    Shapes: [B, channels, H, W] → [B, classes], H and W of at least 17; made for 224.

    Args:
        classes: outputs.
        channels: of the pictures.
        shape: (C, H, W) of the pictures where it is known: they are then refused at once if they are too small.
        task: "classes" for the published head, with its ReLU; "labels" or "number" for one without.
        dropout: before the head, in [0, 1).

    Errors: `ArgumentError` for an argument out of range, or pictures too small.

    Example:
        >>> sum(p.numel() for p in squeezenet().parameters())
        1235496

    Source: Iandola et al. (2016), SqueezeNet; version 1.1 is that of the authors' repository.
    """
    check_whole("squeezenet", {"classes": classes, "channels": channels})
    check_dropped("squeezenet", dropout, name="dropout")
    check_pictures("squeezenet", shape, least=LEAST)
    if task not in TASKS:
        unknown("task", task, TASKS)
    return SqueezeNet(classes, channels=channels, dropout=dropout, positive=task == "classes")
