"""Numbers of classes are told from amounts that are whole numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.diagnose.check_readings import ClassNumbers
from leadline.diagnose.checks.numbered_classes import read_class_numbers
from leadline.diagnose.subject import Rows, Subject

KINDS = 8


def looked(x: Tensor, y: Tensor) -> ClassNumbers:
    half = len(x) // 2
    rows = Rows(x[:half], y[:half]), Rows(x[half:], y[half:])
    return read_class_numbers(Subject(nn.Linear(x.shape[1], 1), nn.MSELoss(), (), *rows, task="number"))


def drawn(*, rows: int = 600) -> tuple[Tensor, Tensor]:
    """Rows around one middle for each kind, middles anywhere."""
    torch.manual_seed(0)
    y = torch.arange(rows) % KINDS
    middles = 3 * torch.randn(KINDS, 5)
    return middles[y] + torch.randn(rows, 5), y.float()


def test_classes_have_no_order_and_neighbours_know_them() -> None:
    found = looked(*drawn())
    assert found.kinds == KINDS
    assert found.order > 0.05
    assert found.neighbours > 0.8 > found.network


def test_amounts_have_an_order() -> None:
    torch.manual_seed(0)
    y = torch.arange(600) % KINDS
    along = torch.cat([y[:, None] + 0.2 * torch.randn(600, 1), torch.randn(600, 3)], dim=1)
    assert looked(along, y.float()).order < 0.01
    angle = 6.28 * torch.rand(600)  # around one middle for all
    rings = (y + 1 + 0.2 * torch.randn(600))[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    assert looked(rings, y.float() + 1).order < 0.01


def test_other_numbers_are_not_looked_at() -> None:
    x, y = drawn()
    for targets in (y + 0.5, y % 3, 10 * y, y - 1):
        assert looked(x, targets) == ClassNumbers()
