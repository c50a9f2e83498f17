"""Columns that give the answer away: copies and noisy copies are told from causes, markers and toys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose.checks.giveaways import read_giveaway
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.of_leaks import column_gives_away
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.subject import Rows, Subject

Made = tuple[Tensor, Tensor]


def numbers(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def subject_of(x: Tensor, y: Tensor) -> Subject:
    """A training on two thirds of the rows; the others are held out."""
    classes = not y.is_floating_point()
    train, valid = slice(0, 2 * len(x) // 3), slice(2 * len(x) // 3, None)
    subject = Subject(nn.Linear(1, 1), None, (), Rows(x[train], y[train]), Rows(x[valid], y[valid]))
    subject.task, subject.classes = ("classes", int(y.max()) + 1) if classes else ("number", 0)
    return subject


def said(x: Tensor, y: Tensor) -> list[str]:
    """The causes that are told of these rows."""
    readings = Readings()
    readings.giveaway = read_giveaway(subject_of(x, y))
    found = list(column_gives_away(readings, outcome_of(readings)))
    return [each.cause for each in found if each.proven and each.hurts and "0" in each.where]


def three_classes() -> Made:
    """Classes that seven columns tell in part, and column 0 not at all."""
    x = numbers(900, 8)
    return x, ((x[:, 1:] @ numbers(7, 3, 1)) + 1.5 * numbers(900, 3, 2)).argmax(1)


def a_number() -> Made:
    x = numbers(900, 8)
    return x, x[:, 1:] @ numbers(7, 1, 1)[:, 0] / 2 + numbers(900, 1, 2)[:, 0]


def copied(made: Made, noise: float = 0.0) -> Made:
    x, y = made
    x[:, 0] = (y.float() - y.float().mean()) / y.float().std() + noise * numbers(len(x), 1, 3)[:, 0]
    return x, y


def category() -> Made:
    """The class as three columns of 0 and 1."""
    x, y = three_classes()
    return torch.cat([F.one_hot(y).float(), x[:, 1:]], 1), y


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("make", [three_classes, a_number])
def test_a_copy_of_the_target_is_found_with_noise_on_it_as_well(make: Callable[[], Made], noise: float) -> None:
    (cause,) = said(*copied(make(), noise))
    assert ("with noise" in cause) == bool(noise)


def test_a_category_that_is_the_class_is_found() -> None:
    assert said(*category())
    assert read_giveaway(subject_of(*category())).columns == [0, 1, 2]


def cause_with_a_proxy() -> Made:
    """The target is made of column 0; column 1 is another measure of that."""
    x = numbers(900, 8)
    x[:, 1] = x[:, 0] + numbers(900, 1, 4)[:, 0]
    return x, x[:, 0] + 0.3 * numbers(900, 1, 5)[:, 0]


def cause_with_others() -> Made:
    x = numbers(900, 8)
    return x, 3 * x[:, 0] + x[:, 1]


def last_of_a_series() -> Made:
    steps = [torch.zeros(1)]
    for step in numbers(920, 1, 6):
        steps.append(0.97 * steps[-1] + step)
    series = torch.cat(steps)
    windows = series.unfold(0, 7, 1)[:900].flip(1)
    return windows[:, 1:].clone(), windows[:, 0].clone()


def grades() -> Made:
    """Classes that are stretches of column 0."""
    x = torch.rand(900, 8, generator=torch.Generator().manual_seed(0))
    x[:, 1] = x[:, 0] + 0.3 * numbers(900, 1, 7)[:, 0]
    return x, (5 * x[:, 0]).long()


def a_bit() -> Made:
    """The class is column 0, and the others say nothing: what there is to learn."""
    x = (numbers(900, 8) > 0).float()
    return x, x[:, 0].long()


def a_side() -> Made:
    x = numbers(900, 8)
    return x, (x[:, 0] > 0).long()


def smooth_series() -> Made:
    """So smooth that each value is nearly the one before."""
    series = torch.sin(torch.arange(1000) / 300.0)
    windows = series.unfold(0, 8, 1)[:900].flip(1)
    return windows[:, 1:].clone(), windows[:, 0].clone()


def measures_of_one() -> Made:
    hidden = numbers(900, 1)
    return hidden + 0.2 * numbers(900, 6, 8), hidden[:, 0] + 0.1 * numbers(900, 1, 9)[:, 0]


@pytest.mark.parametrize(
    "make",
    [cause_with_a_proxy, cause_with_others, last_of_a_series, grades, a_bit, a_side, smooth_series, measures_of_one,
     three_classes, a_number],
)  # fmt: skip
def test_what_only_looks_like_one_is_left_alone(make: Callable[[], Made]) -> None:
    assert said(*make()) == []


def test_what_is_no_table_is_not_looked_at() -> None:
    pictures = Rows(numbers(90, 16).view(90, 1, 4, 4), torch.arange(90) % 3)
    assert read_giveaway(Subject(nn.Linear(1, 1), None, (), pictures, task="classes", classes=3)).columns == []
