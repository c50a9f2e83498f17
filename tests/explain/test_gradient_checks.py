"""The check of gradients: right ones pass, planted mistakes are found and named, kinks are told from both."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.central_differences import Judged, Verdict, judge
from leadline.explain.gradient_checks import gradient_check
from leadline.explain.gradient_results import GradientCheck


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make()


class Scaled(torch.autograd.Function):
    """x², whose backward pass is right but for one factor at one place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x**2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        right = 2 * x * gradient
        right[0, 1] *= ctx.factor
        return right, None


class Planted(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return Scaled.apply(x, self.factor)


def test_a_network_of_all_sorts_is_right() -> None:
    network = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3), nn.Flatten(), nn.Linear(16, 3)
        )
    )
    check = gradient_check(
        network, draw(3, 2, 6, 6), lambda output: nn.functional.cross_entropy(output, torch.tensor([0, 2, 1]))
    )
    assert check.ok, str(check)
    assert [each.name for each in check.tensors] == [name for name, _ in network.named_parameters()] + ["input"]
    assert check.checked + check.kinks == sum(each.numel() for each in network.parameters()) + 3 * 2 * 36
    assert check.max_error < 1e-5
    assert check.kinks <= 3


@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_one_wrong_entry_in_a_planted_backward_is_named(factor: float) -> None:
    check = gradient_check(Planted(factor), draw(3, 4))
    (tensor,) = check.tensors
    assert check.ok is (factor == 1.0)
    if not check.ok:
        assert tensor.wrong == 1
        assert tensor.worst[0].index == (0, 1)
        assert tensor.worst[0].analytic == pytest.approx(1.001 * tensor.worst[0].numeric, rel=1e-6)
        assert tensor.max_error == pytest.approx(0.001 / 1.001, rel=1e-3)
        assert "input[0, 1]: backward" in str(check)
        assert "WRONG: 1 of 12 compared" in str(check)


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kept, self.cut = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.kept(x) + self.cut(x).detach()


def test_a_detached_branch_is_told() -> None:
    check = gradient_check(seeded(Detached), draw(2, 3))
    found = {each.name: each for each in check.tensors}
    assert [name for name, each in found.items() if not each.ok] == ["cut.weight", "cut.bias", "input"]
    assert not found["cut.weight"].connected
    assert found["cut.weight"].wrong == 9
    assert found["kept.weight"].connected
    assert "does not reach cut.weight, cut.bias: is it detached?" in " ".join(str(check).split())


def test_a_loss_behind_a_detached_output_is_told() -> None:
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * 2).detach()

    check = gradient_check(Cut(), draw(2, 3))
    assert not check.ok
    assert not check.tensors[0].connected


def test_a_parameter_without_effect_is_unused_and_right() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    check = gradient_check(seeded(Spare), draw(2, 2))
    assert check.ok
    assert [each.name for each in check.tensors if not each.connected] == ["spare.weight", "spare.bias"]
    assert "unused" in str(check)


class Overwriting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.squash = nn.Linear(3, 3), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        y = self.squash(self.linear(x))
        y.mul_(2)
        return y


def test_an_in_place_error_is_reported_with_both_places() -> None:
    check = gradient_check(nn.Sequential(nn.Linear(3, 3), Overwriting()), draw(2, 3))
    assert not check.ok
    assert check.tensors == ()
    assert "1.squash (Sigmoid) keeps a tensor of shape [2, 3] for the backward pass" in check.failure
    assert "`mul` in 1 (Overwriting) overwrites it" in check.failure
    assert "modified by an inplace operation" in check.failure
    assert max(map(len, str(check).splitlines())) <= 80


def test_in_place_layers_that_do_no_harm_are_right() -> None:
    assert gradient_check(seeded(lambda: nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))), draw(2, 3)).ok
    assert gradient_check(nn.Sequential(nn.ReLU(inplace=True), nn.Tanh()), draw(2, 3)).ok


