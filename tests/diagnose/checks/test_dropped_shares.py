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
    assert read_dropped(subject, rows) == share
