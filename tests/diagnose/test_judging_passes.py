"""In which mode a program judges its network, and what is said of judging in training mode."""

from __future__ import annotations

import torch
from torch import nn

from leadline.diagnose import Verdict, watch
from leadline.diagnose.judging_passes import JudgingPasses


def verdict_on(*, evaluation: bool) -> Verdict:
    """A network with much dropout, that is judged after each epoch."""
    torch.manual_seed(0)
    x = torch.randn(900, 8)
    y = (x[:, :2].norm(dim=1) > 1.18).long()
    model = nn.Sequential(
        nn.Linear(8, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 2)
    )
    optimizer, criterion = torch.optim.Adam(model.parameters(), 3e-3), nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(x[600:], y[600:])) as probe:
        for _ in range(12):
            model.train()
            for rows in torch.randperm(600).split(32):
                optimizer.zero_grad()
                loss = criterion(model(x[rows]), y[rows])
                loss.backward()
                optimizer.step()
                probe.step(loss, x[rows], y[rows])
            if evaluation:
                model.eval()
            with torch.no_grad():
                model(x[600:])
    return probe.findings(confirm=0)


def test_judging_in_training_mode_is_found_where_it_costs_something() -> None:
    first = next(iter(verdict_on(evaluation=False)))
    assert first.kind == "mode_mismatch"
    assert "judged in training mode" in first.cause
    assert "model.eval()" in first.remedy.code
    assert not [each.kind for each in verdict_on(evaluation=True)]


def test_passes_are_counted_until_it_is_known_how_a_program_judges() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    passes = JudgingPasses(model)
    model(torch.zeros(1, 2)).sum().backward()
    assert passes.training == 0
    with torch.no_grad():
        for _ in range(50):
            model(torch.zeros(1, 2))
    assert passes.training == 12
    assert not model._forward_pre_hooks
