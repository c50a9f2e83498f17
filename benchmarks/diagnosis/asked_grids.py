"""Questions about tables and pictures: moves, rare positives, documents, digits, a box that is to be found."""

from __future__ import annotations

import itertools

import torch
from asked import Probe, Watch, question
from asked_made import digit_pictures, mini_batches, parts, r_squared, right
from question_rows import balanced, shared
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset


def positions(count: int) -> tuple[Tensor, Tensor]:
    """(N, 10) what a player sees, and which of six moves is best there."""
    teacher = torch.Generator().manual_seed(5)
    first, second = torch.randn(10, 24, generator=teacher), torch.randn(24, 6, generator=teacher)
    x = torch.randn(count, 10)
    return x, (torch.tanh(x @ first / 3) @ second + 0.1 * torch.randn(count, 6)).argmax(1)


@question("https://github.com/David-Durst/csknow/issues/2", "head_or_loss_wrong", "dead_units")
def moves_through_relu_and_softmax(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: the last layer has a ReLU, and behind it a softmax, while the cross-entropy has its own."""
    rows = shared(*positions(4500))

    class Bot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
            self.move = nn.Linear(64, 6)

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.move(self.inner(x))
            return scores if mended else F.softmax(F.relu(scores), dim=1)

    model = Bot()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train_loop(probe: Probe) -> None:
        model.train()
        for x, y in mini_batches(rows.x, rows.y, 32):
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, x, y)

    def test_loop() -> float:
        return right(model, rows.xv, rows.yv)

    with watch(model, optimizer, loss=loss_fn, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(16):
            train_loop(probe)
            test_loop()
    return probe, right(model, rows.xt, rows.yt)


@question("https://github.com/pytorch/tutorials/pull/1644", "head_or_loss_wrong", "dead_units")
def tutorial_that_ended_in_a_relu(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The stack of linear layers and ReLUs goes on to the end, so that a class whose score is below zero has no gradient."""
    train, valid, test = parts(*digit_pictures(), 1100, 300, 397)

    class NeuralNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flatten = nn.Flatten()
            last = nn.Identity() if mended else nn.ReLU()
            self.linear_relu_stack = nn.Sequential(
                *(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10), last)
            )

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.linear_relu_stack(self.flatten(x))
            return logits

    model = NeuralNetwork()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, loss=loss_fn, valid=valid) as probe:
        for _ in range(40):
            for x, y in DataLoader(TensorDataset(*train), batch_size=64, shuffle=True):
                loss = loss_fn(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, x, y)
    return probe, right(model, *test)


def one_in_six(count: int) -> tuple[Tensor, Tensor]:
    """(N, 12) of which the first four tell; one row of six or so is positive, and overlaps with the others."""
    x = torch.randn(count, 12)
    score = x[:, 0] + x[:, 1] * x[:, 2] + 0.7 * x[:, 3] + 0.9 * torch.randn(count)
    return x, (score > 1.7).long()


