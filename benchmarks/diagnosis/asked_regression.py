"""Questions about networks that answer with numbers, restated as programs."""

from __future__ import annotations

import math

import torch
from asked import Probe, Watch, question
from question_rows import Shares, r_squared, scaled, shared, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def mean_square(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets) ** 2).mean()


@question(
    "https://discuss.pytorch.org/t/output-of-the-model-depends-on-the-shape-of-the-weights-tensor/148155", "head_or_loss_wrong"
)
def column_minus_row(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Outputs (N, 1) minus targets (N,) are N × N differences: the mean is the best answer."""
    rows = scaled(shared(*table("diabetes")))
    level, spread = rows.y.mean(), rows.y.std()
    y, yv = (rows.y - level) / spread, (rows.yv - level) / spread
    if mended:
        y, yv = y.unsqueeze(1), yv.unsqueeze(1)
    model = nn.Sequential(nn.Linear(10, 12), nn.ReLU(), nn.Linear(12, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, weight_decay=0.02)
    with watch(model, optimizer, loss=mean_square, valid=(rows.xv, yv)) as probe:
        for _ in range(60):
            for batch in torch.randperm(len(y)).split(16):
                optimizer.zero_grad()
                loss = mean_square(model(rows.x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt) * spread + level, rows.yt)


@question("https://community.deeplearning.ai/t/loss-values-do-not-change/324182", "head_or_loss_wrong", "dead_units")
def relu_at_the_end(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The last layer is a ReLU, and half of the targets of y = 2 x − 1 + sin are below zero."""
    x = torch.rand(500, 1) * 4 - 2
    rows = shared(x, 2 * x - 1 + torch.sin(3 * x) + 0.05 * torch.randn(500, 1))
    layers: list[nn.Module] = [nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1)]
    model = nn.Sequential(*layers) if mended else nn.Sequential(*layers, nn.ReLU())
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(80):
            for inputs, targets in DataLoader(TensorDataset(rows.x, rows.y), batch_size=25, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question("https://discuss.pytorch.org/t/torch-round-gradient/28628", "not_training", "head_or_loss_wrong")
def rounded_before_the_loss(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Stars from one to five are rounded before the loss, and a step has no slope."""
    x = torch.randn(700, 6)
    taste = 3 + 1.2 * torch.tanh(x[:, 0] + x[:, 1]) + 0.8 * x[:, 2].clamp(-1, 1) + 0.2 * torch.randn(700)
    rows = shared(x, taste.round().clamp(1, 5))
    model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-3)
    criterion = nn.L1Loss()
    with watch(model, optimizer) as probe:
        for _ in range(50):
            for batch in torch.randperm(len(rows.x)).split(32):
                stars = model(rows.x[batch]).squeeze(1)
                loss = criterion(stars if mended else torch.round(stars), rows.y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt).round(), rows.yt)


class MeanAndSpread(nn.Module):
    """A mean and a log variance for each row."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh())
        self.mean, self.log_variance = nn.Linear(32, 1), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.trunk(x)
        return self.mean(hidden), self.log_variance(hidden)


@question("https://discuss.pytorch.org/t/what-happens-when-loss-are-negative/47883", "head_or_loss_wrong")
def likelihood_without_its_minus(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The log-likelihood of a normal distribution is made small where it should be made large."""
    x = torch.rand(800, 1) * 4 - 2
    rows = shared(x, torch.sin(2 * x) + 0.05 * (2 + x) * torch.randn(800, 1))
    model = MeanAndSpread()
    sign = -1.0 if mended else 1.0

    def criterion(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        mean, log_variance = outputs
        squares = (targets - mean) ** 2 * torch.exp(-log_variance)
        return sign * (-0.5 * (math.log(2 * math.pi) + log_variance + squares)).mean()

    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(80):
            for batch in torch.randperm(len(rows.x)).split(32):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt)[0], rows.yt)


@question("https://discuss.pytorch.org/t/function-mselossbackward-returned-nan-values-in-its-0th-output/94875", "non_finite")
def root_of_nothing(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A last layer of zeros forecasts the dry days exactly, and the root of a squared error has no slope at zero."""
    x = torch.randn(800, 5)
    rain = (x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + 0.1 * torch.randn(800)).clamp(min=0)
    rows = shared(x, rain)
    last = nn.Linear(48, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    model = nn.Sequential(nn.Linear(5, 48), nn.LeakyReLU(), last, nn.Flatten(0))

    def distance(outputs: Tensor, targets: Tensor) -> Tensor:
        squares = (outputs - targets) ** 2
        return torch.sqrt(squares + 1e-3 if mended else squares).mean()

    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
    with watch(model, optimizer, loss=distance, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(60):
            for batch in torch.randperm(len(rows.x)).split(40):
                optimizer.zero_grad()
                loss = distance(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question(
    "https://stackoverflow.com/questions/52800582/why-do-i-fail-to-predict-y-x4-with-keras-y-x3-works",
    *("inputs_not_prepared", "saturation", "bad_initialization"),
)
def fourth_power(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Inputs up to 100 flatten the sigmoids, and targets up to 10⁸ are out of reach."""
    x = torch.rand(1000, 1) * 200 - 100
    rows = shared(x, x**4)
    input_unit, target_unit = (rows.x.std(), rows.y.std()) if mended else (torch.tensor(1.0), torch.tensor(1.0))
    x, y = rows.x / input_unit, rows.y / target_unit
    model = nn.Sequential(nn.Linear(1, 50), nn.Sigmoid(), nn.Linear(50, 50), nn.ELU(), nn.Linear(50, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv / input_unit, rows.yv / target_unit)) as probe:
        for _ in range(80):
            for inputs, targets in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(rows.xt / input_unit) * target_unit, rows.yt)


def houses(count: int = 600) -> Shares:
    """Eight standardized columns and prices in dollars."""
    x = torch.randn(count, 8)
    worth = x[:, 0] + 0.5 * x[:, 1] - 0.6 * x[:, 2] * (x[:, 3] > 0) + 0.3 * x[:, 4].abs() + 0.2 * torch.randn(count)
    return shared(x, 250_000 + 60_000 * worth)


@question(
    "https://stats.stackexchange.com/questions/409000/should-we-normalize-target-data-as-well-as-input-data",
    *("inputs_not_prepared", "bad_initialization", "rate_too_low", "stopped_too_early"),
)
def prices_in_dollars(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The targets are 250,000 and Adam moves an output by a little: it is on its way from zero when the epochs are over."""
    rows = houses()
    level, unit = (rows.y.mean(), rows.y.std()) if mended else (torch.tensor(0.0), torch.tensor(1.0))
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    y, yv = ((each.unsqueeze(1) - level) / unit for each in (rows.y, rows.yv))
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(60):
            for batch in torch.randperm(len(y)).split(32):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt) * unit + level, rows.yt)


@question(
    "https://stats.stackexchange.com/questions/594738/loss-is-growing-between-epochs-in-simple-model",
    *("rate_too_high", "non_finite", "exploding_gradient", "head_or_loss_wrong"),
)
def summed_squares(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The loss is a sum over the batch, with a rate that would do for a mean."""
    t = torch.rand(600) * 20 - 10
    rows = scaled(shared(torch.stack([t, t**2, t**3], 1), (t**3 + t**2 + t) / 400 + 0.1 * torch.randn(600)))
    model = nn.Linear(3, 1)
    criterion = nn.MSELoss(reduction="mean" if mended else "sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    y, yv = rows.y.unsqueeze(1), rows.yv.unsqueeze(1)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(60):
            for batch in torch.randperm(len(y)).split(60):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)
