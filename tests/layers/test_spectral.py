"""Spectral norm against torch's own parametrization and against singular values."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from leadline.errors import ArgumentError
from leadline.layers.spectral import SpectralNorm, with_spectral_norm

LAYERS = {
    "linear": lambda: nn.Linear(5, 4),
    "convolution": lambda: nn.Conv2d(3, 6, 4, stride=2),
    "embedding": lambda: nn.Embedding(7, 3),
}


def inputs_of(name: str) -> torch.Tensor:
    shapes = {"linear": (2, 5), "convolution": (2, 3, 8, 8)}
    return torch.randn(shapes[name]) if name in shapes else torch.tensor([0, 6, 3])


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_torchs_own_step_for_step(name: str) -> None:
    torch.manual_seed(0)
    ours, x = LAYERS[name](), inputs_of(name)
    theirs = copy.deepcopy(ours)
    with_spectral_norm(ours)
    spectral_norm(theirs)
    norm, other = ours.parametrizations.weight[0], theirs.parametrizations.weight[0]
    other._u.copy_(norm.u)
    other._v.copy_(norm.v)
    optimizers = [torch.optim.SGD(layer.parameters(), lr=0.1) for layer in (ours, theirs)]
    for _ in range(3):
        for layer, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            layer(x).square().sum().backward()
            optimizer.step()
        torch.testing.assert_close(ours.parametrizations.weight.original, theirs.parametrizations.weight.original)
        torch.testing.assert_close(norm.u, other._u)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("name", LAYERS)
def test_the_largest_singular_value_becomes_one(name: str) -> None:
    torch.manual_seed(0)
    layer = with_spectral_norm(LAYERS[name]())
    for _ in range(100):
        layer(inputs_of(name))
    largest = torch.linalg.svdvals(layer.eval().weight.flatten(1))[0].item()
    assert largest == pytest.approx(1, abs=1e-4)


def test_evaluation_changes_no_vector_and_training_does() -> None:
    layer = with_spectral_norm(nn.Linear(30, 20))
    norm = layer.parametrizations.weight[0]
    before = norm.u.clone()
    layer.eval()(torch.zeros(1, 30))
    assert torch.equal(norm.u, before)
    layer.train()(torch.zeros(1, 30))
    assert not torch.equal(norm.u, before)


def test_two_passes_before_one_backward_pass_and_a_second_derivative() -> None:
    """A discriminator may judge twice before it learns, and the gradient penalty differentiates twice."""
    torch.manual_seed(0)
    layer = with_spectral_norm(nn.Linear(5, 1))
    x = torch.randn(3, 5, requires_grad=True)
    first, second = layer(x), layer(x)
    (slope,) = torch.autograd.grad(first.sum() + second.sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert layer.parametrizations.weight.original.grad.abs().sum() > 0


def test_under_autocast_the_norm_stays_in_single_precision() -> None:
    torch.manual_seed(0)
    plain = with_spectral_norm(nn.Linear(64, 64))
    cast = copy.deepcopy(plain)
    x = torch.randn(2, 64)
    plain(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = cast(x)
    assert y.dtype == torch.bfloat16
    assert torch.equal(plain.parametrizations.weight[0].u, cast.parametrizations.weight[0].u)
    y.float().sum().backward()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's compiler, of its own doing
def test_it_compiles_as_one_graph(training: bool) -> None:
    torch.manual_seed(0)
    plain, weight = SpectralNorm(torch.randn(6, 5)).train(training), torch.randn(6, 5)
    other = copy.deepcopy(plain)
    torch.compiler.reset()
    compiled = torch.compile(other, backend="eager", fullgraph=True)
    for _ in range(3):
        torch.testing.assert_close(compiled(weight), plain(weight))
    torch.testing.assert_close(other.v, plain.v)


def test_state_comes_back_and_weights_can_be_assigned() -> None:
    one, other = with_spectral_norm(nn.Linear(4, 3)), with_spectral_norm(nn.Linear(4, 3))
    one(torch.randn(2, 4))
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, 4)
    assert torch.equal(one.eval()(x), other.eval()(x))


def test_what_has_no_such_weight_is_refused() -> None:
    with pytest.raises(ArgumentError, match="ReLU has no weight"):
        with_spectral_norm(nn.ReLU())
    with pytest.raises(ArgumentError, match="first axis"):
        with_spectral_norm(nn.ConvTranspose2d(2, 3, 2))
    with pytest.raises(ArgumentError, match="at least two axes"):
        with_spectral_norm(nn.BatchNorm2d(3))
    with pytest.raises(ArgumentError, match="already"):
        with_spectral_norm(with_spectral_norm(nn.Linear(2, 2)))
    with pytest.raises(ArgumentError, match=r"shape \[2, 3\]"):
        SpectralNorm(torch.randn(2, 3))(torch.randn(3, 2))
