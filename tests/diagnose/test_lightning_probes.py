"""The callback for Lightning, told of batches as its trainer does it: Lightning itself is not among what the tests install."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from leadline.diagnose import lightning_callback
from leadline.errors import ArgumentError

CROSS = functional.cross_entropy


@pytest.fixture(autouse=True)
def lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of Lightning as a callback needs."""
    callbacks = ModuleType("lightning.pytorch.callbacks")
    callbacks.Callback = object  # type: ignore[attr-defined]
    for name, module in (("lightning", ModuleType("lightning")), ("lightning.pytorch", ModuleType("lightning.pytorch"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "lightning.pytorch.callbacks", callbacks)


class Whole(nn.Module):
    """Calls itself; its optimization is automatic."""

    automatic_optimization = True

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, inputs: Tensor) -> Any:
        return self.network(inputs)

    def training_step(self, batch: Any) -> Any:
        return CROSS(self(batch[0]), batch[1])


class Inference(Whole):
    """Calls its network; what it does when it is called itself is for use afterwards."""

    def forward(self, inputs: Tensor) -> Any:
        return self.network(inputs).softmax(1)

    def training_step(self, batch: Any) -> Any:
        return {"loss": CROSS(self.network(batch[0]), batch[1])}


class Parts(Whole):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = self.network[:2], self.network[2]
        del self.network

    def training_step(self, batch: Any) -> Any:
        return CROSS(self.head(self.body(batch[0])), batch[1])


class Silent(Whole):
    """Manual optimization that returns nothing."""

    automatic_optimization = False


def pairs() -> list[Any]:
    torch.manual_seed(1)
    inputs = torch.randn(96, 4)
    return list(zip(inputs.split(16), (inputs[:, 0] > 0).long().split(16), strict=True))


def fit(module: Any, callback: Any, batches: list[Any], *, epochs: int = 4, accumulate: int = 1, scaled: bool = False) -> None:
    """In the order of Lightning 2.6: the loss is told divided and scaled before the backward pass, detached after it."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    precision = SimpleNamespace(convert_input=lambda rows: rows, **({"scaler": object()} if scaled else {}))
    trainer = SimpleNamespace(optimizers=[optimizer], accumulate_grad_batches=accumulate, precision_plugin=precision)

    def hear(event: str, *told: Any) -> None:
        if callback is not None:
            getattr(callback, event)(trainer, module, *told)

    hear("on_train_start")
    try:
        for number, batch in enumerate(batches * epochs):
            hear("on_train_batch_start", batch, number)
            returned = module.training_step(batch)
            loss = (returned["loss"] if isinstance(returned, dict) else returned) / accumulate
            if number % accumulate == 0:
                optimizer.zero_grad()
            scale = 1024.0 if scaled else 1.0
            hear("on_before_backward", loss * scale)
            loss.backward()
            if (number + 1) % accumulate == 0:
                optimizer.step()
            outputs = {"loss": loss.detach()} if module.automatic_optimization else {}
            hear("on_train_batch_end", outputs, batch, number)
    except BaseException as error:
        hear("on_exception", error)
        raise
    hear("on_train_end")


def hooks_of(module: nn.Module) -> int:
    return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in module.modules())


@pytest.mark.parametrize("kind", [Whole, Inference, Silent])
def test_the_network_that_is_called_is_watched_and_stays_as_it_would_be(kind: type[Any]) -> None:
    module, alone = kind(), kind()
    callback = lightning_callback(loss=CROSS)
    fit(module, callback, pairs())
    fit(alone, None, pairs())
    for name, value in module.state_dict().items():
        assert torch.equal(value, alone.state_dict()[name])
    verdict = callback.findings(confirm=0)
    assert "head_or_loss_wrong" not in [finding.kind for finding in verdict]
    assert verdict.outcome.startswith("Right for ")
    assert callback.probe.count == 24
    assert hooks_of(module) == 0


def test_the_loss_is_that_of_a_batch_also_where_it_is_scaled_or_divided() -> None:
    told = []
    for more in ({}, {"accumulate": 3}, {"scaled": True}, {"accumulate": 3, "scaled": True}):
        callback = lightning_callback(loss=CROSS)
        fit(Whole(), callback, pairs(), epochs=1, **more)  # type: ignore[arg-type]
        told.append(callback.probe.losses()[0])
    assert told == pytest.approx([told[0]] * 4)


def test_of_several_parts_it_must_be_said_how_they_are_called() -> None:
    module = Parts()
    callback = lightning_callback(loss=CROSS)
    fit(module, callback, pairs())
    assert any("several parts of the module: call=" in each for each in callback.findings(confirm=0).unchecked)
    callback = lightning_callback(loss=CROSS, call=lambda own, inputs: own.head(own.body(inputs)))
    fit(module, callback, pairs())
    assert callback.findings(confirm=0).outcome.startswith("Right for ")


def test_a_batch_that_is_no_pair_needs_a_word_and_leaves_no_hook() -> None:
    batches = [{"x": x, "y": y} for x, y in pairs()]
    module = Whole()
    module.training_step = lambda batch: CROSS(module(batch["x"]), batch["y"])  # type: ignore[method-assign]
    with pytest.raises(ArgumentError, match="dict with x, y.*pair=lambda"):
        fit(module, lightning_callback(loss=CROSS), batches)
    assert hooks_of(module) == 0
    callback = lightning_callback(loss=CROSS, pair=lambda batch: (batch["x"], batch["y"]))
    fit(module, callback, batches)
    assert callback.findings(confirm=0).outcome.startswith("Right for ")


def test_without_a_loss_there_is_nothing_to_say() -> None:
    callback, module = lightning_callback(), Silent()
    with pytest.raises(ArgumentError, match=r"trainer\.fit"):
        callback.findings()
    trainer = SimpleNamespace(optimizers=[], accumulate_grad_batches=1, precision_plugin=SimpleNamespace())
    callback.on_train_start(trainer, module)
    for _ in range(2):  # from two losses, as of a generator and its rival
        callback.on_before_backward(trainer, module, torch.ones(()))
    callback.on_train_batch_end(trainer, module, {}, pairs()[0], 0)
    callback.on_train_end(trainer, module)
    with pytest.raises(ArgumentError, match="Return from training_step"):
        callback.findings()
    assert hooks_of(module) == 0
