"""What is read from the graph of a loss, over a table of networks, losses and ways of writing them."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from leadline.diagnose.checks.loss_graphs import read_graph
from leadline.diagnose.readings import Graph

_CROSS = ["log_softmax", "nll_loss"]


def read(model: nn.Module, x: Tensor, make, *, backward: bool = True, known: bool = True) -> Graph:
    outputs = model(x)
    loss = make(outputs)
    if backward and loss.requires_grad:
        loss.backward()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return read_graph(loss, model, [optimizer], outputs=outputs if known else None)


def mlp(*after: nn.Module, out: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Dropout(0.3), nn.Linear(30, out), *after)


X, Y = torch.randn(8, 20), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
ONE = (Y > 0).float()[:, None]
HOT = F.one_hot(Y, 3).float()


@pytest.mark.parametrize(
    ("model", "make", "head", "loss"),
    [
        (mlp(), lambda o: F.cross_entropy(o, Y), [], _CROSS),
        (mlp(nn.LogSoftmax(1)), lambda o: F.nll_loss(o, Y), [], _CROSS),
        (mlp(nn.LogSoftmax(1)), lambda o: F.cross_entropy(o, Y), ["log_softmax"], _CROSS),
        (mlp(nn.Softmax(1)), lambda o: F.cross_entropy(o, Y), ["softmax"], _CROSS),
        (mlp(), lambda o: F.cross_entropy(o.softmax(1), Y), ["softmax"], _CROSS),
        (mlp(nn.Sigmoid()), lambda o: F.cross_entropy(o, Y), ["sigmoid"], _CROSS),
        (mlp(nn.ReLU()), lambda o: F.cross_entropy(o, Y), ["relu"], _CROSS),
        (mlp(), lambda o: F.nll_loss(o, Y), [], ["nll_loss"]),
        (mlp(nn.Softmax(1)), lambda o: F.nll_loss(o, Y), ["softmax"], ["nll_loss"]),
        (mlp(nn.Sigmoid(), out=1), lambda o: F.binary_cross_entropy(o, ONE), ["sigmoid"], ["binary_cross_entropy"]),
        (mlp(out=1), lambda o: F.binary_cross_entropy_with_logits(o, ONE), [], ["binary_cross_entropy_with_logits"]),
        (mlp(out=1), lambda o: F.mse_loss(o.squeeze(1), ONE[:, 0]), [], ["mse_loss"]),
        (mlp(nn.Softmax(1)), lambda o: F.mse_loss(o, HOT), ["softmax"], ["mse_loss"]),
        (mlp(), lambda o: F.cross_entropy(o, Y, reduction="sum"), [], [*_CROSS, "sum"]),
        (mlp(out=1), lambda o: ((o - ONE) ** 2).mean(), [], ["sub", "pow", "mean"]),
        (mlp(), lambda o: -F.cross_entropy(o, Y), [], [*_CROSS, "neg"]),
        (mlp(nn.Softmax(1)), lambda o: -o[range(8), Y].log().mean(), ["softmax"], ["log", "mean", "neg"]),
        (mlp(), lambda o: F.cross_entropy(o, HOT), [], ["log_softmax", "mul", "sum", "neg", "div"]),
    ],
)
def test_head_and_loss(model, make, head, loss):
    found = read(model, X, make)
    assert (found.head, found.loss_operations) == (head, loss)
    assert found.depth == 2
    assert found.activations == ["relu"]
    assert not (found.linear_chains)
    assert not (found.unreached)
    assert not (found.outside)
    assert not (found.frozen)
    assert not (found.detached)
    assert not (found.unseen)
    assert found.dropout == 0.3
    assert not (found.broadcast)
    assert not (found.softmax_over_rows)


def test_where_the_network_ends_need_not_be_known():
    found = read(mlp(nn.Softmax(1)), X, lambda o: F.cross_entropy(o, Y), known=False, backward=False)
    assert (found.head, found.loss_operations) == (["softmax"], _CROSS)


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], layers: int = 1) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(9, 6), kind(6, 7, layers, batch_first=True), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.embed(x))[0][:, -1])


class Residual(nn.Module):
    def __init__(self, activation=F.relu) -> None:
        super().__init__()
        self.stem, self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.head, self.activation = nn.BatchNorm2d(4), nn.Linear(4, 3), activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.stem(x))
        x = x + self.second(self.activation(self.norm(self.first(x))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Transformer(nn.Module):
    def __init__(self, before: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 16)
        self.body = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=before), 2, enable_nested_tensor=False
        )
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.embed(x)).mean(1))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value, self.gate, self.head = nn.Linear(20, 12), nn.Linear(20, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.value(x) * self.gate(x))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.sigmoid(self.encode(x)), self.encode.weight.T)


PICTURES = torch.randn(8, 1, 8, 8)


def over_maps(*layers: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


def stack(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


POOLED = (nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU())
SEPARABLE = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1), nn.ReLU())
NARROW = (nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2), nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
THREE = (nn.Linear(20, 30), nn.BatchNorm1d(30), nn.Dropout(0.2), nn.Linear(30, 9), nn.Linear(9, 3))
AVERAGED = (nn.Conv2d(1, 8, 3), nn.AvgPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU())
HEALTHY = {
    "mlp": (mlp(), X),
    "batch norm": (nn.Sequential(nn.Linear(20, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 3)), X),
    "clamp as relu": (nn.Sequential(nn.Linear(20, 9), nn.ReLU6(), nn.Linear(9, 3)), X),
    "max pool": (over_maps(*POOLED, channels=4), PICTURES),
    "residual": (Residual(), PICTURES),
    "separable": (over_maps(*SEPARABLE, channels=8), PICTURES),
    "narrow code": (stack(*NARROW), X),
    "lstm": (Recurrent(nn.LSTM, 2), torch.randint(9, (8, 12))),
    "gru": (Recurrent(nn.GRU), torch.randint(9, (8, 12))),
    "rnn": (Recurrent(nn.RNN), torch.randint(9, (8, 12))),
    "transformer": (Transformer(True), torch.randn(8, 5, 4)),
    "transformer, norm after": (Transformer(False), torch.randn(8, 5, 4)),
    "gate": (Gated(), X),
    "bag of words": (nn.Sequential(nn.EmbeddingBag(9, 6), nn.Linear(6, 3)), torch.randint(9, (8, 5))),
    "logistic regression": (nn.Linear(20, 3), X),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_networks_have_no_linear_chain(name):
    model, x = HEALTHY[name]
    found = read(model, x, lambda o: F.cross_entropy(o, Y))
    assert found.linear_chains == []
    assert not (found.unreached)
    assert not (found.outside)
    assert not (found.unseen)
    assert not (found.head)
    assert found.loss_operations == _CROSS


def test_depths():
    depths = {name: read(model, x, lambda o: F.cross_entropy(o, Y)).depth for name, (model, x) in HEALTHY.items()}
    expected = {"mlp": 2, "residual": 4, "lstm": 4, "gru": 3, "rnn": 3, "gate": 2, "logistic regression": 1, "bag of words": 2}
    assert {name: depths[name] for name in expected} == expected


def test_activations_stand_in_order():
    def of(name):
        return read(*HEALTHY[name], lambda o: F.cross_entropy(o, Y)).activations

    assert of("max pool") == ["max_pool2d_with_indices", "relu"]
    assert of("bag of words") == of("logistic regression") == []
    assert of("narrow code") == ["relu", "relu"]
    assert set(of("rnn")) == {"tanh"}


def test_recurrent_and_convolutional_are_told():
    def kinds(name):
        found = read(*HEALTHY[name], lambda o: F.cross_entropy(o, Y))
        return found.recurrent, found.convolutional, found.normalizes

    assert kinds("gru") == (True, False, False)
    assert kinds("residual") == (False, True, True)
    assert kinds("mlp") == (False, False, False)


@pytest.mark.parametrize(
    ("model", "x", "chains"),
    [
        (nn.Sequential(nn.Linear(20, 30), nn.Linear(30, 3)), X, [["0", "1"]]),
        (stack(*THREE), X, [["0", "3", "4"]]),
        (nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 3)), X, [["2", "3"]]),
        (over_maps(*AVERAGED, channels=8), PICTURES, [["0", "2"]]),
        (Residual(lambda x: x), PICTURES, [["first", "second", "head"]]),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(20, 9)), nn.Linear(9, 3)), X, [["0", "1"]]),
    ],
)  # fmt: skip
def test_layers_with_nothing_between(model, x, chains):
    found = read(model, x, lambda o: F.cross_entropy(o, Y))
    assert all(chain in found.linear_chains for chain in chains)


def test_mixed_precision_is_seen_through():
    with torch.autocast("cpu", torch.bfloat16):
        found = read(nn.Sequential(nn.Linear(20, 30), nn.Linear(30, 3)), X, lambda o: F.cross_entropy(o, Y))
    assert found.linear_chains == [["0", "1"]]
    assert (found.head, found.loss_operations) == ([], _CROSS)


def test_tied_weights_are_one_layer():
    found = read(Tied(), X, lambda o: F.mse_loss(o, X))
    assert (found.depth, found.activations, found.unreached, found.linear_chains) == (1, ["sigmoid"], [], [])


def test_parameters_that_nothing_reaches_or_holds():
    model = nn.ModuleDict(
        {"used": nn.Linear(20, 8), "head": nn.Linear(8, 3), "spare": nn.Linear(3, 3), "cold": nn.Linear(2, 2)}
    )
    for parameter in model["cold"].parameters():
        parameter.requires_grad_(False)
    loss = F.cross_entropy(model["head"](model["used"](X).relu()), Y)
    optimizer = torch.optim.Adam(model["head"].parameters())
    found = read_graph(loss, model, [optimizer])
    assert found.unreached == ["spare.weight", "spare.bias"]
    assert found.frozen == ["cold.weight", "cold.bias"]
    assert found.outside == ["used.weight", "used.bias", "spare.weight", "spare.bias"]
    assert not found.detached


def test_detached_losses():
    model = mlp()
    for loss in (torch.tensor(F.cross_entropy(model(X), Y).item(), requires_grad=True), F.cross_entropy(model(X).detach(), Y)):
        found = read_graph(loss, model, [])
        assert found.detached
        assert found.activations == ["relu"], "the modules still tell"
    cut = model(X).detach().requires_grad_()
    assert read_graph(F.cross_entropy(cut, Y), model, []).detached


def test_a_penalty_on_the_weights_is_no_way_of_the_data():
    model = mlp(nn.Softmax(1))
    loss = F.cross_entropy(model(X), Y) + 1e-3 * sum(p.pow(2).sum() for p in model.parameters())
    found = read_graph(loss, model, [])
    assert (found.head, found.depth, found.linear_chains) == (["softmax"], 2, [])
    assert found.loss_operations[:2] == _CROSS


def test_what_cannot_be_seen_is_said_and_read_from_the_modules():
    model = mlp(nn.Softmax(1))
    loss = F.cross_entropy(checkpoint(model, X.clone().requires_grad_(), use_reentrant=True), Y)
    found = read_graph(loss, model, [], loss_function=nn.CrossEntropyLoss())
    assert found.unseen == ["CheckpointFunctionBackward"]
    assert (found.head, found.loss_operations, found.depth) == (["softmax"], _CROSS, 2)


def test_the_graph_of_a_checkpoint_that_keeps_it_is_seen():
    model = mlp()
    loss = F.cross_entropy(checkpoint(model, X, use_reentrant=False), Y)
    found = read_graph(loss, model, [])
    assert (found.unseen, found.activations) == ([], ["relu"])


@pytest.mark.parametrize("write", [F.mse_loss, lambda o, t: ((o - t) ** 2).mean(), F.smooth_l1_loss])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_outputs_that_meet_targets_of_another_shape(write):
    model = mlp(out=1)
    assert read(model, X, lambda o: write(o, ONE[:, 0])).broadcast
    assert not read(model, X, lambda o: write(o, ONE)).broadcast
    assert not read(model, X, lambda o: write(o.squeeze(1), ONE[:, 0])).broadcast


def test_softmax_over_the_wrong_dimension():
    assert read(mlp(nn.Softmax(0)), X, lambda o: F.mse_loss(o, HOT)).softmax_over_rows
    assert read(mlp(out=1), X, lambda o: F.cross_entropy(o, torch.zeros(8).long())).softmax_size == 1
    assert read(mlp(out=1), X, lambda o: F.cross_entropy(o.squeeze(1), ONE[:, 0])).softmax_over_rows
    assert read(mlp(), X, lambda o: F.cross_entropy(o, Y)).softmax_size == 3


def test_a_large_graph_takes_little_time():
    blocks = [nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(60)]
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    loss = F.cross_entropy(model(PICTURES), Y)
    start = time.perf_counter()
    found = read_graph(loss, model, [])
    assert time.perf_counter() - start < 1.0
    assert found.depth == 62
