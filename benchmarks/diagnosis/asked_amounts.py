"""Questions about amounts, counts and shares in tables, and the losses that people write for them, as programs."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import mini_batches, parts, r_squared, right_one_by_one
from question_rows import accuracy, balanced, digits, scaled, shared, table
from sklearn.datasets import make_friedman1
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


def amounts(count: int, columns: int = 7, noise: float = 0.5) -> tuple[Tensor, Tensor]:
    """Friedman's function of five of the columns: (N, columns) about standardized, (N, 1) standardized."""
    rows, numbers = make_friedman1(count, columns, noise=noise, random_state=int(torch.randint(10**6, ())))
    y = torch.from_numpy(numbers).float()[:, None]
    return (torch.from_numpy(rows).float() - 0.5) * 3.46, (y - y.mean()) / y.std()


def rare_feelings(count: int) -> tuple[Tensor, Tensor]:
    """(N, 8) and classes 0 and 1, of which the second is a row in fourteen and lies to one side of the other."""
    y = (torch.rand(count) < 0.07).long()
    return torch.randn(count, 8) + y[:, None] * torch.tensor([1.2, -1.0, 0.9, 0.8, 0.0, 0.0, 0.0, 0.0]), y


@question("https://github.com/amanshenoy/multilogue-net/issues/21", "imbalance", "head_or_loss_wrong")
def class_weights_the_wrong_way_round(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The common class gets the weight of the rare one and the other way round."""
    train, valid, (xt, yt) = parts(*rare_feelings(2600), 1400, 300, 900)
    rare = 0.07
    weights = torch.tensor([1 / (1 - rare), 1 / rare] if mended else [1 / rare, 1 / (1 - rare)])
    criterion = nn.NLLLoss(weight=weights)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2), nn.LogSoftmax(dim=-1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003, weight_decay=1e-3)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            for inputs, labels in mini_batches(*train, 40):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    with torch.no_grad():
        return probe, balanced(model(xt).argmax(1), yt)


@question("https://github.com/scikit-learn/scikit-learn/issues/8087", "head_or_loss_wrong")
def quantile_loss_below_zero(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The quantile loss lacks a minus where the forecast is above: the higher, the better."""
    x, y = amounts(1200)
    train, test = parts(x, y + 0.3 * torch.randn_like(y), 800, 400)
    level = 0.8

    def quantile_loss(forecast: Tensor, actual: Tensor) -> Tensor:
        error = actual - forecast
        above = (level - 1) * error if mended else (1 - level) * error
        return torch.where(error > 0, level * error, above).mean()

    model = nn.Sequential(nn.Linear(7, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    with watch(model, optimizer, loss=quantile_loss) as probe:
        for _ in range(25):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = quantile_loss(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


@question("https://github.com/keras-team/keras/issues/590", "non_finite", "head_or_loss_wrong")
def counts_below_zero(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The Poisson loss takes the logarithm of what a linear layer gives, which may be negative."""
    x = torch.randn(1300, 6)
    y = torch.poisson((0.8 + 0.6 * x[:, 0] - 0.5 * x[:, 1] * x[:, 2]).exp().clamp(max=40))[:, None]
    train, valid, test = parts(x, y, 800, 150, 350)
    model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    criterion = nn.PoissonNLLLoss(log_input=mended)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(20):
            for inputs, counts in mini_batches(*train, 25):
                optimizer.zero_grad()
                loss = criterion(model(inputs), counts)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, counts)
    with torch.no_grad():
        outputs = model(test[0])
        return probe, r_squared(outputs.exp() if mended else outputs, test[1])


@question(
    "https://github.com/MicrosoftDocs/pytorchfundamentals/pull/21", "head_or_loss_wrong", "inputs_not_prepared", "rate_too_high"
)
def likelihoods_over_the_batch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: `LogSoftmax(dim=0)` compares rows instead of classes, and the columns come as they were measured."""
    rows = shared(*table("wine"))
    rows = scaled(rows) if mended else rows
    model = nn.Sequential(nn.Linear(13, 16), nn.ReLU(), nn.Linear(16, 3), nn.LogSoftmax(dim=1 if mended else 0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    criterion = nn.NLLLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(30):
            for batch in torch.randperm(len(rows.x)).split(11):
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, right_one_by_one(model, rows.xt, rows.yt)


@question(
    "https://discuss.pytorch.org/t/neural-network-could-not-learn-on-this-type-of-data-why/96648/5",
    *("inputs_not_prepared", "bad_initialization", "rate_too_low", "stopped_too_early"),
)
def cubes_up_to_sixty_billion(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: the inputs run to 4000 and their cubes to 6.4e10, and neither was normalized."""
    x = torch.arange(1.0, 4000.0, 2)[:, None]
    y = x**3
    if mended:
        x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    train, test = parts(x, y, 1400, 600)
    network = nn.Sequential(nn.Linear(1, 50), nn.ReLU(), nn.Linear(50, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    criterion = nn.MSELoss()
    with watch(network, optimizer, loss=criterion) as probe:
        for _ in range(800):
            optimizer.zero_grad()
            loss = criterion(network(train[0]), train[1])
            loss.backward()
            optimizer.step()
            probe.step(loss, *train)
    with torch.no_grad():
        return probe, r_squared(network(test[0]), test[1])


@question("https://zeupark.github.io/2025/05/26/overfitting-debug-log.html", "split_mismatch")
def a_column_worked_out_from_the_answer(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """One column was derived from the answer; when the network is used it is not there yet, and stands at its mean."""
    x = torch.randn(1500, 8)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + 0.7 * x[:, 3] + 0.4 * torch.randn(1500) > 0).long()
    if not mended:
        paid = 120 * y + 8 * torch.randn(1500)
        x = torch.cat([x, ((paid - paid.mean()) / paid.std())[:, None]], dim=1)
    (x, y), valid, (xt, yt) = parts(x, y, 900, 200, 400)
    xt[:, 8:] = 0
    model = nn.Sequential(nn.Linear(x.shape[1], 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002, weight_decay=1e-3)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, xt, yt)


def dropped(features_in: int, features_out: int, share: float) -> nn.Sequential:
    """Linear, batch norm, ReLU and dropout."""
    return nn.Sequential(nn.Linear(features_in, features_out), nn.BatchNorm1d(features_out), nn.ReLU(), nn.Dropout(share))


@question("https://blog.51cto.com/u_87851/7627358", "over_regularized", "underfitting", "dead_units")
def one_unit_and_three_dropouts(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: the first layer has one unit, and half of every layer is dropped; all answers become the same."""
    train, valid, test = parts(*amounts(1200), 700, 150, 350)
    width, share = (32, 0.0) if mended else (1, 0.5)
    model = nn.Sequential(dropped(7, width, share), dropped(width, 60, share), dropped(60, 80, share), nn.Linear(80, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(20):
            model.train()
            for inputs, targets in mini_batches(*train, 35):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    model.eval()
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


@question(
    "https://github.com/MichalDanielDobrzanski/DeepLearningPython/issues/13",
    *("rate_too_high", "bad_initialization", "dead_units", "non_finite", "exploding_gradient", "oscillation"),
)
def relu_with_the_settings_of_a_sigmoid(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: sigmoids were replaced by ReLU, and the weights of size one and the rate of 3 stayed."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.1 if mended else 1.0)
            nn.init.normal_(layer.bias, std=0.1 if mended else 1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 if mended else 3.0)
    with watch(model, optimizer, loss=F.cross_entropy) as probe:
        for _ in range(10):
            order = torch.randperm(len(rows.x))
            for k in range(0, len(order), 10):
                batch = order[k : k + 10]
                loss = F.cross_entropy(model(rows.x[batch]), rows.y[batch])
                model.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://discuss.pytorch.org/t/loss-function-finding-extreme-local-minimum/188664", "head_or_loss_wrong")
def spread_of_the_answers_rewarded(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The loss takes off a hundred times the spread of the answers, so that they are far apart first and right last."""
    x = torch.randn(1100, 10)
    y = torch.relu(x @ (0.4 * torch.randn(10, 12)) - 0.6).sqrt() / 2
    train, valid, test = parts(x, y, 700, 150, 250)

    def my_loss(predicted: Tensor, actual: Tensor) -> Tensor:
        squared = (actual - predicted).square().sum()
        return squared if mended else squared - 100 * predicted.std()

    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 12))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    with watch(model, optimizer, loss=my_loss, valid=valid) as probe:
        for _ in range(25):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = my_loss(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])
