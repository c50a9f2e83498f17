"""Residual networks (He et al. 2015, "Deep Residual Learning for Image Recognition"); parameter names are torchvision's."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """y = relu(F(x) + shortcut(x)) with F two 3×3 convolutions; the shortcut is a 1×1 convolution where the shape changes.

    Shapes: [B, C_in, H, W] → [B, C_out, ⌈H/stride⌉, ⌈W/stride⌉].

    Example:
        >>> import torch
        >>> BasicBlock(8, 16, stride=2)(torch.zeros(1, 8, 6, 6)).shape
        torch.Size([1, 16, 3, 3])
    """

    def __init__(self, channels: int, filters: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != filters:
            self.downsample = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return self.relu(x.add_(shortcut))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """Four stages of residual blocks of 64, 128, 256 and 512 filters, then the average over the map and a linear head.

    Shapes: [B, C, H, W] → [B, classes]; the last map is ⌈H/32⌉ × ⌈W/32⌉.

    Args:
        blocks: residual blocks in each of the four stages.
        classes: outputs.
        channels: of the pictures.
    """

    def __init__(self, blocks: Sequence[int], *, classes: int, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = _stage(64, 64, blocks[0], 1)
        self.layer2 = _stage(64, 128, blocks[1], 2)
        self.layer3 = _stage(128, 256, blocks[2], 2)
        self.layer4 = _stage(256, 512, blocks[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def resnet18(classes: int = 1000, channels: int = 3) -> nn.Module:
    """ResNet-18: two residual blocks a stage, 11,689,512 parameters for 1,000 classes of colour pictures.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet18().parameters())
        11689512
    """
    return ResNet((2, 2, 2, 2), classes=classes, channels=channels)


def _stage(channels: int, filters: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(channels, filters, stride=stride)
    return nn.Sequential(first, *(BasicBlock(filters, filters) for _ in range(blocks - 1)))
