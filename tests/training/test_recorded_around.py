"""The recorded step with what stands around it: checkpoints, the loop, hooks, memory that moves, weights that are shared."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from recording import NETWORKS, Classifier, assert_same, batches, clip_norm, supervised, train

from leadline.optim import ExponentialAverage
from leadline.training import Supervised, run_loop
from leadline.training.recorded import Recorded


@pytest.mark.parametrize("first", ["plain", "recorded"])
def test_a_checkpoint_of_either_goes_on_with_the_other(first: str) -> None:
    build, shape = NETWORKS["normalized with dropout"]
    data = batches(shape)

    def made(kind: str) -> Any:
        step = supervised(build)
        if kind == "plain":
            return step
        recorded = Recorded(step)
        assert recorded.record(data[0]) == ""
        return recorded

    whole = made("plain")
    train(whole, data, 20)
    train(whole, data, 20)
    before = made(first)
    train(before, data, 20)
    after = made("recorded" if first == "plain" else "plain")
    train(after, data[:1], 3)  # so that what it has of its own must give way
    after.load(copy.deepcopy(before.state()))
    train(after, data, 20)
    assert_same(whole, after if isinstance(after, Supervised) else after.step)


def test_in_the_loop_with_averaged_weights() -> None:
    build, shape = NETWORKS["normalized with dropout"]
    ends = []
    for kind in ("plain", "recorded"):
        inner: Any = supervised(build)
        if kind == "recorded":
            inner = Recorded(inner)
            assert inner.record(batches(shape)[0]) == ""
        step = ExponentialAverage(inner, decay=0.9)
        torch.manual_seed(3)
        history = run_loop(step, batches(shape), epochs=3)
        records = torch.tensor([history[column] for column in ("loss", "accuracy", "rate")])
        ends.append((records, *step.modules()["model"].state_dict().values()))
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-7)


def test_a_hook_that_comes_later_is_called() -> None:
    build, shape = NETWORKS["perceptron"]
    step, data = Recorded(supervised(build)), batches(shape)
    assert step.record(data[0]) == ""
    seen: list[int] = []
    handle = step.step.model.register_forward_hook(lambda *_: seen.append(1))
    train(step, data, 3)
    handle.remove()
    train(step, data, 3)
    assert len(seen) == 3


def test_parameters_that_get_other_memory_are_followed() -> None:
    build, shape = NETWORKS["perceptron"]
    plain, step = supervised(build), Recorded(supervised(build))
    assert step.record(batches(shape)[0]) == ""
    for each in (plain, step):
        train(each, batches(shape), 5)
        for parameter in each.modules()["model"].parameters():
            parameter.data = parameter.data.clone()
        train(each, batches(shape), 5)
    assert_same(plain, step.step)


def test_gradients_of_shared_weights_are_apart() -> None:
    """An LSTM of this machine gives both biases one and the same gradient: clipping it in place must not clip it twice."""
    step = Recorded(supervised(lambda: Classifier(), clip=clip_norm))
    assert step.record(batches((5, 4))[0]) == ""
    train(step, batches((5, 4)), 2)
    places = [parameter.grad.data_ptr() for parameter in step.step.parameters]  # type: ignore[union-attr]
    assert len(set(places)) == len(places)
