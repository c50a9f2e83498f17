"""The networks that overhead is measured on, in torch."""

from __future__ import annotations

from torch import Tensor, nn


def mlp() -> nn.Module:
    """784-128-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


class SamePad(nn.Module):
    """One row and one column of zeros below and to the right: 'same' padding for a 2 × 2 kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, (0, 1, 0, 1))


def three_convolutions() -> nn.Module:
    """The 3-convolution CIFAR network of 528,054 parameters: 2×2 kernels, 16, 32 and 64 filters, 500 hidden units."""
    layers: list[nn.Module] = []
    channels = 3
    for filters in (16, 32, 64):
        layers += [SamePad(), nn.Conv2d(channels, filters, 2), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(
        *layers, nn.Dropout(0.3), nn.Flatten(), nn.Linear(1024, 500), nn.ReLU(), nn.Dropout(0.4), nn.Linear(500, 10)
    )


class Block(nn.Module):
    """The residual block of the CIFAR ResNets: the shortcut drops every other pixel and pads the new filters with zeros."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.stride, self.new = (2, filters - channels) if filters != channels else (1, 0)
        self.first = nn.Sequential(
            nn.Conv2d(channels, filters, 3, self.stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()
        )
        self.second = nn.Sequential(nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new)) if self.new else x
        return nn.functional.relu(self.second(self.first(x)) + shortcut)


def resnet20(channels: int = 3) -> nn.Module:
    """CIFAR ResNet-20 (He et al. 2015): 269,722 parameters with these parameter-free shortcuts."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    channels = 16
    for filters in (16, 32, 64):
        for _ in range(3):
            layers.append(Block(channels, filters))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class LastOfLSTM(nn.Module):
    """Rows of a picture as a sequence: the last hidden state of one LSTM goes through a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.head = nn.LSTM(28, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0][:, -1])  # type: ignore[no-any-return]


NETWORKS = {
    "mlp": (mlp, (1, 28, 28), 100),
    "three_convolutions": (three_convolutions, (3, 32, 32), 20),
    "resnet20": (resnet20, (3, 32, 32), 6),
    "lstm": (LastOfLSTM, (28, 28), 40),
}
"""Name → builder, shape of one input, steps an epoch at batch 64."""

BATCH = 64
