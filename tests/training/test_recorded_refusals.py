"""What cannot be recorded runs plain, and the reason is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from recording import NETWORKS, assert_same, batches, supervised, train
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.training import Supervised
from leadline.training.recorded import Recorded, stepping


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else -self.layer(x)


class Counting(nn.Module):
    """Does something else in its second step, which a tape of the first cannot know."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(6, 3), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(x) * self.calls  # type: ignore[no-any-return]


class Remembering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layer(x)
        self.last = outputs.detach()
        return outputs


class Silent(nn.Module):
    """Fails where values are missing, without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is not Tensor:
            raise RuntimeError
        return self.layer(x)  # type: ignore[no-any-return]


def cumulative() -> nn.Module:
    """Batch norm whose average weighs the first step by 1 and the second by 1/2: numbers that a tape would freeze."""
    return nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, momentum=None), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("build", "reason"),
    [(Branching, "cannot be traced"), (Counting, "ends at other numbers"), (Silent, "RuntimeError"), (cumulative, "")],
    ids=["branching", "counting", "silent", "cumulative"],
)
def test_what_cannot_be_recorded_runs_plain_and_says_why(build: Callable[[], nn.Module], reason: str) -> None:
    plain, step = supervised(build), Recorded(supervised(build))
    said = step.record(batches((6,))[0])
    assert said
    assert reason in said
    train(plain, batches((6,)), 10)
    train(step, batches((6,)), 10)
    assert_same(plain, step.step)


def test_a_network_that_keeps_what_it_saw_keeps_no_tensor_without_values() -> None:
    step = Recorded(supervised(Remembering))
    assert step.record(batches((6,))[0]) == ""
    assert step.step.model.last is None


def test_other_reasons() -> None:
    build, shape = NETWORKS["perceptron"]
    data = batches(shape)[0]

    class Mine(Supervised):
        pass

    model = build()
    mine = Mine(model, F.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1))
    assert "Mine" in Recorded(mine).record(data)
    hooked = supervised(build)
    hooked.model.register_forward_hook(lambda *_: None)
    assert "hooks" in Recorded(hooked).record(data)
    assert "beside tensors" in Recorded(supervised(build)).record((*data, "a word"))
    still = supervised(build)
    still.model.eval()
    assert "evaluation mode" in Recorded(still).record(data)
    assert "gradients of its own" in Recorded(supervised(build)).record((data[0].requires_grad_(), data[1]))


def test_a_wrong_gradient_is_seen_at_a_rate_that_hardly_moves_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(3, 2)
    step = Supervised(model, F.mse_loss, torch.optim.SGD(model.parameters(), lr=1e-12))
    trace = stepping.trace_step

    def with_another_slope(step: Supervised, batch: Any) -> Any:
        loss = step.loss
        step.loss = lambda outputs, targets: loss(outputs, targets) + 0.5 * (outputs - outputs.detach()).sum()
        try:
            return trace(step, batch)
        finally:
            step.loss = loss

    batch = torch.randn(4, 3), torch.randn(4, 2)
    assert Recorded(step).record(batch) == ""
    monkeypatch.setattr(stepping, "trace_step", with_another_slope)
    assert "a gradient differs" in Recorded(step).record(batch)
