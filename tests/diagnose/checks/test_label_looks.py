"""Wrong labels are told from classes that overlap."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from leadline.diagnose.checks.label_looks import read_labels
from leadline.diagnose.subject import Rows


def flipped(y: torch.Tensor, share: float, classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    wrong = torch.rand(len(y), generator=g) < share
    other = (y + torch.randint(1, classes, (len(y),), generator=g)) % classes
    return torch.where(wrong, other, y), wrong


def sets():
    for load, classes in ((load_digits, 10), (load_breast_cancer, 2), (load_wine, 3)):
        x, y = load(return_X_y=True)
        yield torch.tensor(x).float(), torch.tensor(y), classes
    g = torch.Generator().manual_seed(0)
    for distance in (0.7, 1.5, 3.0):  # classes that overlap by 36, 23 and 7 %
        y = torch.arange(900) % 2
        x = torch.randn(900, 5, generator=g)
        x[:, 0] += distance * y
        yield x, y, 2


@pytest.mark.parametrize("number", range(6))
def test_right_labels_raise_nothing_and_wrong_ones_are_found(number):
    x, y, classes = list(sets())[number]
    found = read_labels(Rows(x, y), "classes", classes)
    excess = (found.disagreement or 0.0) - (found.expected_disagreement or 0.0)
    assert excess < 0.04
    if number in (3, 4):
        return  # where classes overlap so much, wrong labels are not seen
    noisy, wrong = flipped(y, 0.2, classes)
    found = read_labels(Rows(x, noisy), "classes", classes)
    assert found.disagreement is not None
    assert found.expected_disagreement is not None
    assert found.disagreement - found.expected_disagreement > 0.05
    assert float(wrong[found.rows[:10]].float().mean()) > 0.8


def test_what_cannot_be_looked_at():
    x, y = torch.randn(300, 4), torch.randint(0, 2, (300,))
    assert read_labels(Rows(x, y), "number", 0).disagreement is None
    assert read_labels(Rows(x[:20], y[:20]), "classes", 2).disagreement is None
    assert read_labels(Rows(x, y), "classes", 2).disagreement is None, "nothing is known, so nothing is doubted"
    assert read_labels(Rows(x, 0 * y), "classes", 2).disagreement is None
    assert read_labels(Rows(torch.ones(300, 4), y), "classes", 2).disagreement is None
