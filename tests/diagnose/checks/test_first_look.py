"""The network before its first step."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose.checks.constant_answers import best_constant, uninformed
from leadline.diagnose.checks.first_look import input_dependence, read_first, read_layers
from leadline.diagnose.subject import Rows, Subject

G = torch.Generator().manual_seed(0)
X = torch.randn(64, 20, generator=G)
Y = torch.arange(64) % 4
ROWS = Rows(X, Y)


def off(model: nn.Module, rows: Rows = ROWS) -> list[float]:
    """Weights over what is expected of them, orders of magnitude, where a law holds."""
    return [
        math.log10(max(each.weight_std, 1e-9) / each.expected_std) for each in read_layers(model, rows) if each.expected_std > 0
    ]


def mlp(activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 64), activation, nn.Linear(64, 64), copy.deepcopy(activation), nn.Linear(64, 4))


class Words(nn.Module):
    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(30, 3), kind(3, 64, batch_first=True), nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.embed(x))[0][:, -1])


CONV = nn.Sequential(
    nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4)
)
PICTURES = Rows(torch.randn(8, 1, 8, 8, generator=G), Y[:8])
TOKENS = Rows(torch.randint(0, 30, (8, 12), generator=G), Y[:8])


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        *((mlp(each), ROWS) for each in (nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU())),
        (CONV, PICTURES),
        (Words(nn.LSTM), TOKENS),
        (Words(nn.GRU), TOKENS),
        (nn.Linear(20, 4), ROWS),
    ],
)
def test_usual_first_weights_follow_the_law(model, rows):
    found = off(model, rows)
    assert found
    assert max(map(abs, found)) < 0.5
    layers = read_layers(model, rows)
    assert all(each.identical_units < 0.01 for each in layers)
    assert all(each.output_std is None or each.output_std > 0 for each in layers)


def test_he_weights_are_those_of_the_law():
    model = mlp(nn.ReLU())
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert max(map(abs, off(model)[:2])) < 0.05


def test_wrong_first_weights():
    large, small, equal = (mlp(nn.ReLU()) for _ in range(3))
    with torch.no_grad():
        large[2].weight.mul_(30)
        small[0].weight.mul_(0.01)
        equal[0].weight.fill_(0.1)
        equal[0].bias.zero_()
    assert max(off(large)) > 1.0
    assert min(off(small)) < -1.2
    assert read_layers(equal, ROWS)[0].identical_units == 1.0
    zeros = mlp(nn.ReLU())
    for parameter in zeros.parameters():
        nn.init.zeros_(parameter)
    assert read_layers(zeros, ROWS)[1].identical_units == 1.0
    assert min(off(zeros)) < -5


def test_a_last_layer_may_begin_at_zero():
    model = mlp(nn.ReLU())
    nn.init.zeros_(model[4].weight)
    assert len(off(model)) == 2


def test_frozen_layers_are_told():
    model = mlp(nn.ReLU())
    model[0].weight.requires_grad_(False)
    assert [each.trainable for each in read_layers(copy.deepcopy(model), ROWS)] == [False, True, True]


def first_of(model, loss, targets, task="classes", classes=4, x=X):
    return read_first(Subject(model, loss, (), Rows(x, targets), task=task, classes=classes))


def test_what_a_network_that_knows_nothing_says():
    first = first_of(mlp(nn.ReLU()), F.cross_entropy, Y)
    assert first.loss == pytest.approx(math.log(4), rel=0.1)
    assert first.expected_loss == pytest.approx(math.log(4), rel=1e-5)
    assert first.best_constant_loss == pytest.approx(math.log(4), rel=1e-4)
    assert first.mode_difference == 0
    assert first.input_dependence is not None
    assert first.input_dependence > 0.05
    loud = mlp(nn.ReLU())
    nn.init.normal_(loud[4].weight, std=10)
    found = first_of(loud, F.cross_entropy, Y)
    assert found.loss is not None
    assert found.loss > 2 * math.log(4)


NUMBERS = 3 + 2 * torch.randn(64, generator=G)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "expected"),
    [
        (F.mse_loss, torch.zeros(64), NUMBERS, float(NUMBERS.var(correction=0))),
        (F.mse_loss, torch.zeros(64, 1), NUMBERS[:, None], float(NUMBERS.var(correction=0))),
        (F.l1_loss, torch.zeros(64), NUMBERS, float((NUMBERS - NUMBERS.median()).abs().mean())),
        (F.cross_entropy, torch.randn(64, 2), (torch.arange(64) % 8 == 0).long(), 0.3768),
        (F.nll_loss, torch.randn(64, 2).log_softmax(1), (torch.arange(64) % 8 == 0).long(), 0.3768),
        (F.binary_cross_entropy, torch.rand(64), (torch.arange(64) % 8 == 0).float(), 0.3768),
        (F.binary_cross_entropy_with_logits, torch.randn(64), (torch.arange(64) % 8 == 0).float(), 0.3768),
        (lambda o, t: -o[range(64), t].log().mean(), torch.randn(64, 2).softmax(1), (torch.arange(64) % 8 == 0).long(), 0.3768),
        (lambda o, t: F.mse_loss(o, t), torch.zeros(64, 1, 4, 4), torch.ones(64, 1, 4, 4), 0.0),
    ],
)
def test_the_best_constant_answer(loss, outputs, targets, expected):
    assert best_constant(loss, outputs, targets) == pytest.approx(expected, rel=2e-3, abs=1e-3)


def test_a_loss_without_bound_has_no_best_answer():
    assert best_constant(lambda o, t: -F.mse_loss(o, t), torch.zeros(64), NUMBERS) is None
    assert best_constant(F.mse_loss, (torch.zeros(3), torch.zeros(3)), NUMBERS) is None
    assert uninformed(F.binary_cross_entropy, torch.rand(64), Y.clamp(max=1).float()) == pytest.approx(math.log(2), rel=1e-5)


def test_modes_that_differ():
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.95), nn.Linear(64, 4))
    first = first_of(model, F.cross_entropy, Y)
    assert first.mode_difference is not None
    assert first.mode_difference > 0.01
    plain = first_of(mlp(nn.ReLU()), F.mse_loss, torch.randn(64, 4), "number", 0)
    assert plain.expected_loss == plain.best_constant_loss


def test_outputs_that_do_not_depend_on_inputs():
    assert input_dependence(torch.full((9, 3), 2.0)) == 0
    assert input_dependence((torch.zeros(9, 3), torch.ones(9))) == 0
    assert input_dependence(torch.randn(9, 1)) > 0.3
    assert input_dependence("none") is None


def test_the_person_s_network_stays_as_it_is():
    model = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)).eval()
    before = copy.deepcopy(model.state_dict())
    first_of(model, F.cross_entropy, Y)
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())
    assert not any(module.training for module in model.modules())
    assert all(not module._forward_hooks for module in model.modules())
