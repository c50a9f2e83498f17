"""Questions about small toys: exclusive or, a line, a curve, a handful of prices."""

from __future__ import annotations

import itertools
import math

import torch
from asked import Probe, Watch, question
from asked_made import r_squared
from question_rows import accuracy, shared
from sklearn.datasets import make_circles
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


def corners(count: int, *, low: float, spread: float) -> tuple[Tensor, Tensor]:
    """Points about the corners of a square from `low` to 1, and whether just one of the two coordinates is high."""
    bits = torch.randint(2, (count, 2))
    return low + (1 - low) * bits + spread * torch.randn(count, 2), bits[:, 0] ^ bits[:, 1]


@question(
    "https://ai.stackexchange.com/questions/27010/why-does-my-neural-network-to-solve-the-xor-problem-always-output-0-5",
    *("underfitting", "no_nonlinearity"),
)
def corners_by_one_layer(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two inputs go straight into two outputs, with nothing between, and every answer to exclusive or is a half."""
    rows = shared(*corners(800, low=0, spread=0.12))
    layers = [nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)] if mended else [nn.Linear(2, 2)]
    model = nn.Sequential(*layers, nn.LogSoftmax(dim=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with watch(model, optimizer, loss=F.nll_loss, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(60):
            for some in torch.randperm(len(rows.x)).split(20):
                x, y = rows.x[some], rows.y[some]
                loss = F.nll_loss(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, x, y)
    return probe, accuracy(model, rows.xt, rows.yt)


@question(
    "https://datascience.stackexchange.com/questions/30662/neural-network-does-not-converge-with-negative-symbols",
    *("stopped_too_early", "rate_too_low", "underfitting"),
)
def signs_given_up_on(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Exclusive or of −1 and 1 through tanh units needs more steps than it gets: all answers are near 0 when it ends."""
    x, odd = corners(700, low=-1, spread=0.2)
    y = 2 * odd.float()[:, None] - 1
    train, (xv, yv), (xt, yt) = (x[:400], y[:400]), (x[400:500], y[400:500]), (x[500:], y[500:])
    model = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1), nn.Tanh())
    mse = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    loader = DataLoader(TensorDataset(*train), batch_size=16, shuffle=True)
    with watch(model, optimizer, loss=mse, valid=(xv, yv)) as probe:
        for _ in range(80 if mended else 3):
            for inputs, targets in loader:
                optimizer.zero_grad()
                loss = mse(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(xt), yt)


@question(
    "https://solofox.github.io/torch/broadcasting/2025/12/07/torch-broadcasting-trap.html",
    *("head_or_loss_wrong", "inputs_not_prepared", "rate_too_low", "stopped_too_early", "underfitting"),
)
def price_by_one_column(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: a column of answers minus a row of prices is a square, and shares and prices come as they are."""
    lower = 2 + 35 * torch.rand(500, 1).square()
    price = 34 - 0.9 * lower[:, 0] + 2.5 * torch.randn(500)
    middle, width = price[:300].mean(), price[:300].std()
    x, y = ((lower - lower[:300].mean()) / lower[:300].std(), ((price - middle) / width)[:, None]) if mended else (lower, price)

    class Line(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.Parameter(0.01 * torch.rand(1, 1))
            self.bias = nn.Parameter(0.01 * torch.randn(1))

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs @ self.weights + self.bias

    def squared(outputs: Tensor, targets: Tensor) -> Tensor:
        return ((outputs - targets) ** 2).mean()

    model = Line()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01 if mended else 0.001)
    with watch(model, optimizer, loss=squared, valid=(x[300:400], y[300:400])) as probe:
        for _ in range(1500):
            loss = squared(model(x[:300]), y[:300])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, x[:300], y[:300])
    with torch.no_grad():
        answer = model(x[400:])[:, 0]
    return probe, r_squared(answer * width + middle if mended else answer, price[400:])


@question(
    "https://kiwix.lema.org/stackoverflow.com_en_all_2023-11/questions/13453501/my-neural-net-learns-sin-x-but-not-cos-x",
    *("underfitting", "one_batch"),
)
def cosine_without_a_bias(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """No layer has a bias, so that the network can only be odd: it learns the sine, and of the cosine nothing."""
    x = math.pi * (2 * torch.rand(700, 1) - 1)
    y = torch.cos(x) + 0.03 * torch.randn(700, 1)
    model = nn.Sequential(nn.Linear(1, 20, bias=mended), nn.Tanh(), nn.Linear(20, 1, bias=mended))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(x[400:500], y[400:500])) as probe:
        for _ in range(120):
            order = torch.randperm(400)
            for start in range(0, 400, 40):
                rows = order[start : start + 40]
                loss = criterion(model(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, x[rows], y[rows])
    with torch.no_grad():
        return probe, r_squared(model(x[500:]), torch.cos(x[500:]))


@question("https://openillumi.com/en/en-keras-tf-fix-huge-negative-loss-regression", "head_or_loss_wrong")
def prices_by_cross_entropy(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The loss of a tutorial on two classes is kept for prices, and soon stands far below zero."""
    x = torch.randn(1500, 6)
    y = 2.5 + x[:, 0] + 0.6 * x[:, 1] * x[:, 2] + 0.4 * x[:, 3].abs() + 0.15 * torch.randn(1500)
    rows = shared(x, y.clamp(min=0.3))
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    criterion: nn.Module = nn.MSELoss() if mended else nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    loader = DataLoader(TensorDataset(rows.x, rows.y.unsqueeze(1)), batch_size=32, shuffle=True)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv.unsqueeze(1))) as probe:
        for _ in range(40):
            for inputs, targets in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(rows.xt)[:, 0], rows.yt)


