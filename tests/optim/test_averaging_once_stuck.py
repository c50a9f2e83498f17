"""Averaging begins when validation is stuck, is the mean of the weights since then, and survives a resumption."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.optim.averaging_once_stuck import AverageOnceStuck


class Counting:
    """A step that sets its one weight to 1, 2, 3 …"""

    rate = 0.25

    def __init__(self) -> None:
        self.model = nn.Linear(1, 1, bias=False)

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        with torch.no_grad():
            self.model.weight.fill_(float(batch))
        return {"loss": torch.zeros(())}

    def state(self) -> dict[str, Any]:
        return {"weight": self.model.weight.detach().clone()}

    def load(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            self.model.weight.copy_(state["weight"])

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def evaluating(self) -> Any:
        return torch.no_grad()


def weight(step: AverageOnceStuck) -> float:
    with step.evaluating():
        return float(step.modules()["model"].weight.item())  # type: ignore[operator,union-attr]


def test_the_mean_of_the_weights_since_then() -> None:
    step = AverageOnceStuck(Counting(), patience=1)
    for number in (1, 2, 3):
        step(number, None)
    assert weight(step) == 3
    for loss in (1.0, 0.9, 1.1, 1.2):
        step.told({"valid_loss": loss})
    assert step.averaging
    assert weight(step) == 3, "nothing was averaged yet"
    for number in (10, 20, 60):
        step(number, None)
    assert weight(step) == pytest.approx(30)
    assert step.step.model.weight.item() == 60  # type: ignore[attr-defined]
    assert step.rate == 0.25


@given(st.lists(st.floats(0, 10), max_size=12), st.integers(1, 4))
def test_it_begins_as_the_paper_says(losses: list[float], patience: int) -> None:
    step = AverageOnceStuck(Counting(), patience=patience)
    stuck = False
    for at, loss in enumerate(losses):
        step.told({"valid_loss": loss})
        stuck = stuck or (at > patience and loss > min(losses[: at - patience]))
        assert step.averaging == stuck


def test_it_goes_on_from_its_state() -> None:
    first, second = AverageOnceStuck(Counting(), patience=1), AverageOnceStuck(Counting(), patience=1)
    for loss in (1.0, 2.0):
        first.told({"valid_loss": loss})
    assert not first.averaging
    second.load(first.state())
    second.told({"valid_loss": 3.0})
    assert second.averaging
    second(4, None)
    third = AverageOnceStuck(Counting(), patience=1)
    third.load(second.state())
    third(8, None)
    assert weight(third) == pytest.approx(6)


def test_a_loss_that_is_no_number_is_no_best() -> None:
    step = AverageOnceStuck(Counting(), patience=1)
    step.told({"valid_loss": float("nan")})
    step.told({"valid_loss": 1.0})
    step.told({"valid_loss": 2.0})
    assert not step.averaging
    step.told({"valid_loss": float("nan")})
    assert step.averaging


def test_no_patience_is_refused() -> None:
    with pytest.raises(ArgumentError, match="patience before averaging"):
        AverageOnceStuck(Counting(), patience=0)
