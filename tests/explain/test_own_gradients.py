"""Every layer and every loss of ours against central differences. A layer that is exported and has no row here fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import leadline.layers
from leadline import losses
from leadline.explain.gradient_checks import gradient_check


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Codes(nn.Module):
    """Lets the codes of categories, which have no derivative, stand still beside the numbers, which have."""

    def __init__(self, layer: nn.Module, codes: list[list[float]]) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("codes", torch.tensor(codes))

    def forward(self, numbers: Tensor) -> Tensor:
        return self.layer(torch.cat([numbers, self.codes.to(numbers)], dim=1))


class OfHalf(nn.Module):
    """Lets every row but the first of a pooling be half as long; its score is drawn, for at 0 it has no gradient."""

    def __init__(self, layer: leadline.layers.AttentionPooling) -> None:
        super().__init__()
        self.layer = layer
        nn.init.normal_(layer.score.weight)

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.tensor([x.shape[1], *[x.shape[1] // 2] * (len(x) - 1)])
        return self.layer(x, lengths)  # type: ignore[no-any-return]


class OfClasses(nn.Module):
    """Lets rows be of two classes in turn."""

    def __init__(self, layer: leadline.layers.ConditionalBatchNorm2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, torch.arange(len(x)) % 2)  # type: ignore[no-any-return]


class OnTrees(nn.Module):
    """A layer for trees over ((a b) c d) and a word alone: what is checked are its leaves."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, leaves: Tensor) -> Tensor:
        levels = leadline.layers.tree_levels(np.zeros(7, int), np.array([2, 1, 3, 2, 1, 0, 0]))
        states: Tensor = self.layer(leaves, levels)
        return states


