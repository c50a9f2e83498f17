"""Penalties: their values and slopes, which weights they count, and what they cost a step."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.optim.penalties import Penalties

NAMES = ("l1", "l2", "orthogonal")


def network(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 5, 2), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(20, 3), nn.Linear(3, 4)).to(dtype)


def by_formula(name: str, weight: Tensor) -> float:
    """Entry by entry, in plain Python."""
    rows = weight.detach().reshape(len(weight), -1).tolist()
    if name == "l1":
        return sum(abs(w) for row in rows for w in row)
    if name == "l2":
        return sum(w * w for row in rows for w in row) / 2
    if len(rows) > len(rows[0]):
        rows = [list(column) for column in zip(*rows, strict=True)]
    return sum(
        (sum(a * b for a, b in zip(one, other, strict=True)) - (i == j)) ** 2
        for i, one in enumerate(rows)
        for j, other in enumerate(rows)
    )


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from(NAMES), st.sampled_from([0.001, 0.5, 3.0]))
def test_each_term_is_its_formula(seed: int, name: str, size: float) -> None:
    module = network(seed)
    weights = [module[0].weight, module[3].weight, module[4].weight]  # type: ignore[index]
    found = Penalties(**{name: size})(module)
    assert list(found) == [name]
    assert found[name].item() == pytest.approx(size * sum(by_formula(name, weight) for weight in weights))


@settings(max_examples=30)
@given(
    st.integers(0, 2**31),
    st.sampled_from(NAMES),
    st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=3), min_size=1, max_size=3),
)
def test_the_slope_is_that_of_central_differences(seed: int, name: str, shapes: list[list[int]]) -> None:
    draw = torch.Generator().manual_seed(seed)
    module = nn.ParameterList([torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes])
    penalties = Penalties(**{name: 0.7})
    penalties(module)[name].backward()
    for weight in module:
        for place in range(weight.numel()):
            ends = []
            with torch.no_grad():
                for step in (1e-5, -1e-5):
                    weight.view(-1)[place] += step
                    ends.append(penalties(module)[name].item())
                    weight.view(-1)[place] -= step
            slope = (ends[0] - ends[1]) / 2e-5
            assert weight.grad is not None
            assert weight.grad.view(-1)[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_slope_of_the_slope(name: str) -> None:
    weight = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    module = nn.ParameterList([nn.Parameter(weight.detach())])

    def penalty(at: Tensor) -> Tensor:
        return torch.func.functional_call(_Called(module, Penalties(**{name: 0.7}), name), {"module.0": at}, ())

    assert torch.autograd.gradcheck(penalty, weight)
    assert torch.autograd.gradgradcheck(penalty, weight)


class _Called(nn.Module):
    """A penalty as a module, so that its weights can be given from outside."""

    def __init__(self, module: nn.Module, penalties: Penalties, name: str) -> None:
        super().__init__()
        self.module, self.penalties, self.name = module, penalties, name

    def forward(self) -> Tensor:
        return self.penalties(self.module)[self.name]


def test_the_elastic_net_is_both() -> None:
    module = network()
    found = Penalties(l1=0.1, l2=0.2, orthogonal=0.3)(module)
    assert list(found) == list(NAMES)
    for name, size in zip(NAMES, (0.1, 0.2, 0.3), strict=True):
        assert found[name].item() == pytest.approx(Penalties(**{name: size})(module)[name].item())


def test_biases_scales_and_frozen_weights_cost_nothing() -> None:
    module = network()
    full = {name: term.item() for name, term in Penalties(1.0, 1.0, 1.0)(module).items()}
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.fill_(100.0)
    assert {name: term.item() for name, term in Penalties(1.0, 1.0, 1.0)(module).items()} == full
    frozen = by_formula("l2", module[3].weight)  # type: ignore[index]
    module[3].requires_grad_(False)  # type: ignore[index]
    assert Penalties(l2=1.0)(module)["l2"].item() == pytest.approx(full["l2"] - frozen)


def test_a_shared_weight_counts_once() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    found = Penalties(l1=1.0)(nn.Sequential(first, second))["l1"].item()
    assert found == pytest.approx(by_formula("l1", first.weight), rel=1e-6)


def test_a_rotation_costs_nothing_and_is_what_the_penalty_leads_to() -> None:
    layer = nn.Linear(6, 4, bias=False)
    descent = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(100):
        descent.zero_grad()
        Penalties(orthogonal=1.0)(layer)["orthogonal"].backward()
        descent.step()
    assert torch.allclose(layer.weight @ layer.weight.T, torch.eye(4), atol=1e-4)


def test_with_plain_gradient_descent_l2_is_weight_decay() -> None:
    penalized, decayed = network(), network()
    one = torch.optim.SGD(penalized.parameters(), lr=0.1)
    matrices = [parameter for parameter in decayed.parameters() if parameter.ndim >= 2]
    other = torch.optim.SGD(matrices, lr=0.1, weight_decay=0.3)
    for _ in range(5):
        one.zero_grad()
        Penalties(l2=0.3)(penalized)["l2"].backward()
        one.step()
        for weight in matrices:
            weight.grad = torch.zeros_like(weight)
        other.step()
    for a, b in zip(penalized.parameters(), decayed.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_in_half_precision_training_the_terms_stay_exact() -> None:
    module = network(dtype=torch.float32)
    plain = Penalties(1.0, 1.0, 1.0)(module)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = Penalties(1.0, 1.0, 1.0)(module)
    assert {name: term.dtype for name, term in found.items()} == dict.fromkeys(NAMES, torch.float32)
    assert [found[name].item() for name in NAMES] == [plain[name].item() for name in NAMES]


def test_a_weight_of_zeros_has_a_finite_slope() -> None:
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.weight)
    sum(Penalties(1.0, 1.0, 1.0)(layer).values()).backward()  # type: ignore[union-attr]
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_without_matrices_the_terms_are_0() -> None:
    terms = Penalties(l1=1.0, l2=1.0)(nn.BatchNorm1d(3))
    assert {name: term.item() for name, term in terms.items()} == {"l1": 0, "l2": 0}
    torch.stack(list(terms.values())).sum().backward()  # as a step does


def test_whether_there_is_anything_to_add() -> None:
    assert not Penalties().active
    assert Penalties()(network()) == {}
    assert all(Penalties(**{name: 0.1}).active for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_penalty_can_be_compiled(name: str) -> None:
    module, penalties = network(), Penalties(**{name: 0.7})
    compiled = torch.compile(lambda: penalties(module)[name], backend="eager", fullgraph=True)
    assert compiled().item() == pytest.approx(penalties(module)[name].item())


@pytest.mark.parametrize("name", NAMES)
def test_many_networks_at_once(name: str) -> None:
    called = _Called(nn.Linear(3, 2).double(), Penalties(**{name: 0.7}), name)
    stacked = torch.randn(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def penalty(weight: Tensor) -> Tensor:
        return torch.func.functional_call(called, {"module.weight": weight}, ())

    together = torch.func.vmap(torch.func.grad(penalty))(stacked)
    torch.testing.assert_close(together, torch.stack([torch.func.grad(penalty)(weight) for weight in stacked]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_what_is_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ArgumentError, match=f"penalty {name} is out of range.*got {value}"):
        Penalties(**{name: value})
