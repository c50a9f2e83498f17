"""What is told of trainings that fail at once: it names what was seen, and each thing once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Verdict, watch
from leadline.diagnose.checklists import Checklist
from leadline.diagnose.readings import Readings
from leadline.diagnose.subject import Rows, Subject
from leadline.diagnose.trials.branching import branch


class TwoHeads(nn.Module):
    """Two numbers of one row, and how far each is trusted."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(3, 1), nn.Linear(3, 1)
        self.trust = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.one(x), self.other(x)


@pytest.mark.parametrize("cut", [True, False])
def test_losses_in_a_new_tensor_reach_no_layer(cut: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(120, 3)
    model = TwoHeads()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with watch(model, optimizer) as probe:
        for rows in x.repeat(4, 1).split(20):
            losses = [F.mse_loss(each, rows[:, :1]) for each in model(rows)]
            both = torch.tensor([each.item() for each in losses]) if cut else torch.stack(losses)
            loss = (both * torch.exp(-model.trust) + model.trust).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, rows, rows[:, :1])
    verdict = probe.findings(confirm=0)
    assert ["No layer got a gradient" in each.cause for each in verdict if each.kind == "not_training"] == (
        [True] if cut else []
    )


def failed_at_once(loss: object, x: Tensor) -> Verdict:
    torch.manual_seed(0)
    model = nn.Linear(x.shape[1], 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watch(model, optimizer, loss=loss) as probe:  # type: ignore[arg-type]
        for rows in x.split(10):
            value = loss(model(rows), rows[:, :1])  # type: ignore[operator]
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            probe.step(value, rows, rows[:, :1])
    return probe.findings(confirm=0)


def test_a_first_loss_that_is_no_number_is_no_weight_s_fault() -> None:
    verdict = failed_at_once(lambda out, y: (1e4 * out.abs() + 1e3).exp().mean() - y.mean(), torch.randn(60, 3) + 5)
    assert "very first loss" in next(each.cause for each in verdict if each.kind == "non_finite")


def test_shapes_that_broadcast_are_those_of_the_batch() -> None:
    verdict = failed_at_once(lambda out, y: (out - y.squeeze(1)).square().mean(), torch.randn(60, 3))
    assert "Outputs [10, 1] meet targets [10]" in verdict[0].cause


def test_what_fails_for_one_reason_is_told_once() -> None:
    readings = Readings()
    checks = Checklist(readings)
    for name in ("outputs", "first step", "outputs"):
        checks.run(name, lambda: [][1], again=True)
    checks.run("head", lambda: 1 / 0)
    assert readings.unchecked == ["outputs, first step: list index out of range", "head: division by zero"]


class Likes(nn.Module):
    """Who likes what, by the product of two vectors."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.people, self.things = nn.Embedding(30, 8), nn.Embedding(40, 8)
        for table in (self.people, self.things):
            nn.init.normal_(table.weight, std=spread)

    def forward(self, pair: Tensor) -> Tensor:
        return (self.people(pair[:, 0]) * self.things(pair[:, 1])).sum(1)


@pytest.mark.parametrize(("spread", "kinds"), [(1.0, ["bad_initialization"]), (0.1, [])])
def test_embeddings_that_begin_wide_are_told_and_names_are_not_said_to_be_shuffled(spread: float, kinds: list[str]) -> None:
    torch.manual_seed(0)
    pairs = torch.cartesian_prod(torch.arange(30), torch.arange(40))[torch.randperm(1200)]
    rating = 0.7 * (torch.randn(30, 2)[pairs[:, 0]] * torch.randn(40, 2)[pairs[:, 1]]).sum(1)
    model = Likes(spread)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with watch(model, optimizer, loss=F.mse_loss, valid=(pairs[900:], rating[900:])) as probe:
        for at in torch.arange(900).repeat(8).split(50):
            loss = F.mse_loss(model(pairs[at]), rating[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, pairs[at], rating[at])
    found = [each.kind for each in probe.findings(confirm=0)]
    assert ("bad_initialization" in found[:1]) == bool(kinds)
    assert "input_ignored" not in found


def test_small_embeddings_can_be_tried() -> None:
    torch.manual_seed(0)
    pairs = torch.cartesian_prod(torch.arange(30), torch.arange(40))
    rating = 0.7 * (torch.randn(30, 2)[pairs[:, 0]] * torch.randn(40, 2)[pairs[:, 1]]).sum(1)
    model = Likes(1.0)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    rows = Rows(pairs, rating)
    subject = Subject(model, F.mse_loss, (optimizer,), rows, batch=50, steps=60, task="number")
    tried = branch(subject, "initialize", "small embeddings", steps=60, seeds=1)
    assert tried is not None
    assert tried.gain > 0.5
