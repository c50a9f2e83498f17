"""One batch learned by heart."""

from __future__ import annotations

import copy
import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leadline.diagnose.checks.drills import drill_rows, read_drill
from leadline.diagnose.subject import Rows, Subject

G = torch.Generator().manual_seed(0)
X = torch.randn(120, 6, generator=G)
Y = torch.randint(0, 3, (120,), generator=G)


def subject(model, loss, targets, task, classes, x=X):
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizers = (torch.optim.SGD(parameters, lr=0.1),) if parameters else ()
    return Subject(
        model, loss, optimizers, Rows(x, targets), task=task, classes=classes, initial=copy.deepcopy(model.state_dict())
    )


def net(outputs: int, *between: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 64), nn.ReLU(), *between, nn.Linear(64, outputs))


HEALTHY = {
    "classes": (net(3), F.cross_entropy, Y, "classes", 3, X),
    "dropout": (net(3, nn.Dropout(0.9)), F.cross_entropy, Y, "classes", 3, X),
    "batch norm": (net(3, nn.BatchNorm1d(64)), F.cross_entropy, Y, "classes", 3, X),
    "two classes": (net(1), lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t), (Y > 0).float(), "classes", 2, X),
    "numbers": (net(1), lambda o, t: F.mse_loss(o[:, 0], t), torch.randn(120, generator=G), "number", 0, X),
    "logistic": (nn.Linear(6, 3), F.cross_entropy, Y, "classes", 3, X),
    "pictures": (
        nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3)),
        F.cross_entropy, Y, "classes", 3, torch.randn(120, 1, 8, 8, generator=G),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_networks_learn_a_batch(name):
    model, loss, targets, task, classes, x = HEALTHY[name]
    before = copy.deepcopy(model.state_dict())
    drill = read_drill(subject(model, loss, targets, task, classes, x), seconds=20)
    assert drill.error is not None
    assert drill.error < 0.05
    assert drill.steps <= 300
    assert drill.first_loss is not None
    assert drill.last_loss is not None
    assert drill.last_loss < drill.first_loss
    assert all(torch.equal(before[key], each) for key, each in model.state_dict().items())


class Ignoring(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        return self.layer(0 * x)


@pytest.mark.parametrize("case", ["ignored", "sign", "frozen", "softmax of one"])
def test_what_cannot_be_learned(case):
    model, loss, targets, classes = {
        "ignored": (Ignoring(), F.cross_entropy, Y, 3),
        "sign": (net(3), lambda o, t: -F.cross_entropy(o, t), Y, 3),
        "frozen": (net(3).requires_grad_(False), F.cross_entropy, Y, 3),
        "softmax of one": (net(1), lambda o, t: F.mse_loss(o.softmax(1)[:, 0], t), (Y > 0).float(), 2),
    }[case]
    drill = read_drill(subject(model, loss, targets, "classes", classes), seconds=3)
    assert drill.error is not None
    assert drill.error > 0.3


def test_rows_are_distinct_and_of_all_classes():
    x = torch.cat([X[:4]] * 30)
    rows = drill_rows(subject(net(3), F.cross_entropy, Y, "classes", 3, x))
    assert len(rows) == 4
    rows = drill_rows(subject(net(3), F.cross_entropy, torch.arange(120).sort().values % 3, "classes", 3))
    assert len(rows) == 32
    assert torch.bincount(rows.targets).tolist() == [11, 11, 10]
    assert len(drill_rows(subject(nn.Linear(6, 3), F.cross_entropy, Y, "classes", 3))) == 4


def test_time_is_kept():
    slow = nn.Sequential(nn.Linear(6, 1500), nn.ReLU(), nn.Linear(1500, 1500), nn.ReLU(), nn.Linear(1500, 1))
    began = time.perf_counter()
    drill = read_drill(subject(slow, lambda o, t: (0 * o).sum() + 1, Y, "classes", 3), seconds=0.5)
    assert time.perf_counter() - began < 4
    assert drill.rows == 32
    assert read_drill(subject(slow, None, Y, "classes", 3)).error is None


def test_an_optimizer_that_wants_a_closure_does_not_end_the_drill() -> None:
    given = subject(net(3), F.cross_entropy, Y, "classes", 3, x=1e-5 * X)  # which no other learns by heart before
    given.optimizers = (torch.optim.LBFGS(given.model.parameters(), lr=0.1),)
    assert read_drill(given, seconds=0.6).error is not None


def test_what_had_no_time_to_learn_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    asked = subject(model, F.cross_entropy, Y, "classes", 3)
    assert read_drill(asked, seconds=1e-9).error is None
    assert read_drill(asked, seconds=20).error == 0
