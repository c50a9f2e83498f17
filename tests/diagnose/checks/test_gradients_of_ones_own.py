"""A backward pass that is not the slope of its forward pass is found, and told where the network did not learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import watch
from leadline.diagnose.checks.own_gradients import read_own_gradients
from leadline.diagnose.trials.samples import a_subject, rings


class Bent(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, right: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.right = right
        return x.clamp(min=0).square()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return (grads[0] * 2 * x.clamp(min=0) if ctx.right else -torch.ones_like(x)), None


class Single(Bent):
    """One that takes single precision only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, right: bool) -> Tensor:
        if x.dtype != torch.float32:
            raise TypeError("float wanted")
        return Bent.forward(ctx, x, right)


class Rounded(Bent):
    """Stairs, which a gradient is led by on purpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, right: bool) -> Tensor:
        return Bent.forward(ctx, x, right).sign()


class Net(nn.Module):
    def __init__(self, kind: type[Bent], *, right: bool) -> None:
        super().__init__()
        self.first, self.last, self.kind, self.right = nn.Linear(6, 16), nn.Linear(16, 3), kind, right

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.kind.apply(self.first(x), self.right))  # type: ignore[no-untyped-call]
        return out


@pytest.mark.parametrize("kind", [Bent, Single])
@pytest.mark.parametrize("right", [True, False])
def test_the_slope_is_compared_with_the_gradient(kind: type[Bent], right: bool) -> None:
    torch.manual_seed(0)
    found = read_own_gradients(a_subject(Net(kind, right=right), steps=0))
    assert found.functions == [kind.__name__]
    assert found.off < 0.02 if right else found.off > 0.1


def test_stairs_have_no_slope_to_compare() -> None:
    torch.manual_seed(0)
    assert read_own_gradients(a_subject(Net(Rounded, right=False), steps=0)).off < 0.02


@pytest.mark.parametrize("right", [True, False])
def test_what_did_not_learn_by_it_is_told(right: bool) -> None:
    torch.manual_seed(0)
    rows, model = rings(600), Net(Bent, right=right)
    x, y = rows.inputs, rows.targets
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    with watch(model, optimizer, loss=F.cross_entropy, valid=(x[400:], y[400:])) as probe:
        for step in range(150):
            at = torch.arange(step * 32, step * 32 + 32) % 400
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[at]), y[at])
            loss.backward()
            optimizer.step()
            probe.step(loss, x[at], y[at])
    verdict = probe.findings(confirm=0)
    assert [each.where for each in verdict][:1] == ([] if right else ["Bent"])
