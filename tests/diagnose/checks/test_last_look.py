"""The trained network."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose.checks.last_look import judge, read_last
from leadline.diagnose.readings import Readings
from leadline.diagnose.subject import Rows, Subject

G = torch.Generator().manual_seed(0)
X = torch.randn(300, 6, generator=G)
Y = (X[:, 0] > 0).long() + (X[:, 1] > 0.8).long()


def trained(model: nn.Module, x: Tensor, y: Tensor, loss, steps: int = 150) -> nn.Module:
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    return model


def subject(model, loss, targets, task, classes, *, x=X, held=100, batch=32):
    cut = len(x) - held
    return Subject(
        model, loss, (), Rows(x[:cut], targets[:cut]), Rows(x[cut:], targets[cut:]), batch=batch, task=task, classes=classes
    )


def net(outputs: int, *after: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, outputs), *after)


def test_a_network_that_learned():
    model = trained(net(3), X[:200], Y[:200], F.cross_entropy)
    before = copy.deepcopy(model.state_dict())
    model.train()
    last = read_last(subject(model, F.cross_entropy, Y, "classes", 3))
    assert last.train is not None
    assert last.valid is not None
    assert last.train.error < 0.03
    assert last.valid.error < 0.25
    assert last.valid.rows == 100
    assert 0.005 < last.valid.error_se < 0.05
    assert len(last.valid.recalls) == 3
    assert sum(last.valid.answered) == pytest.approx(1)
    assert last.valid.balanced_error is not None
    assert 0 <= last.valid.balanced_error < 0.3
    assert not last.valid.constant
    assert last.valid.entropy is not None
    assert 0 < last.valid.entropy < 0.8
    assert last.permuted_loss is not None
    assert last.permuted_loss > 5 * last.train.loss
    assert last.mode_difference == 0
    assert last.input_dependence is not None
    assert last.input_dependence > 0.5
    assert set(last.dead) == {"0"}
    assert last.dead["0"] < 0.3
    assert last.horizon is None
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())
    assert model.training
    json.dumps(Readings(last=last).to_json())


def test_a_network_that_answers_one_thing():
    model = net(3)
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.copy_(torch.tensor([0.0, 5.0, 0.0]))
    last = read_last(subject(model, F.cross_entropy, Y, "classes", 3))
    assert last.valid is not None
    assert last.valid.constant
    assert last.valid.answered == [0, 1, 0]
    assert last.input_dependence == 0
    assert last.permuted_loss == pytest.approx(last.train.loss if last.train else 0, rel=0.01)


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (net(1), lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t)),
        (net(1, nn.Sigmoid()), lambda o, t: F.binary_cross_entropy(o[:, 0], t)),
        (net(1), lambda o, t: F.mse_loss(o[:, 0], t)),
        (net(1), lambda o, t: F.soft_margin_loss(o[:, 0], 2 * t - 1)),
    ],
)
def test_one_output_for_two_classes(model, loss):
    bits = (X[:, 0] + X[:, 1] > 0).float()
    trained(model, X[:200], bits[:200], loss)
    last = read_last(subject(model, loss, bits, "classes", 2))
    assert last.valid is not None
    assert last.valid.error < 0.1
    assert len(last.valid.recalls) == 2


def test_numbers_and_labels():
    y = 20 + 5 * X[:, 0]
    model = trained(net(1), X[:200], y[:200, None], F.mse_loss, 600)
    found = judge(subject(model, F.mse_loss, y[:, None], "number", 0), Rows(X[200:], y[200:, None]), model)
    assert found.error < 0.2
    assert found.loss == pytest.approx(found.error * float(y[200:].var(correction=0)), rel=1e-4)
    labels = torch.stack([X[:, 0] > 0, X[:, 1] > 0], 1).float()
    model = trained(net(2), X[:200], labels[:200], F.binary_cross_entropy_with_logits)
    last = read_last(subject(model, F.binary_cross_entropy_with_logits, labels, "labels", 2))
    assert last.valid is not None
    assert last.valid.error < 0.1


def test_other_tasks_have_errors_by_place_where_they_can():
    tokens = torch.randint(0, 5, (60, 7), generator=G)
    model = nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 5))

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    trained(model, tokens, tokens, loss, 200)
    found = judge(subject(model, loss, tokens, "other", 0, x=tokens, held=20), Rows(tokens, tokens), model)
    assert found.error < 0.05
    assert found.loss < 0.5
    pair = Subject(model, lambda o, t: loss(o, t[0]), (), Rows(tokens, (tokens, tokens)))
    both = judge(pair, pair.train, model)
    assert both.error == both.loss


def test_modes_that_differ():
    model = nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))
    trained(model, X[:200], Y[:200], F.cross_entropy)
    model.eval()
    fine = read_last(subject(model, F.cross_entropy, Y, "classes", 3))
    with torch.no_grad():
        model[1].running_mean.add_(5)
    off = read_last(subject(model, F.cross_entropy, Y, "classes", 3))
    assert fine.mode_difference is not None
    assert off.mode_difference is not None
    assert fine.mode_difference < 0.5
    assert off.mode_difference > 0.5


class Functional(nn.Module):
    def __init__(self, activation) -> None:
        super().__init__()
        self.first, self.second, self.activation = nn.Linear(6, 20), nn.Linear(20, 3), activation

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.activation(self.first(x)))


def test_dead_and_saturated_units_of_functions():
    dead = Functional(torch.relu)
    with torch.no_grad():
        dead.first.bias[:15] = -100
    assert read_last(subject(dead, F.cross_entropy, Y, "classes", 3)).dead["first"] >= 0.75
    flat = Functional(torch.tanh)
    with torch.no_grad():
        flat.first.weight.mul_(1000)
    assert read_last(subject(flat, F.cross_entropy, Y, "classes", 3)).saturated["first"] > 0.9
    usual = read_last(subject(Functional(torch.sigmoid), F.cross_entropy, Y, "classes", 3))
    assert usual.saturated["first"] < 0.05


def test_rows_that_are_surely_another_class_are_listed():
    model = trained(net(3), X, Y, F.cross_entropy, 300)
    wrong = Y.clone()
    wrong[:5] = (Y[:5] + 1) % 3
    found = read_last(subject(model, F.cross_entropy, wrong, "classes", 3)).suspicious
    assert {each["row"] for each in found} >= {0, 1, 2, 3, 4}
    assert found[0]["confidence"] >= found[-1]["confidence"]


class Last(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.rnn, self.head = nn.RNN(1, 16, batch_first=True), nn.Linear(16, 1)
        nn.init.eye_(self.rnn.weight_hh_l0)
        with torch.no_grad():
            self.rnn.weight_hh_l0.mul_(scale)
            self.rnn.weight_ih_l0.mul_(0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def test_the_horizon_of_a_recurrent_network():
    x, y = torch.randn(60, 40, 1, generator=G), torch.randn(60, 1, generator=G)
    near = read_last(subject(Last(0.3), F.mse_loss, y, "number", 0, x=x, held=20)).horizon
    far = read_last(subject(Last(1.0), F.mse_loss, y, "number", 0, x=x, held=20)).horizon
    assert near is not None
    assert far is not None
    assert near < 8
    assert far > 30


def test_of_maps_each_class_is_judged_by_its_places():
    torch.manual_seed(0)
    masks = (torch.rand(40, 1, 6, 6) < 0.1).float()
    model = nn.Conv2d(1, 1, 1)
    nn.init.zeros_(model.weight)
    nn.init.constant_(model.bias, -3.0)
    rows = Rows(torch.randn(40, 1, 6, 6), masks)
    loss = nn.BCEWithLogitsLoss()
    judged = judge(Subject(model, loss, (), rows, task="other"), rows, model, loss=["binary_cross_entropy_with_logits"])
    assert judged.recalls == [1.0, 0.0]
    assert judged.error == pytest.approx(float(masks.mean()))
    assert judged.shares == pytest.approx([1 - float(masks.mean()), float(masks.mean())])
