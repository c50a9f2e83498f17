"""Copies across splits and splits that are unlike; none where rows repeat or are close by themselves."""

from __future__ import annotations

import torch

from leadline.diagnose.checks.split_likeness import read_splits, told_apart
from leadline.diagnose.subject import Rows

G = torch.Generator().manual_seed(0)


def rows(count: int, width: int = 8, shift: float = 0.0, spread: float = 1.0) -> Rows:
    x = shift + spread * torch.randn(count, width, generator=G)
    return Rows(x, (x[:, 0] > shift).long())


def test_like_splits_raise_nothing():
    for width in (1, 2, 8, 300):
        found = read_splits(rows(400, width), rows(200, width))
        assert found.copies is not None
        assert found.told_apart is not None
        assert found.told_apart_se is not None
        assert found.class_distance is not None
        assert found.copies < 0.02, width
        assert found.told_apart - 3 * found.told_apart_se < 0.5, width
        assert found.class_distance < 0.08


def test_exact_and_near_copies():
    train, valid = rows(400), rows(200)
    valid.inputs[:30] = train.inputs[100:130]
    found = read_splits(train, valid)
    assert found.copies is not None
    assert abs(found.copies - 0.15) < 0.01
    assert found.pairs[:2] == [(0, 100), (1, 101)]
    valid.inputs[:30] += 1e-4 * torch.randn(30, 8, generator=G)
    near = read_splits(train, valid)
    assert near.copies is not None
    assert abs(near.copies - 0.15) < 0.01
    assert near.pairs[0] == (0, 100)


def test_rows_of_few_values_that_repeat_are_no_copies():
    x = torch.randint(0, 3, (900, 4), generator=G).float()
    train = Rows(x[:600].unique(dim=0), torch.zeros(len(x[:600].unique(dim=0))).long())
    found = read_splits(train, Rows(x[600:], torch.zeros(300).long()))
    assert found.copies is not None
    assert found.copies < 0.05


def test_unlike_splits_are_told_apart():
    moved = told_apart(rows(300), rows(200, shift=0.7))
    wider = told_apart(rows(300), rows(200, spread=2.0))
    assert moved[0] is not None
    assert wider[0] is not None
    assert min(moved[0], wider[0]) > 0.8
    assert told_apart(rows(5), rows(5)) == (None, None)
    bright = told_apart(Rows(torch.rand(200, 3, 12, 12), None), Rows(torch.rand(200, 3, 12, 12) * 0.7, None))
    assert bright[0] is not None
    assert bright[0] > 0.9


def test_class_shares():
    train, valid = rows(400), rows(300)
    valid.targets = torch.zeros(300).long()
    found = read_splits(train, valid)
    assert found.class_distance is not None
    assert found.class_distance > 0.4
    valid.targets, train.targets = torch.randn(300), torch.randn(400)
    assert read_splits(train, valid).class_distance is None


def test_tokens():
    words = torch.randint(0, 200, (300, 15), generator=G)
    found = read_splits(Rows(words[:200], torch.zeros(200).long()), Rows(words[190:], torch.zeros(110).long()))
    assert found.copies is not None
    assert abs(found.copies - 10 / 110) < 0.02
