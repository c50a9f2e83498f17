"""The search for the next mistake against the scores recomputed after each one; runs across blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.models.mistakes import Pocket, learn_classes, learn_unit

seeds = st.integers(0, 2**31)


@settings(max_examples=40)
@given(seeds, st.integers(1, 40), st.integers(1, 4))
def test_scores_that_follow_are_those_computed_anew(seed: int, count: int, outputs: int) -> None:
    draw = np.random.default_rng(seed)
    x = np.concatenate([draw.normal(size=(count, 3)), np.ones((count, 1))], axis=1)
    weights, targets = draw.normal(size=(outputs, 4)), draw.integers(max(2, outputs), size=count)
    learn = learn_unit if outputs == 1 else learn_classes
    block = learn(x @ weights.T, x @ x.T, targets, 0.7)
    for row in range(count):
        scores = x[row] @ (weights + block.gains[:row].T @ x[:row]).T
        if outputs == 1:
            lead = scores[0] * (1 if targets[row] else -1)
        else:
            lead = scores[targets[row]] - np.delete(scores, targets[row]).max()
        assert block.lead[row] == pytest.approx(lead, abs=1e-9)
        assert (row in block.at) == (lead <= 0)
        assert block.gains[row].any() == (row in block.at)
    assert outputs == 1 or np.allclose(block.gains.sum(axis=1), 0)


@settings(max_examples=60)
@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=8))
def test_the_longest_runs_are_found_across_blocks(blocks: list[list[bool]]) -> None:
    pocket, first = Pocket(), 0
    runs, run = [], 0
    for block in blocks:
        at = [place for place, wrong in enumerate(block) if wrong]
        pocket.watch(at, len(block), lambda row, first=first: [torch.tensor(float(first + row))])  # type: ignore[misc]
        for place, wrong in enumerate(block):
            if wrong:
                runs.append((run, first + place))
            run = 0 if wrong else run + 1
        first += len(block)
    assert pocket.run == run
    ranked = sorted(((length, place) for length, place in runs if length), key=lambda pair: -pair[0])  # the earlier first
    assert [(length, int(weights[0])) for length, weights in pocket.candidates] == ranked[:8]


def test_the_ratchet_turns_one_way() -> None:
    pocket = Pocket()
    for right, kept in ((3.0, 3.0), (1.0, 3.0), (3.0, 3.0), (5.0, 5.0)):
        pocket.settle([torch.tensor(right)], lambda weights: int(weights[0]))
        assert pocket.best[0].item() == kept == pocket.right


def test_what_is_in_the_pocket_is_a_copy() -> None:
    pocket, weight = Pocket(), torch.tensor([1.0])
    pocket.settle([weight], lambda weights: 1)
    state = pocket.state()
    weight.fill_(9.0)
    assert pocket.best[0].item() == state["best"][0].item() == 1.0
