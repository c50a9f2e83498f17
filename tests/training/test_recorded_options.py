"""The recorded step does what a plain one can: every optimizer, penalties, clipping, measures, layouts, short batches."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from recording import NETWORKS, assert_same, batches, clip_norm, supervised, train
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.training import Supervised
from leadline.training.recorded import Recorded


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "adamw", "rmsprop", "adagrad"])
def test_every_optimizer(optimizer: str) -> None:
    build, shape = NETWORKS["normalized with dropout"]
    options: dict[str, Any] = {"schedule": lambda progress: 1 - 0.9 * progress}
    plain, step = supervised(build, optimizer, **options), Recorded(supervised(build, optimizer, **options))
    assert step.record(batches(shape)[0]) == ""
    train(plain, batches(shape), 100)
    train(step, batches(shape), 100)
    assert_same(plain, step.step)
    assert step.rate == plain.rate < 0.01


@pytest.mark.parametrize(("optimizer", "steps"), [("adamw", 1), ("adam", 1), ("nesterov", 1), ("rmsprop", 5)])
def test_fused_optimizers_are_called_directly_once_they_have_a_state(
    optimizer: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, shape = NETWORKS["perceptron"]
    step = Recorded(supervised(build, optimizer))
    assert step.record(batches(shape)[0]) == ""
    called: list[int] = []
    usual = step.step.optimizer.step
    monkeypatch.setattr(step.step.optimizer, "step", lambda: (called.append(1), usual()))
    train(step, batches(shape), 5)
    assert len(called) == steps


def test_sgd_without_momentum() -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        model = nn.Linear(6, 3)
        made.append(Supervised(model, F.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1, fused=True)))
    step = Recorded(made[1])
    assert step.record(batches((6,))[0]) == ""
    train(made[0], batches((6,)), 20)
    train(step, batches((6,)), 20)
    assert_same(made[0], made[1])


def lasso(model: nn.Module) -> dict[str, Tensor]:
    return {"l1": 0.01 * torch.stack([weight.abs().sum() for weight in model.parameters()]).sum()}


OPTIONS: dict[str, dict[str, Any]] = {
    "clip": {"clip": clip_norm},
    "penalties": {"penalties": lasso},
    "accumulate": {"accumulate": 3},
    "bfloat16": {"precision": torch.bfloat16},
    "together": {"clip": clip_norm, "penalties": lasso, "accumulate": 2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_what_a_plain_step_can_do(options: dict[str, Any]) -> None:
    build, shape = NETWORKS["perceptron"]
    plain, step = supervised(build, **options), Recorded(supervised(build, **options))
    assert step.record(batches(shape)[0]) == ""
    told, ours = train(plain, batches(shape), 60), train(step, batches(shape), 60)
    assert_same(plain, step.step)
    assert told[-1].keys() == ours[-1].keys()
    assert all(torch.allclose(one[key], other[key]) for one, other in zip(told, ours, strict=True) for key in one)
    if "clip" in options:
        assert any(logs["clipped"] for logs in ours)


def test_channels_last() -> None:
    build, shape = NETWORKS["residual"]
    plain, step = supervised(build), Recorded(supervised(build))
    data = [(inputs.to(memory_format=torch.channels_last), targets) for inputs, targets in batches(shape)]
    for each in (plain, step.step):
        each.model.to(memory_format=torch.channels_last)
    assert step.record(data[0]) == ""
    train(plain, data, 100)
    train(step, data, 100)
    assert_same(plain, step.step)
    assert all(weight.grad.stride() == weight.stride() for weight in step.step.parameters)  # type: ignore[union-attr]


def test_the_same_bits_each_time() -> None:
    build, shape = NETWORKS["convolutions"]
    ends = []
    for _ in range(2):
        step = Recorded(supervised(build))
        assert step.record(batches(shape)[0]) == ""
        train(step, batches(shape), 20)
        ends.append(step.state()["model"])
    assert all(torch.equal(one, other) for one, other in zip(*(end.values() for end in ends), strict=True))


def test_a_short_batch_runs_plain_in_between() -> None:
    build, shape = NETWORKS["normalized with dropout"]
    plain, step = supervised(build), Recorded(supervised(build))
    data = [*batches(shape), *batches(shape, 1, rows=5)]
    assert step.record(data[0]) == ""
    train(plain, data, 50)
    train(step, data, 50)
    assert_same(plain, step.step)


def test_batches_of_dicts() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.words = nn.Linear(6, 3), nn.Linear(6, 3), nn.Embedding(5, 3)

        def forward(self, x: dict[str, Tensor]) -> Tensor:
            return self.left(x["a"]) * self.right(x["b"]) + self.words(x["c"])  # type: ignore[no-any-return]

    data = [({"a": inputs, "b": inputs.flip(1), "c": targets + 1}, targets) for inputs, targets in batches((6,))]
    turned = [(dict(reversed(inputs.items())), targets) for inputs, targets in data]
    plain, step = supervised(Two), Recorded(supervised(Two))
    assert step.record(data[0]) == ""
    train(plain, data, 30)
    train(step, turned, 30)
    assert_same(plain, step.step)


def test_frozen_and_unused_parameters_stay() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen, self.unused, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
            self.frozen.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.frozen(x).relu())  # type: ignore[no-any-return]

    plain, step = supervised(Half), Recorded(supervised(Half))
    assert step.record(batches((6,))[0]) == ""
    first = copy.deepcopy(step.step.model.state_dict())
    step.step.model.unused.weight.grad = torch.ones(6, 6)  # type: ignore[union-attr]
    train(plain, batches((6,)), 10)
    train(step, batches((6,)), 10)
    assert_same(plain, step.step)
    kept = [name for name, tensor in step.step.model.state_dict().items() if torch.equal(tensor, first[name])]
    assert kept == ["frozen.weight", "frozen.bias", "unused.weight", "unused.bias"]
