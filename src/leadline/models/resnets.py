"""Residual networks for photos (He et al. 2015, "Deep Residual Learning for Image Recognition").

Parameter names are torchvision's, and so is the place of the stride in a bottleneck: in its 3×3 convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from leadline.layers.arguments import check_whole
from leadline.models.picture_sizes import check_batch

# Name → residual blocks in each of the four stages, and whether they are bottlenecks.
SIZES: dict[str, tuple[tuple[int, int, int, int], bool]] = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
    "resnet152": ((3, 8, 36, 3), True),
}


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


class Bottleneck(nn.Module):
    """y = relu(F(x) + shortcut(x)) with F a 1×1 convolution, a 3×3 one and a 1×1 one to four times as many maps.

    The wide maps meet only 1×1 filters: 17 · filters² weights in place of the 288 · filters² of two 3×3 layers that wide.

    Shapes: [B, C_in, H, W] → [B, 4 · filters, ⌈H/stride⌉, ⌈W/stride⌉].

    Args:
        channels: C_in.
        filters: of the 3×3 convolution.
        stride: of the 3×3 convolution and of the shortcut.

    Example:
        >>> import torch
        >>> Bottleneck(8, 4, stride=2)(torch.zeros(1, 8, 6, 6)).shape
        torch.Size([1, 16, 3, 3])
    """

    def __init__(self, channels: int, filters: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.conv3 = nn.Conv2d(filters, 4 * filters, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * filters)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != 4 * filters:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * filters, 1, stride, bias=False), nn.BatchNorm2d(4 * filters)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return self.relu(x.add_(shortcut))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """Four stages of residual blocks of 64, 128, 256 and 512 filters, then the average over the map and a linear head.

    Shapes: [B, C, H, W] → [B, classes]; the last map is ⌈H/32⌉ × ⌈W/32⌉, so pictures of any size fit.

    Args:
        blocks: residual blocks in each of the four stages.
        classes: outputs.
        channels: of the pictures.
        width: filters of the first stage.
        bottleneck: whether the blocks are bottlenecks.
        name: of the network, for errors.

    Errors: `ArgumentError` for a number below 1, or a batch of anything else than pictures of these channels.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        *,
        classes: int,
        channels: int = 3,
        width: int = 64,
        bottleneck: bool = False,
        name: str = "ResNet",
    ) -> None:
        super().__init__()
        check_whole(name, {"classes": classes, "channels": channels, "width": width})
        self.name, self.channels = name, channels
        self.conv1 = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        times = 4 if bottleneck else 1
        self.layer1 = _stage(width, width, blocks[0], 1, bottleneck)
        self.layer2 = _stage(times * width, 2 * width, blocks[1], 2, bottleneck)
        self.layer3 = _stage(times * 2 * width, 4 * width, blocks[2], 2, bottleneck)
        self.layer4 = _stage(times * 4 * width, 8 * width, blocks[3], 2, bottleneck)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(times * 8 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        check_batch(self.name, x, channels=self.channels, least=1)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def resnet18(classes: int = 1000, channels: int = 3, *, width: int = 64) -> nn.Module:
    """ResNet-18: two residual blocks a stage, 11,689,512 parameters for 1,000 classes of colour pictures.

    Shapes: [B, channels, H, W] → [B, classes].

    Args:
        classes: outputs.
        channels: of the pictures.
        width: filters of the first stage; published weights have 64.

    Errors: `ArgumentError` for a number below 1.

    Example:
        >>> sum(p.numel() for p in resnet18().parameters())
        11689512

    Source: He, Zhang, Ren and Sun (2015), Deep residual learning for image recognition.
    """
    return _made("resnet18", classes, channels, width)


def resnet34(classes: int = 1000, channels: int = 3, *, width: int = 64) -> nn.Module:
    """ResNet-34: 3, 4, 6 and 3 residual blocks a stage, 21,797,672 parameters; otherwise as `resnet18`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet34().parameters())
        21797672
    """
    return _made("resnet34", classes, channels, width)


def resnet50(classes: int = 1000, channels: int = 3, *, width: int = 64) -> nn.Module:
    """ResNet-50: 3, 4, 6 and 3 bottlenecks a stage, 25,557,032 parameters; otherwise as `resnet18`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet50().parameters())
        25557032
    """
    return _made("resnet50", classes, channels, width)


def resnet101(classes: int = 1000, channels: int = 3, *, width: int = 64) -> nn.Module:
    """ResNet-101: 3, 4, 23 and 3 bottlenecks a stage, 44,549,160 parameters; otherwise as `resnet18`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet101(10, width=8).parameters())
        679186
    """
    return _made("resnet101", classes, channels, width)


def resnet152(classes: int = 1000, channels: int = 3, *, width: int = 64) -> nn.Module:
    """ResNet-152: 3, 8, 36 and 3 bottlenecks a stage, 60,192,808 parameters; otherwise as `resnet18`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in resnet152(10, width=8).parameters())
        928658
    """
    return _made("resnet152", classes, channels, width)


def _made(name: str, classes: int, channels: int, width: int) -> ResNet:
    blocks, bottleneck = SIZES[name]
    return ResNet(blocks, classes=classes, channels=channels, width=width, bottleneck=bottleneck, name=name)


def _stage(channels: int, filters: int, blocks: int, stride: int, bottleneck: bool) -> nn.Sequential:
    if bottleneck:
        first = Bottleneck(channels, filters, stride=stride)
        return nn.Sequential(first, *(Bottleneck(4 * filters, filters) for _ in range(blocks - 1)))
    basic = BasicBlock(channels, filters, stride=stride)
    return nn.Sequential(basic, *(BasicBlock(filters, filters) for _ in range(blocks - 1)))
