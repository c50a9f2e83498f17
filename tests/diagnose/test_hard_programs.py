"""Compiled modules, mixed precision, checkpointed layers, batches that come once: same weights, and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from leadline.diagnose import Probe, watch

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch says of its own compiler


def rows(count: int = 600, seed: int = 0) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] + x[:, 1] > 0).long()


class Checkpointed(nn.Module):
    """Its hidden layer is computed again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Sequential(nn.Linear(6, 16), nn.ReLU()), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.hidden, x, use_reentrant=False))  # type: ignore[no-any-return]


class Bent(torch.autograd.Function):
    """A rectifier of somebody's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * (ctx.saved_tensors[0] > 0)


class OwnFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(6, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(Bent.apply(self.hidden(x)))  # type: ignore[no-any-return]


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))


def compiled() -> nn.Module:
    return torch.compile(plain(), backend="eager")  # type: ignore[no-any-return]


def scripted() -> nn.Module:
    return torch.jit.script(plain())  # type: ignore[no-any-return, no-untyped-call]


def normed() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 16)), nn.ReLU(), nn.Linear(16, 2))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "compiled": compiled,
    "scripted": scripted,
    "mixed precision": plain,
    "checkpointed": Checkpointed,
    "own autograd function": OwnFunction,
    "weights made of others": normed,
    "parallel": lambda: nn.DataParallel(plain()),
    "double precision": lambda: plain().double(),
}


def trained(name: str, *, listens: bool, valid: Any = None) -> tuple[nn.Module, Probe | None]:
    torch.manual_seed(0)
    model = NETWORKS[name]()
    x, y = rows()
    if name == "double precision":
        x = x.double()
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    place: AbstractContextManager[Any] = nullcontext()
    probe = None
    if listens:
        place = probe = watch(model, optimizer, loss=F.cross_entropy, valid=valid, share=0.9)
    with place:
        for _ in range(8):
            for inputs, targets in zip(x.split(50), y.split(50), strict=True):
                optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=name == "mixed precision"):
                    loss = F.cross_entropy(model(inputs), targets)
                loss.backward()
                optimizer.step()
                if probe is not None:
                    probe.step(loss, inputs, targets)
    return model, probe


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_weights_and_no_false_alarm(name: str) -> None:
    x, y = rows(seed=1)
    valid = (x.double() if name == "double precision" else x, y)
    (alone, _), (beside, probe) = trained(name, listens=False), trained(name, listens=True, valid=valid)
    assert all(torch.equal(one, other) for one, other in zip(alone.parameters(), beside.parameters(), strict=True))
    assert probe is not None
    verdict = probe.findings(confirm=0.3)
    assert verdict.healthy, (str(verdict), verdict.unchecked)
    assert "held-out rows" in verdict.outcome, verdict.unchecked
    assert all(torch.equal(one, other) for one, other in zip(alone.parameters(), beside.parameters(), strict=True))


def test_held_out_batches_that_come_once_are_used_once() -> None:
    x, y = rows(seed=1)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(x.split(100), y.split(100), strict=True)

    _, probe = trained("mixed precision", listens=True, valid=batches())
    assert probe is not None
    verdict = probe.findings(confirm=0)
    assert verdict.healthy, str(verdict)
    assert "held-out rows" in verdict.outcome


def test_training_batches_that_come_once_are_enough() -> None:
    torch.manual_seed(0)
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def stream() -> Iterator[tuple[Tensor, Tensor]]:
        for number in range(200):
            yield rows(32, seed=number + 10)

    with watch(model, optimizer, loss=F.cross_entropy, valid=rows(seed=1)) as probe:
        for inputs, targets in stream():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            probe.step(loss, inputs, targets)
    verdict = probe.findings(confirm=0.3)
    assert verdict.healthy, str(verdict)
