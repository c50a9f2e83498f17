"""The last weights are kept where measurements cannot be compared, and put back as they were."""

from __future__ import annotations

import torch
from torch import nn

from leadline.training import LastWeights


def test_the_last_ones_are_kept_though_they_measure_worse() -> None:
    model, last = nn.Linear(1, 1), LastWeights("valid_reconstruction")
    for value in (1.0, 2.0, 3.0):
        nn.init.constant_(model.weight, value)
        assert last.update({"valid_reconstruction": value}, {"model": model})
    nn.init.zeros_(model.weight)
    last.restore({"model": model})
    assert model.weight.item() == 3.0
    assert last.value == 3.0
    assert not last.exhausted()


def test_they_go_on_from_what_was_saved() -> None:
    model, last, again = nn.Linear(1, 1), LastWeights("error"), LastWeights("error")
    last.update({"error": 0.5}, {"model": model})
    again.load(last.state())
    before = model.weight.detach().clone()
    nn.init.zeros_(model.weight)
    again.restore({"model": model})
    assert torch.equal(model.weight, before)
