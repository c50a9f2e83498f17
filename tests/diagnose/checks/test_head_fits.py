"""Right pairs of head and loss raise nothing; wrong ones are named, whether written as modules or as functions."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leadline.diagnose.check_readings import ClassNumbers
from leadline.diagnose.checks.answer_columns import read_answers
from leadline.diagnose.checks.head_fits import head_problems, problems_of
from leadline.diagnose.checks.last_look import judge
from leadline.diagnose.checks.loss_graphs import read_graph
from leadline.diagnose.checks.task_guess import task_of
from leadline.diagnose.readings import Readings, Steps
from leadline.diagnose.subject import Rows, Subject

N = 48
X = torch.randn(N, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(N) % 3
BITS = (torch.arange(N) % 2).float()
HOT = F.one_hot(Y, 3).float()
NUMBERS = 4 * torch.randn(N, generator=torch.Generator().manual_seed(1))
LABELS = (torch.rand(N, 3, generator=torch.Generator().manual_seed(2)) > 0.5).float()


def net(outputs: int, *after: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, outputs), *after)


def codes(model, make, targets, *, losses=(), mild=True):
    outputs = model(X)
    graph = read_graph(make(outputs), model, [torch.optim.SGD(model.parameters(), 0.1)], outputs=outputs)
    task, classes = task_of(targets, outputs, None)
    answers = read_answers(targets, outputs, X)
    found = problems_of(graph, answers, targets=targets, losses=losses, task=task, classes=classes)
    for each in found:
        assert each["says"].endswith(".")
        assert each["code_line"]
        assert each["remedy"].endswith(".")
    return [each["code"] for each in found if mild or each.get("mild") != "yes"]


RIGHT = {
    "logarithms of sigmoids": (net(3, nn.Sigmoid()), lambda o: -o[range(N), Y].log().mean(), Y),
    "cross entropy": (net(3), lambda o: F.cross_entropy(o, Y), Y),
    "cross entropy, smoothed": (net(3), lambda o: F.cross_entropy(o, Y, label_smoothing=0.1), Y),
    "cross entropy, weighted": (net(3), lambda o: F.cross_entropy(o, Y, weight=torch.tensor([1.0, 2, 3])), Y),
    "cross entropy on shares": (net(3), lambda o: F.cross_entropy(o, HOT), HOT),
    "cross entropy by hand": (net(3, nn.Softmax(1)), lambda o: -o[range(N), Y].log().mean(), Y),
    "log softmax": (net(3, nn.LogSoftmax(1)), lambda o: F.nll_loss(o, Y), Y),
    "log softmax in the loop": (net(3), lambda o: F.nll_loss(o.log_softmax(1), Y), Y),
    "log of softmax": (net(3, nn.Softmax(1)), lambda o: F.nll_loss(o.log(), Y), Y),
    "log softmax as a function": (net(3), lambda o: F.nll_loss(o - o.logsumexp(1, keepdim=True), Y), Y),
    "sigmoid": (net(1, nn.Sigmoid()), lambda o: F.binary_cross_entropy(o.squeeze(1), BITS), BITS),
    "sigmoid, clamped": (net(1, nn.Sigmoid()), lambda o: F.binary_cross_entropy(o[:, 0].clamp(1e-6, 0.999), BITS), BITS),
    "logits": (net(1), lambda o: F.binary_cross_entropy_with_logits(o.squeeze(1), BITS), BITS),
    "logits with weight": (net(1), lambda o: nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0))(o[:, 0], BITS), BITS),
    "margin": (net(1), lambda o: F.soft_margin_loss(o[:, 0], 2 * BITS - 1), 2 * BITS - 1),
    "labels": (net(3), lambda o: F.binary_cross_entropy_with_logits(o, LABELS), LABELS),
    "labels with sigmoid": (net(3, nn.Sigmoid()), lambda o: F.binary_cross_entropy(o, LABELS), LABELS),
    "squared error": (net(1), lambda o: F.mse_loss(o.squeeze(1), NUMBERS), NUMBERS),
    "squared error by hand": (net(1), lambda o: ((o.squeeze(1) - NUMBERS) ** 2).mean(), NUMBERS),
    "absolute error": (net(1), lambda o: F.l1_loss(o.squeeze(1), NUMBERS), NUMBERS),
    "huber": (net(1), lambda o: F.huber_loss(o, NUMBERS[:, None]), NUMBERS[:, None]),
    "smooth": (net(1), lambda o: F.smooth_l1_loss(o.flatten(), NUMBERS), NUMBERS),
    "softplus on amounts": (net(1, nn.Softplus()), lambda o: F.mse_loss(o.flatten(), NUMBERS.abs()), NUMBERS.abs()),
    "relu on amounts": (net(1, nn.ReLU()), lambda o: F.mse_loss(o.flatten(), NUMBERS.abs()), NUMBERS.abs()),
    "tanh in its range": (net(1, nn.Tanh()), lambda o: F.mse_loss(o.flatten(), NUMBERS.tanh()), NUMBERS.tanh()),
    "poisson": (net(1), lambda o: F.poisson_nll_loss(o.flatten(), NUMBERS.abs()), NUMBERS.abs()),
    "gaussian": (net(1), lambda o: F.gaussian_nll_loss(o.flatten(), NUMBERS, torch.ones(N)), NUMBERS),
    "temperature": (net(3), lambda o: F.cross_entropy(o / 0.5, Y), Y),
    "bounded logits, scaled": (net(3, nn.Tanh()), lambda o: F.cross_entropy(10 * o, Y), Y),
    "sum over rows, divided": (net(3), lambda o: F.cross_entropy(o, Y, reduction="sum") / N, Y),
    "penalty": (net(3), lambda o: F.cross_entropy(o, Y) + 1e-3 * o.pow(2).sum(), Y),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_pairs_raise_nothing(name):
    model, make, targets = RIGHT[name]
    assert codes(model, make, targets) == []


WRONG = [
    ("double_softmax", net(3, nn.Softmax(1)), lambda o: F.cross_entropy(o, Y), Y),
    ("double_softmax", net(3), lambda o: nn.CrossEntropyLoss()(torch.softmax(o, dim=1), Y), Y),
    ("double_softmax", net(3, nn.Softmax(1)), lambda o: F.cross_entropy(o, HOT), HOT),
    ("sigmoid_before_cross_entropy", net(3, nn.Sigmoid()), lambda o: F.cross_entropy(o, Y), Y),
    ("tanh_before_cross_entropy", net(3, nn.Tanh()), lambda o: F.cross_entropy(o, Y), Y),
    ("relu_before_cross_entropy", net(3, nn.ReLU()), lambda o: F.cross_entropy(o, Y), Y),
    ("relu_before_cross_entropy", net(3), lambda o: F.cross_entropy(o.clamp(min=0), Y), Y),
    ("log_of_outputs", net(3), lambda o: -(LABELS * torch.log(o) + (1 - LABELS) * torch.log(1 - o)).mean(), LABELS),
    ("double_sigmoid", net(1, nn.Sigmoid()), lambda o: F.binary_cross_entropy_with_logits(o[:, 0], BITS), BITS),
    ("relu_before_sigmoid", net(1, nn.ReLU()), lambda o: F.binary_cross_entropy_with_logits(o[:, 0], BITS), BITS),
    ("softmax_before_sigmoid", net(3, nn.Softmax(1)), lambda o: F.binary_cross_entropy_with_logits(o, HOT), HOT),
    ("nll_on_logits", net(3), lambda o: F.nll_loss(o, Y), Y),
    ("nll_on_probabilities", net(3, nn.Softmax(1)), lambda o: F.nll_loss(o, Y), Y),
    ("bce_without_sigmoid", net(1, nn.ReLU()), lambda o: F.binary_cross_entropy(o[:, 0].clamp(max=1), BITS), BITS),
    ("softmax_of_one", net(1, nn.Softmax(1)), lambda o: F.binary_cross_entropy(o[:, 0], BITS), BITS),
    ("softmax_of_one", net(1), lambda o: F.cross_entropy(o, BITS[:, None]), BITS[:, None]),
    ("softmax_over_rows", net(3, nn.Softmax(0)), lambda o: F.binary_cross_entropy(o, HOT), HOT),
    ("softmax_over_rows", net(1), lambda o: F.cross_entropy(o.squeeze(), BITS), BITS),
    ("relu_on_numbers", net(1, nn.ReLU()), lambda o: F.mse_loss(o[:, 0], NUMBERS), NUMBERS),
    ("sigmoid_on_numbers", net(1, nn.Sigmoid()), lambda o: ((o[:, 0] - NUMBERS) ** 2).mean(), NUMBERS),
    ("tanh_on_numbers", net(1, nn.Tanh()), lambda o: F.l1_loss(o[:, 0], NUMBERS), NUMBERS),
    ("softmax_of_one", net(1, nn.Softmax(1)), lambda o: F.mse_loss(o[:, 0], NUMBERS), NUMBERS),
    ("broadcast", net(1), lambda o: F.mse_loss(o, NUMBERS), NUMBERS),
    ("binary_targets_outside", net(1), lambda o: F.binary_cross_entropy_with_logits(o[:, 0], 2 * BITS - 1), 2 * BITS - 1),
    ("binary_targets_outside", net(1), lambda o: F.binary_cross_entropy_with_logits(o[:, 0], Y.float()), Y),
    (
        "binary_targets_outside",
        net(1, nn.Sigmoid()),
        lambda o: -(Y * o[:, 0].log() + (1 - Y) * (1 - o[:, 0]).log()).mean(),
        Y.float(),
    ),
    ("targets_constant", net(3), lambda o: F.cross_entropy(o, 0 * Y), 0 * Y),
    ("wrong_sign", net(3), lambda o: -F.cross_entropy(o, Y), Y),
    ("squared_error_on_indices", net(1), lambda o: F.mse_loss(o[:, 0], Y.float()), Y),
    ("squared_error_on_classes", net(3, nn.Softmax(1)), lambda o: F.mse_loss(o, HOT), HOT),
    ("loss_is_sum", net(3), lambda o: F.cross_entropy(o, Y, reduction="sum"), Y),
    ("loss_is_sum", net(1), lambda o: ((o[:, 0] - NUMBERS) ** 2).sum(), NUMBERS),
    ("double_log_softmax", net(3, nn.LogSoftmax(1)), lambda o: F.cross_entropy(o, Y), Y),
    ("softmax_on_labels", net(3), lambda o: F.cross_entropy(o, LABELS), LABELS),
    ("unused_outputs", net(30), lambda o: F.cross_entropy(o, Y), Y),
]


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(("code", "model", "make", "targets"), WRONG)
def test_wrong_pairs_are_named(code, model, make, targets):
    assert codes(model, make, targets)[:1] == [code]


def test_what_works_is_mild():
    for code, model, make, targets in WRONG[-7:]:
        assert codes(model, make, targets, mild=False) == [], code


def test_a_loss_that_is_scaled_by_minus_one_is_known_by_its_values():
    def make(o):
        return -1.0 * F.cross_entropy(o, Y)

    assert codes(net(3), make, Y, losses=(-1.1, -5.0)) == ["wrong_sign"]
    assert codes(net(3), lambda o: 0.5 * F.cross_entropy(o, Y), Y, losses=(0.5, 0.2)) == []
    by_hand = (net(3, nn.Softmax(1)), lambda o: o[range(N), Y].log().mean(), Y)
    assert codes(*by_hand, losses=(-1.1, -9.0)) == ["wrong_sign"]


def test_outputs_that_another_network_takes_are_not_counted():
    model, ends = net(2), nn.Linear(2, 3)
    outputs = model(X)
    graph = read_graph(F.cross_entropy(ends(outputs), Y), model, [], outputs=outputs)
    answers = read_answers(Y, outputs, X)
    assert [each["code"] for each in problems_of(graph, answers, targets=Y)] == []
    graph = read_graph(F.nll_loss(outputs.log_softmax(1), Y % 2), model, [], outputs=outputs)
    assert [each["code"] for each in problems_of(graph, answers, targets=Y)] == ["too_few_outputs"]


@pytest.mark.parametrize(("low", "found"), [(-9.0, ["relu_before_likelihood"]), (9.0, [])])
def test_rectified_answers_of_0_for_the_right_class_are_named(low, found):
    model = net(3, nn.ReLU())
    with torch.no_grad():
        model[2].bias[:] = torch.tensor([low, 9.0, 9.0])

    def loss(outputs, targets):
        shares = (outputs / outputs.sum(1, keepdim=True)).clamp(min=1e-7)
        return -shares[range(len(targets)), targets].log().mean()

    subject = Subject(model, loss, (), Rows(X, Y), task="classes", classes=3)
    readings = Readings()
    readings.graph = read_graph(loss(model(X), Y), model, [], outputs=model(X))
    readings.last.train = judge(subject, subject.train, model)
    assert [each["code"] for each in head_problems(subject, readings)] == found


def test_a_softmax_of_one_number_is_taken_away():
    model = net(1, nn.Softmax(1))
    outputs = model(X)
    graph = read_graph(F.mse_loss(outputs[:, 0], NUMBERS), model, [], outputs=outputs)
    first = problems_of(graph, read_answers(NUMBERS, outputs, X), targets=NUMBERS, task="number")[0]
    assert "MSELoss" in first["code_line"]


def test_of_a_subject_with_readings():
    model = net(3, nn.Softmax(1))
    subject = Subject(model, F.cross_entropy, (), Rows(X, Y), task="classes", classes=3)
    readings = Readings(steps=Steps(losses=[(1, 1.1), (2, 1.0)]))
    readings.graph = read_graph(F.cross_entropy(model(X), Y), model, [])
    readings.answers = read_answers(Y, model(X), X)
    assert [each["code"] for each in head_problems(subject, readings)] == ["double_softmax"]
    assert Readings.from_json(readings.to_json()).graph == readings.graph


def test_a_softmax_for_targets_that_do_not_sum_to_one() -> None:
    pixels = torch.rand(N, 6, generator=torch.Generator().manual_seed(3))
    softmax, sigmoid = net(6, nn.Softmax(1)), net(6, nn.Sigmoid())
    for loss in (F.mse_loss, F.binary_cross_entropy, F.l1_loss):
        assert codes(softmax, lambda o, loss=loss: loss(o, pixels), pixels, mild=False) == ["softmax_for_sums"]
        assert not codes(sigmoid, lambda o, loss=loss: loss(o, pixels), pixels, mild=False)
        shares = pixels / pixels.sum(1, keepdim=True)
        assert not codes(softmax, lambda o, loss=loss, y=shares: loss(o, y), shares, mild=False)
    assert not codes(net(3, nn.Softmax(1)), lambda o: F.mse_loss(o, HOT), HOT, mild=False)
    assert codes(net(3, nn.Softmax(1)), lambda o: F.binary_cross_entropy(o, LABELS), LABELS, mild=False) == ["softmax_for_sums"]


def test_numbers_of_classes_are_no_amounts() -> None:
    model = net(1)
    readings = Readings()
    readings.graph = read_graph(F.mse_loss(model(X)[:, 0], NUMBERS), model, ())
    subject = Subject(model, F.mse_loss, (), Rows(X, NUMBERS), task="number")
    for numbers, said in (
        (ClassNumbers(8, 0.6, 0.9, 0.3, 0.02), ["squared_error_on_indices"]),
        (ClassNumbers(8, 0.0, 0.9, 0.3, 0.02), []),
        (ClassNumbers(8, 0.6, 0.9, 0.88, 0.02), []),
        (ClassNumbers(8, 0.6, 0.2, 0.0, 0.02), []),
    ):
        readings.numbers = numbers
        assert [each["code"] for each in head_problems(subject, readings)] == said
