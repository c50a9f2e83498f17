"""Programs that are not as the probe would like them: it goes on, says what it could not see, and raises no false alarm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Probe, Verdict, watch
from leadline.diagnose.kept_rows import as_rows

Step = Callable[[int], tuple[Any, Any, Any]]


def rows(count: int = 400, seed: int = 0) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] + x[:, 1] > 0).long()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))


def watched(
    model: nn.Module,
    told: Callable[[Tensor, Tensor, Tensor], tuple[Any, Any, Any]],
    *,
    steps: int = 70,
    size: int = 16,
    **given: Any,
) -> Probe:
    """A loop that tells the probe (loss, inputs, targets) in its own way."""
    x, y = rows()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    with watch(model, optimizer, share=0.9, **given) as probe:
        for step in range(steps):
            at = torch.arange(step * size, (step + 1) * size) % len(x)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[at]), y[at])
            loss.backward()
            optimizer.step()
            probe.step(*told(loss, x[at], y[at]))
    return probe


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], tuple[Any, Any, Any]]] = {
    "the loss as a number": lambda loss, x, y: (loss.item(), x, y),
    "a loss for each row": lambda loss, x, y: (loss.detach().expand(len(x)), x, y),
    "arrays": lambda loss, x, y: (loss, x.numpy(), y.numpy()),
    "lists": lambda loss, x, y: (loss, x, y.tolist()),
    "one row, its target a number": lambda loss, x, y: (loss, x[0], y[0]),
    "one row, its target of Python": lambda loss, x, y: (loss, x[0], int(y[0])),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_told_in_another_form_is_understood(way: str) -> None:
    probe = watched(network(), WAYS[way], loss=F.cross_entropy)
    assert len(probe.losses()) == 70
    verdict = probe.findings(confirm=0)
    assert "training rows" in verdict.outcome
    assert len(verdict.unchecked) == 1  # there are no held-out rows


@pytest.mark.parametrize("told", [None, "a text", torch.zeros(3)])
def test_rows_that_are_none_end_no_training_and_are_no_fault(told: Any) -> None:
    probe = watched(network(), lambda loss, x, y: (loss, x, told), loss=F.cross_entropy)
    verdict = probe.findings(confirm=0)
    assert verdict.healthy, str(verdict)
    assert any(each.startswith("rows: ") for each in verdict.unchecked)
    assert len(probe.readings.steps.samples) > 5


def test_rows_along_the_second_dimension_are_not_mistaken() -> None:
    with pytest.raises(ValueError, match="inputs of 5 rows, targets of 32"):
        as_rows(torch.zeros(5, 32, 6), torch.zeros(32))


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


class OfPairs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, given: Any) -> Any:
        return self.inner(torch.cat([given.left, given.right], 1) if isinstance(given, Pair) else given)


def test_inputs_with_names_keep_their_type() -> None:
    probe = watched(OfPairs(), lambda loss, x, y: (loss, Pair(x[:, :3], x[:, 3:]), y), loss=F.cross_entropy)
    assert "training rows" in probe.findings(confirm=0).outcome
    assert isinstance(probe.kept.rows().inputs, Pair)


def test_the_size_of_batches_is_known_where_targets_are_a_dict() -> None:
    probe = watched(
        network(),
        lambda loss, x, y: (loss, x, {"class": y}),
        loss=lambda outputs, told: F.cross_entropy(outputs, told["class"]),
    )
    probe.findings(confirm=0)
    assert probe.readings.program.batch == 16


def test_without_a_loss_function_a_sound_training_is_not_called_broken() -> None:
    x, y = rows(200, seed=1)
    probe = watched(network(), lambda loss, a, b: (loss, a, b), steps=400, size=32, valid=(x, y))
    verdict = probe.findings(confirm=0)
    assert verdict.healthy, str(verdict)
    assert any("the loss function is not known" in each for each in verdict.unchecked)
    assert probe.readings.last.valid is not None
    assert probe.readings.last.valid.loss is None


class Carrying(nn.Module):
    """Its state goes on from call to call, with its graph where nobody cut it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 2)
        self.state: Tensor | None = None
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        before = None if self.state is None or self.state.shape[1] != len(x) else self.state.detach()
        out, self.state = self.cell(x[:, None], before)
        return self.head(out[:, -1])  # type: ignore[no-any-return]