class Evaluating(nn.Module):
    """A layer as it is after training, whatever mode is asked for."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer.eval()(x)
        return y


Row = tuple[Callable[[], nn.Module], Tensor]
# Each layer by its name: how it is made, and what it is called with. More than one row where it has more than one way.
LAYERS: dict[str, list[Row]] = {
    "BatchEnsembleLinear": [
        (lambda: leadline.layers.BatchEnsembleLinear(3, 4, members=2, diverse=True), draw(2, 3)),
        (lambda: leadline.layers.BatchEnsembleLinear(3, 4, members=2), draw(2, 2, 3)),
    ],
    "CategoryEmbedding": [(lambda: leadline.layers.CategoryEmbedding((2, 3), 4), torch.tensor([[0, 2], [1, 1], [9, 0]]))],
    "ConditionalBatchNorm2d": [(lambda: OfClasses(leadline.layers.ConditionalBatchNorm2d(3, 2)), draw(4, 3, 3, 2))],
    "DropPath": [(lambda: leadline.layers.DropPath(0.5), draw(6, 3))],
    "FastDropout": [(lambda: leadline.layers.FastDropout(0.4), draw(4, 8))],
    "Gated": [
        (lambda: leadline.layers.Gated("silu"), draw(3, 6)),
        (lambda: leadline.layers.Gated("gelu", dim=1), draw(2, 4, 3)),
        (lambda: leadline.layers.Gated("sigmoid"), draw(3, 4)),
        (lambda: leadline.layers.Gated("relu"), draw(3, 4)),
    ],
    "ChildSumTreeLSTM": [(lambda: OnTrees(leadline.layers.ChildSumTreeLSTM(3, 4)), draw(5, 3))],
    "NaryTreeLSTM": [(lambda: OnTrees(leadline.layers.NaryTreeLSTM(3, 4, arity=3)), draw(5, 3))],
    "TensorTreeRecursion": [(lambda: OnTrees(leadline.layers.TensorTreeRecursion(3, 4, arity=3)), draw(5, 3))],
    "TreeRecursion": [(lambda: OnTrees(leadline.layers.TreeRecursion(3, 4, arity=3)), draw(5, 3))],
    "LocalResponseNorm": [
        (lambda: leadline.layers.LocalResponseNorm(3, 0.5), draw(2, 5, 2, 2)),
        (lambda: leadline.layers.LocalResponseNorm(4, 0.5, beta=0.6, k=2.0), draw(2, 6, 3, 2)),
    ],
    "LocallyConnected2d": [
        (lambda: leadline.layers.LocallyConnected2d(2, 3, 3, size=(5, 4)), draw(2, 2, 5, 4)),
        (lambda: leadline.layers.LocallyConnected2d(2, 2, 2, size=(4, 4), padding="same", bias="unit"), draw(2, 2, 4, 4)),
    ],
    "LockedDropout": [(lambda: leadline.layers.LockedDropout(0.4), draw(2, 3, 6))],
    "Logistic": [(lambda: leadline.layers.Logistic(2.0, steepness=3.0, midpoint=0.5), draw(3, 4))],
    "MaxPool2x2": [
        (lambda: leadline.layers.MaxPool2x2(), draw(2, 3, 4, 6)),
        (lambda: leadline.layers.MaxPool2x2(), draw(2, 3, 5, 7)),
    ],
    "AttentionPooling": [(lambda: OfHalf(leadline.layers.AttentionPooling(3, 2)), draw(3, 4, 3))],
    "FastGRU": [(lambda: leadline.layers.FastGRU(3, 4, num_layers=2), draw(5, 2, 3))],
    "FastLSTM": [(lambda: leadline.layers.FastLSTM(3, 4, batch_first=True, bidirectional=True), draw(2, 5, 3))],
    "FastRNN": [(lambda: leadline.layers.FastRNN(3, 4), draw(5, 2, 3))],
    "Maxout": [(lambda: leadline.layers.Maxout(3), draw(4, 6)), (lambda: leadline.layers.Maxout(2, dim=1), draw(2, 4, 3))],
    "MaxoutConv2d": [(lambda: leadline.layers.MaxoutConv2d(2, 3, 2, pieces=2), draw(2, 2, 4, 4))],
    "MaxoutLinear": [(lambda: leadline.layers.MaxoutLinear(4, 3, pieces=3), draw(3, 4))],
    "MemberHeads": [(lambda: leadline.layers.MemberHeads(3, 2, members=4), draw(2, 4, 3))],
    "OneHot": [(lambda: Codes(leadline.layers.OneHot(2, (2, 3)), [[0, 1], [1, 2]]), draw(2, 2))],
    "PeepholeLSTM": [
        (lambda: leadline.layers.PeepholeLSTM(3, 4), draw(2, 5, 3)),
        (lambda: leadline.layers.PeepholeLSTM(2, 3, layers=2, bidirectional=True, dropout=0.3), draw(2, 4, 2)),
    ],
    "Periodic": [(lambda: leadline.layers.Periodic(2, 5, frequencies=3), draw(3, 2))],
    "PiecewiseLinear": [(lambda: leadline.layers.PiecewiseLinear([(-1.0, 0.0, 1.0), (-2.0, 2.0)], 4), draw(3, 2))],
    "SameAvgPool2d": [(lambda: leadline.layers.SameAvgPool2d(3, stride=2), draw(2, 2, 5, 6))],
    "SameConv2d": [
        (lambda: leadline.layers.SameConv2d(2, 3, 2), draw(2, 2, 5, 4)),
        (lambda: leadline.layers.SameConv2d(2, 4, (3, 4), stride=2, groups=2), draw(2, 2, 6, 7)),
    ],
    "SameMaxPool2d": [(lambda: leadline.layers.SameMaxPool2d(3, stride=2), draw(2, 2, 5, 6))],
    "Softmax": [
        (lambda: leadline.layers.Softmax(0.5), draw(3, 4)),
        (lambda: leadline.layers.Softmax(2.0, dim=1), draw(2, 3, 2)),
    ],
    # In training its vectors follow the weight, and no two calls are alike.
    "SpectralNorm": [(lambda: Evaluating(leadline.layers.SpectralNorm(draw(4, 3))), draw(4, 3))],
    "WinnerTakeAll": [(lambda: leadline.layers.WinnerTakeAll(3), draw(4, 6))],
}
# The gradient of these is not that of what they compute, and is not meant to be.
STRAIGHT_THROUGH = {"Sign": (lambda: leadline.layers.Sign(), draw(3, 4))}
SMOOTH = [name for name in leadline.layers.ACTIVATIONS if name != "sign"]
OUTPUTS = draw(5, 4)


def exported() -> list[str]:
    values = {name: getattr(leadline.layers, name) for name in leadline.layers.__all__}
    return [name for name, value in values.items() if isinstance(value, type) and issubclass(value, nn.Module)]


def test_every_exported_layer_has_a_row() -> None:
    assert sorted(exported()) == sorted({**LAYERS, **STRAIGHT_THROUGH})


@pytest.mark.parametrize(
    ("make", "given"),
    [pytest.param(*row, id=f"{name}-{at}") for name, rows in LAYERS.items() for at, row in enumerate(rows)],
)
def test_the_gradients_of_a_layer_are_right(make: Callable[[], nn.Module], given: Tensor) -> None:
    torch.manual_seed(0)
    check = gradient_check(make().train(), given)
    assert check.ok, str(check)
    assert check.kinks <= check.checked / 10
    assert all(each.connected for each in check.tensors), "a parameter is not used"


@pytest.mark.parametrize("name", STRAIGHT_THROUGH)
def test_a_straight_through_gradient_is_not_that_of_a_step(name: str) -> None:
    make, given = STRAIGHT_THROUGH[name]
    assert not gradient_check(make(), given).ok


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradients_of_an_activation_are_right(name: str) -> None:
    torch.manual_seed(0)
    check = gradient_check(leadline.layers.activation(name).train(), draw(3, 6))
    assert check.ok, str(check)


def targets(tasks: tuple[str, ...]) -> Tensor:
    if "classes" in tasks:
        return torch.tensor([0, 3, 1, 1, 2])
    if "labels" in tasks:
        return torch.randint(0, 2, (5, 4), generator=torch.Generator().manual_seed(1)).double()
    assert "number" in tasks, f"there are no targets here for the tasks {tasks}"
    return draw(5, 4, seed=2).double()


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_gradients_of_a_loss_are_right(name: str, reduction: str) -> None:
    function, tasks = losses.LOSSES[name].function, losses.LOSSES[name].tasks
    weights = torch.rand(5, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.5
    extra: dict[str, Any] = {"reduction": reduction}

    def loss(output: Tensor) -> Tensor:
        each = function(output, targets(tasks), **extra)
        return (each * weights).sum() if reduction == "none" else each

    check = gradient_check(nn.Identity(), OUTPUTS, loss)
    assert check.ok, str(check)
    assert check.checked >= 18
