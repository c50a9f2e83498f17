"""Questions about what comes out of a data set and when a loop steps, decays and stops, restated as programs."""

from __future__ import annotations

import math

import torch
from asked import Watch, question
from asked_made import mini_batches, parts, right
from question_rows import accuracy, balanced, digits, scaled, shared, table
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

from leadline.diagnose import Probe


@question(
    "https://github.com/fastai/fastai/issues/3023",
    *("rate_too_high", "oscillation", "exploding_gradient", "non_finite", "dead_units"),
)
def sixteen_batches_summed(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Gradients of sixteen small batches are gathered before a step, and nobody divides by sixteen."""
    rows = digits()
    gathered = 16
    model = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(rows.x, rows.y), batch_size=4, shuffle=True)
    step = 0
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(10):
            for inputs, labels in loader:
                loss = criterion(model(inputs), labels)
                if mended:
                    (loss / gathered).backward()
                else:
                    loss.backward()
                step += 1
                if step % gathered == 0:
                    optimizer.step()
                    optimizer.zero_grad()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)


@question(
    "https://runebook.dev/en/articles/pytorch/data/torch.utils.data.WeightedRandomSampler",
    *("overfitting", "imbalance", "split_mismatch"),
)
def a_weight_for_each_class(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The sampler wants a weight for each row and gets one for each class, so that it draws the first three rows only."""
    rows = scaled(shared(*table("wine")))
    weights = 1 / torch.bincount(rows.y).float()
    sampler = WeightedRandomSampler((weights[rows.y] if mended else weights).tolist(), num_samples=len(rows.y))
    loader = DataLoader(TensorDataset(rows.x, rows.y), batch_size=16, sampler=sampler)
    model = nn.Sequential(nn.Linear(13, 20), nn.ReLU(), nn.Linear(20, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003, weight_decay=1e-3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(25):
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    model.eval()
    return probe, balanced(model(rows.xt).argmax(1), rows.yt)


@question(
    "https://github.com/Deci-AI/super-gradients/issues/416", "oscillation", "imbalance", "mode_mismatch", "split_mismatch"
)
def one_class_after_the_other(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The folders are read in their order without a shuffle, and batch norms see batches of one class."""
    rows = digits()
    order = rows.y.argsort(stable=True)
    loader = DataLoader(TensorDataset(rows.x[order], rows.y[order]), batch_size=32, shuffle=mended)
    model = nn.Sequential(
        *(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU()),
        *(nn.Linear(48, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 10)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3)
    with watch(model, optimizer, loss=F.cross_entropy, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(15):
            model.train()
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
            accuracy(model, rows.xv, rows.yv)
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://github.com/pytorch/pytorch/issues/65417", "rate_too_low", "stopped_too_early", "underfitting")
def one_cycle_stepped_by_epochs(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A one-cycle schedule was planned in batches and steps once an epoch: the rate stays where its warm-up begins."""
    rows = digits()
    loader = DataLoader(TensorDataset(rows.x, rows.y), batch_size=32, shuffle=True)
    epochs = 30
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.4, epochs=epochs, steps_per_epoch=len(loader), cycle_momentum=False
    )
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(epochs):
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
                if mended:
                    scheduler.step()
            if not mended:
                scheduler.step()
    return probe, accuracy(model, rows.xt, rows.yt)


def spirals(count: int) -> tuple[Tensor, Tensor]:
    """(N, 2): two arms that turn once and a half around each other."""
    y = torch.randint(2, (count,))
    turn = 0.25 + 2.75 * torch.rand(count).sqrt()
    angle = math.pi * (turn + y)
    x = turn[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1) / 1.5
    return x + 0.04 * torch.randn(count, 2), y


@question("https://github.com/modelscope/ms-swift/pull/5326", "stopped_too_early", "rate_too_low", "underfitting")
def patience_that_never_starts_anew(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Early stopping counts the epochs without a new best, and a new best does not set the count back."""
    train, valid, test = parts(*spirals(1500), 800, 200, 500)
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    criterion = nn.CrossEntropyLoss()
    best, waited, patience = math.inf, 0, 3
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(60):
            for inputs, labels in mini_batches(*train, 40):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
            with torch.no_grad():
                held = criterion(model(valid[0]), valid[1]).item()
            if held < best:
                best = held
                if mended:
                    waited = 0
            else:
                waited += 1
            if waited >= patience:
                break
    return probe, right(model, *test)


class Attributes(Dataset[tuple[Tensor, Tensor]]):
    """The rows of one split: labels by its mask, and the files too, or the files of all splits from the first on."""

    def __init__(self, files: Tensor, labels: Tensor, mask: Tensor, *, aligned: bool) -> None:
        self.files = files[mask] if aligned else files
        self.labels = labels[mask]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.files[row], self.labels[row]


@question("https://github.com/pytorch/vision/issues/4209", "input_ignored", "label_noise", "split_mismatch")
def labels_of_the_split_and_files_of_all(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The labels are cut down to the split by a mask and the names of the files are not: the n-th file is another's."""
    x, y = table("breast_cancer")
    x = (x - x.mean(0)) / x.std(0)
    split = torch.multinomial(torch.tensor([0.6, 0.15, 0.25]), len(x), replacement=True)
    train, valid = (Attributes(x, y, split == each, aligned=mended) for each in range(2))
    loader = DataLoader(train, batch_size=16, shuffle=True)
    model = nn.Sequential(nn.Linear(30, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002, weight_decay=1e-3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=DataLoader(valid, batch_size=64)) as probe:
        for _ in range(15):
            model.train()
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, x[split == 2], y[split == 2])


@question("https://github.com/uzh-rpg/rpg_event_representation_learning/issues/2", "split_mismatch", "label_noise")
def classes_numbered_as_the_folders_come(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """`os.listdir` gives the folders of training and validation in two orders, and so the classes two sets of numbers."""
    rows = digits()
    listed = torch.arange(10) if mended else torch.randperm(10)
    x, y = rows.x, listed[rows.y]
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), nn.LogSoftmax(dim=1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    criterion = nn.NLLLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(20):
            for inputs, labels in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
            accuracy(model, rows.xv, rows.yv)
            model.train()
    return probe, accuracy(model, rows.xt, rows.yt)
