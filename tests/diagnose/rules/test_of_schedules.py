"""Schedules that never came to their rate, and masks that leave out what should be read."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from leadline.diagnose import watch
from leadline.diagnose.check_readings import Reach
from leadline.diagnose.readings import Judged, LayerFacts, Readings
from leadline.diagnose.rules.of_layers import memory_too_short
from leadline.diagnose.rules.outcomes import outcome_of


@pytest.mark.parametrize("each_batch", [True, False])
def test_a_schedule_that_is_moved_on_by_the_epoch_never_comes_to_its_rate(each_batch: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 4)
    y = x[:, :1] - x[:, 1:2]
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=160)
    with watch(model, optimizer, loss=F.mse_loss, share=0.9) as probe:
        for _ in range(8):
            for at in torch.randperm(200).split(10):
                loss = F.mse_loss(model(x[at]), y[at])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, x[at], y[at])
                if each_batch:
                    schedule.step()
            if not each_batch:
                schedule.step()
    found = [each.kind for each in probe.findings(confirm=0) if "schedule was to reach" in each.cause]
    assert found == ([] if each_batch else ["rate_too_low"])


@pytest.mark.parametrize(
    ("kind", "cut", "named"),
    [
        ("MultiheadAttention", True, "input_ignored"),
        ("MultiheadAttention", False, "memory_too_short"),
        ("GRU", True, "memory_too_short"),
    ],
)
def test_what_attention_does_not_read_at_all_is_masked(kind: str, cut: bool, named: str) -> None:
    readings = Readings(reach=Reach(17, 16, cut, within=0.5, within_se=0.02, beyond=0.1, beyond_se=0.02))
    readings.program.task, readings.program.layers = "classes", [LayerFacts("attention", kind, 9)]
    readings.last.valid = Judged(rows=200, loss=0.7, error=0.5, error_se=0.03)
    readings.beside.valid_error, readings.beside.valid_se = {"constant": 0.5, "linear": 0.1}, {"linear": 0.02}
    assert [each.kind for each in memory_too_short(readings, outcome_of(readings))] == [named]
