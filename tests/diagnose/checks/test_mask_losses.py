"""An overlap of raw outputs with masks is told; losses that take outputs of any size, and shares, are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import watch
from leadline.diagnose.checks.mask_losses import read_beyond
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.samples import a_subject

MASKS = (torch.rand(80, 1, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.3).float()
PICTURES = MASKS + 0.3 * torch.randn(80, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def dice(p: Tensor, y: Tensor) -> Tensor:
    return 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)


def jaccard(p: Tensor, y: Tensor) -> Tensor:
    both = (p * y).sum()
    return -(both / (p.sum() + y.sum() - both + 1))


LOSSES: dict[str, tuple[Callable[[Any, Any], Tensor], bool]] = {
    "Dice of raw outputs": (dice, True),
    "Jaccard of raw outputs": (jaccard, True),
    "Dice with a sigmoid of its own": (lambda out, y: dice(out.sigmoid(), y), False),
    "Dice beside cross entropy": (lambda out, y: dice(out.sigmoid(), y) + F.binary_cross_entropy_with_logits(out, y), False),
    "Dice of squares": (lambda out, y: 1 - 2 * (out * y).sum() / (out.square().sum() + y.sum()), False),
    "squares": (F.mse_loss, False),
    "cross entropy": (F.binary_cross_entropy_with_logits, False),
    "likeness alone": (lambda out, y: -(out * (2 * y - 1)).mean(), False),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_that_want_shares_are_known(name: str) -> None:
    loss, wants = LOSSES[name]
    subject = a_subject(nn.Conv2d(1, 1, 1), loss=loss, rows=Rows(PICTURES, MASKS), steps=0, task="other")
    assert (read_beyond(subject) is not None) is wants


@pytest.mark.parametrize("squashed", [False, True])
def test_a_network_that_ends_in_raw_outputs_is_told(squashed: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1), *([nn.Sigmoid()] if squashed else []))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    with watch(model, optimizer, loss=dice) as probe:
        for step in range(100):
            at = torch.arange(step * 16, step * 16 + 16) % 80
            optimizer.zero_grad()
            loss = dice(model(PICTURES[at]), MASKS[at])
            loss.backward()
            optimizer.step()
            probe.step(loss, PICTURES[at], MASKS[at])
    verdict = probe.findings(confirm=0)
    assert [each.kind for each in verdict][:1] == ([] if squashed else ["head_or_loss_wrong"])
