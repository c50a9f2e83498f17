"""Activations by name: every one can be written, with arguments, in the spelling of the plan, and has the right derivative."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.layers.activations import ACTIVATIONS, ALONG_AXIS, activation, widening
from leadline.layers.pointwise import POINTWISE, pointwise_activation

# What METHODS asks for under "Units and activations".
ASKED = [
    "sign", "logistic", "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "selu", "silu", "maxout", "glu", "swiglu", "geglu",
    "softmax", "winner_take_all",
]  # fmt: skip


def test_what_was_asked_for_is_there() -> None:
    assert set(ASKED) <= set(ACTIVATIONS)
    assert set(POINTWISE) | set(ALONG_AXIS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "sign"])  # whose derivative is made up
def test_gradients_match_differences(name: str) -> None:
    # An even number: no point at a kink in zero; two rows, so that those along an axis have something to choose from.
    points = torch.linspace(-3, 3, 40, dtype=torch.float64).reshape(2, 20)[:, torch.randperm(20)].requires_grad_()
    assert torch.autograd.gradcheck(activation(name).double(), points)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("leaky_relu(0.2)", lambda x: F.leaky_relu(x, 0.2)),
        ("leaky_relu(negative_slope=0.2)", lambda x: F.leaky_relu(x, 0.2)),
        ("elu(2)", lambda x: F.elu(x, 2.0)),
        ("gelu(approximate='tanh')", lambda x: F.gelu(x, approximate="tanh")),
        ("softplus(beta=3)", lambda x: F.softplus(x, 3)),
        ("logistic(2, steepness=0.5)", lambda x: 2 * torch.sigmoid(x / 2)),
        ("softmax(2)", lambda x: torch.softmax(x / 2, -1)),
        ("maxout(pieces=3)", lambda x: torch.maximum(torch.maximum(x[:, :2], x[:, 2:4]), x[:, 4:])),
        ("glu", F.glu),
        ("swiglu", lambda x: x[:, :3] * F.silu(x[:, 3:])),
        ("geglu", lambda x: x[:, :3] * F.gelu(x[:, 3:])),
        ("reglu", lambda x: x[:, :3] * F.relu(x[:, 3:])),
        ("winner_take_all(3)", lambda x: torch.where(x == torch.cat([x.reshape(-1, 3, 2).amax(1)] * 3, 1), x, 0)),
        ("identity", lambda x: x),
    ],
)
def test_arguments_in_the_text(text: str, expected: object) -> None:
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(activation(text)(x), expected(x))  # type: ignore[operator]


@pytest.mark.parametrize("name", ALONG_AXIS)
def test_the_axis_is_the_callers(name: str) -> None:
    x = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(activation(name, dim=1)(x), activation(name)(x.movedim(1, -1)).movedim(-1, 1))


@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_ones_look_at_one_value_at_a_time(name: str) -> None:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    layer = pointwise_activation(name)
    assert torch.allclose(layer(x).flatten(), torch.stack([layer(value[None])[0] for value in x.flatten()]))


@given(st.sampled_from(sorted(ACTIVATIONS)), st.integers(1, 3))
def test_widening_is_how_many_times_wider_the_inputs_are(name: str, units: int) -> None:
    x = torch.randn(2, 6 * units)
    assert activation(name)(x).shape[1] * widening(name) == x.shape[1]


def test_widening_reads_the_arguments() -> None:
    assert [widening(text) for text in ("maxout", "maxout(5)", "maxout(pieces=1)", "swiglu", "relu")] == [2, 5, 1, 2, 1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("leakyrelu", "Did you mean 'leaky_relu'"),
        ("leaky_relu(slope=0.2)", "argument of leaky_relu 'slope'.*Did you mean 'negative_slope'"),
        ("maxout(pieces=0)", "Maxout cannot be built: pieces"),
        ("maxout(1, 2)", "do not fit"),
        ("softmax(0)", "Softmax cannot be built: temperature"),
        ("relu * tanh", "is a product"),
        ("relu)", "cannot be read"),
        ("softmax(dim=0)", "works along the channels or features. Got softmax.*Leave dim out"),
        ("maxout(2, dim=0)", "Leave dim out"),
        ("leaky_relu('a')", "'negative_slope' .* Expected a number; got 'a'"),
        ("gelu(approximate='a')", "cannot be used"),
        ("prelu(init='a')", "'init' .* Expected a number; got 'a'"),
        ("prelu(init=1e999)", "gives no finite number"),
        ("softplus(beta=0)", "gives no finite number"),
    ],
)
def test_what_cannot_be_read(text: str, says: str) -> None:
    for read in (activation, widening):
        with pytest.raises(ArgumentError, match=says):
            read(text)


def test_each_call_gives_a_new_layer() -> None:
    one, other = activation("prelu"), activation("prelu")
    assert isinstance(one, nn.PReLU)
    assert one.weight is not other.weight  # type: ignore[union-attr]


def test_a_number_is_no_activation() -> None:
    with pytest.raises(ArgumentError, match="The activation is no text.*got 3"):
        activation(3)  # type: ignore[arg-type]


def test_a_slope_for_each_channel_is_read() -> None:
    assert activation("prelu(num_parameters=3)", dim=1)(-torch.ones(2, 3, 4)).unique().item() == -0.25
