"""Questions about lines, parabolas, sines and products that a small network was to learn, restated as programs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from asked import Probe, Watch, question
from question_rows import r_squared, scaled, shared
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


@question(
    "https://stackoverflow.com/questions/48934338",
    *("rate_too_high", "non_finite", "dead_units", "exploding_gradient"),
)
def parabola_at_a_tenth(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Fifty points of 5 x², and plain steps at a rate of 0.1: after the first ones there is nothing left that learns."""
    x = torch.arange(0.0, 5.0, 0.1)[:, None]
    y = 5 * x**2 + torch.randn(50, 1) ** 3
    model = nn.Sequential(nn.Linear(1, 50), nn.ReLU(), nn.Linear(50, 30), nn.ReLU(), nn.Linear(30, 1))
    optimizer: torch.optim.Optimizer = (
        torch.optim.Adam(model.parameters(), lr=0.01) if mended else torch.optim.SGD(model.parameters(), lr=0.1)
    )
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion) as probe:
        for _ in range(400):
            for rows in torch.randperm(50).split(32):
                optimizer.zero_grad()
                loss = criterion(model(x[rows]), y[rows])
                loss.backward()
                optimizer.step()
                probe.step(loss, x[rows], y[rows])
    new = torch.linspace(0.05, 4.85, 200)[:, None]
    with torch.no_grad():
        return probe, r_squared(model(new), 5 * new**2)


