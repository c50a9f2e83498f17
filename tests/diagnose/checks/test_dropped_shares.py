"""Dropout called as a function is heard, where it drops."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadline.diagnose.checks.dropped_shares import read_dropped
from leadline.diagnose.subject import Rows, Subject


class Dropping(nn.Module):
    def __init__(self, share: float, *, always: bool) -> None:
        super().__init__()
        self.last, self.share, self.always = nn.Linear(3, 2), share, always

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(F.dropout(x, p=self.share, training=self.always and self.training))
        return out


@pytest.mark.parametrize(
    ("model", "share"), [(Dropping(0.9, always=True), 0.9), (Dropping(0.9, always=False), 0.0), (nn.Linear(3, 2), 0.0)]
)
def test_the_share_is_heard_where_something_is_dropped(model: nn.Module, share: float) -> None:
    rows = Rows(torch.ones(8, 3), torch.zeros(8))
    subject = Subject(model, nn.MSELoss(), (), rows)
    assert read_dropped(subject, rows) == (share, 0.0)


def ending(*last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 2), *last)


@pytest.mark.parametrize(
    ("model", "share"),
    [
        (ending(nn.Softmax(dim=1), nn.Dropout(0.5)), 0.5),
        (ending(nn.Dropout(0.4), nn.Sigmoid(), nn.Flatten(0)), 0.4),
        (ending(nn.Softmax(dim=1)), 0.0),
        (ending(nn.Dropout(0.0)), 0.0),
        (ending(nn.ReLU(), nn.Dropout(0.5), nn.Linear(2, 2)), 0.0),
    ],
)
def test_dropped_answers_are_told_from_dropped_units(model: nn.Module, share: float) -> None:
    rows = Rows(torch.randn(8, 3), torch.zeros(8))
    assert read_dropped(Subject(model, nn.MSELoss(), (), rows), rows).of_answers == share
