"""What the kept rows and the held-out course tell besides: whether rows come in one order, and the recall of each class."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Readings, watch
from leadline.diagnose.kept_rows import KeptRows
from leadline.diagnose.readings import Judged
from leadline.diagnose.rules.of_data import imbalance
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.trials import habits_of


def rows(count: int = 300) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] > 1.5).long()


@pytest.mark.parametrize("shuffled", [False, True])
def test_rows_in_one_order_each_epoch_are_noticed(shuffled: bool) -> None:
    (x, y), model = rows(), nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    order = torch.Generator().manual_seed(1)
    with watch(model, optimizer, loss=F.cross_entropy, valid=(x, y), share=0.99) as probe:
        for _ in range(4):
            chosen = torch.randperm(len(x), generator=order) if shuffled else torch.arange(len(x))
            for at in chosen.split(32):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x[at]), y[at])
                loss.backward()
                optimizer.step()
                probe.step(loss, x[at], y[at])
    probe.findings(confirm=0)
    steps, subject = probe.readings.steps, probe.subject()
    assert steps.repeated_batches is not None
    assert (steps.repeated_batches > 0.9) is not shuffled
    assert subject is not None
    assert habits_of(subject, probe.readings).shuffled is shuffled
    last, final = steps.valid_recalls[-1], probe.readings.last.valid
    assert final is not None
    assert final.counts == [int((y == 0).sum()), int((y == 1).sum())]
    assert len(last[1]) == 2
    assert steps.valid_recalls[-1][0] > 20


def test_where_rows_never_come_again_no_order_is_told() -> None:
    kept = KeptRows()
    kept.offer(*rows(100))
    kept.rows()
    assert kept.repeated is None


def imbalanced(final: float, course: list[float], *, step: int) -> float:
    readings = Readings()
    readings.program.task, readings.program.steps, readings.answers.counts = "classes", 100, [300, 10]
    readings.last.valid = Judged(100, 0.1, 0.05, recalls=[1.0, final, math.nan], counts=[95, 5, 0])
    readings.steps.valid_recalls = [(step, [1.0, each, math.nan]) for each in course]
    (found,) = imbalance(readings, outcome_of(readings))
    return found.strength


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16, torch.complex64])
def test_rows_of_any_type_are_kept_once(kind: torch.dtype) -> None:
    kept = KeptRows()
    for _ in range(3):
        kept.offer(torch.arange(40.0).view(20, 2).to(kind), torch.arange(20))
    assert (len(kept.rows()), kept.distinct) == (20, 20)


def test_few_rows_of_a_rare_class_that_are_right_at_the_end_alone_do_not_clear_it() -> None:
    assert imbalanced(0.0, [], step=0) > 0.8
    assert imbalanced(1.0, [0.0] * 5, step=80) > 0.8
    assert imbalanced(1.0, [0.0] * 5, step=20) == 0.0  # it was learned in the second half
    assert imbalanced(1.0, [0.6, 1.0, 0.8], step=80) == 0.0
