"""Residual networks for pictures of about 32 pixels (He et al. 2015, section 4.2), with shortcuts that have no weights.

Parameter names and the place of the new channels in a shortcut are those of the published CIFAR-10 weights.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

from leadline.layers.arguments import check_whole
from leadline.models.picture_sizes import check_batch

# Name → residual blocks in each of the three stages; with two layers a block the depth is 6n + 2.
SIZES = {"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9, "resnet110": 18}


class SmallBlock(nn.Module):
    """y = relu(F(x) + shortcut(x)) with F two 3×3 convolutions; where the shape changes, the shortcut adds channels of zeros.

    There it takes every second pixel, and puts half of the new channels before the old ones and half behind ("option A").

    Shapes: [B, C_in, H, W] → [B, filters, ⌈H/stride⌉, ⌈W/stride⌉].

    Args:
        channels: C_in, at most `filters`.
        filters: of both convolutions.
        stride: 1 or 2, of the first convolution and of the shortcut.

    Example:
        >>> import torch
        >>> SmallBlock(8, 16, stride=2)(torch.zeros(1, 8, 5, 5)).shape
        torch.Size([1, 16, 3, 3])
    """

    def __init__(self, channels: int, filters: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.stride, self.new = stride, filters - channels

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.new or self.stride > 1:
            before = self.new // 2
            shortcut = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.new - before))
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return self.relu(x.add_(shortcut))  # type: ignore[no-any-return]


class SmallResNet(nn.Module):
    """One convolution, three stages of residual blocks of 16, 32 and 64 filters, the average over the map, a linear head.

    Shapes: [B, C, H, W] → [B, classes]; the last map is ⌈H/4⌉ × ⌈W/4⌉.

    Args:
        blocks: residual blocks in each of the three stages.
        classes: outputs.
        channels: of the pictures.
        width: filters of the first stage.
        name: of the network, for errors.

    Errors: `ArgumentError` for a number below 1, or a batch of anything else than pictures of these channels.
    """

    def __init__(self, blocks: int, *, classes: int, channels: int = 3, width: int = 16, name: str = "SmallResNet") -> None:
        super().__init__()
        check_whole(name, {"classes": classes, "channels": channels, "width": width})
        self.name, self.channels = name, channels
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(width, width, blocks, 1)
        self.layer2 = _stage(width, 2 * width, blocks, 2)
        self.layer3 = _stage(2 * width, 4 * width, blocks, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        check_batch(self.name, x, channels=self.channels, least=1)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def resnet20(classes: int = 10, channels: int = 3, *, width: int = 16) -> nn.Module:
    """CIFAR ResNet-20: three residual blocks a stage, 269,722 parameters for 10 classes of colour pictures.

    Shapes: [B, channels, H, W] → [B, classes].

    Args:
        classes: outputs.
        channels: of the pictures.
        width: filters of the first stage; published weights have 16.

    Errors: `ArgumentError` for a number below 1.

    Example:
        >>> sum(p.numel() for p in resnet20(classes=10).parameters())
        269722

    Source: He, Zhang, Ren and Sun (2015), Deep residual learning for image recognition, section 4.2.
    """
    return _made("resnet20", classes, channels, width)


def resnet32(classes: int = 10, channels: int = 3, *, width: int = 16) -> nn.Module:
    """CIFAR ResNet-32: five residual blocks a stage, 464,154 parameters; otherwise as `resnet20`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet32().parameters())
        464154
    """
    return _made("resnet32", classes, channels, width)


def resnet44(classes: int = 10, channels: int = 3, *, width: int = 16) -> nn.Module:
    """CIFAR ResNet-44: seven residual blocks a stage, 658,586 parameters; otherwise as `resnet20`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet44().parameters())
        658586
    """
    return _made("resnet44", classes, channels, width)


def resnet56(classes: int = 10, channels: int = 3, *, width: int = 16) -> nn.Module:
    """CIFAR ResNet-56: nine residual blocks a stage, 853,018 parameters; otherwise as `resnet20`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet56().parameters())
        853018
    """
    return _made("resnet56", classes, channels, width)


def resnet110(classes: int = 10, channels: int = 3, *, width: int = 16) -> nn.Module:
    """CIFAR ResNet-110: eighteen residual blocks a stage, 1,727,962 parameters; otherwise as `resnet20`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet110().parameters())
        1727962
    """
    return _made("resnet110", classes, channels, width)


def _made(name: str, classes: int, channels: int, width: int) -> SmallResNet:
    return SmallResNet(SIZES[name], classes=classes, channels=channels, width=width, name=name)


def _stage(channels: int, filters: int, blocks: int, stride: int) -> nn.Sequential:
    first = SmallBlock(channels, filters, stride=stride)
    return nn.Sequential(first, *(SmallBlock(filters, filters) for _ in range(blocks - 1)))
