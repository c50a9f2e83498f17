"""Questions about small tables and toy classes, restated as programs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from asked import Probe, Watch, question
from question_rows import accuracy, balanced, scaled, shared, table
from sklearn.datasets import make_blobs, make_multilabel_classification
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


@question("https://techfeed.net/pt/431483/", "head_or_loss_wrong", "bad_initialization")
def labels_of_minus_one_and_one(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The classes are −1 and 1 for a loss that wants 0 and 1, and the weights are drawn as wide as the inputs."""
    x = torch.randn(900, 5)
    y = (x[:, 0] * x[:, 1] + x[:, 2] + 0.4 * torch.randn(900) > 0).float()
    rows = shared(x, y if mended else 2 * y - 1)
    model = nn.Sequential(nn.Linear(5, 80), nn.ReLU(), nn.Linear(80, 80), nn.ReLU(), nn.Linear(80, 1), nn.Flatten(0))
    if not mended:
        for parameter in model.parameters():
            nn.init.normal_(parameter)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.BCEWithLogitsLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(12):
            for batch in torch.randperm(len(rows.x)).split(20):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    with torch.no_grad():
        return probe, balanced((model(rows.xt) > 0).long(), (rows.yt > 0).long())


@question(
    "https://stackoverflow.com/questions/38648195",
    *("head_or_loss_wrong", "rate_too_low", "stopped_too_early", "over_regularized"),
)
def three_labels_share_a_softmax(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Several of three labels may hold: a softmax, squared errors, plain small steps, and half of twenty units dropped."""
    counts, labels = make_multilabel_classification(n_samples=1600, n_features=20, n_classes=3, random_state=3)
    rows = scaled(shared(torch.from_numpy(counts).float(), torch.from_numpy(labels).float()))
    drop = 0.0 if mended else 0.5
    head: nn.Module = nn.Sigmoid() if mended else nn.Softmax(dim=1)
    model = nn.Sequential(
        *(nn.Linear(20, 20), nn.ReLU(), nn.Dropout(drop), nn.Linear(20, 20), nn.ReLU(), nn.Dropout(drop)),
        *(nn.Linear(20, 3), head),
    )
    criterion: nn.Module = nn.BCELoss() if mended else nn.MSELoss()
    optimizer = (torch.optim.Adam if mended else torch.optim.SGD)(model.parameters(), lr=2e-3 if mended else 1e-2)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(12):
            model.train()
            for inputs, targets in DataLoader(TensorDataset(rows.x, rows.y), batch_size=20, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    model.eval()
    with torch.no_grad():
        said = (model(rows.xt) > 0.5).long()
    return probe, sum(balanced(said[:, k], rows.yt[:, k].long()) for k in range(3)) / 3


def incomes(count: int) -> tuple[Tensor, Tensor]:
    """(N, 7) age, weight of the census, schooling, capital gain, hours, two codes; and who earns much."""
    age, school, hours = 17 + 60 * torch.rand(count), torch.randint(1, 17, (count,)).float(), 40 + 10 * torch.randn(count)
    census = 190_000 + 90_000 * torch.randn(count)
    gain = (torch.rand(count) < 0.1) * 15_000 * torch.rand(count)
    job, country = torch.randint(15, (count,)).float(), torch.randint(42, (count,)).float()
    worth = 0.5 * school + 0.1 * (hours - 40) - ((age - 48) / 12) ** 2 + gain / 3000
    earns = (worth + 0.7 * torch.randn(count) > 2.5).long()
    return torch.stack([age, census, school, gain, hours, job, country], 1), earns


@question("https://stackoverflow.com/questions/47724077", "inputs_not_prepared")
def census_as_it_is(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Ages, hours and a weight of some hundred thousand stand side by side as they are."""
    rows = shared(*incomes(1600))
    if mended:
        rows = scaled(rows)
    model = nn.Sequential(nn.Linear(7, 21), nn.ReLU(), nn.Linear(21, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(40):
            for batch in torch.randperm(len(rows.x)).split(50):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)


@question(
    "https://stackoverflow.com/questions/50306988/neural-net-fails-on-toy-dataset",
    *("stopped_too_early", "rate_too_low"),
)
def two_squares_in_five_epochs(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two squares that a line parts, two sigmoids, Adam's usual rate, and five epochs of a few steps."""
    y = torch.randint(2, (260,))
    rows = shared(torch.rand(260, 2) * 0.2 + 0.2 + 0.3 * y[:, None], y)
    model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05 if mended else 0.001)
    with watch(model, optimizer, loss=F.cross_entropy, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(100 if mended else 5):
            for points, squares in zip(rows.x.split(32), rows.y.split(32), strict=True):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(points), squares)
                loss.backward()
                optimizer.step()
                probe.step(loss, points, squares)
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://stackoverflow.com/questions/56076672", "underfitting", "dead_units")
def circle_with_three_units(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two ReLUs and then one are to tell the inside of a circle from its outside: the line cannot close."""
    x = 2 * torch.rand(1200, 2) - 1
    rows = shared(x, (x.square().sum(1, keepdim=True) < 0.6).float())
    first, second = (24, 12) if mended else (2, 1)
    model = nn.Sequential(
        *(nn.Linear(2, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 1), nn.Sigmoid()),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.BCELoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(50):
            for points, inside in DataLoader(TensorDataset(rows.x, rows.y), batch_size=40, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(points), inside)
                loss.backward()
                optimizer.step()
                probe.step(loss, points, inside)
    with torch.no_grad():
        return probe, float(((model(rows.xt) > 0.5) == rows.yt.bool()).float().mean())


@question("https://github.com/keras-team/keras/issues/508", "inputs_not_prepared", "saturation")
def wines_as_they_are_measured(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Columns of a tenth and of a thousand go into tanh units, which the large one saturates."""
    rows = shared(*table("wine"))
    if mended:
        rows = scaled(rows)
    model = nn.Sequential(nn.Linear(13, 12), nn.Tanh(), nn.Linear(12, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    criterion = nn.CrossEntropyLoss()
    best, waited = 0.0, 0
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(60):
            model.train()
            for batch in torch.randperm(len(rows.x)).split(8):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
            reached = accuracy(model, rows.xv, rows.yv)
            best, waited = (reached, 0) if reached > best else (best, waited + 1)
            if waited == 25:
                break
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://github.com/shiningrain/AUTOTRAINER", "dead_units", "bad_initialization", "vanishing_gradient")
def blobs_into_dead_relus(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """First biases far below zero leave all ReLUs of the second layer silent from the first step on."""
    points, kinds = make_blobs(900, centers=[[-3, 0], [3, 0], [0, 3]], cluster_std=0.9, random_state=0)
    rows = shared(torch.from_numpy(points).float(), torch.from_numpy(kinds).long())
    layers = [nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 16)]
    if not mended:
        for layer in layers:
            nn.init.normal_(layer.weight, std=0.1)
            nn.init.constant_(layer.bias, -1.0)
    model = nn.Sequential(*(each for layer in layers for each in (layer, nn.ReLU())), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    with watch(model, optimizer, loss=F.cross_entropy, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(25):
            for batch in torch.randperm(len(rows.x)).split(32):
                loss = F.cross_entropy(model(rows.x[batch]), rows.y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)