def test_a_backward_that_fails_is_reported() -> None:
    class Failing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient[:1]

    class Layer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Failing.apply(x)

    check = gradient_check(Layer(), draw(2, 3))
    assert not check.ok
    assert check.failure.startswith("the backward pass fails: ")


def test_kinks_are_counted_and_not_called_wrong() -> None:
    x = torch.tensor([[0.0, 1.0, -1.0, 1e-7, -1e-7, 0.3]])
    check = gradient_check(nn.ReLU(), x)
    assert check.ok
    assert (check.checked, check.kinks) == (3, 3)
    assert "3 skipped at kinks" in str(check)
    ties = gradient_check(nn.MaxPool1d(2), torch.tensor([[[1.0, 1.0, 2.0, 3.0]]]))
    assert (ties.ok, ties.checked, ties.kinks) == (True, 2, 2)


def test_a_value_outside_both_sides_of_a_kink_is_wrong() -> None:
    class Odd(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.abs()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return 3 * gradient

    class Layer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Odd.apply(x)

    check = gradient_check(Layer(), torch.tensor([[0.0, 1e-7]]))
    assert [each.wrong for each in check.tensors] == [2]


def test_a_step_without_slope_and_a_made_up_gradient_is_wrong() -> None:
    class Through(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.sign()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient

    class Layer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Through.apply(x)

    assert not gradient_check(Layer(), draw(2, 3)).ok


def test_nothing_but_kinks_is_no_success() -> None:
    check = gradient_check(nn.ReLU(), torch.zeros(1, 3))
    assert (check.ok, check.kinks) == (False, 3)
    assert "nothing could be compared" in str(check)


def test_a_large_tensor_is_sampled_by_the_seed_and_a_small_one_checked_whole() -> None:
    network = seeded(lambda: nn.Sequential(nn.Linear(50, 4), nn.Tanh()))
    first, again, other = (gradient_check(network, draw(1, 50), entries=60, seed=seed) for seed in (0, 0, 1))
    assert [each.checked for each in first.tensors] == [60, 4, 50]
    assert first == again
    assert first.tensors[0].worst != other.tensors[0].worst
    assert first.ok


def test_modes_randomness_buffers_and_gradients_are_left_alone() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    network[1].eval()
    state = {name: each.clone() for name, each in network.state_dict().items()}
    x = draw(5, 3)
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    assert gradient_check(network, x).ok
    assert torch.equal(torch.rand(1), expected)
    assert network.training
    assert not network[1].training
    assert all(torch.equal(state[name], each) for name, each in network.state_dict().items())
    assert all(each.grad is None for each in (x, *network.parameters()))
    assert not x.requires_grad


def test_a_network_with_a_memory_starts_each_time_from_the_same_one() -> None:
    class Counting(nn.Module):
        calls: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x * self.calls

    assert gradient_check(Counting(), draw(2, 2)).ok


def test_a_network_with_randomness_of_its_own_cannot_be_compared() -> None:
    generator = torch.Generator().manual_seed(0)

    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.rand(1, generator=generator).item()

    check = gradient_check(Noisy(), draw(2, 2))
    assert not check.ok
    assert "two evaluations with the same random numbers differ" in check.failure


def test_several_inputs_and_outputs_integers_and_frozen_parameters() -> None:
    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.fixed = nn.Parameter(torch.ones(3), requires_grad=False)

        def forward(self, words: Tensor, x: Tensor, y: Tensor) -> dict[str, Any]:
            return {"a": self.embed(words) * x * self.fixed, "b": [y**3, words]}

    check = gradient_check(seeded(Several), [torch.tensor([1, 4]), draw(2, 3), draw(2)])
    assert check.ok
    assert [each.name for each in check.tensors] == ["embed.weight", "input 1", "input 2"]


def test_a_loss_that_is_not_finite_is_reported() -> None:
    check = gradient_check(nn.Identity(), torch.tensor([[1.0]]), lambda output: (output - 2).log().sum())
    assert (check.ok, check.failure) == (False, "the loss is nan, so nothing can be compared")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"inputs": draw(2, 4)}, "cannot take inputs of shape"),
        ({"loss": lambda output: output}, "not one number"),
        ({"loss": lambda output: 3.0}, "not one number"),
        ({"entries": 0}, "cannot be checked like this"),
        ({"tolerance": 0.0}, "cannot be checked like this"),
        ({"module": nn.Identity(), "inputs": torch.tensor([1, 2])}, "nothing to check"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        gradient_check(**{"module": nn.Linear(3, 2), "inputs": draw(2, 3), **arguments})


def test_json_has_no_nan() -> None:
    check = gradient_check(Planted(float("nan")), draw(2, 3))
    assert not check.ok
    record = json.loads(json.dumps(check.to_json(), allow_nan=False))
    assert (record["ok"], record["tensors"][0]["worst"][0]["index"]) == (False, [0, 1])


def test_the_table_fits_80_columns_whatever_the_names() -> None:
    long = nn.ModuleDict({"a_name_that_goes_on_and_on_for_ever_and_ever": nn.Linear(2, 2)})

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = long

        def forward(self, x: Tensor) -> Tensor:
            return next(iter(self.parts.values()))(x).detach()

    text = str(gradient_check(Net(), draw(2, 2)))
    assert max(map(len, text.splitlines())) <= 80


SMOOTH = [math.sin, math.exp, lambda t: t**3, lambda t: 1 / (1 + math.exp(-t)), math.atan]


@settings(max_examples=200)
@given(st.sampled_from(SMOOTH), st.floats(-3, 3), st.floats(1e-3, 1e3))
def test_smooth_functions_are_judged_right_and_a_thousandth_more_wrong(
    function: Callable[[float], float], at: float, scale: float
) -> None:
    def loss(by: float) -> float:
        return scale * function(at + by)

    derivatives = [math.cos, math.exp, lambda t: 3 * t**2, lambda t: math.exp(-t) / (1 + math.exp(-t)) ** 2]
    table = dict(zip(SMOOTH, [*derivatives, lambda t: 1 / (1 + t**2)], strict=True))
    true = scale * table[function](at)

    def verdict(analytic: float) -> Judged:
        return judge(loss, loss(0.0), analytic, size=at, tolerance=1e-5)

    assert verdict(true).verdict is Verdict.RIGHT
    if abs(true) > 1e-2 * max(1.0, scale):
        assert verdict(1.001 * true).verdict is Verdict.WRONG
        assert verdict(0.0).verdict is Verdict.WRONG
        assert verdict(-true).verdict is Verdict.WRONG


@settings(max_examples=200)
@given(st.floats(-5e-6, 5e-6), st.floats(0.1, 10), st.floats(0.1, 10))
def test_near_a_kink_the_derivative_of_either_side_is_no_mistake(away: float, left: float, right: float) -> None:
    def loss(by: float) -> float:
        t = away + by
        return -left * t if t < 0 else right * t

    analytic = -left if away < 0 else right
    assert judge(loss, loss(0.0), analytic, size=1.0, tolerance=1e-5).verdict in (Verdict.KINK, Verdict.RIGHT)
    assert judge(loss, loss(0.0), 2 * right + 1, size=1.0, tolerance=1e-5).verdict is Verdict.WRONG


def test_a_check_knows_its_sums() -> None:
    check = gradient_check(nn.Linear(3, 2), draw(2, 3))
    assert isinstance(check, GradientCheck)
    assert check.checked == 6 + 2 + 6
    assert check.tensors[0].size == 6


def test_a_lazy_layer_has_no_shape_yet() -> None:
    with pytest.raises(ArgumentError, match="without shapes"):
        gradient_check(nn.LazyLinear(2), torch.ones(1, 3))
