"""Targets that are no answers to be learned: places in a batch, drawn actions, values that move, losses over pairs of rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import watch
from leadline.diagnose.check_readings import Asked
from leadline.diagnose.checks.batch_losses import compares_rows
from leadline.diagnose.checks.head_fits import head_problems
from leadline.diagnose.checks.loss_graphs import read_graph
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.of_data import label_noise, rows_mixed
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.subject import Rows, Subject
from leadline.diagnose.targets_in_time import TargetCourse


def course(targets_at: Callable[[Tensor, int], Tensor]) -> TargetCourse:
    """Sixty batches of 32 of twenty inputs that come again and again."""
    torch.manual_seed(0)
    found = TargetCourse()
    for step in range(60):
        inputs = torch.randint(20, (32,))
        found.note(inputs.float()[:, None], targets_at(inputs, step))
    return found


@pytest.mark.parametrize("name", ["labels", "labels with slips", "noisy numbers", "other numbers every time"])
def test_targets_of_one_set_of_rows_do_not_move(name: str) -> None:
    fixed: dict[str, Callable[[Tensor, int], Tensor]] = {
        "labels": lambda inputs, _: inputs % 3,
        "labels with slips": lambda inputs, _: torch.where(torch.rand(32) < 0.3, torch.randint(3, (32,)), inputs % 3),
        "noisy numbers": lambda inputs, _: inputs + 3 * torch.randn(32),
        "other numbers every time": lambda inputs, _: torch.randn(32, 2),
    }
    assert not course(fixed[name]).moving


@pytest.mark.parametrize("name", ["actions that are drawn ever more surely", "values that grow", "opposite ways"])
def test_targets_that_the_training_makes_move(name: str) -> None:
    moving: dict[str, Callable[[Tensor, int], Tensor]] = {
        "actions that are drawn ever more surely": lambda inputs, step: torch.where(
            torch.rand(32) < step / 60, inputs % 4, torch.randint(4, (32,))
        ),
        "values that grow": lambda inputs, step: inputs * (step / 60) + torch.rand(32),
        "opposite ways": lambda inputs, step: (2.0 * (inputs % 2) - 1) * step / 60 + 0.1 * torch.rand(32),
    }
    assert course(moving[name]).moving


def test_only_targets_in_the_order_of_every_batch_are_places() -> None:
    assert course(lambda inputs, _: torch.arange(len(inputs))).places
    assert not course(lambda inputs, _: torch.randperm(len(inputs))).places
    assert not course(lambda inputs, step: torch.arange(len(inputs)) if step else inputs).places


def hard_pairs(codes: Tensor, labels: Tensor) -> Tensor:
    """The farthest of the class of each has to be nearer than the nearest of another."""
    distance = (codes[:, None] - codes[None]).square().sum(2).add(1e-9).sqrt()
    same = labels[:, None] == labels[None]
    return F.relu(distance.masked_fill(~same, 0.0).amax(1) - distance.masked_fill(same, 1e6).amin(1) + 0.3).mean()


LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], bool]] = {
    "cross entropy": (F.cross_entropy, False),
    "weighted by class": (lambda out, y: F.cross_entropy(out, y, weight=torch.tensor([1.0, 5.0, 0.2])), False),
    "sum": (lambda out, y: F.cross_entropy(out, y, reduction="sum"), False),
    "sum and a penalty": (lambda out, y: F.cross_entropy(out, y, reduction="sum") + 7.0, False),
    "rows left out": (lambda out, y: F.cross_entropy(out, y, ignore_index=1), False),
    "overlap": (lambda out, y: 1 - 2 * (out.softmax(1)[range(len(y)), y]).sum() / (2 * len(y)), False),
    "hardest pairs": (hard_pairs, True),
    "own partner among all": (lambda out, y: F.cross_entropy(out @ out.T, torch.arange(len(y))), True),
    "spread of the batch": (lambda out, y: -out.std(0, correction=0).mean(), True),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_that_compares_rows_is_told_from_one_that_does_not(name: str) -> None:
    torch.manual_seed(1)
    loss, among = LOSSES[name]
    rows = Rows(torch.randn(24, 5), torch.arange(24) % 3)
    assert compares_rows(Subject(nn.Linear(5, 3), loss, (), rows)) == among


class Towers(nn.Module):
    """Two views of one thing, to codes of length 5."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(6, 8), nn.Linear(6, 8)

    def forward(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        return 5 * F.normalize(self.one(one), dim=1), F.normalize(self.other(other), dim=1)


def matched(codes: tuple[Tensor, Tensor], places: Tensor) -> Tensor:
    return F.cross_entropy(codes[0] @ codes[1].T, places)


@pytest.mark.parametrize("told", [True, False])
def test_of_pairs_within_a_batch_nothing_is_said_as_of_classes(told: bool) -> None:
    torch.manual_seed(0)
    model = Towers()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    seen = torch.randn(320, 6)
    with watch(model, optimizer, loss=matched if told else None) as probe:
        for _ in range(30):
            for one in seen[torch.randperm(320)].split(32):
                other = one.flip(1) + 0.3 * torch.randn(32, 6)
                loss = matched(model(one, other), torch.arange(32))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, (one, other), torch.arange(32))
    verdict = probe.findings(confirm=0)
    assert verdict.healthy, str(verdict)
    assert probe.readings.asked.places
    assert any("places of rows in their batch" in each for each in verdict.unchecked)
    # In the loss's own unit, of batches as large as the training's: over other numbers of rows it is another one.
    assert verdict.outcome.startswith("The loss on training rows" if told else "How good")


