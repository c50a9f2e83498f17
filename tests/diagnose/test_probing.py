"""The probe: it hears what goes on, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.diagnose.probing import Probe, watch
from leadline.diagnose.watched_steps import WatchedStep
from leadline.errors import ArgumentError
from leadline.training import Supervised, run_loop


def rows() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(300, 6, generator=random)
    return inputs, (inputs[:, 0] + inputs[:, 1] > 0).long()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 2)
    )


def hand_made(
    model: nn.Module, *, watched: bool, zero: bool = True, before: bool = False, epochs: int = 3, train: bool = True
) -> Probe:
    """A loop as a person writes it; `before` tells the probe between the backward pass and the update."""
    inputs, targets = rows()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    probe = watch(model, optimizer, loss=criterion, valid=(inputs[:100], targets[:100]), share=0.99)
    model.train(train)
    if watched:
        probe.__enter__()
    for _ in range(epochs):
        for chosen in torch.randperm(300).split(32):
            if zero:
                optimizer.zero_grad()
            loss = criterion(model(inputs[chosen]), targets[chosen])
            loss.backward()
            if watched and before:
                probe.step(loss, inputs[chosen], targets[chosen])
            optimizer.step()
            if watched and not before:
                probe.step(loss, inputs[chosen], targets[chosen])
    probe.end()
    return probe


@pytest.mark.parametrize("before", [False, True])
def test_the_weights_and_random_numbers_are_the_same_to_the_bit(before: bool) -> None:
    states, drawn, buffers = [], [], []
    for watched in (False, True):
        model = network()
        hand_made(model, watched=watched, before=before)
        states.append([parameter.detach().clone() for parameter in model.parameters()])
        buffers.append([buffer.clone() for buffer in model.buffers()])
        drawn.append(torch.rand(3))
    assert all(torch.equal(one, other) for one, other in zip(*states, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(*buffers, strict=True))
    assert torch.equal(*drawn)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("zero", [False, True])
def test_gradients_that_are_not_zeroed_are_seen(before: bool, zero: bool) -> None:
    probe = hand_made(network(), watched=True, zero=zero, before=before)
    assert probe.not_zeroed == (0.0 if zero else 1.0)


def test_gradients_added_up_over_batches_on_purpose_are_no_missing_zero() -> None:
    model, (inputs, targets) = network(), rows()
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=0.05), nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, share=0.99) as probe:
        for number, (x, y) in enumerate(zip(inputs.split(10), targets.split(10), strict=True)):
            loss = criterion(model(x), y)
            loss.backward()
            if number % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
            probe.step(loss, x, y)
    assert not probe.not_zeroed


def test_hooks_are_gone_afterwards() -> None:
    model = network()
    hand_made(model, watched=True)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_modes_are_seen_and_left_alone() -> None:
    trained, evaluated = hand_made(network(), watched=True), hand_made(network(), watched=True, train=False)
    assert all(sample.training_mode for sample in trained.readings.steps.samples)
    assert not any(sample.training_mode for sample in evaluated.readings.steps.samples)


def test_what_is_heard_is_what_is_computed_by_hand() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight.fill_(0.1)
        model[0].bias.copy_(torch.tensor([-1e3, -1e3, 0.0, 0.0]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    inputs, targets = torch.ones(8, 3), torch.full((8, 1), 2.0)
    with watch(model, optimizer, loss=nn.functional.mse_loss) as probe:
        before = model[0].weight.detach().clone()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        gradient = model[0].weight.grad
        assert gradient is not None
        optimizer.step()
        probe.step(loss, inputs, targets)
    sample = probe.readings.steps.samples[0]
    assert sample.dead == {"0": 0.5}
    assert sample.gradient[0] == pytest.approx(gradient.norm().item())
    assert sample.weight[0] == pytest.approx(before.norm().item())
    assert sample.update[0] == pytest.approx((model[0].weight - before).norm().item(), rel=1e-5)


def test_activations_that_are_functions_are_seen() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden: Tensor = torch.relu(self.first(x) - 0.0)
            return self.last(torch.sigmoid(self.second(torch.flatten(hidden, 1))))  # type: ignore[no-any-return]

    model = Functional()
    with torch.no_grad():
        model.second.bias.fill_(50.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer) as probe:
        loss = model(torch.randn(8, 3)).square().mean()
        loss.backward()
        optimizer.step()
        probe.step(loss, torch.randn(8, 3), torch.randn(8))
    assert probe.readings.steps.samples[0].saturated == {"second": 1.0}


def test_rows_that_come_round_are_counted() -> None:
    probe = hand_made(network(), watched=True, epochs=8)
    assert len(probe.kept.rows()) == 300
    assert probe.kept.distinct == 300


@pytest.mark.parametrize("kind", ["lbfgs", "two optimizers", "tied", "called twice"])
def test_unusual_programs_are_watched(kind: str) -> None:
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)
    model: nn.Module = (
        nn.Sequential(shared, nn.Tanh(), shared, nn.Tanh(), nn.Linear(6, 2)) if kind in ("tied", "called twice") else network()
    )
    inputs, targets = rows()
    criterion = nn.CrossEntropyLoss()
    optimizers: list[Any] = [torch.optim.SGD(model.parameters(), lr=0.05)]
    if kind == "lbfgs":
        optimizers = [torch.optim.LBFGS(model.parameters(), lr=0.1)]
    if kind == "two optimizers":
        parameters = list(model.parameters())
        optimizers = [torch.optim.SGD(parameters[:2], lr=0.05), torch.optim.Adam(parameters[2:])]
    with watch(model, optimizers, loss=criterion, share=0.99) as probe:
        for x, y in zip(inputs.split(50), targets.split(50), strict=True):

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                for optimizer in optimizers:
                    optimizer.zero_grad()
                loss: Tensor = criterion(model(x), y)
                loss.backward()
                return loss

            if kind == "lbfgs":
                loss = optimizers[0].step(closure)
            else:
                loss = closure()
                for optimizer in optimizers:
                    optimizer.step()
            probe.step(loss, x, y)
    last = probe.readings.steps.samples[-1]
    names = [name for name, _ in model.named_parameters()]
    before_norm = "0.bias" if kind in ("lbfgs", "two optimizers") else ""  # which has no gradient but rounding
    assert all(
        update is not None and update > 0 for update, name in zip(last.update, names, strict=True) if name != before_norm
    )


def test_the_loop_with_a_probe_gives_the_same_weights() -> None:
    inputs, targets = rows()
    batches = [(x, y) for x, y in zip(inputs.split(32), targets.split(32), strict=True)]
    found = []
    for watched in (False, True):
        model = network()
        optimizer = torch.optim.Adam(model.parameters())
        step: Any = Supervised(model, nn.functional.cross_entropy, optimizer)
        if watched:
            step = WatchedStep(
                step, Probe(model, (optimizer,), loss=nn.functional.cross_entropy, valid=(inputs, targets), share=0.99)
            )
        run_loop(step, batches, epochs=3)
        found.append([parameter.detach().clone() for parameter in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_nothing_to_watch_is_said() -> None:
    with pytest.raises(ArgumentError, match="nothing to watch"):
        watch(nn.ReLU(), torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1))
    model = network()
    with pytest.raises(ArgumentError, match="saw no step"):
        watch(model, torch.optim.SGD(model.parameters(), lr=0.1)).findings()
