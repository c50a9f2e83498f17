"""What a network of two inputs says is told, and what its loss draws together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose.check_readings import Pairs
from leadline.diagnose.checks.head_fits import head_problems
from leadline.diagnose.checks.pair_distances import read_pairs
from leadline.diagnose.readings import Readings
from leadline.diagnose.subject import Rows, Subject


class Twins(nn.Module):
    """Two inputs to their distance, their likeness, or their codes."""

    def __init__(self, gives: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tower, self.gives = nn.Linear(8, 4), gives

    def forward(self, left: Tensor, right: Tensor) -> Any:
        one, other = self.tower(left), self.tower(right)
        if self.gives == "codes":
            return one, other
        return F.cosine_similarity(one, other) if self.gives == "likeness" else (one - other).square().sum(1).add(1e-6).sqrt()


def contrastive(outputs: Any, same: Tensor) -> Tensor:
    apart = outputs if isinstance(outputs, Tensor) else (outputs[0] - outputs[1]).square().sum(1).add(1e-6).sqrt()
    return (same * apart.square() + (1 - same) * F.relu(3 - apart).square()).mean()


def cosine(outputs: Tensor, same: Tensor) -> Tensor:
    return (outputs - (2 * same - 1)).square().mean()


def pairs(rows: int = 200) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Pairs that are alike, with 1, and such as are not."""
    torch.manual_seed(1)
    same = (torch.arange(rows) % 2).float()
    left = torch.randn(rows, 8)
    right = torch.where(same[:, None] > 0, left + 0.5 * torch.randn(rows, 8), torch.randn(rows, 8))
    return (left, right), same


def looked(gives: str, loss: Any, same: Tensor, inputs: Any) -> tuple[Pairs, list[str]]:
    subject = Subject(Twins(gives), loss, (), Rows(inputs, same), call=lambda model, x: model(*x))
    readings = Readings()
    readings.pairs = read_pairs(subject)
    return readings.pairs, [each["code"] for each in head_problems(subject, readings)]


@pytest.mark.parametrize(
    ("gives", "loss", "closeness"),
    [("distance", contrastive, "distance"), ("codes", contrastive, "distance"), ("likeness", cosine, "likeness")],
)
def test_labels_the_other_way_round(gives: str, loss: Any, closeness: str) -> None:
    inputs, same = pairs()
    found, codes = looked(gives, loss, same, inputs)
    assert found.closeness == closeness
    assert found.raw > 0.9
    assert found.pull > 0
    assert not codes
    found, _ = looked(gives, lambda outputs, labels: loss(outputs, 1 - labels), same, inputs)
    assert found.pull < 0


def test_it_is_said_where_the_network_tells_no_more_than_the_inputs() -> None:
    found = Pairs("distance", raw=0.8, raw_se=0.02, learned=0.4, pull=-1.0)
    readings = Readings()
    subject = Subject(nn.Linear(2, 1), None, (), Rows(torch.zeros(4, 2), torch.zeros(4)))
    for pair, said in ((found, ["pairs_pulled_apart"]), (Pairs("distance", 0.8, 0.02, 0.95, -1.0), []), (Pairs(), [])):
        readings.pairs = pair
        assert [each["code"] for each in head_problems(subject, readings)] == said


def test_two_inputs_that_are_no_pair() -> None:
    inputs, same = pairs()

    class Judge(Twins):
        def forward(self, left: Tensor, right: Tensor) -> Any:
            return self.tower(left)[:, 0] - 2 * self.tower(right)[:, 1]

    subject = Subject(Judge(""), contrastive, (), Rows(inputs, same), call=lambda model, x: model(*x))
    assert read_pairs(subject) == Pairs()
    assert read_pairs(Subject(Twins("distance"), contrastive, (), Rows(inputs[0], same))) == Pairs()