def test_a_carried_state_is_left_alone_and_is_no_mixing_of_rows() -> None:
    model, alone = Carrying(), Carrying()
    x, y = rows(200, seed=1)
    probe = watched(model, lambda loss, a, b: (loss, a, b), loss=F.cross_entropy, valid=(x, y))
    watched(alone, lambda loss, a, b: (loss, a, b))
    assert model.calls == alone.calls == 70
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), alone.parameters(), strict=True))
    verdict = probe.findings(confirm=0)
    assert "held-out rows" in verdict.outcome
    assert probe.readings.last.mixing == 0.0
    assert "input_ignored" not in [finding.kind for finding in verdict]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_a_hook_of_torch_makes_are_trained_in_copies_too() -> None:
    model = network()
    nn.utils.weight_norm(model[0])  # type: ignore[index]
    probe = watched(model, lambda loss, x, y: (loss, x, y), loss=F.cross_entropy)
    probe.findings(confirm=0)
    subject = probe.subject()
    assert subject is not None
    copied = subject.trained()
    F.cross_entropy(copied(rows()[0]), rows()[1]).backward()  # type: ignore[no-untyped-call]
    assert copied[0].weight_g.grad is not None  # type: ignore[index]
    assert "training rows" in str(probe.findings(confirm=0).outcome)


class Guarded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Any:
        return self.inner(x)

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("this network is one of a kind")


def test_a_network_that_cannot_be_copied_is_said() -> None:
    verdict = watched(Guarded(), lambda loss, x, y: (loss, x, y), loss=F.cross_entropy, valid=rows(64, 1)).findings(confirm=0)
    assert verdict.healthy
    assert sum("one of a kind" in each for each in verdict.unchecked) == 1  # though several checks failed


def test_a_probe_that_fails_lets_the_training_go_on() -> None:
    model, (x, y) = network(), rows()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, loss=F.cross_entropy) as probe:
        for step in range(4):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            if step == 2:
                optimizer.param_groups[0]["lr"] = "a text"
            probe.step(loss, x, y)
            optimizer.param_groups[0]["lr"] = 0.1
    assert any(each.startswith("steps after") for each in probe.missed)
    assert len(probe.losses()) == 4


def test_judging_rows_after_a_batch_is_no_training_in_evaluation_mode() -> None:
    x, y = rows()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    with watch(model, optimizer, loss=F.cross_entropy, share=0.9) as probe:
        for at in torch.randperm(400).split(32):
            model.train()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[at]), y[at])
            loss.backward()
            optimizer.step()
            model.eval()
            with torch.no_grad():
                model(x[:50])
            probe.step(loss, x[at], y[at])
    assert all(sample.training_mode and sample.graph for sample in probe.readings.steps.samples)


def test_a_backward_pass_for_each_of_two_optimizers_is_no_missing_zero() -> None:
    x, y = rows()
    one, two = nn.Linear(6, 2), nn.Linear(6, 2)
    model = nn.ModuleList([one, two])
    both = nn.Module()
    both.parts, both.forward = model, lambda which: model[which](x)
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (one, two)]
    with watch(both, optimizers, share=0.9) as probe:
        for _ in range(12):
            for optimizer in optimizers:
                optimizer.zero_grad()
            for which, optimizer in enumerate(optimizers):
                loss = F.cross_entropy(both(which), y)
                loss.backward()
                optimizer.step()
            probe.step(loss, x, y)
    assert not probe.not_zeroed


def test_a_penalty_on_the_network_itself_leaves_its_gradients_alone() -> None:
    model = network()

    def penalized(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets) + 1e-3 * sum(each.square().sum() for each in model.parameters())

    probe = watched(model, lambda loss, x, y: (loss, x, y), loss=penalized)
    before = [each.grad.clone() for each in model.parameters() if each.grad is not None]
    probe.findings(confirm=1)
    after = [each.grad for each in model.parameters() if each.grad is not None]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


