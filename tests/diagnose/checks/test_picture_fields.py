"""How much of a picture is seen before it is pooled."""

from __future__ import annotations

import torch
from torch import nn

from leadline.diagnose.checks.picture_fields import read_field

PICTURES = torch.zeros(2, 1, 16, 16)


def pooled(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def test_shares():
    conv = nn.Conv2d(1, 4, 3, padding=1)
    assert read_field(pooled(conv), PICTURES) == 3 / 16
    assert read_field(pooled(conv, nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1)), PICTURES) == 8 / 16
    assert read_field(nn.Sequential(conv, nn.Flatten(), nn.Linear(4 * 256, 2)), PICTURES) == 1.0
    assert read_field(nn.Sequential(nn.Flatten(), nn.Linear(256, 2)), PICTURES) is None
    assert read_field(pooled(conv), {"x": PICTURES}) is None
