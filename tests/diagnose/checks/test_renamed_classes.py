"""Class numbers that differ between splits, rows that come again and again, and batches of one class are told."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Verdict, watch
from leadline.diagnose.checks.renamed_classes import read_renamed
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.samples import a_subject

CENTRES = 2 * torch.randn(5, 8, generator=torch.Generator().manual_seed(1))


def points(count: int, seed: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    y = torch.randint(5, (count,), generator=random)
    return CENTRES[y] + torch.randn(count, 8, generator=random), y


def learned(valid: tuple[Tensor, Tensor], *, chosen: Tensor | None = None, ordered: bool = False) -> Verdict:
    """A classifier of five clouds of points, from the rows that are chosen, in their order or by their class."""
    x, y = points(320, 0)
    rows = y.argsort() if ordered else torch.arange(320)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5 if ordered else 0.1)
    with watch(model, optimizer, loss=F.cross_entropy, valid=valid) as probe:
        for step in range(150):
            at = rows[torch.arange(step * 32, step * 32 + 32) % 320]
            at = at if chosen is None else chosen[torch.randint(len(chosen), (32,))]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[at]), y[at])
            loss.backward()
            optimizer.step()
            probe.step(loss, x[at], y[at])
    return probe.findings(confirm=0)


@pytest.mark.parametrize("seed", range(3))
def test_chance_exchanges_no_classes(seed: int) -> None:
    subject = a_subject(steps=5)
    random = torch.Generator().manual_seed(seed)
    subject.valid = Rows(torch.randn(80, 6, generator=random), torch.randint(3, (80,), generator=random))
    found = read_renamed(subject)
    assert found.error - found.error_renamed < 4 * found.se


def test_classes_of_other_numbers_are_told() -> None:
    x, y = points(100, 1)
    assert not list(learned((x, y)))
    verdict = learned((x, torch.tensor([0, 2, 3, 1, 4])[y]))
    assert verdict[0].kind == "split_mismatch"
    assert "with 3 of them exchanged" in verdict[0].cause
    assert "overfitting" not in [each.kind for each in verdict]


def test_a_sampler_that_gives_few_rows_is_told() -> None:
    verdict = learned(points(100, 1), chosen=torch.arange(4))
    assert verdict[0].kind == "overfitting"
    assert "4 different ones" in verdict[0].cause
    few = points(320, 0)[0][:4], points(320, 0)[1][:4]
    assert not any("different ones" in each.cause for each in learned(few, chosen=torch.arange(4))), "there are no others"


def test_batches_of_one_class_are_the_first_cause() -> None:
    assert learned(points(100, 1), ordered=True)[0].kind == "oscillation"
