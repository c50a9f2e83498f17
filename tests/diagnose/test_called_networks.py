"""Loops that give their network other things than they tell: the diagnosis does as they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Probe, watch
from leadline.diagnose.checks.input_columns import named_tensors
from leadline.diagnose.subject import GIVEN_ALONG, each_tensor
from leadline.diagnose.trials import branch

ROWS, HELD_OUT, BATCH = 48, 20, 16


@dataclass
class Loop:
    """How a loop goes: the network, what a batch of rows is told as, and the loss that it computes from what is told."""

    model: nn.Module
    loss_of: Callable[[nn.Module, Any, Any], Tensor]
    criterion: Any = F.cross_entropy
    inputs: Callable[[Tensor], Any] = lambda x: x
    targets: Callable[[Tensor], Any] = lambda y: y
    told: dict[str, Any] = field(default_factory=dict)


def drawn(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Six numbers a row, and its class."""
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] + x[:, 1] > 0).long()


def watched(loop: Loop, *, steps: int = 3, rate: float = 1e-2) -> Probe:
    (x, y), (xv, yv) = drawn(ROWS, 0), drawn(HELD_OUT, 1)
    optimizer = torch.optim.Adam(loop.model.parameters(), rate)
    valid = loop.inputs(xv), loop.targets(yv)
    with watch(loop.model, optimizer, loss=loop.criterion, valid=valid, share=0.9, **loop.told) as probe:
        for step in range(steps):
            at = torch.arange(step * BATCH, (step + 1) * BATCH) % ROWS
            inputs, targets = loop.inputs(x[at]), loop.targets(y[at])
            optimizer.zero_grad()
            loss = loop.loss_of(loop.model, inputs, targets)
            loss.backward()
            optimizer.step()
            probe.step(loss, inputs, targets)
    return probe


class Two(nn.Module):
    """Takes two parts of a row, and a factor."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, first: Tensor, second: Tensor, factor: float = 1.0) -> Tensor:
        return self.left(first) + factor * self.right(second)  # type: ignore[no-any-return]


class Answering(nn.Module):
    """As models of language do: by names, with the loss among the answers where it gets labels."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 2)

    def forward(self, values: Tensor, mask: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.inner(values * mask)
        return {"logits": logits} if labels is None else {"loss": F.cross_entropy(logits, labels), "logits": logits}


class Recurrent(nn.Module):
    """Reads six steps of one number, with the first dimension that of the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRU(1, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        out, state = self.cell(x, state)
        return self.head(out), state


class Forced(nn.Module):
    """An encoder and a decoder that reads the answer so far."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(4, 5)
        self.encoder, self.decoder = nn.GRU(1, 5, batch_first=True), nn.GRU(5, 5, batch_first=True)
        self.head = nn.Linear(5, 4)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        state = self.encoder(source.unsqueeze(-1))[1]
        return self.head(self.decoder(self.words(target), state)[0])  # type: ignore[no-any-return]


class Lengths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 2)

    def forward(self, x: Tensor, lengths: list[int]) -> Tensor:
        assert isinstance(lengths, list)
        sums = torch.stack([row[:length].sum() for row, length in zip(x, lengths, strict=True)])
        return self.head(sums[:, None])  # type: ignore[no-any-return]


def translated(y: Tensor) -> Tensor:
    """A beginning, and two words for each class."""
    return torch.stack([torch.full_like(y, 3), y, 1 - y], 1)


def linear(outputs: int = 2) -> nn.Module:
    return nn.Linear(6, outputs)


def flat_loss(model: nn.Module, x: Any, y: Any) -> Tensor:
    return F.cross_entropy(model(x.view(len(x), -1)), y)


