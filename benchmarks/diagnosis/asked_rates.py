"""Questions about rates, schedules, first weights, activations and decay, restated as programs."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from asked import Probe, Watch, question
from question_rows import accuracy, digits, r_squared, scaled, shared, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class CustomModel(nn.Module):
    """Seven columns, three hidden layers, two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(7, 60), nn.Linear(60, 100)
        self.fc3, self.fc4 = nn.Linear(100, 30), nn.Linear(30, 2)
        for module in self.children():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, data: Tensor) -> Tensor:
        x = F.relu(self.fc1(data))
        x = F.relu(self.fc2(x))
        return self.fc4(F.relu(self.fc3(x)))


@question(
    "https://discuss.pytorch.org/t/loss-not-converging-on-a-binary-classification-problem/177433",
    *("rate_too_low", "stopped_too_early"),
)
def a_ten_thousandth(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Plain SGD at 0.0001 comes nowhere."""
    x = torch.rand(600, 7)
    rows = shared(x, (x[:, 0] + x[:, 1] ** 2 - x[:, 2] * x[:, 3] + 0.05 * torch.randn(600) > 0.57).long())
    model = CustomModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05 if mended else 0.0001)
    criterion = nn.CrossEntropyLoss()
    model.train(True)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(100):
            for sample, ground in DataLoader(TensorDataset(rows.x, rows.y), batch_size=30, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(sample), ground)
                loss.backward()
                optimizer.step()
                probe.step(loss, sample, ground)
    return probe, accuracy(model, rows.xt, rows.yt)


@question(
    "https://datascience.stackexchange.com/questions/13163/mlp-on-iris-data-not-working-but-it-does-fine-on-mnist-keras",
    *("stopped_too_early", "rate_too_low"),
)
def iris_in_twelve_epochs(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A hundred flowers give few steps an epoch, so that twelve epochs are over before it has learned."""
    rows = scaled(shared(*table("iris"), valid=0.15))
    model = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(500 if mended else 12):
            for batch in torch.randperm(len(rows.x)).split(16):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://discuss.pytorch.org/t/cross-entropy-loss-is-not-decreasing/43814", "rate_too_high", "dead_units")
def adam_at_a_half(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Adam at a rate of 0.5 drives the ReLUs below zero, and the loss stays at ln 10."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001 if mended else 0.5)
    with watch(model, optimizer, loss=F.cross_entropy, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(30):
            for batch in torch.randperm(len(rows.x)).split(32):
                loss = F.cross_entropy(model(rows.x[batch]), rows.y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)


@question(
    "https://datascience.stackexchange.com/questions/28481/reason-for-having-both-low-loss-and-same-predicted-class",
    *("rate_too_high", "oscillation", "dead_units"),
)
def learned_and_lost(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The rate suits the first epochs, then 0.8 with momentum throws the network out of what it had learned."""
    rows = digits()
    y, yv, yt = ((each % 2).float() for each in (rows.y, rows.yv, rows.yt))
    model = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 1), nn.Sigmoid(), nn.Flatten(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05 if mended else 0.8, momentum=0.9)
    criterion = nn.BCELoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(30):
            for inputs, targets in DataLoader(TensorDataset(rows.x, y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, float(((model(rows.xt) > 0.5) == yt.bool()).float().mean())


@question("https://github.com/Lornatang/SRGAN-PyTorch/issues/1", "rate_too_low", "stopped_too_early")
def schedule_by_the_batch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The schedule is told of each batch as though it were an epoch, and the rate is gone in a moment."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.1)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(25):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                if not mended:
                    scheduler.step()
                probe.step(loss, inputs, labels)
            if mended:
                scheduler.step()
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://github.com/torch/optim/issues/164", "vanishing_gradient", "saturation")
def eight_sigmoids(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Each of eight sigmoid layers takes three quarters of the gradient, or more."""
    rows = digits()
    layers: list[nn.Module] = []
    for index in range(8):
        layers += [nn.Linear(64 if index == 0 else 40, 40), nn.ReLU() if mended else nn.Sigmoid()]
    if mended:
        for layer in layers[::2]:
            nn.init.kaiming_normal_(layer.weight)
    model = nn.Sequential(*layers, nn.Linear(40, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(30):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)


@question(
    "https://community.deeplearning.ai/t/why-dont-weights-get-adjusted-when-initialized-to-0/431799", "bad_initialization"
)
def constant_weights(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """All first weights are 0.05, so that the units of a layer stay one and the same."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 40), nn.Tanh(), nn.Linear(40, 20), nn.Tanh(), nn.Linear(20, 10))
    if not mended:
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.05)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with watch(model, optimizer, loss=F.cross_entropy, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(40):
            for batch in torch.randperm(len(rows.x)).split(32):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)


@question(
    "https://discuss.pytorch.org/t/unable-to-learn-xor-representation-using-2-layers-of-multi-layered-perceptron-mlp/13287",
    "no_nonlinearity",
)
def exclusive_or(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two layers with nothing between them are one, and no line parts the corners of exclusive or."""
    corners = torch.randint(0, 2, (600, 2)).float()
    rows = shared(corners + 0.15 * torch.randn(600, 2), (corners[:, 0] != corners[:, 1]).float().unsqueeze(1))
    between: list[nn.Module] = [nn.ReLU()] if mended else []
    model = nn.Sequential(nn.Linear(2, 16), *between, nn.Linear(16, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(80):
            for batch in torch.randperm(len(rows.x)).split(30):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, float(((model(rows.xt) > 0.5) == rows.yt.bool()).float().mean())


class ByHand(nn.Module):
    """Layers as bare matrices, drawn from a standard normal distribution or one that suits the fan-in."""

    def __init__(self, sizes: tuple[int, ...], *, suited: bool) -> None:
        super().__init__()
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(torch.randn(a, b) * (a**-0.5 if suited else 1.0) for a, b in pairs)
        self.biases = nn.ParameterList(torch.randn(b) if a == 1 and suited else torch.zeros(b) for a, b in pairs)

    def forward(self, x: Tensor) -> Tensor:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.tanh(x @ weight + bias)
        return x @ self.weights[-1] + self.biases[-1]


@question(
    "https://stats.stackexchange.com/questions/320289/approximate-the-sine-function-with-shallow-neural-network",
    *("rate_too_low", "bad_initialization", "saturation"),
)
def sine_by_hand(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Standard normal weights overfill 128 tanh units, and the rate is 4 · 10⁻⁷ so that it does not blow up."""
    x = torch.rand(1500, 1) * 10 - 5
    rows = shared(x, torch.sin(x) / 2.5 + torch.randn(1500, 1) / 20)
    model = ByHand((1, 32, 128, 32, 1), suited=mended)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02 if mended else 4e-7, momentum=0.9)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(60):
            for batch in torch.randperm(len(rows.x)).split(32):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question("https://github.com/deeplearning4j/deeplearning4j/issues/1453", "over_regularized")
def decay_of_a_third(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A weight decay of 0.3 leaves nothing of the weights."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4 if mended else 0.3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(25):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)
