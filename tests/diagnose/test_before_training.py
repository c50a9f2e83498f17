"""What is said before the first step: faults that are there by then, nothing of sound programs, and the network left alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import before_training, check
from leadline.diagnose.findings import Verdict
from leadline.diagnose.held_out import held_out_rows
from leadline.diagnose.rules.before import BEFORE
from leadline.errors import ArgumentError

Pair = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_training, "RATES", 0.3)


def rings(count: int = 400, *, seed: int = 0) -> Pair:
    """Inside or outside of a circle: a linear model finds nothing."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=random)
    return x, (x[:, :2].norm(dim=1) > 1.18).long()


def network(*, head: list[nn.Module] | None = None, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 32), activation(), nn.Linear(32, 32), activation(), nn.Linear(32, 2), *(head or []))


def checked(model: nn.Module, rows: Any = None, *, loss: Any = F.cross_entropy, rate: float = 3e-3, **more: Any) -> Verdict:
    optimizer = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=rate)
    given = {"optimizer": optimizer, "valid": rings(300, seed=1), **more}
    return check(model, rows or rings(), loss=loss, **given)


def kinds(verdict: Verdict) -> list[str]:
    return [finding.kind for finding in verdict]


def test_of_a_sound_network_nothing_is_found_and_nothing_is_promised() -> None:
    verdict = checked(network())
    assert (kinds(verdict), verdict.trained) == ([], False)
    assert str(verdict).startswith("Nothing wrong was found before the training. The best of the simple methods, ")
    assert "ealthy" not in str(verdict) + repr(verdict)
    assert "one batch by heart" in verdict.checked
    assert verdict.readings.drill.error < 0.05
    assert verdict.readings.steps.samples == []
    assert Verdict.from_json(verdict.to_json()) == verdict


class Functional(nn.Module):
    """Dropout as a function that always drops."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 32), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(F.dropout(F.relu(self.one(x)), 0.3))


def constant(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def with_gaps(rows: Pair) -> Pair:
    rows[0][7, 1] = float("nan")
    return rows


def negative_log(outputs: Tensor, targets: Tensor) -> Tensor:
    return -torch.log(outputs[:, 0]).mean()


FAULTS: dict[str, tuple[Callable[[], Verdict], str]] = {
    "softmax twice": (lambda: checked(network(head=[nn.Softmax(dim=1)])), "head_or_loss_wrong"),
    "wrong sign": (lambda: checked(network(), loss=lambda out, y: -F.cross_entropy(out, y)), "head_or_loss_wrong"),
    "no activation": (lambda: checked(network(activation=nn.Identity)), "no_nonlinearity"),
    "inputs a thousandfold": (
        lambda: checked(network(), (1e3 * rings()[0], rings()[1]), valid=(1e3 * rings(300, seed=1)[0], rings(300, seed=1)[1])),
        "inputs_not_prepared",
    ),
    "a gap": (lambda: checked(network(), with_gaps(rings())), "inputs_not_prepared"),
    "log of what is below 0": (lambda: checked(network(), loss=negative_log), "head_or_loss_wrong"),
    "weights of zero": (lambda: checked(constant(network())), "bad_initialization"),
    "training rows held out": (lambda: checked(network(), valid=tuple(part[:200] for part in rings())), "split_mismatch"),
    "dropout that always drops": (lambda: checked(Functional()), "mode_mismatch"),
    "rate too high": (lambda: checked(network(), rate=100.0, rates=True), "rate_too_high"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_that_are_there_before_the_first_step(name: str) -> None:
    verdict, kind = FAULTS[name][0](), FAULTS[name][1]
    assert kinds(verdict)[0] == kind
    assert verdict[0].cause
    assert verdict[0].remedy.says


def test_an_optimizer_that_lacks_parameters_or_holds_those_of_another_network() -> None:
    model = network()
    for held in (model[4].parameters(), copy.deepcopy(model).parameters()):
        verdict = check(model, rings(), loss=F.cross_entropy, optimizer=torch.optim.SGD(held, lr=0.1))
        assert kinds(verdict) == ["not_training"]
        assert verdict.unchecked == ("overfitting and the likeness of splits: there are no held-out rows",)


def test_the_advice_of_a_range_test_is_a_rate_at_which_it_learns() -> None:
    verdict = checked(network(), rate=1e-9, rates=True)
    rates = verdict.readings.rates
    assert rates.own == 1e-9
    assert f"{rates.recommended:g}" in verdict[0].remedy.says
    assert f"lr={rates.recommended:g}" in verdict[0].remedy.code
    model, (x, y) = network(), rings()
    optimizer = torch.optim.Adam(model.parameters(), lr=rates.recommended)
    for _ in range(12):
        for inputs, targets in zip(x.split(32), y.split(32), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
    x, y = rings(300, seed=1)
    assert (model(x).argmax(1) == y).float().mean() > 0.9


def test_network_gradients_optimizer_and_random_numbers_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2)).eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(*rings()), batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(3))
    model(torch.randn(3, 4)).sum().backward()
    state, gradient = copy.deepcopy(model.state_dict()), model[0].weight.grad.clone()
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), loader.generator.get_state()
    check(model, loader, loss=F.cross_entropy, optimizer=optimizer, valid=rings(300, seed=1), rates=True)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(model[0].weight.grad, gradient)
    assert (model.training, optimizer.state_dict()["state"]) == (False, {})
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert torch.equal(loader.generator.get_state(), before[2])


def test_what_finds_no_time_is_said() -> None:
    verdict = checked(network(head=[nn.Softmax(dim=1)]), seconds=0.0)
    assert (kinds(verdict), verdict.checked) == ([], ())
    assert len(verdict.unchecked) > 5
    assert all(each.endswith("there was no time") for each in verdict.unchecked)


def test_without_an_optimizer_what_depends_on_it_is_not_claimed() -> None:
    verdict = checked(network(), (1e3 * rings()[0], rings()[1]), optimizer=None, valid=None)
    assert kinds(verdict) == []
    assert [each.kind for each in verdict.remarks][:1] == ["inputs_not_prepared"]
    assert "trials of what is suspected: the optimizer is not known" in verdict.unchecked


def test_no_rule_that_needs_a_training_is_among_them() -> None:
    names = {rule.__name__ for rule in BEFORE}
    assert not names & {"stopped_too_early", "underfitting", "overfitting", "over_regularized", "rate_too_high", "oscillation"}


def test_mistakes_of_the_call() -> None:
    with pytest.raises(ArgumentError, match="nothing to check"):
        check(nn.ReLU(), rings(), loss=F.cross_entropy)
    with pytest.raises(ArgumentError, match="needs an optimizer"):
        check(network(), rings(), loss=F.cross_entropy, rates=True)
    with pytest.raises(ArgumentError, match="rows could not be read"):
        check(network(), (torch.zeros(3, 4), torch.zeros(5)), loss=F.cross_entropy)


def test_rows_of_a_long_sorted_loader_are_drawn_from_all_of_it() -> None:
    classes = torch.arange(6).repeat_interleave(1000)
    loader = DataLoader(TensorDataset(torch.zeros(6000, 2), classes), batch_size=64)
    rows = held_out_rows(loader, torch.device("cpu"))
    assert rows is not None
    assert len(rows) <= 2048
    assert rows.targets.unique().tolist() == [0, 1, 2, 3, 4, 5]
