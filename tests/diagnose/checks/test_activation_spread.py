"""Histograms of what flows into the activations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from leadline.diagnose.checks.activation_spread import read_activations
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.samples import a_subject


def test_all_values_are_counted_before_and_after() -> None:
    subject = a_subject(steps=20)
    found = read_activations(subject)
    assert list(found.last) == list(found.first) == ["0"]  # the last layer feeds no activation
    assert sum(found.last["0"]) == 256 * 32
    with torch.no_grad():
        values = subject.fresh()[0](subject.train.inputs)  # type: ignore[index]
    left = sum(found.first["0"][:20]) / sum(found.first["0"])
    assert found.edges[20] == 0
    assert abs(left - float((values < 0).float().mean())) < 0.03


@pytest.mark.parametrize(("side", "count"), [(8, 40), (128, 21), (256, 16)])
def test_of_large_pictures_few_are_looked_at(side: int, count: int) -> None:
    model, looked = nn.Sequential(nn.Conv2d(3, 2, 3, stride=32), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)), set[int]()
    pictures = torch.zeros(1, 3, side, side).expand(80, -1, -1, -1)
    model(pictures[:1])
    subject = a_subject(model, rows=Rows(pictures, torch.arange(80) % 3), steps=0)

    def call(network: nn.Module, x: Tensor) -> Tensor:
        looked.add(len(x))
        return network(x)  # type: ignore[no-any-return]

    subject.call = call
    assert list(read_activations(subject).last) == ["0"]
    assert looked == {count}


def test_what_lies_beyond_is_in_the_outer_bins() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 3))
    nn.init.constant_(model[0].bias, 1e4)
    found = read_activations(a_subject(model, steps=1))
    assert found.follows == {"0": "sigmoid"}
    assert found.last["0"][-1] == sum(found.last["0"])
    assert found.edges[-1] == 30


def test_what_is_no_number_is_left_out_and_no_layer_is_left() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    subject = a_subject(model, steps=1)
    nn.init.constant_(model[0].weight, float("nan"))
    assert not read_activations(subject).last


def test_where_no_activation_is_seen_all_layers_are_there() -> None:
    found = read_activations(a_subject(nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3)), steps=1))
    assert list(found.last) == ["0", "1"]
    assert not found.follows
