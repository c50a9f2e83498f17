"""Depths: the ends of stages of many networks, the head, and networks that have none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.models import convnet, linear, mlp, resnet18
from leadline.transfer.cutting import cut
from leadline.transfer.depths import cut_depths


def vgg_like() -> nn.Module:
    features = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    )
    return nn.Sequential(features, nn.Flatten(), nn.Sequential(nn.Linear(16 * 16, 20), nn.ReLU(), nn.Linear(20, 5)))


class FireLike(nn.Module):
    """A head that is a 1×1 convolution, as SqueezeNet has it."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3), nn.ReLU())
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(12, 7, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


CASES = [
    (resnet18(classes=5), (3, 64, 64), ["relu", "layer1", "layer2", "layer3", "before fc"]),
    (convnet((1, 28, 28), 5, width=4), (1, 28, 28), ["5", "12", "before 22"]),
    (mlp((1, 8, 8), 4, width=16), (1, 8, 8), ["3", "before 7"]),
    (vgg_like(), (3, 16, 16), ["0.1", "0.4", "before 2.2"]),
    (FireLike(), (3, 32, 32), ["features.1", "before classifier.1"]),
    (
        Wrapped(resnet18(classes=5)),
        (3, 64, 64),
        ["inner.relu", "inner.layer1", "inner.layer2", "inner.layer3", "before inner.fc"],
    ),
    (nn.Sequential(*list(resnet18(classes=5).children())[:-2]), (3, 64, 64), ["2", "4", "5", "6", ""]),
]


@pytest.mark.parametrize(
    ("model", "shape", "layers"), CASES, ids=[type(case[0]).__name__ + str(at) for at, case in enumerate(CASES)]
)
def test_stages_end_where_they_should(model: nn.Module, shape: tuple[int, ...], layers: list[str]) -> None:
    depths = cut_depths(model, shape)
    assert [depth.layer for depth in depths] == layers
    assert depths[-1].name == "late"
    assert depths[0].name == "early"


@pytest.mark.parametrize(
    ("model", "shape", "layers"), CASES, ids=[type(case[0]).__name__ + str(at) for at, case in enumerate(CASES)]
)
def test_each_depth_can_be_cut_and_has_the_features_it_says(
    model: nn.Module, shape: tuple[int, ...], layers: list[str]
) -> None:
    for depth in cut_depths(model, shape):
        backbone = cut(model, depth.layer, shape, grid=depth.grid)
        assert backbone.eval()(torch.zeros(2, *shape)).shape == (2, depth.features)
        assert depth.features <= 1024


def test_the_last_depth_is_what_the_head_sees() -> None:
    model, x = resnet18(classes=5).eval(), torch.randn(2, 3, 64, 64)
    features = cut(model, cut_depths(model, (3, 64, 64))[-1].layer, (3, 64, 64)).eval()(x)
    assert torch.allclose(model.fc(features), model(x), atol=1e-6)


def test_a_deep_network_without_stages_is_thinned_to_five() -> None:
    layers = [part for _ in range(20) for part in (nn.Linear(8, 8), nn.ReLU())]
    depths = cut_depths(nn.Sequential(*layers, nn.Linear(8, 3)), (8,))
    assert [depth.name for depth in depths] == ["early", "stage 2", "middle", "stage 4", "late"]
    assert [depth.layer for depth in depths] == ["1", "11", "21", "29", "before 40"]


def test_a_network_without_features_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no layer with weights before its head"):
        cut_depths(linear((1, 8, 8), 3), (1, 8, 8))
