"""The perceptron's convergence: Novikoff's bound as a law, and what is said where no plane parts the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.models.separating import PerceptronFit, fit_perceptron

seeds = st.integers(0, 2**31)


def right_rows(weights: Tensor, bias: Tensor, x: Tensor, y: Tensor) -> int:
    scores = x.double() @ weights.T + bias
    if len(weights) == 1:
        return int((scores[:, 0] * (2 * y - 1) > 0).sum())
    best = scores.topk(2, dim=1)
    return int(((best.indices[:, 0] == y) & (best.values[:, 0] > best.values[:, 1])).sum())


@settings(max_examples=60)
@given(seeds, st.integers(1, 5), st.integers(2, 80), st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from([0.1, 1.0, 7.0]))
def test_novikoffs_bound_for_two_classes(seed: int, features: int, count: int, gap: float, rate: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    plane = torch.randn(features + 1, generator=draw, dtype=torch.float64)
    x = torch.randn(count, features, generator=draw, dtype=torch.float64)
    augmented = torch.cat([x, torch.ones(count, 1, dtype=torch.float64)], dim=1)
    distance = augmented @ plane / plane.norm()
    kept = distance.abs() >= gap
    if not kept.any():
        return
    x, augmented, y = x[kept], augmented[kept], (distance[kept] > 0).long()
    bound = augmented.norm(dim=1).max().item() ** 2 / distance[kept].abs().min().item() ** 2
    found = fit_perceptron(x, y, epochs=int(bound) + 2, rate=rate, seed=seed)
    assert found.separable
    assert found.updates <= bound * (1 + 1e-9)
    assert found.mistakes[-1] == 0
    assert found.right == found.rows == len(x) == right_rows(found.weights, found.bias, x, y)
    assert str(found).startswith("The classes are parted")


@settings(max_examples=30)
@given(seeds, st.integers(3, 5), st.integers(1, 4))
def test_the_bound_for_several_classes(seed: int, classes: int, features: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    planes = torch.randn(classes, features + 1, generator=draw, dtype=torch.float64)
    x = 2 * torch.randn(150, features, generator=draw, dtype=torch.float64)
    augmented = torch.cat([x, torch.ones(150, 1, dtype=torch.float64)], dim=1)
    best = (augmented @ planes.T / planes.norm()).topk(2, dim=1)
    lead = best.values[:, 0] - best.values[:, 1]
    kept = lead >= 0.1
    y = best.indices[kept, 0]
    if len(y) == 0 or int(y.max()) < 2:
        return
    # A mistake moves two outputs by the row, so what it adds has √2 times the row's length (Kesler's construction). The planes
    # of classes that no row has are planes all the same.
    bound = 2 * augmented[kept].norm(dim=1).max().item() ** 2 / lead[kept].min().item() ** 2
    found = fit_perceptron(x[kept], y, epochs=int(bound) + 2, seed=seed)
    assert found.separable
    assert found.updates <= bound
    assert right_rows(found.weights, found.bias, x[kept], y) == int(kept.sum())


@settings(max_examples=30)
@given(seeds, st.integers(2, 4))
def test_where_nothing_parts_it_says_so_and_the_pocket_is_better(seed: int, classes: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(80, 2, generator=draw)
    y = torch.randint(classes, (80,), generator=draw)
    x, y = torch.cat([x, x[:1]]), torch.cat([y, (y[:1] + 1) % classes])  # one row that is of two classes
    y[-2] = classes - 1
    found = fit_perceptron(x, y, epochs=8, seed=seed)
    assert not found.separable
    assert len(found.mistakes) == 8
    assert min(found.mistakes) > 0
    assert found.right == right_rows(found.pocket_weights, found.pocket_bias, x, y)
    assert found.right >= right_rows(found.weights, found.bias, x, y)
    assert f"in 8 epochs; the pocket has {found.right} of 81 rows right" in str(found)


def test_the_pocket_finds_the_majority_where_the_last_weights_swing() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(400, 2, generator=draw)
    clean = (x[:, 0] > 0).long()
    y = torch.where(torch.rand(400, generator=draw) < 0.1, 1 - clean, clean)
    found = fit_perceptron(x, y, epochs=30)
    assert found.right > right_rows(found.weights, found.bias, x, y)
    assert found.right >= int((y == clean).sum()) - 12  # within 3 % of the plane that made the classes


GATES = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nand": [1, 1, 1, 0], "xor": [0, 1, 1, 0]}
CORNERS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("gate", GATES)
def test_and_or_and_nand_can_be_learnt_and_xor_cannot(gate: str) -> None:
    found = fit_perceptron(CORNERS, GATES[gate])
    assert found.separable == (gate != "xor")
    assert found.right == (2 if gate == "xor" else 4)  # the rule passes no weights that have 3 corners of xor right


def same(one: PerceptronFit, other: PerceptronFit) -> bool:
    return one.mistakes == other.mistakes and one.weights.equal(other.weights) and one.pocket_bias.equal(other.pocket_bias)


def test_signs_are_two_classes_and_kinds_of_input_make_no_difference() -> None:
    signs = [-1, -1, -1, 1]
    expected = fit_perceptron(CORNERS, GATES["and"])
    assert expected.weights.shape == (1, 2)
    assert same(fit_perceptron(CORNERS, signs), expected)
    assert same(fit_perceptron(np.array(CORNERS), np.array(signs)), expected)
    assert same(fit_perceptron(torch.tensor(CORNERS), torch.tensor(signs).float()), expected)


def test_the_seed_is_the_order() -> None:
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    y = (x.sum(1) > 0.5).long()
    assert same(fit_perceptron(x, y, seed=3), fit_perceptron(x, y, seed=3))
    assert not same(fit_perceptron(x, y, seed=3), fit_perceptron(x, y, seed=4))


def test_one_class_alone_is_parted_from_nothing() -> None:
    assert fit_perceptron([[1.0], [2.0]], [1, 1]).separable


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1.0, 2.0], [0, 1], r"got \[2\] and \[2\]"),
        ([[1.0], [2.0]], [0, 1, 1], r"got \[2, 1\] and \[3\]"),
        (torch.zeros(0, 2), [], r"got \[0, 2\]"),
        ([[1.0], [float("nan")]], [0, 1], r"no finite number. Got \[nan\] in row 1"),
        ([[1.0], [2.0]], [0, 0.5], "no classes"),
        ([[1.0], [2.0]], [-2, 1], "no classes"),
        ([[1.0], [2.0], [3.0]], [-1, 0, 1], r"−1 and \+1; got \[-1, 0, 1\]"),
        ([[1.0], [2.0]], [0.0, float("nan")], "no classes"),
    ],
)
def test_what_does_not_fit_is_refused(x: Any, y: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        fit_perceptron(x, y)


def test_no_epochs_are_refused() -> None:
    with pytest.raises(ArgumentError, match="at least 1 epoch"):
        fit_perceptron(CORNERS, GATES["or"], epochs=0)
    with pytest.raises(ArgumentError, match="rate of the perceptron rule"):
        fit_perceptron(CORNERS, GATES["or"], rate=0)
