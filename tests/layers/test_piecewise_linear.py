"""Piecewise-linear embedding: against numpy's interpolation, bends only at edges, finite everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.layers import PiecewiseLinear

# Numbers with different numbers of bins in one layer, so that the shorter ones are padded.
EDGES = [(-2.0, -0.5, 0.25, 3.0), (0.0, 1.0)]


def learned(edges: list[tuple[float, ...]], width: int, *, seed: int = 0) -> PiecewiseLinear:
    """A layer in float64 whose weights are all random, as after training."""
    layer = PiecewiseLinear(edges, width).double()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return layer


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(-50, 50), min_size=2, max_size=12), st.integers(0, 2**31))
def test_it_interpolates_between_the_edges(points: set[int], seed: int) -> None:
    edges = sorted(point / 8 for point in points)
    layer = learned([tuple(edges)], 1, seed=seed)
    x = np.linspace(edges[0] - 2, edges[-1] + 2, 60)
    heights = np.concatenate([[0.0], layer.weight.detach().numpy()[0, :, 0].cumsum()])
    line = layer.slope.item() * x + layer.bias.item()
    found = layer(torch.from_numpy(x)[:, None]).flatten().detach().numpy()
    assert found == pytest.approx(np.interp(x, edges, heights) + line, abs=1e-5)  # the edges themselves are float32


def test_each_number_has_its_own_edges_and_weights() -> None:
    layer = learned(EDGES, 3)
    x = torch.tensor([[0.1, 0.7], [-1.0, 0.2]], dtype=torch.float64)
    both = layer(x)
    for number, edges in enumerate(EDGES):
        alone = PiecewiseLinear([edges], 3).double()
        with torch.no_grad():
            alone.weight.copy_(layer.weight[number : number + 1, : len(edges) - 1])
            alone.slope.copy_(layer.slope[number : number + 1])
            alone.bias.copy_(layer.bias[number : number + 1])
        assert torch.allclose(alone(x[:, number : number + 1])[:, 0], both[:, number])


def test_it_starts_as_a_line() -> None:
    layer = PiecewiseLinear(EDGES, 4)
    low, middle, high = layer(torch.tensor([[-9.0, -9.0], [0.0, 0.0], [9.0, 9.0]]))
    assert torch.allclose(low + high, 2 * middle, atol=1e-5)
    assert not torch.allclose(low, high)


def test_the_encoding_is_the_way_through_each_bin() -> None:
    layer = PiecewiseLinear(EDGES, 1)
    found = layer.encode(torch.tensor([[-5.0, 0.25], [0.0625, 5.0]]))
    assert found.tolist() == [[[0, 0, 0], [0.25, 0, 0]], [[1, 0.75, 0], [1, 0, 0]]]


def test_gradients_match_differences() -> None:
    layer = learned(EDGES, 2)
    x = torch.tensor([[0.1, 0.7], [-1.0, 0.2]], dtype=torch.float64, requires_grad=True)  # none on an edge
    assert torch.autograd.gradcheck(layer, x)


def test_the_narrowest_bins_and_the_farthest_values_stay_finite() -> None:
    layer = PiecewiseLinear([(0.1, 0.1 + 1e-15, 0.1 + 1e-9)], 2)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    out = layer(torch.tensor([[0.1], [-1e30], [1e30]]))
    assert out.isfinite().all()


def test_the_edges_come_from_the_arguments_not_from_the_weights() -> None:
    assert set(PiecewiseLinear(EDGES, 2).state_dict()) == {"weight", "slope", "bias"}


@pytest.mark.parametrize(
    ("edges", "width", "says"),
    [
        ([], 4, "at least 1 number"),
        (EDGES, 0, "width ≥ 1"),
        ([(1.0,)], 4, "two or more strictly increasing"),
        ([(0.0, 1.0, 1.0)], 4, "do not increase"),
        ([(0.0, float("nan"))], 4, "do not increase"),
    ],
)
def test_bad_arguments(edges: list[tuple[float, ...]], width: int, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        PiecewiseLinear(edges, width)
