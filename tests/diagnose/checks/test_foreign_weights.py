"""Weights of the loss that nobody moves are told; with a loss that is not known nothing is said of outputs beside targets."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leadline.diagnose import Verdict, watch


def learned(*, moved: bool, layers: int = 1) -> Verdict:
    """Codes of two numbers, and weights that make scores of six classes of them; the loss is not told."""
    torch.manual_seed(0)
    y = torch.arange(240) % 6
    x = torch.eye(6)[y] + 0.1 * torch.randn(240, 6)
    model = nn.Linear(6, 2)
    scores = nn.Sequential(*(nn.Linear(2, 2) for _ in range(layers - 1)), nn.Linear(2, 6))
    if layers > 1:  # as one that was trained elsewhere
        for each in scores.parameters():
            nn.init.normal_(each, std=0.3)
    optimizer = torch.optim.Adam([*model.parameters(), *(scores.parameters() if moved else [])], lr=0.05)
    with watch(model, optimizer) as probe:
        for step in range(60):
            at = torch.arange(step * 40, step * 40 + 40) % 240
            loss = F.cross_entropy(scores(model(x[at])), y[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, x[at], y[at])
    return probe.findings(confirm=0)


def test_weights_of_the_loss_that_nobody_moves() -> None:
    verdict = learned(moved=False)
    assert [each.kind for each in verdict] == ["not_training"]
    assert "(6 × 2 and 6)" in verdict[0].cause


@pytest.mark.parametrize(("moved", "layers"), [(True, 1), (False, 4)])
def test_weights_that_move_and_a_network_that_judges_are_no_fault(moved: bool, layers: int) -> None:
    assert not list(learned(moved=moved, layers=layers))
