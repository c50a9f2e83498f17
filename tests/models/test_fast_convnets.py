"""The fast net for small pictures: whitened and frozen first, identity at the start, any size from 6 pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline import models
from leadline.errors import ArgumentError
from leadline.initialize import whiten_patches
from leadline.models.fast_convnets import GlobalMax, fast_convnet


def maps(network: nn.Module, x: Tensor) -> list[tuple[int, ...]]:
    """What the convolutions put out, one by one."""
    found: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, y: found.append(tuple(y.shape[1:])))
    network(x)
    return found


def test_on_cifar_it_has_the_published_maps() -> None:
    found = maps(fast_convnet((3, 32, 32), 10), torch.zeros(1, 3, 32, 32).add_(torch.rand(1)))
    assert found == [(24, 31, 31), (64, 31, 31), (64, 15, 15), (256, 15, 15), (256, 7, 7), (256, 7, 7), (256, 3, 3)]


@settings(max_examples=25)
@given(
    channels=st.integers(1, 4),
    height=st.integers(6, 70),
    width=st.integers(6, 70),
    classes=st.integers(1, 12),
    convolutions=st.sampled_from([2, 3]),
    kernel_size=st.sampled_from([0, 2, 3]),
)
def test_any_picture_and_any_number_of_classes(
    channels: int, height: int, width: int, classes: int, convolutions: int, kernel_size: int
) -> None:
    network = fast_convnet((channels, height, width), classes, width=4, convolutions=convolutions, kernel_size=kernel_size)
    x = torch.randn(2, channels, height, width)
    found = maps(network, x)
    assert min(found[-1][1:]) >= 2  # the head sees the maximum of some pixels, and not the one pixel that is left
    assert found[0][0] == 2 * channels * (kernel_size or (2 if channels > 1 else 3)) ** 2
    assert network(x).shape == (2, classes)


def test_what_trains_is_everything_but_the_filters_of_patches_and_the_scales() -> None:
    network = fast_convnet((3, 32, 32), 10, width=4)
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    scales = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert frozen == {"0.weight"} | scales
    assert len(scales) == 6
    assert all(bool((network.get_parameter(name) == 1).all()) for name in scales)
    assert network.get_parameter("0.bias").requires_grad


def test_convolutions_begin_as_the_identity_on_what_comes_in() -> None:
    torch.manual_seed(0)
    network = fast_convnet((3, 32, 32), 10, width=32)
    later = [module for module in network.modules() if isinstance(module, nn.Conv2d)][1:]
    for layer in later:
        x = torch.randn(1, layer.in_channels, 6, 6)
        y = layer(x)
        assert torch.equal(y[:, : layer.in_channels], x)
        if layer.out_channels > layer.in_channels:  # the others are drawn: none is dead
            assert y[:, layer.in_channels :].std(dim=(0, 2, 3)).min() > 0.1


def test_whitening_fits_the_first_layer_and_leaves_it_frozen() -> None:
    torch.manual_seed(0)
    network = fast_convnet((1, 12, 12), 2, width=4)
    pictures = torch.randn(200, 1, 12, 12).cumsum(3)
    first = network.get_submodule("0")
    assert isinstance(first, nn.Conv2d)
    whiten_patches(first, pictures)
    half = first.out_channels // 2
    outputs = first(pictures).transpose(0, 1).flatten(1)
    assert half == 9  # 3×3 pixels of one channel: every direction has a filter, and its negative
    assert torch.allclose(outputs[:half].cov(), torch.eye(half), atol=0.02)
    assert torch.allclose(outputs[half:], -outputs[:half], atol=1e-3)
    assert not first.weight.requires_grad


def test_the_scale_is_on_what_the_head_sees_and_not_on_its_bias() -> None:
    torch.manual_seed(0)
    plain, scaled = (fast_convnet((3, 16, 16), 4, width=4, scale=scale).eval() for scale in (1.0, 0.25))
    scaled.load_state_dict(plain.state_dict())
    bias = next(reversed(list(plain.children()))).bias
    assert isinstance(bias, Tensor)
    x = torch.randn(3, 3, 16, 16)
    assert torch.allclose(scaled(x) - bias, 0.25 * (plain(x) - bias), atol=1e-6)


def test_the_maximum_over_a_map_is_torchs() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.equal(GlobalMax()(x), nn.functional.adaptive_max_pool2d(x, 1).flatten(1))
    assert torch.autograd.gradcheck(GlobalMax(), x)


def test_it_learns_a_few_pictures_by_heart() -> None:
    torch.manual_seed(0)
    network = fast_convnet((3, 12, 12), 4, width=8)
    x, labels = torch.randn(32, 3, 12, 12), torch.arange(32) % 4
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"shape": (3, 5, 20), "outputs": 2}, "too small for fast_convnet. Expected a side of at least 6"),
        ({"shape": (30,), "outputs": 2}, "needs pictures"),
        ({"shape": (3, 8, 8), "outputs": 0}, "outputs is out of range"),
        ({"shape": (3, 8, 8), "outputs": 2, "convolutions": 4}, "2 or 3 convolutions a stage"),
        ({"shape": (3, 8, 8), "outputs": 2, "kernel_size": 5}, "a kernel_size of 0, 2 or 3"),
        ({"shape": (3, 8, 8), "outputs": 2, "scale": 0.0}, "scale is out of range"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        models.fast_convnet(**arguments)  # type: ignore[arg-type]