class Noisy(torch.utils.data.Dataset[Any]):
    """Rows with noise of numpy, as an augmentation draws it."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, at: int) -> Any:
        return torch.from_numpy(np.random.normal(size=6)).float(), at % 2


def drawn_after(valid: Any, generator: torch.Generator, **given: Any) -> list[Any]:
    torch.manual_seed(3)
    np.random.seed(3)
    watched(network(), lambda loss, x, y: (loss, x, y), loss=F.cross_entropy, valid=valid, steps=4, **given)
    return [torch.rand(1).item(), np.random.rand(), torch.rand(1, generator=generator).item()]


def test_reading_held_out_batches_draws_no_random_number_of_the_persons() -> None:
    own = torch.Generator().manual_seed(5)
    loader = torch.utils.data.DataLoader(Noisy(), 16, shuffle=True, generator=torch.Generator().manual_seed(5))
    assert drawn_after(None, own) == drawn_after(loader, loader.generator)


def test_fit_with_a_loader_of_held_out_rows_gives_the_same_weights_with_a_probe() -> None:
    from leadline.runs import fit

    data = torch.utils.data.TensorDataset(*rows())
    found = []
    for diagnose in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        train, valid = (torch.utils.data.DataLoader(data, 50, shuffle=True) for _ in range(2))
        fit(model, train, valid=valid, epochs=2, device="cpu", diagnose=diagnose)
        found.append([each.detach().clone() for each in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_the_time_after_a_training_is_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from leadline.diagnose import probing
    from leadline.runs import fit

    given: list[float] = []
    monkeypatch.setattr(probing, "examine", lambda probe, *, seconds: given.append(seconds) or Verdict())
    history = fit(network(), rows(), epochs=1, device="cpu")
    now = probing.time.perf_counter
    monkeypatch.setattr(probing.time, "perf_counter", lambda: now() + 3600)
    assert history.findings is not None
    assert given == [20.0]


def test_a_step_that_fails_leaves_no_hook_behind() -> None:
    from leadline.runs import fit

    model = network()
    with pytest.raises(ZeroDivisionError):
        fit(model, rows(), loss=lambda outputs, targets: 1 / 0, epochs=1, device="cpu")
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(("kept", "cause"), [(True, "All rows"), (False, "So many rows")])
def test_a_large_batch_is_not_called_all_rows_where_there_may_be_more(kept: bool, cause: str) -> None:
    x, y = rows(600)
    more, targets = rows(9000, seed=2)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, loss=F.cross_entropy, share=0.9) as probe:
        for step in range(4):
            a, b = (x, y) if kept else (more[step * 2200 : (step + 1) * 2200], targets[step * 2200 : (step + 1) * 2200])
            optimizer.zero_grad()
            loss = F.cross_entropy(model(a), b)
            loss.backward()
            optimizer.step()
            probe.step(loss, a, b)
    probe.findings(confirm=0)
    from leadline.diagnose.rules.of_fit import bad_batches
    from leadline.diagnose.rules.outcomes import outcome_of

    (told,) = bad_batches(probe.readings, outcome_of(probe.readings))
    assert told.cause.startswith(cause)
    assert (probe.readings.program.epochs is None) is not kept


def test_weights_that_stay_are_seen_beside_frozen_ones() -> None:
    model, (x, y) = network(), rows()
    model[0].requires_grad_(False)  # type: ignore[index]
    optimizer = torch.optim.SGD([{"params": model[2].parameters(), "lr": 0.0}])  # type: ignore[index]
    with watch(model, optimizer, loss=F.cross_entropy, share=0.9) as probe:
        for _ in range(6):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            probe.step(loss, x, y)
    probe.findings(confirm=0)
    assert probe.readings.steps.not_updated == ["2.weight", "2.bias"]