LOOPS: dict[str, Callable[[], Loop]] = {
    "flattened": lambda: Loop(linear(), flat_loss, inputs=lambda x: x.reshape(-1, 2, 3)),
    "a dimension more": lambda: Loop(
        nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)),
        lambda model, x, y: F.cross_entropy(model(x.unsqueeze(1)), y),
    ),
    "permuted": lambda: Loop(
        nn.Sequential(nn.Flatten(), linear()),
        lambda model, x, y: F.cross_entropy(model(x.permute(0, 2, 1)), y),
        inputs=lambda x: x.reshape(-1, 2, 3),
    ),
    "bytes, scaled": lambda: Loop(
        linear(),
        lambda model, x, y: F.cross_entropy(model((x.float() / 255 - 0.5) / 0.5), y),
        inputs=lambda x: (x.clamp(-2, 2) * 60 + 120).byte(),
    ),
    "standardized by column": lambda: Loop(
        linear(),
        lambda model, x, y: F.cross_entropy(model((x - torch.arange(6.0)) / torch.arange(1.0, 7.0)), y),
        inputs=lambda x: x * torch.arange(1.0, 7.0) + torch.arange(6.0),
    ),
    "two arguments": lambda: Loop(
        Two(), lambda model, x, y: F.cross_entropy(model(*x), y), inputs=lambda x: (x[:, :3], x[:, 3:])
    ),
    "names and a number": lambda: Loop(
        Two(),
        lambda model, x, y: F.cross_entropy(model(x["a"], second=x["b"], factor=0.5), y),
        inputs=lambda x: {"b": x[:, 3:], "a": x[:, :3]},
    ),
    "a batch of names": lambda: Loop(
        Answering(),
        lambda model, x, y: F.cross_entropy(model(**x)["logits"], y),
        inputs=lambda x: {"values": x, "mask": (x > -1).float()},
    ),
    "a mask of ones": lambda: Loop(Answering(), lambda model, x, y: F.cross_entropy(model(x, torch.ones_like(x))["logits"], y)),
    "steps first, a first state, the last step": lambda: Loop(
        Recurrent(),
        lambda model, x, y: F.cross_entropy(model(x.transpose(0, 1), torch.zeros(1, len(x), 5))[0][-1], y),
        inputs=lambda x: x.unsqueeze(-1),
    ),
    "a decoder that is forced": lambda: Loop(
        Forced(),
        lambda model, x, y: F.cross_entropy(model(x, y[:, :-1]).reshape(-1, 4), y[:, 1:].reshape(-1)),
        targets=translated,
    ),
    "a list of lengths": lambda: Loop(
        Lengths(),
        lambda model, x, y: F.cross_entropy(model(*x), y),
        inputs=lambda x: (x, (x[:, 2] > 0).long().add(2).tolist()),
    ),
    "one output, squeezed, against numbers": lambda: Loop(
        linear(1),
        lambda model, x, y: F.binary_cross_entropy_with_logits(model(x).squeeze(1), y.float()),
        F.binary_cross_entropy_with_logits,
    ),
    "targets as a column": lambda: Loop(
        linear(1), lambda model, x, y: F.mse_loss(model(x), y.float().unsqueeze(1)), nn.MSELoss()
    ),
    "a sigmoid in the loop": lambda: Loop(
        linear(1), lambda model, x, y: F.binary_cross_entropy(torch.sigmoid(model(x))[:, 0], y.float()), nn.BCELoss()
    ),
    "one-hot targets": lambda: Loop(
        linear(), lambda model, x, y: F.mse_loss(model(x).softmax(1), F.one_hot(y, 2).float()), F.mse_loss
    ),
    "said by the person": lambda: Loop(
        Two(),
        lambda model, x, y: F.cross_entropy(torch.relu(model(x[:, :3], x[:, 3:], 2.0)), y),
        told={"call": lambda model, x: torch.relu(model(x[:, :3], x[:, 3:], 2.0))},
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_the_loss_of_the_kept_rows_is_the_loops_own(name: str) -> None:
    torch.manual_seed(0)
    loop = LOOPS[name]()
    probe = watched(loop)
    subject = probe.subject()
    assert subject is not None
    assert subject.valid is not None
    assert not probe.missed
    for rows, (x, y) in ((subject.train, drawn(ROWS, 0)), (subject.valid, drawn(HELD_OUT, 1))):
        expected = loop.loss_of(loop.model, loop.inputs(x), loop.targets(y)).item()
        assert subject.loss_of(subject.trained(), rows) == pytest.approx(expected, rel=1e-4)
        answers = subject.outputs(subject.trained(), rows, size=7)
        assert len(answers) == len(rows)  # parts are put together
    assert len(subject.train) == ROWS


def test_what_a_decoder_is_forced_to_read_is_no_input_to_learn_from() -> None:
    subject = watched(LOOPS["a decoder that is forced"]()).subject()
    assert subject is not None
    assert list(subject.train.inputs) == ["source", GIVEN_ALONG]
    assert [name for name, _ in named_tensors(subject.train.inputs)] == ["source"]


def test_labels_among_the_inputs_are_no_columns() -> None:
    """Or else a simple method would be right for all rows, and any network worse than it."""
    loop = Loop(
        Answering(),
        lambda model, x, y: model(**x)["loss"],
        lambda outputs, y: outputs["loss"],
        inputs=lambda x: {"values": x, "mask": torch.ones_like(x), "labels": (x[:, 0] + x[:, 1] > 0).long()},
    )
    verdict = watched(loop, steps=150, rate=3e-2).findings(confirm=0)
    assert verdict.healthy, str(verdict)
    assert "held-out rows" in verdict.outcome


class Embedded(nn.Module):
    """Outside of it something is drawn, and an embedding is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)  # type: ignore[no-any-return]


def test_where_the_loop_makes_what_the_network_gets_rows_of_it_are_kept() -> None:
    torch.manual_seed(0)
    table = torch.randn(6, 8)
    loop = Loop(Embedded(), lambda model, x, y: F.cross_entropy(model(torch.tanh(x @ table)), y))
    probe = watched(loop)
    subject = probe.subject()
    assert subject is not None
    assert subject.train.inputs.shape == (ROWS, 8)
    assert subject.valid is None
    assert len([each for each in probe.missed if "held-out rows" in each and "call=" in each]) == 1


def test_rows_that_are_changed_at_random_are_taken_as_they_are_told() -> None:
    torch.manual_seed(0)
    loop = Loop(linear(), lambda model, x, y: F.cross_entropy(model(x + 0.3 * torch.randn_like(x)), y))
    subject = watched(loop).subject()
    assert subject is not None
    assert torch.equal(subject.train.inputs, drawn(ROWS, 0)[0])
    assert subject.valid is not None


def test_held_out_rows_that_are_in_the_networks_form_already_stay_in_it() -> None:
    x, y = drawn(ROWS, 0)
    model = linear()
    optimizer = torch.optim.Adam(model.parameters())
    with watch(model, optimizer, loss=F.cross_entropy, valid=(x, y)) as probe:
        told = x.reshape(-1, 2, 3)
        loss = F.cross_entropy(model(told.flatten(1)), y)
        loss.backward()
        optimizer.step()
        probe.step(loss, told, y)
    subject = probe.subject()
    assert subject is not None
    assert subject.valid is not None
    assert torch.equal(subject.valid.inputs, x)


def test_a_call_that_reaches_for_the_persons_own_network_is_refused() -> None:
    model = linear()
    loop = Loop(model, lambda _, x, y: F.cross_entropy(model(x), y), told={"call": lambda _, x: model(x)})
    probe = watched(loop)
    before = each_tensor(dict(model.named_parameters()), lambda part: part.detach().clone())
    verdict = probe.findings(confirm=1)
    assert "could not be judged" in verdict.outcome
    assert any("call" in each for each in verdict.unchecked)
    assert all(torch.equal(before[name], part) for name, part in model.named_parameters())


@pytest.mark.parametrize("name", ["two arguments", "a decoder that is forced", "bytes, scaled"])
def test_a_sound_loop_is_called_sound(name: str) -> None:
    torch.manual_seed(0)
    verdict = watched(LOOPS[name](), steps=200, rate=3e-2).findings(confirm=0)
    assert verdict.healthy, str(verdict)
    assert "held-out rows" in verdict.outcome
    assert not verdict.unchecked


def test_trials_call_the_network_as_the_loop_does() -> None:
    torch.manual_seed(0)
    probe = watched(LOOPS["two arguments"](), steps=40, rate=1e-5)
    probe.findings(confirm=0)
    subject = probe.subject()
    assert subject is not None
    subject.task, subject.classes = "classes", 2
    tried = branch(subject, "rate", 3000.0, steps=40, readings=probe.readings)
    assert tried is not None
    assert tried.gain > 2 * tried.gain_se


def test_several_passes_a_step_are_said_where_the_network_then_cannot_be_called() -> None:
    loop = Loop(
        nn.Linear(3, 4),
        lambda model, x, y: (model(x[0]) - model(x[1])).square().mean() + 0 * y.sum(),
        lambda outputs, y: outputs.square().mean(),
        inputs=lambda x: (x[:, :3], x[:, 3:]),
    )
    verdict = watched(loop).findings(confirm=0)
    assert verdict.healthy
    assert any("several times a step" in each and "call=" in each for each in verdict.unchecked)
