"""Outputs on another scale than the targets are judged on that of the targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import watch
from leadline.diagnose.checks.answer_scales import scale_of

RANDOM = torch.Generator().manual_seed(0)
AMOUNTS = 50 + 20 * torch.randn(300, generator=RANDOM)
COUNTS = torch.poisson((1 + torch.randn(300, generator=RANDOM)).exp(), generator=RANDOM)


def quantile(out: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(0.8 * (y - out), -0.2 * (y - out)).mean()


SCALES: dict[str, tuple[Callable[[Any, Any], Tensor], Tensor, str]] = {
    "squares": (F.mse_loss, AMOUNTS, ""),
    "a quantile": (quantile, AMOUNTS, ""),
    "a wrong sign": (lambda out, y: -F.mse_loss(out, y), AMOUNTS, ""),
    "a column beside a row": (lambda out, y: (out[:, None] - y).square().mean(), AMOUNTS, ""),
    "a likelihood of counts": (nn.PoissonNLLLoss(), COUNTS, "logarithms"),
    "counts as they are": (nn.PoissonNLLLoss(log_input=False), COUNTS, ""),
    "squares of logarithms": (lambda out, y: F.mse_loss(out, y.clamp(min=1).log()), AMOUNTS, "logarithms"),
    "standardized in the loss": (lambda out, y: F.mse_loss(out, (y - 50) / 20), AMOUNTS, "shifted or scaled"),
}


@pytest.mark.parametrize("name", SCALES)
def test_the_scale_is_found_by_the_loss(name: str) -> None:
    loss, targets, scale = SCALES[name]
    found = scale_of(loss, torch.zeros(300), targets)
    assert (found[0] if found is not None else "") == scale


def test_counts_learned_by_their_likelihood_are_sound() -> None:
    torch.manual_seed(0)
    x = torch.randn(600, 4)
    y = torch.poisson((0.8 + 0.7 * x[:, 0] - 0.5 * x[:, 1]).exp())[:, None]
    model = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 1))
    optimizer, criterion = torch.optim.Adam(model.parameters(), lr=0.005), nn.PoissonNLLLoss()
    with watch(model, optimizer, loss=criterion, valid=(x[400:], y[400:])) as probe:
        for _ in range(300):
            at = torch.randint(400, (25,))
            optimizer.zero_grad()
            loss = criterion(model(x[at]), y[at])
            loss.backward()
            optimizer.step()
            probe.step(loss, x[at], y[at])
    assert not list(probe.findings(confirm=0))
    judged = probe.readings.last.valid
    assert judged is not None
    assert judged.error < 0.8