@question(
    "https://discuss.pytorch.org/t/predictions-stuck-at-zero-when-positive-label-1-is-only-16-of-data/145203/2",
    *("imbalance", "head_or_loss_wrong"),
)
def sixteen_in_a_hundred(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: a sigmoid before the loss that has its own, and each label is weighted by its own share."""
    rows = shared(*one_in_six(3000))
    model = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Dropout(0.1), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))
    criterion = nn.BCEWithLogitsLoss(reduction="none")
    weight = torch.tensor([0.16, 0.84] if mended else [0.84, 0.16])

    def weighted(out: Tensor, labels: Tensor) -> Tensor:
        difference = out[:, 1] - out[:, 0]
        each: Tensor = criterion(difference if mended else torch.sigmoid(difference), labels.float())
        return (each * weight[labels]).mean()

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    with watch(model, optimizer, loss=weighted, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(11):
            model.train()
            for inputs, labels in mini_batches(rows.x, rows.y, 32):
                optimizer.zero_grad(set_to_none=True)
                loss = weighted(model(inputs), labels)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
                probe.step(loss, inputs, labels)
    model.eval()
    with torch.no_grad():
        return probe, balanced(model(rows.xt).argmax(1), rows.yt)


@question("https://github.com/JeasunLok/ResNet-pytorch/issues/1", "split_mismatch", "inputs_not_prepared")
def only_the_training_set_is_normalized(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The transform of the training set brings pixels to mean 0 and spread 1, that of the other two leaves them bytes."""
    x, y = digit_pictures()
    bytes_ = (255 * x).round()
    train, valid, test = parts(bytes_, y, 1100, 300, 397)
    mean, spread = train[0].mean(), train[0].std()

    def normalized(pictures: Tensor) -> Tensor:
        return (pictures - mean) / spread

    def plain(pictures: Tensor) -> Tensor:
        return normalized(pictures) if mended else pictures

    class Residual(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(channels)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x + self.bn(self.conv(x)))

    model = nn.Sequential(
        *(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), Residual(12), nn.MaxPool2d(2)),
        *(Residual(12), nn.Flatten(), nn.Linear(192, 10)),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
    with watch(model, optimizer, loss=criterion, valid=(plain(valid[0]), valid[1])) as probe:
        for _ in range(12):
            model.train()
            for pictures, labels in mini_batches(normalized(train[0]), train[1], 50):
                optimizer.zero_grad()
                loss = criterion(model(pictures), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, pictures, labels)
            schedule.step()
            right(model, plain(valid[0]), valid[1])
    return probe, right(model, plain(test[0]), test[1])


def documents(count: int, kinds: int = 12, words: int = 160) -> tuple[Tensor, Tensor]:
    """(N, words) how often each word stands in a document, by tf-idf's length of 1, and of which kind it is."""
    usual = torch.Generator().manual_seed(9)
    shares = torch.softmax(1.2 * torch.randn(kinds, words, generator=usual), dim=1)
    kind = torch.randint(kinds, (count,))
    counts = torch.zeros(count, words).scatter_add_(1, torch.multinomial(shares[kind], 30, True), torch.ones(count, 30))
    rare = torch.log(count / (1 + (counts > 0).sum(0)))
    return F.normalize(torch.log1p(counts) * rare, dim=1) * words**0.5, kind


@question(
    "https://datafield.dev/aibook/part-03/chapter-12/case-study-01.html",
    *("vanishing_gradient", "head_or_loss_wrong", "rate_too_low", "saturation", "stopped_too_early", "mode_mismatch"),
)
def documents_of_twelve_kinds(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Four faults: five sigmoid layers, a softmax before the cross-entropy, a rate of 0.0001, and evaluation mode."""
    rows = shared(*documents(2400))
    widths = (160, 96, 64, 48, 32, 24)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU() if mended else nn.Sigmoid()]
    layers.insert(2, nn.Dropout(0.2))
    model = nn.Sequential(*layers, nn.Linear(24, 12), *([] if mended else [nn.Softmax(dim=1)]))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3) if mended else torch.optim.SGD(model.parameters(), 1e-4)
    loader = DataLoader(TensorDataset(rows.x, rows.y), batch_size=32, shuffle=True)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(13):
            model.train(mended)
            for inputs, targets in loader:
                outputs = model(inputs)
                loss = criterion(outputs, targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, rows.xt, rows.yt)


def hands(count: int) -> tuple[Tensor, Tensor]:
    """(N, 1, 12, 12) noise with two soft dots, a large and a small one, and where both are, from 0 to 1."""
    where = 0.15 + 0.7 * torch.rand(count, 2, 2)
    axis = torch.arange(12) / 11
    along = torch.exp(-((axis - where[..., None]) ** 2) / (2 * torch.tensor([0.12, 0.06])[:, None, None] ** 2))
    dots = along[:, :, 0, :, None] * along[:, :, 1, None, :]
    return dots.sum(1, keepdim=True) + 0.05 * torch.randn(count, 1, 12, 12), where.flatten(1)


@question(
    "https://github.com/OlgaChernytska/2D-Hand-Pose-Estimation-RGB/issues/2",
    *("rate_too_low", "stopped_too_early", "underfitting"),
)
def plateau_of_the_last_batch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The losses of an epoch are emptied in each batch: the schedule hears of the last one only, and cuts at its noise."""
    train, valid, test = hands(480), hands(200), hands(400)
    model = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 4)),
    )
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = ReduceLROnPlateau(optimizer, factor=0.2, patience=1, threshold=1e-3)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(30):
            running: list[float] = []
            for pictures, places in mini_batches(*train, 12):
                if not mended:
                    running = []
                optimizer.zero_grad()
                loss = criterion(model(pictures), places)
                loss.backward()
                optimizer.step()
                running.append(loss.item())
                probe.step(loss, pictures, places)
            schedule.step(sum(running) / len(running))
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


@question(
    "https://stats.stackexchange.com/questions/261704/training-a-neural-network-for-regression-always-predicts-the-mean",
    *("rate_too_high", "dead_units", "inputs_not_prepared", "oscillation", "exploding_gradient"),
)
def box_always_in_the_middle(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A box is to be found in pictures of bytes; Adam at 0.03 kills all units, and the middle is the answer to each."""
    count = 1500
    corner = torch.randint(0, 13, (count, 2))
    axis = torch.arange(16)
    inside = (axis >= corner[..., None]) & (axis < corner[..., None] + 4)
    colour = 100 + 155 * torch.rand(count, 3, 1, 1)
    x = colour * (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
    if mended:
        x = x / 255
    y = corner / 6 - 1
    train, valid, test = parts(x, y, 1000, 200, 300)
    model = nn.Sequential(
        *(nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2, 2), nn.ReLU(), nn.Conv2d(32, 64, 5, 2, 2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(256, 100), nn.ReLU(), nn.Linear(100, 2)),
    )
    mse = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3 if mended else 3e-2)
    with watch(model, optimizer, loss=mse, valid=valid) as probe:
        for _ in range(15):
            for start in range(0, 1000, 50):
                inputs, targets = train[0][start : start + 50], train[1][start : start + 50]
                optimizer.zero_grad()
                loss = mse(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])
