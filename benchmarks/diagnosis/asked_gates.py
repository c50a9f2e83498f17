"""Questions about truth tables, as the benchmarks of faulty programs have them: exclusive or, bits, the game of life."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from asked import Probe, Watch, question
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

CORNERS = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])


def around_corners(count: int, noise: float) -> tuple[Tensor, Tensor]:
    """(N, 2) near the corners of a square, and (N, 1) whether exactly one of the two is on."""
    corner = CORNERS[torch.randint(4, (count,))]
    return corner + noise * torch.randn(count, 2), (corner.sum(1, keepdim=True) == 1).float()


def said_rightly(model: nn.Module, threshold: float) -> float:
    """The share of 400 new rows near the corners that lie on the right side of the threshold."""
    x, y = around_corners(400, 0.1)
    with torch.no_grad():
        return float(((model(x) > threshold) == y.bool()).float().mean())


@question("https://stackoverflow.com/questions/31556268", "rate_too_low", "stopped_too_early", "head_or_loss_wrong")
def xor_by_absolute_errors(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Four rows, the absolute error, small plain steps and too few of them: every answer stays near a half."""
    data, label = CORNERS, torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    model = nn.Sequential(nn.Linear(2, 8), nn.Sigmoid(), nn.Linear(8, 1), nn.Sigmoid())
    criterion: nn.Module = nn.MSELoss() if mended else nn.L1Loss()
    optimizer: torch.optim.Optimizer = (
        torch.optim.Adam(model.parameters(), lr=0.05)
        if mended
        else torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.11, nesterov=True)
    )
    with watch(model, optimizer, loss=criterion) as probe:
        for _ in range(1200 if mended else 800):
            optimizer.zero_grad()
            loss = criterion(model(data), label)
            loss.backward()
            optimizer.step()
            probe.step(loss, data, label)
    return probe, said_rightly(model, 0.5)


@question("https://stackoverflow.com/questions/34311586", "head_or_loss_wrong", "rate_too_low", "stopped_too_early")
def xor_with_a_softmax_and_twenty_epochs(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The one output goes through a softmax, the rate is 0.001, and twenty epochs are all that it gets."""
    (x, y), (xv, yv) = around_corners(160, 0.1), around_corners(60, 0.1)
    head: nn.Module = nn.Sigmoid() if mended else nn.Softmax(dim=1)
    model = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1), head)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 if mended else 0.001, momentum=0.9, nesterov=True)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(xv, yv)) as probe:
        for _ in range(120 if mended else 20):
            for start in range(0, len(x), 20):
                inputs, targets = x[start : start + 20], y[start : start + 20]
                predicted = model(inputs)
                loss = criterion(predicted, targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, said_rightly(model, 0.5)


@question(
    "https://stats.stackexchange.com/questions/433365/xor-with-neural-network",
    *("head_or_loss_wrong", "dead_units", "stopped_too_early", "rate_too_low", "underfitting", "no_nonlinearity"),
)
def xor_of_the_book_through_relus(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """No activation after the first layer, two units, a ReLU at the end, squared errors, and five epochs."""
    x = CORNERS[torch.randint(4, (1500,))]
    y = (x.sum(1, keepdim=True) == 1).float()
    if mended:
        model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    else:
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1), nn.ReLU())
    criterion: nn.Module = nn.BCEWithLogitsLoss() if mended else nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 if mended else 0.01)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    with watch(model, optimizer, loss=criterion) as probe:
        for _ in range(25 if mended else 5):
            for bits, answers in loader:
                optimizer.zero_grad()
                loss = criterion(model(bits), answers)
                loss.backward()
                optimizer.step()
                probe.step(loss, bits, answers)
    return probe, said_rightly(model, 0.0 if mended else 0.5)


@question(
    "https://stackoverflow.com/questions/39217567",
    *("underfitting", "one_batch", "rate_too_low", "stopped_too_early", "vanishing_gradient", "bad_initialization"),
)
def bits_of_another_number(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Any of 256 numbers stands for another one; eight sigmoids a layer and plain steps cannot hold such a table."""
    bits = ((torch.arange(256)[:, None] >> torch.arange(8)) & 1).float()
    other = bits[torch.randperm(256)]
    if mended:
        model = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 8), nn.Sigmoid())
        optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    else:
        layers = [nn.Linear(8, 8) for _ in range(3)]
        for layer in layers:
            nn.init.normal_(layer.weight, std=0.05)
        model = nn.Sequential(*(each for layer in layers for each in (layer, nn.Sigmoid())))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with watch(model, optimizer, loss=F.mse_loss) as probe:
        for _ in range(150):
            for rows in torch.randperm(256).split(50):
                optimizer.zero_grad()
                loss = F.mse_loss(model(bits[rows]), other[rows])
                loss.backward()
                optimizer.step()
                probe.step(loss, bits[rows], other[rows])
    with torch.no_grad():
        return probe, float(((model(bits) > 0.5) == other.bool()).float().mean())


def fields(count: int) -> tuple[Tensor, Tensor]:
    """(N, 1, 8, 8) of living cells on a ring in both directions, and who lives a step later."""
    now = (torch.rand(count, 1, 8, 8) < 0.4).float()
    around = F.conv2d(F.pad(now, (1, 1, 1, 1), mode="circular"), torch.ones(1, 1, 3, 3)) - now
    return now, ((around == 3) | ((around == 2) & now.bool())).float()


class Life(nn.Module):
    """Cells that see their neighbours, and a small network for each."""

    def __init__(self) -> None:
        super().__init__()
        self.around = nn.Conv2d(1, 24, 3)
        self.within = nn.Conv2d(24, 24, 1)
        self.lives = nn.Conv2d(24, 1, 1)

    def forward(self, field: Tensor) -> Tensor:
        field = F.pad(field, (1, 1, 1, 1), mode="circular")
        return torch.sigmoid(self.lives(F.relu(self.within(F.relu(self.around(field))))))


@question("https://github.com/Wardat-ISU/DeepLocalize#gol_nn", "stopped_too_early", "rate_too_low")
def game_of_life_in_two_epochs(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two epochs with Adam's usual rate are over before the rule of the game is learned."""
    (x, y), (xv, yv) = fields(640), fields(100)
    model = Life()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01 if mended else 0.001)
    with watch(model, optimizer, loss=criterion, valid=(xv, yv)) as probe:
        for _ in range(40 if mended else 2):
            for rows in torch.randperm(len(x)).split(32):
                loss = criterion(model(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, x[rows], y[rows])
    xt, yt = fields(200)
    with torch.no_grad():
        return probe, float(((model(xt) > 0.5) == yt.bool()).float().mean())