def agent(act: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Readings:
    """A policy on a line: right of the middle one has to go left."""
    torch.manual_seed(0)
    policy = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 2), nn.LogSoftmax(dim=1))
    optimizer = torch.optim.Adam(policy.parameters(), 0.01)
    with watch(policy, optimizer, share=0.9) as probe:
        for _ in range(150):
            where = torch.randint(-4, 5, (64, 1)).float()
            drawn = torch.rand(64) < 0.5
            log_prob = policy(where)
            action = torch.distributions.Categorical(logits=log_prob.detach()).sample()
            reward = 1.0 - 2.0 * (action == (where[:, 0] > 0)).float() + 0.0 * drawn
            loss = act(log_prob, action, reward)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, where, action)
    assert probe.findings(confirm=0).healthy, str(probe.findings(confirm=0))
    return probe.readings


def test_drawn_actions_are_no_wrong_labels() -> None:
    readings = agent(lambda log_prob, action, reward: -(log_prob[torch.arange(64), action] * reward).mean())
    assert readings.answers.contradictions > 0.5  # which would be wrong labels, were they labels
    assert readings.asked.unlike or readings.asked.moving
    assert readings.program.task == "other"


def test_without_a_loss_a_usual_one_is_known_by_its_value() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 4)
    y = (x[:, 0] > 0).long()
    for own in (lambda out, to: -out.log_softmax(1)[torch.arange(len(to)), to].mean(), lambda out, to: -out[:, 0].mean()):
        model = nn.Linear(4, 2)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with watch(model, optimizer) as probe:
            for at in torch.arange(200).repeat(4).split(20):
                loss = own(model(x[at]), y[at])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, x[at], y[at])
        probe.findings(confirm=0)
        assert probe.readings.asked.unlike == ("log_softmax" not in probe.readings.graph.loss_operations)


@pytest.mark.parametrize(
    ("task", "asked", "found"), [("classes", False, True), ("number", False, False), ("classes", True, False)]
)
def test_only_labels_can_be_wrong(task: str, asked: bool, found: bool) -> None:
    readings = Readings(asked=Asked(moving=asked))
    readings.program.task, readings.answers.contradictions = task, 0.8
    assert any(each.strength > 0.8 for each in label_noise(readings, outcome_of(readings))) == found


def test_targets_that_move_are_not_put_to_trials() -> None:
    torch.manual_seed(0)
    values = nn.Embedding(12, 1)
    optimizer = torch.optim.Adam(values.parameters(), 0.02)
    with watch(values, optimizer, loss=F.mse_loss, share=0.9) as probe:
        for _ in range(150):
            place = torch.randint(11, (64,))
            with torch.no_grad():
                target = 0.1 + 0.9 * values(place + 1)
            loss = F.mse_loss(values(place), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, place, target)
    verdict = probe.findings(confirm=1)
    assert probe.readings.asked.moving
    assert verdict.healthy, str(verdict)
    assert not probe.readings.branches


@pytest.mark.parametrize("known", [False, True])
def test_targets_that_are_all_the_same_are_wrong_only_where_the_loss_is_known(known: bool) -> None:
    torch.manual_seed(0)
    better, worse = torch.randn(300, 4) + 0.5, torch.randn(300, 4)
    model, loss_of = nn.Linear(4, 1, bias=False), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    told = {"loss": loss_of} if known else {}
    with watch(model, optimizer, call=lambda model, rows: model(rows[:, 0]) - model(rows[:, 1]), **told) as probe:
        for at in torch.arange(300).repeat(5).split(30):
            ahead, ones = model(better[at]) - model(worse[at]), torch.ones(30, 1)
            loss = loss_of(ahead, ones) if known else F.softplus(-ahead).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            probe.step(loss, torch.stack([better[at], worse[at]], 1), ones)
    verdict = probe.findings(confirm=0)
    assert any("there is nothing to learn" in finding.cause for finding in verdict) == known
    assert any("the same for all rows" in each for each in verdict.unchecked) != known


@pytest.mark.parametrize(("asked", "found"), [(Asked(), True), (Asked(places=True), False), (Asked(among=True), False)])
def test_rows_that_are_to_be_compared_may_change_each_others_answers(asked: Asked, found: bool) -> None:
    readings = Readings(asked=asked)
    readings.last.mixing = 0.5
    assert bool([*rows_mixed(readings, outcome_of(readings))]) == found


@pytest.mark.parametrize("known", [False, True])
def test_a_loss_that_is_not_known_may_go_below_0(known: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
    x, y = torch.randn(64, 4), torch.randint(3, (64,))

    def turned(shares: Tensor, labels: Tensor) -> Tensor:
        return shares.log().gather(1, labels[:, None]).mean()  # a likelihood, unless it is what somebody wants to be small

    readings, outputs = Readings(), model(x)
    loss = turned(outputs, y)
    readings.graph = read_graph(loss, model, [torch.optim.SGD(model.parameters(), 0.1)], outputs=outputs)
    readings.steps.losses = [(0, loss.item()), (1, loss.item())]
    subject = Subject(model, turned if known else None, (), Rows(x, y), task="classes", classes=3)
    assert ("wrong_sign" in {each["code"] for each in head_problems(subject, readings)}) == known