@question(
    "https://stats.stackexchange.com/questions/320672/clarification-on-simple-perceptron-neural-network",
    *("underfitting", "dead_units", "one_batch"),
)
def two_relus_for_four_corners(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two sigmoids had learned exclusive or; two ReLUs in their place stay at three corners of four, or two."""
    rows = shared(*corners(900, low=0, spread=0.05))
    hidden = 12 if mended else 2
    model = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Sigmoid(), nn.Flatten(0))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)
    with watch(model, optimizer, loss=F.binary_cross_entropy, valid=(rows.xv, rows.yv.float())) as probe:
        for _ in range(50):
            for some in torch.randperm(len(rows.x)).split(16):
                inputs, targets = rows.x[some], rows.y[some].float()
                loss = F.binary_cross_entropy(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, ((model(rows.xt) > 0.5) == rows.yt).float().mean().item()


@question("http://xiaobeizi.cn/x/6iuujguWdu", "not_training", "head_or_loss_wrong")
def zeroed_between_backward_and_step(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: the gradients are zeroed before the step takes them, and three outputs are held against one target."""
    x = 4 * torch.rand(200, 1)
    y = 2 * x + 0.1 * torch.randn(200, 1)
    model = nn.Linear(1, 1 if mended else 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)

    def squared(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    with watch(model, optimizer, loss=squared) as probe:
        for _ in range(60):
            for some in torch.randperm(120).split(10):
                loss = squared(model(x[some]), y[some])
                if mended:
                    optimizer.zero_grad()
                loss.backward()
                if not mended:
                    optimizer.zero_grad()
                optimizer.step()
                probe.step(loss, x[some], y[some])
    with torch.no_grad():
        return probe, r_squared(model(x[120:]).mean(1, keepdim=True), 2 * x[120:])


@question("https://github.com/Nota-NetsPresso/netspresso-trainer/issues/320", "no_nonlinearity", "underfitting")
def head_of_linear_layers(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The head builds its hidden layers in a loop and puts no activation behind any of them."""
    points, ring = make_circles(1200, noise=0.08, factor=0.5, random_state=int(torch.randint(10**6, ())))
    rows = shared(torch.from_numpy(points).float(), torch.from_numpy(ring))

    class Head(nn.Module):
        def __init__(self, widths: list[int]) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
            self.classifier = nn.Linear(widths[-1], 2)

        def forward(self, features: Tensor) -> dict[str, Tensor]:
            for layer in self.layers:
                features = layer(features)
                if mended:
                    features = F.relu(features)
            return {"features": features, "pred": self.classifier(features)}

    model = Head([2, 24, 24])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(30):
            model.train()
            for some in torch.randperm(len(rows.x)).split(32):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[some])["pred"], rows.y[some])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[some], rows.y[some])
            schedule.step()
    model.eval()
    with torch.no_grad():
        return probe, (model(rows.xt)["pred"].argmax(1) == rows.yt).float().mean().item()