@question("https://stackoverflow.com/questions/48221692", "head_or_loss_wrong", "rate_too_low", "stopped_too_early")
def line_through_a_sigmoid(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A line from −2 to 4 is to come out of a sigmoid, by plain steps with all rows at once."""
    x = 2 * torch.rand(400, 1) - 1
    rows = shared(x, 3 * x + 1 + 0.1 * torch.randn(400, 1))
    model = nn.Sequential(nn.Linear(1, 5), nn.Sigmoid(), nn.Linear(5, 1))
    if not mended:
        model.append(nn.Sigmoid())
    optimizer: torch.optim.Optimizer = (
        torch.optim.Adam(model.parameters(), lr=0.03) if mended else torch.optim.SGD(model.parameters(), lr=0.01)
    )
    with watch(model, optimizer, loss=nn.MSELoss(), valid=(rows.xv, rows.yv)) as probe:
        for _ in range(800):
            optimizer.zero_grad()
            loss = nn.MSELoss()(model(rows.x), rows.y)
            loss.backward()
            optimizer.step()
            probe.step(loss, rows.x, rows.y)
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question(
    "https://stackoverflow.com/questions/33969059",
    *("head_or_loss_wrong", "inputs_not_prepared", "saturation", "over_regularized"),
)
def weighted_sum_through_a_softmax(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Columns and targets in the thousands, three and two tanh units with dropout, and a softmax over the one output."""
    x = 10000 * torch.rand(900, 3)
    y = (x @ torch.tensor([2.0, 1.0, 0.5]) + 2.2)[:, None]
    rows = shared(x, (y - y.mean()) / y.std() if mended else y)
    if mended:
        rows = scaled(rows)
    drop = 0.0 if mended else 0.5
    model = nn.Sequential(
        *(nn.Linear(3, 3), nn.Tanh(), nn.Dropout(drop), nn.Linear(3, 2), nn.Tanh(), nn.Dropout(drop)),
        *(nn.Linear(2, 1), nn.Identity() if mended else nn.Softmax(dim=1)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, nesterov=True)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(40):
            model.train()
            for inputs, targets in DataLoader(TensorDataset(rows.x, rows.y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    model.eval()
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question(
    "https://stackoverflow.com/questions/5105718/multi-layer-neural-network-won-t-predict-negative-values", "head_or_loss_wrong"
)
def sines_that_are_never_negative(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The sine of a sum comes out of a logistic unit, and half of all sines are below zero."""
    x = 2 * torch.rand(700, 4) - 1
    rows = shared(x, x.sum(1, keepdim=True).sin())
    hidden, out = nn.Linear(4, 6), nn.Linear(6, 1)
    squash = torch.tanh if mended else torch.sigmoid

    class Brain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = hidden, out

        def forward(self, vector: Tensor) -> Tensor:
            return squash(self.out(torch.sigmoid(self.hidden(vector))))

    model = Brain()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    with watch(model, optimizer) as probe:
        for _ in range(60):
            for start in range(0, len(rows.x), 32):
                vectors, sines = rows.x[start : start + 32], rows.y[start : start + 32]
                loss = (model(vectors) - sines).pow(2).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, vectors, sines)
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question("https://datascience.stackexchange.com/questions/60170", "no_nonlinearity")
def products_by_layers_alone(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Five layers of up to 100 units and nothing between them: sums they learn, products of two numbers they do not."""
    x = torch.randint(1, 1000, (900, 2)).float() / 1000
    rows = shared(x, x.prod(1, keepdim=True))
    layers: list[nn.Module] = []
    for fan_in, fan_out in ((2, 20), (20, 60), (60, 100), (100, 60)):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()] if mended else [nn.Linear(fan_in, fan_out)]
    model = nn.Sequential(*layers, nn.Linear(60, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(60):
            for batch in torch.randperm(len(rows.x)).split(50):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question(
    "https://stats.stackexchange.com/questions/280372/neural-network-cannot-learn-a-simple-function",
    "rate_too_low",
    "stopped_too_early",
)
def parabola_that_stays_a_line(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """(x − ½)² on a hundred points, all at once at a rate of 0.001: after a thousand steps it is a straight line still."""
    x = torch.arange(100)[:, None] / 100
    y = (x - 0.5) ** 2
    model = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 if mended else 0.001, momentum=0.9 if mended else 0.0)
    with watch(model, optimizer, loss=F.mse_loss) as probe:
        for _ in range(1500):
            loss = F.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, x, y)
    new = torch.rand(200, 1)
    with torch.no_grad():
        return probe, r_squared(model(new), (new - 0.5) ** 2)


@question("https://github.com/keras-team/keras/issues/2576", "inputs_not_prepared", "rate_too_low", "stopped_too_early")
def targets_of_some_hundreds(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """One linear layer is to give some hundreds, and RMSprop's small steps bring its weights not even to 1 in twenty epochs."""
    x = torch.randn(1200, 30)
    y = (x @ (100 * torch.rand(30)) + 40 * torch.randn(1200))[:, None]
    rows = shared(x, y / y.std() if mended else y)
    model = nn.Linear(30, 1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(rows.x, rows.y), batch_size=16, shuffle=True)
    with watch(model, optimizer, loss=nn.MSELoss(), valid=(rows.xv, rows.yv)) as probe:
        for _ in range(20):
            for inputs, targets in loader:
                optimizer.zero_grad()
                loss = F.mse_loss(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question(
    "https://github.com/keras-team/keras/issues/3040",
    *("rate_too_high", "non_finite", "exploding_gradient", "inputs_not_prepared"),
)
def line_that_runs_away(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """y = 2 x for x up to 200, a row at a time at a rate of 0.001: no number after a few of them."""
    x = torch.arange(200.0)[:, None]
    rows = shared(x, 2 * x + torch.randn(200, 1))
    model = nn.Sequential(nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5 if mended else 1e-3)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion) as probe:
        for _ in range(3):
            for inputs, targets in zip(rows.x.split(1), rows.y.split(1), strict=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


class Line(nn.Module):
    """a x + b, with parameters of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(()))
        self.b = nn.Parameter(torch.randn(()))

    def forward(self, celsius: Tensor) -> Tensor:
        return self.a * celsius + self.b


@question("https://forums.fast.ai/t/18783", "inputs_not_prepared", "rate_too_low", "stopped_too_early")
def fahrenheit_without_its_thirty_two(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Degrees as they are let the slope bear only tiny steps, with which the 32 of Fahrenheit is never reached."""
    celsius = 80 * torch.rand(500) - 40
    rows = shared(celsius, 1.8 * celsius + 32 + 0.3 * torch.randn(500))
    if mended:
        rows = scaled(rows)
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01 if mended else 1e-5)
    with watch(model, optimizer, loss=F.mse_loss, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(80):
            for batch in torch.randperm(len(rows.x)).split(25):
                loss = F.mse_loss(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question("https://github.com/keras-team/keras/issues/1874", "head_or_loss_wrong", "over_regularized", "saturation")
def answers_through_a_tanh(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Four columns, half of the units dropped, absolute errors, and a tanh before targets that go from 0 to 8."""
    x = 2 * torch.rand(800, 4) - 1
    rows = shared(x, 3 + 2 * (2 * x[:, :1]).sin() + 2 * x[:, 1:2] * x[:, 2:3] + x[:, 3:] ** 2 + 0.1 * torch.randn(800, 1))
    model = nn.Sequential(nn.Linear(4, 100), nn.Tanh())
    if not mended:
        model.append(nn.Dropout(0.5))
    model.append(nn.Linear(100, 1))
    if not mended:
        model.append(nn.Tanh())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    criterion = nn.L1Loss()
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.98)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(150):
            model.train()
            for batch in torch.randperm(len(rows.x)).split(32):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
            schedule.step()
    model.eval()
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)
