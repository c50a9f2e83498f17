"""Rows that depend on each other are told from rows that do not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from leadline.diagnose.checks.row_mixing import read_mixing
from leadline.diagnose.subject import Rows, Subject


class Recurrent(nn.Module):
    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.lstm, self.last = nn.LSTM(3, 4, batch_first=batch_first), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.lstm(x)[0][:, -1])
        return out


class Viewed(nn.Module):
    """Turns [B, T, F] into [T, B, F] by `view`, which mixes the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(x.reshape(x.shape[1], x.shape[0], 3).mean(0))
        return out


def subject(model: nn.Module) -> Subject:
    torch.manual_seed(0)
    return Subject(model, nn.CrossEntropyLoss(), (), Rows(torch.randn(40, 5, 3), torch.randint(0, 2, (40,))))


@pytest.mark.parametrize("model", [Recurrent(batch_first=False), Viewed()], ids=["batch first", "view"])
def test_mixed_rows_are_seen(model: nn.Module) -> None:
    assert (read_mixing(subject(model)) or 0) > 0.01


@pytest.mark.parametrize(
    "model",
    [
        Recurrent(batch_first=True),
        nn.Sequential(nn.Flatten(), nn.Linear(15, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2)),
        nn.Sequential(nn.Conv1d(5, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(12, 2)),
    ],
    ids=["recurrent", "batch norm", "convolution"],
)
def test_rows_by_themselves_are_not(model: nn.Module) -> None:
    assert read_mixing(subject(model)) == 0.0


def test_answers_without_a_row_for_each_are_not_judged() -> None:
    class Joined(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(0)

    assert read_mixing(subject(Joined())) is None


class Drawn(nn.Module):
    """Answers in which chance has a part, in evaluation too."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(15, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(x.flatten(1))
        return out + torch.randn_like(out)


def test_answers_that_are_drawn_anew_say_nothing_of_their_neighbours() -> None:
    assert read_mixing(subject(Drawn())) is None


def test_rows_that_come_in_turns_do_not_hide_that_they_mix() -> None:
    found = subject(Recurrent(batch_first=False))
    turns = torch.randn(2, 5, 3)[torch.arange(40) % 2]
    found.train.inputs = turns.where(torch.arange(40)[:, None, None] < 16, turns + torch.randn(40, 5, 3))
    assert (read_mixing(found) or 0) > 0.01
