"""Tensors that were drawn and that nothing can train are told where the network failed; positions and states are none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Verdict, watch
from leadline.diagnose.checks.plain_tensors import looks_random, read_plain
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.samples import a_subject


class Keys(nn.Module):
    """A row looks for keys that are like it, and answers with their values."""

    def __init__(self, *, known: bool) -> None:
        super().__init__()
        keys, values = 0.3 * torch.randn(12, 8), 0.3 * torch.randn(12, 5)
        self.keys = nn.Parameter(keys) if known else keys
        self.values = nn.Parameter(values) if known else values
        self.query = nn.Linear(6, 8)

    def forward(self, x: Tensor) -> Tensor:
        return 10 * (self.query(x) @ self.keys.T).softmax(1) @ self.values


class Carried(nn.Module):
    """A state that goes from one pass to the next, positions, and a tensor that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.state = torch.randn(6, 8)
        self.places = (torch.arange(6.0)[:, None] * torch.exp(-math.log(100) * torch.arange(8.0) / 8)).sin()
        self.unused = torch.randn(6, 8)
        self.last = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.state = (0.9 * self.state + 0.1).detach()
        out: Tensor = self.last(x @ (self.state + self.places))
        return out


def learned(*, known: bool) -> Verdict:
    random = torch.Generator().manual_seed(0)
    centres = 1.5 * torch.randn(5, 6, generator=random)
    y = torch.randint(5, (400,), generator=random)
    x = centres[y] + 0.5 * torch.randn(400, 6, generator=random)
    torch.manual_seed(0)
    model = Keys(known=known)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with watch(model, optimizer, loss=F.cross_entropy, valid=(x[300:], y[300:])) as probe:
        for step in range(150):
            at = torch.arange(step * 30, step * 30 + 30) % 300
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[at]), y[at])
            loss.backward()
            optimizer.step()
            probe.step(loss, x[at], y[at])
    return probe.findings(confirm=1.5)


@pytest.mark.parametrize("known", [True, False])
def test_keys_that_are_no_parameters(known: bool) -> None:
    verdict = learned(known=known)
    assert [each.kind for each in verdict][:1] == ([] if known else ["not_training"]), verdict.outcome
    assert known or (verdict[0].where == "keys, values" and verdict[0].confirmed)


def test_states_positions_and_what_is_not_used() -> None:
    subject = a_subject(Carried(), steps=0)
    assert read_plain(subject, subject.train.take(slice(0, 4))) == ([], 0.0)
    subject = a_subject(Keys(known=False), rows=Rows(torch.randn(40, 6), torch.arange(40) % 5), steps=0)
    assert read_plain(subject, subject.train.take(slice(0, 4)))[0] == ["keys", "values"]


def test_made_bases_are_not_drawn() -> None:
    place = torch.arange(16.0)
    cosines = torch.cos(math.pi / 16 * (place[:, None] + 0.5) * place)
    for made in (cosines, torch.linalg.qr(torch.randn(16, 16))[0], torch.rand(8, 8).round(), torch.zeros(8, 8)):
        assert not looks_random(made)
