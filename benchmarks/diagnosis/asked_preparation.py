"""Questions about what was done to the rows before the network saw them, restated as programs."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from asked import Probe, Watch, question
from question_rows import Shares, accuracy, balanced, digits, r_squared, scaled, shared, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


@question("https://github.com/keras-team/keras/issues/2134", "non_finite", "inputs_not_prepared")
def divided_by_nothing(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Pixels that are always black have no spread, and standardizing divides by it."""
    rows = shared(*table("digits"))
    mean, std = rows.x.mean(0), rows.x.std(0)
    if mended:
        std = std.clamp(min=1.0)
    x, xv, xt = ((each - mean) / std for each in (rows.x, rows.xv, rows.xt))
    model = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(xv, rows.yv)) as probe:
        for _ in range(20):
            for inputs, labels in DataLoader(TensorDataset(x, rows.y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, xt, rows.yt)


def clients(count: int = 900) -> Shares:
    """Account number, income, age and three more columns, as they stand in the file; who pays back."""
    income, age = torch.rand(count) * 9e4 + 1e4, torch.rand(count) * 50 + 18
    debts = torch.randn(count, 3)
    pays = (income - 5.5e4) / 2.6e4 + (age - 43) / 14 - debts[:, 0] + 0.3 * torch.randn(count) > 0
    return shared(torch.stack([torch.rand(count) * 9e6, income, age, *debts.T], 1), pays.float().unsqueeze(1))


@question(
    "https://github.com/keras-team/keras/issues/4171",
    *("inputs_not_prepared", "saturation"),
)
def accounts_and_incomes(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Millions go into the first layer, so that the sigmoid is 0 or 1 from the first step and passes no gradient."""
    rows = clients()
    if mended:
        rows = scaled(rows)
    model = nn.Sequential(nn.Linear(6, 64), nn.PReLU(), nn.Linear(64, 32), nn.PReLU(), nn.Linear(32, 1), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)
    criterion = nn.BCELoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(20):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=30, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    with torch.no_grad():
        return probe, float(((model(rows.xt) > 0.5) == rows.yt.bool()).float().mean())


@question(
    "https://stackoverflow.com/questions/46995209/neural-network-toy-model-to-fit-sine-function-fails-whats-wrong",
    *("inputs_not_prepared", "saturation"),
)
def sine_of_a_thousand(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Time runs from 0 to 1000 into tanh units, which are full nearly everywhere."""
    time = torch.rand(1200, 1) * 1000
    rows = shared(time, torch.sin(time / 150))
    if mended:
        rows = scaled(rows)
    model = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    with watch(model, optimizer, loss=F.mse_loss, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(100):
            for batch in torch.randperm(len(rows.x)).split(50):
                optimizer.zero_grad()
                loss = F.mse_loss(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, r_squared(model(rows.xt), rows.yt)


@question(
    "https://geeksmental.com/question/is-test-data-required-to-be-transformed-by-training-data-statistics", "split_mismatch"
)
def only_training_rows_scaled(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The training rows are standardized, those to validate and to test with are not."""
    raw = shared(*table("breast_cancer"))
    rows = scaled(raw)
    if not mended:
        rows = Shares(rows.x, rows.y, raw.xv, raw.yv, raw.xt, raw.yt)
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.01)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=DataLoader(TensorDataset(rows.xv, rows.yv), batch_size=64)) as probe:
        for _ in range(12):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=16, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, balanced_accuracy(model, rows)


def balanced_accuracy(model: nn.Module, rows: Shares) -> float:
    model.eval()
    with torch.no_grad():
        return balanced(model(rows.xt).argmax(1), rows.yt)


@question("https://github.com/DrexelChatbotGroup/DrexelChatbot/issues/15", "input_ignored")
def inputs_shuffled_alone(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Each epoch shuffles the inputs and leaves the labels in their order."""
    rows = digits()
    x, y = rows.x, rows.y
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(25):
            order = torch.randperm(len(x))
            x = x[order]
            if mended:
                y = y[order]
            for inputs, labels in zip(x.split(32), y.split(32), strict=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://github.com/keras-team/keras/issues/8346", "split_mismatch")
def held_out_is_the_last_class(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The rows are in order of their class, and the last third is held out: that class is never seen."""
    x, y = table("wine")
    order = torch.randperm(len(x))
    test, rest = order[:40], order[40:].sort().values
    if mended:
        rest = rest[torch.randperm(len(rest))]
    cut = int(len(rest) * 0.72)
    rows = scaled(Shares(x[rest[:cut]], y[rest[:cut]], x[rest[cut:]], y[rest[cut:]], x[test], y[test]))
    model = nn.Sequential(nn.Linear(13, 10), nn.ReLU(), nn.Linear(10, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=5e-3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(60):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=10, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://dailydoseofds.beehiiv.com/p/why-is-it-important-to-shuffle-your", "oscillation", "imbalance")
def one_class_after_another(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The rows are in order of their class, and nobody shuffles: each batch is of one class."""
    rows = digits()
    order = rows.y.argsort()
    loader = DataLoader(TensorDataset(rows.x[order], rows.y[order]), batch_size=32, shuffle=mended)
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(25):
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://github.com/abhuse/polyloss-pytorch/issues/5", "imbalance")
def one_in_twelve(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """One row in twelve is of the class that matters, and lies among the others: the network never answers it."""
    y = (torch.rand(2400) < 1 / 12).long()
    rows = shared(torch.randn(2400, 10) + 0.42 * y.unsqueeze(1) * torch.tensor([1.0, -1.0] * 5), y)
    weight = len(rows.y) / (2 * torch.bincount(rows.y, minlength=2)) if mended else None
    criterion = nn.CrossEntropyLoss(weight=weight)
    model = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-3)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(16):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=50, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, balanced_accuracy(model, rows)


@question("https://github.com/keras-team/keras/issues/3755", "overfitting")
def patients_by_heart(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A wide network learns 220 patients by heart, and nobody looks at the held-out loss, which rises."""
    rows = scaled(shared(*table("diabetes")))
    level, unit = rows.y.mean(), rows.y.std()
    y, yv = ((each.unsqueeze(1) - level) / unit for each in (rows.y, rows.yv))
    model = nn.Sequential(nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    criterion = nn.MSELoss()
    best, since, kept = float("inf"), 0, copy.deepcopy(model.state_dict())
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(100):
            for batch in torch.randperm(len(y)).split(16):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], y[batch])
            if mended:
                best, since, kept = patience(model, criterion(model(rows.xv), yv), best, since, kept)
                if since == 6:
                    model.load_state_dict(kept)
                    break
    with torch.no_grad():
        return probe, r_squared(model(rows.xt) * unit + level, rows.yt)


def patience(
    model: nn.Module, held_out: Tensor, best: float, since: int, kept: dict[str, Tensor]
) -> tuple[float, int, dict[str, Tensor]]:
    """The lowest held-out loss, epochs since then, and the weights of then."""
    if held_out.item() < best:
        return held_out.item(), 0, copy.deepcopy(model.state_dict())
    return best, since + 1, kept
