"""The recorded step against the plain one: the same weights, logs, gradients and random numbers, for any network."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import NETWORKS, assert_same, batches, supervised, train
from torch import Tensor, nn

from leadline.training.recorded import Recorded


@pytest.mark.parametrize("name", NETWORKS)
def test_a_hundred_steps_end_at_the_same_weights(name: str) -> None:
    build, shape = NETWORKS[name]
    plain, step = supervised(build), Recorded(supervised(build))
    data = batches(shape)
    before = copy.deepcopy(step.state())
    random = torch.get_rng_state()
    assert step.record(data[0]) == ""
    assert torch.equal(torch.get_rng_state(), random), "recording drew random numbers"
    assert all(torch.equal(old, new) for old, new in zip(before["model"].values(), step.state()["model"].values(), strict=True))
    assert all(parameter.grad is None for parameter in step.step.model.parameters()), "recording left gradients"
    told = train(plain, data, 100)
    random = torch.get_rng_state()
    ours = train(step, data, 100)
    assert torch.equal(torch.get_rng_state(), random), "the recorded step drew other random numbers"
    assert_same(plain, step.step)
    for one, other in zip(told, ours, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.allclose(one[key], other[key], rtol=1e-4, atol=1e-6) for key in one)
    for one, other in zip(plain.model.parameters(), step.step.model.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-4, atol=1e-7)


def test_the_tape_is_played_and_not_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    build, shape = NETWORKS["convolutions"]
    step, data = Recorded(supervised(build)), [*batches(shape), *batches(shape, 1, rows=5)]
    assert [step.record(data[0]), step.record(data[-1])] == ["", ""]
    monkeypatch.setattr(type(step.step.model), "forward", lambda self, x: pytest.fail("the network was called"))
    train(step, data, 5)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(4, 4),
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.1),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "batch norm": lambda: nn.BatchNorm1d(4),
    "layer norm": lambda: nn.LayerNorm(4),
    "dropout": lambda: nn.Dropout(0.3),
    "twice": lambda: Twice(nn.Linear(4, 4)),
    "residual": lambda: Residual(nn.Sequential(nn.Linear(4, 4), nn.ReLU())),
    "gate": lambda: Gate(nn.Linear(4, 4)),
}


class Twice(nn.Module):
    """One layer, hence one weight, in two places."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))  # type: ignore[no-any-return]


class Residual(Twice):
    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer(x)  # type: ignore[no-any-return]


class Gate(Twice):
    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.layer(x)
        return hidden * hidden.sigmoid() + x * 0.5


@settings(max_examples=15)
@given(st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=6))
def test_any_network_gives_the_same_bits(names: list[str]) -> None:
    """Whatever is overwritten or done once on the tape, no value changes that is still to be read."""

    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 4), *(LAYERS[name]() for name in names), nn.Linear(4, 3))

    plain, step = supervised(build), Recorded(supervised(build))
    assert step.record(batches((4,))[0]) == ""
    told, ours = train(plain, batches((4,)), 5), train(step, batches((4,)), 5)
    assert told == ours
    assert all(
        torch.equal(one, other)
        for one, other in zip(plain.model.state_dict().values(), step.step.model.state_dict().values(), strict=True)
    )
