"""Small programs as people write them, sound and faulty: what the probe says in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.diagnose import Verdict, watch
from leadline.runs import fit


@dataclass
class Written:
    """A program: a classifier of two rings and what surrounds it."""

    model: nn.Module
    criterion: Any = field(default_factory=nn.CrossEntropyLoss)
    optimizer: Callable[[nn.Module], torch.optim.Optimizer] = lambda model: torch.optim.Adam(model.parameters(), 3e-3)
    epochs: int = 12
    zero: bool = True
    scale: float = 1.0
    pairing: int = 0


def rings(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 8, generator=random)
    return x, (x[:, :2].norm(dim=1) > 1.18).long()


def perceptron(*, activation: type[nn.Module] = nn.ReLU, depth: int = 2, end: nn.Module | None = None) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(8, 32), activation()]
    for _ in range(depth - 1):
        layers += [nn.Linear(32, 32), activation()]
    return nn.Sequential(*layers, nn.Linear(32, 2), *([end] if end is not None else []))


def verdict_on(program: Written) -> Verdict:
    x, y = rings(800, 0)
    x, valid = x * program.scale, rings(300, 1)
    y = y.roll(program.pairing)
    optimizer = program.optimizer(program.model)
    order = torch.Generator().manual_seed(0)
    with watch(
        program.model, optimizer, loss=program.criterion, valid=(valid[0] * program.scale, valid[1].roll(program.pairing))
    ) as probe:
        for _ in range(program.epochs):
            for chosen in torch.randperm(len(x), generator=order).split(32):
                if program.zero:
                    optimizer.zero_grad()
                loss = program.criterion(program.model(x[chosen]), y[chosen])
                loss.backward()
                optimizer.step()
                probe.step(loss, x[chosen], y[chosen])
    return probe.findings(confirm=3)


def zeroed() -> nn.Module:
    model = perceptron()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


FAULTS: dict[str, tuple[Callable[[], Written], str]] = {
    "rate × 300": (
        lambda: Written(perceptron(), optimizer=lambda model: torch.optim.Adam(model.parameters(), 1.0)),
        "rate_too_high",
    ),
    "rate ÷ 1000": (
        lambda: Written(perceptron(), optimizer=lambda model: torch.optim.Adam(model.parameters(), 3e-6)),
        "rate_too_low",
    ),
    "softmax before cross entropy": (lambda: Written(perceptron(end=nn.Softmax(1)), epochs=6), "head_or_loss_wrong"),
    "gradients not zeroed": (
        lambda: Written(perceptron(), zero=False, optimizer=lambda model: torch.optim.SGD(model.parameters(), 0.1)),
        "not_training",
    ),
    "inputs × 1000": (
        lambda: Written(perceptron(), scale=1e3, optimizer=lambda model: torch.optim.SGD(model.parameters(), 0.1)),
        "inputs_not_prepared",
    ),
    "weights of zero": (lambda: Written(zeroed()), "bad_initialization"),
    "targets of other rows": (lambda: Written(perceptron(), pairing=1), "input_ignored"),
    "no activation": (lambda: Written(perceptron(activation=nn.Identity)), "no_nonlinearity"),
    "a deep stack of sigmoids": (
        lambda: Written(
            perceptron(activation=nn.Sigmoid, depth=8), optimizer=lambda model: torch.optim.SGD(model.parameters(), 0.1)
        ),
        "vanishing_gradient",
    ),
    "last layer out of the optimizer": (
        lambda: Written(perceptron(), optimizer=lambda model: torch.optim.Adam(list(model.parameters())[-1:], 3e-3)),
        "not_training",
    ),
    "no number": (
        lambda: Written(perceptron(), criterion=lambda outputs, targets: (outputs[:, 0] * 1e30).square().mean() * 1e30),
        "non_finite",
    ),
}


def test_a_sound_program_is_called_healthy() -> None:
    verdict = verdict_on(Written(perceptron()))
    assert verdict.healthy, str(verdict)
    assert not verdict.unchecked


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_among_the_first_three(fault: str) -> None:
    made, kind = FAULTS[fault]
    verdict = verdict_on(made())
    assert kind in [finding.kind for finding in verdict[:3]], str(verdict)


def test_fit_tells_of_arrays_and_changes_no_weight() -> None:
    x, y = rings(600, 0)
    found = []
    for diagnose in (False, True):
        model = perceptron()
        history = fit(model, (x, y), valid=rings(200, 1), epochs=4, device="cpu", diagnose=diagnose)
        found.append([parameter.detach().clone() for parameter in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert isinstance(history.findings, Verdict)
    assert "held-out rows" in history.findings.outcome


def test_without_held_out_rows_it_says_what_it_could_not_check() -> None:
    x, y = rings(300, 0)
    history = fit(perceptron(), (x, y), epochs=2, device="cpu")
    assert any("held-out" in told for told in history.findings.unchecked)  # type: ignore[attr-defined]


def test_without_a_loss_function_it_says_what_it_could_not_check() -> None:
    x, y = rings(300, 0)
    model = perceptron()
    optimizer = torch.optim.Adam(model.parameters())
    with watch(model, optimizer) as probe:
        for a, b in zip(x.split(30), y.split(30), strict=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(a), b)
            loss.backward()
            optimizer.step()
            probe.step(loss, a, b)
    assert probe.findings(confirm=2).unchecked
