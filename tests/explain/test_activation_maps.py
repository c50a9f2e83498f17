"""Class activation maps against closed forms: what they sum to, and that Grad-CAM and CAM agree where both exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.activation_maps import class_activation, grad_cam
from leadline.explain.passes import feature_maps, map_layers
from leadline.models import convnet, mlp, resnet18


def averaged(channels: int = 2, classes: int = 4, *, seed: int = 0) -> nn.Sequential:
    """A convolutional net whose head is the mean over the map and a linear layer, in float64."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(channels, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3), nn.Tanh()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes)).double()


@given(st.integers(0, 10_000), st.integers(8, 15), st.integers(8, 15))
def test_what_the_places_add_is_the_output(seed: int, height: int, width: int) -> None:
    network = averaged(seed=seed)
    x = torch.randn(2, 2, height, width, dtype=torch.float64)
    found = class_activation(network, x, [[0, 1, 2, 3], [3, 2, 1, 0]])
    outputs = network(x).detach().numpy()
    outputs[1] = outputs[1, ::-1]
    assert found.maps.sum(axis=(2, 3)) + found.bias == pytest.approx(outputs, abs=1e-5)
    # The published form: the weights of the head on the map, one place at a time.
    maps = feature_maps(network, x, layer="4")
    weights = network[7].weight.detach().numpy()
    expected = np.einsum("c,bchw->bhw", weights[0], maps) / maps[0, 0].size
    assert found.maps[0, 0] == pytest.approx(expected[0], abs=1e-5)
    assert found.bias[0] == pytest.approx(network[7].bias.detach().numpy(), abs=1e-6)


def test_grad_cam_is_the_part_of_cam_above_zero() -> None:
    network, x = averaged(), torch.randn(3, 2, 12, 12, dtype=torch.float64)
    cam, grad = class_activation(network, x, [0, 1, 2]).maps, grad_cam(network, x, [0, 1, 2])
    assert grad == pytest.approx(np.maximum(cam, 0), abs=1e-6)
    assert (cam < 0).any()
    assert (cam > 0).any()


def test_grad_cam_is_its_formula_for_a_head_that_is_not_linear() -> None:
    torch.manual_seed(1)
    body, head = (
        nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU()),
        nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.Tanh(), nn.Linear(8, 2)),
    )
    network, x = nn.Sequential(body, head).double(), torch.randn(2, 1, 6, 6, dtype=torch.float64)
    maps = body(x).detach()
    step = 1e-6
    expected = np.zeros((2, 4, 4))
    for b in range(2):
        alpha = torch.zeros(3, dtype=torch.float64)
        for c, h, w in np.ndindex(3, 4, 4):
            up, down = maps.clone(), maps.clone()
            up[b, c, h, w] += step
            down[b, c, h, w] -= step
            alpha[c] += ((head(up)[b, 1] - head(down)[b, 1]) / (2 * step) / 16).detach()
        expected[b] = (alpha[:, None, None] * maps[b]).sum(0).relu().numpy()
    assert grad_cam(network, x, [1, 1], layer="0") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "head",
    [
        lambda: nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 5), nn.Linear(5, 3)
        ),
        lambda: nn.Sequential(nn.Conv2d(6, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ],
    ids=["several affine layers", "a convolution as head"],
)
def test_whatever_affine_stands_behind_the_mean_allows_cam(head: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), head()), torch.randn(2, 2, 9, 9)
    found = class_activation(network, x, [2, 0], layer="1")
    outputs = network.eval()(x).detach()
    assert found.maps.sum(axis=(1, 2)) + found.bias == pytest.approx([outputs[0, 2].item(), outputs[1, 0].item()], abs=1e-4)


@pytest.mark.parametrize(
    "head",
    [
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(6 * 49, 3)),
        lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 3)),
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)),
    ],
    ids=["weights for each place", "the maximum", "hidden units"],
)
def test_other_heads_are_refused_and_grad_cam_named(head: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), head())
    with pytest.raises(ArgumentError, match="does not allow a class activation map.*Use Grad-CAM"):
        class_activation(network, torch.randn(1, 2, 9, 9), [0])
    assert grad_cam(network, torch.randn(1, 2, 9, 9), [0]).shape == (1, 7, 7)


def test_the_last_map_is_found_whatever_stands_behind_it_and_written_over() -> None:
    # The residual network writes over its maps in place, and shares one ReLU.
    network = resnet18(classes=3).eval()
    x = torch.randn(1, 3, 64, 64)
    assert map_layers(network, x)[-1].name == "layer4"
    assert map_layers(network, x)[-1].shape == (512, 2, 2)
    found = class_activation(network, x, [1])
    assert found.maps.sum() + found.bias[0] == pytest.approx(network(x)[0, 1].item(), abs=1e-3)
    assert grad_cam(network, x, [1], layer="layer2.0.bn1").shape == (1, 8, 8)
    plain = convnet((1, 28, 28), 10)
    assert map_layers(plain, torch.zeros(1, 1, 28, 28))[-1].shape[1:] == (7, 7)


def test_the_network_stays_as_it_was() -> None:
    network = nn.Sequential(averaged(), nn.Dropout(0.5)).train()
    network[0].requires_grad_(False)
    before = {name: each.clone() for name, each in network.state_dict().items()}
    with torch.inference_mode():
        x = torch.randn(2, 2, 9, 9)
        grad_cam(network, x, [0, 1])
    assert network.training
    assert network[1].training
    assert all(each.grad is None and not each.requires_grad for each in network[0].parameters())
    assert not any(each._forward_hooks for each in network.modules())
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())


class Apart(nn.Module):
    """A layer with a map that leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.aside, self.flat = nn.Conv2d(1, 1, 3), nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.aside(x)
        answer: Tensor = self.flat(x.flatten(1))
        return answer


@pytest.mark.parametrize(
    ("network", "shape", "classes", "layer", "words"),
    [
        (averaged(), (1, 2, 9, 9), [0], "33", "no layer with a map '33'"),
        (resnet18(2), (1, 3, 64, 64), [0], "layer5", "Did you mean 'layer4'"),
        (averaged(), (1, 2, 9, 9), [0], "7", "'7' has no map.*such as"),
        (mlp((1, 8, 8), 3), (1, 1, 8, 8), [0], None, "No layer of the network has a map.*saliency need none"),
        (averaged(), (1, 2, 9, 9), [4], None, "no output 4.*0 … 3"),
        (averaged(), (1, 2, 9, 9), [0, 1], None, "a class for each picture"),
        (averaged(), (1, 3, 9, 9), [0], None, r"cannot take .*at 0"),
        (averaged(), (1, 2, 3, 3), [0], None, "cannot take"),
        (averaged(), (2, 9, 9), [0], None, r"pictures.*\[B, C, H, W\]"),
        (Apart(), (1, 1, 8, 8), [0], None, "'aside' puts out does not reach the answer"),
        (averaged(), (1, 2, 9, 9), [0.7], None, r"a class for each picture.*whole numbers.*0\.7"),
        (averaged(), (1, 2, 9, 9), ["rose"], None, "a class for each picture.*'rose'"),
        (averaged(), (1, 2, 9, 9), [[]], None, r"a class for each picture.*T ≥ 1"),
        (nn.Bilinear(9, 9, 2), (1, 2, 9, 9), [0], None, "cannot take"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    network: nn.Module, shape: tuple[int, ...], classes: Any, layer: str | None, words: str
) -> None:
    with pytest.raises(ArgumentError, match=words):
        grad_cam(network, torch.zeros(shape), classes, layer=layer)
