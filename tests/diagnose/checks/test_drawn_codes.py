"""Codes that are drawn, and whether anything of a row is left in what is rebuilt from them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import watch
from leadline.diagnose.checks.drawn_codes import read_passed
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.samples import a_subject

WIDTH = 12


def rows(count: int) -> Tensor:
    """Two numbers, seen twelve times over."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, generator=draw) @ torch.randn(2, WIDTH, generator=draw)


class Variational(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.code, self.again = nn.Linear(WIDTH, 4), nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, WIDTH))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.code(x).chunk(2, 1)
        return self.again(mean + torch.randn_like(mean) * (0.5 * log_variance).exp()), mean, log_variance


@pytest.mark.parametrize("weight", [1.0, 1000.0])
def test_a_divergence_that_weighs_too_much(weight: float) -> None:
    x, model = rows(320), Variational()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with watch(model, optimizer) as probe:
        for _ in range(40):
            for part in x.split(32):
                optimizer.zero_grad()
                again, mean, log_variance = model(part)
                divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
                loss = F.mse_loss(again, part, reduction="sum") / len(part) + weight * divergence
                loss.backward()
                optimizer.step()
                probe.step(loss, part, part)
    kinds = [finding.kind for finding in probe.findings(confirm=0)]
    assert kinds[:1] == (["over_regularized"] if weight > 1 else [])


def test_answers_that_are_no_numbers_say_nothing_of_a_code() -> None:
    x, model = rows(200), Variational()
    nn.init.constant_(model.code.weight, float("nan"))
    assert read_passed(a_subject(model, rows=Rows(x, x), loss=F.mse_loss, task="other", steps=0)) is None


def test_what_is_the_same_each_time_has_no_drawn_code() -> None:
    x = rows(200)
    loss = F.mse_loss
    assert read_passed(a_subject(nn.Linear(WIDTH, WIDTH), rows=Rows(x, x), loss=loss, task="other", steps=3)) is None
