"""Builders take any activation by its text, and widen the layer before one that narrows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.activations import ACTIVATIONS, widening
from leadline.models.convnets import convnet
from leadline.models.perceptrons import mlp
from leadline.models.tabular_networks import tabular

TEXTS = [*ACTIVATIONS, "leaky_relu(0.2)", "maxout(pieces=3)", "winner_take_all(4)"]


def runs(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The outputs in training, after checking that every parameter learns."""
    y: torch.Tensor = model(x)
    (y * torch.randn(y.shape)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    return y


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_perceptron_keeps_its_width(text: str, batch_norm: bool) -> None:
    torch.manual_seed(0)
    model = mlp((6,), 3, width=8, depth=2, activation=text, batch_norm=batch_norm)
    assert runs(model, torch.randn(16, 6)).shape == (16, 3)
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in linear] == [6, 8, 8]
    assert [layer.out_features for layer in linear] == [8 * widening(text), 8 * widening(text), 3]


@pytest.mark.parametrize("text", TEXTS)
def test_a_convnet_keeps_its_filters(text: str) -> None:
    torch.manual_seed(0)
    model = convnet((1, 8, 8), 3, width=4, stages=2, convolutions=1, activation=text)
    assert runs(model, torch.randn(8, 1, 8, 8)).shape == (8, 3)
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.in_channels for layer in convolutions] == [1, 4]
    assert [layer.out_channels for layer in convolutions] == [4 * widening(text), 8 * widening(text)]


def test_the_units_that_compete_in_a_convnet_are_its_filters() -> None:
    model = convnet((1, 4, 4), 3, width=4, stages=1, convolutions=1, activation="maxout")
    x = torch.randn(2, 1, 4, 4)
    normalized = model[1](model[0](x))  # type: ignore[operator]
    assert torch.equal(model[2](normalized), torch.maximum(normalized[:, :4], normalized[:, 4:]))  # type: ignore[operator]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("block", ["plain", "residual"])
@pytest.mark.parametrize("members", [1, 3])
def test_a_network_for_tables_keeps_its_width(text: str, block: str, members: int) -> None:
    torch.manual_seed(0)
    model = tabular([(-1.0, 0.0, 1.0), ()], (3,), 2, "classes", width=8, depth=2, members=members, block=block, activation=text)
    rows = torch.cat([torch.randn(6, 2), torch.randint(3, (6, 1))], dim=1)
    assert runs(model, rows).shape == ((6, 2) if members == 1 else (6, 3, 2))
    assert model.features(rows).shape == (6, 8)  # type: ignore[operator]


def test_the_gate_of_a_gated_block_looks_at_one_value_at_a_time() -> None:
    def build(text: str) -> nn.Module:
        return tabular([()], (), 2, "classes", width=8, depth=1, members=1, block="gated", activation=text)

    assert runs(build("leaky_relu(0.3)"), torch.randn(4, 1)).shape == (4, 2)
    with pytest.raises(ArgumentError, match="no activation 'maxout'"):
        build("maxout")


@pytest.mark.parametrize(
    "build",
    [
        lambda text: mlp((4,), 2, activation=text),
        lambda text: convnet((1, 8, 8), 2, activation=text),
        lambda text: tabular([()], (), 2, "classes", activation=text),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(build: object) -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'leaky_relu'"):
        build("leakyrelu(0.2)")  # type: ignore[operator]
    with pytest.raises(ArgumentError, match="argument of leaky_relu 'slope'"):
        build("leaky_relu(slope=0.2)")  # type: ignore[operator]
