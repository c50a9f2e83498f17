"""Questions about the last layer and the loss of classifiers, restated as programs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from asked import Probe, Watch, question
from question_rows import accuracy, digits, scaled, shared, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


@question(
    "https://stats.stackexchange.com/questions/481881/convolutional-neural-network-fails-even-when-given-answer",
    "head_or_loss_wrong",
)
def softmax_of_one(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The softmax of a single unit is one, whatever comes in."""
    rows = scaled(shared(*table("breast_cancer")))
    y, yv, yt = (each.float().unsqueeze(1) for each in (rows.y, rows.yv, rows.yt))
    head: nn.Module = nn.Sigmoid() if mended else nn.Softmax(dim=1)
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1), head)
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=3e-3)
    loader = DataLoader(TensorDataset(rows.x, y), batch_size=16, shuffle=True)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(14):
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    with torch.no_grad():
        return probe, float(((model(rows.xt) > 0.5) == yt.bool()).float().mean())


@question(
    "http://pullrequest.ru/14126136/polzovatelskaya-funktsiya-poter-dlya-prognozirovaniya-vyhodnyh-dannyh-interget",
    "head_or_loss_wrong",
)
def class_numbers_by_their_squares(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """One output is to be the number of the class, as though an 8 were nearer to a 9 than to a 3."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10 if mended else 1))
    if not mended:
        model.append(nn.Flatten(0))
    criterion: nn.Module = nn.CrossEntropyLoss() if mended else nn.MSELoss()
    y, yv = (rows.y, rows.yv) if mended else (rows.y.float(), rows.yv.float())
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(30):
            for batch in torch.randperm(len(rows.x)).split(32):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], y[batch])
    with torch.no_grad():
        answers = model(rows.xt)
    return probe, float(((answers.argmax(1) if mended else answers.round()) == rows.yt).float().mean())


@question("https://stackoverflow.com/questions/42264649/keras-binary-crossentropy-has-negative-values", "head_or_loss_wrong")
def labels_of_one_and_two(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The two classes are numbered 1 and 2, the binary cross-entropy wants 0 and 1."""
    rows = scaled(shared(*table("breast_cancer")))
    first = 0 if mended else 1
    y, yv = (rows.y + first).float(), (rows.yv + first).float()
    model = nn.Sequential(nn.Linear(30, 24), nn.Tanh(), nn.Linear(24, 1), nn.Flatten(0))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, weight_decay=1e-3)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(12):
            for batch in torch.randperm(len(rows.x)).split(20):
                inputs, labels = rows.x[batch], y[batch]
                loss = criterion(model(inputs), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    with torch.no_grad():
        return probe, float(((model(rows.xt) > 0) == rows.yt.bool()).float().mean())


@question("https://stackoverflow.com/a/55469311", "head_or_loss_wrong")
def sigmoid_before_nll(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Ten sigmoids go into the negative log-likelihood, which wants log probabilities: all of them become one."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10), nn.LogSoftmax(dim=1) if mended else nn.Sigmoid())
    criterion = nn.NLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    with watch(model, optimizer, loss=criterion) as probe:
        for _ in range(25):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)


class Packets(nn.Module):
    """A probability of the second class, kept off 0 and 1 as Keras does."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(13, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU())
        self.out = nn.Linear(12, 1)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.out(self.hidden(x))).clamp(1e-7, 1 - 1e-7).squeeze(1)


@question("https://github.com/keras-team/keras/issues/6688", "head_or_loss_wrong", "inputs_not_prepared", "dead_units")
def relu_before_cross_entropy(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A ReLU gives the probability, and the columns come as they are, some of them in thousands."""
    x, y = table("wine")
    x, y = x[y > 0], y[y > 0] - 1
    rows = shared(x, y)
    if mended:
        rows = scaled(rows)
    model = Packets(nn.Sigmoid() if mended else nn.ReLU())
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=5e-3)
    with watch(model, optimizer, loss=F.binary_cross_entropy, valid=(rows.xv, rows.yv.float())) as probe:
        for _ in range(30):
            for batch in torch.randperm(len(rows.x)).split(5):
                inputs, labels = rows.x[batch], rows.y[batch].float()
                optimizer.zero_grad()
                loss = F.binary_cross_entropy(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    with torch.no_grad():
        return probe, float(((model(rows.xt) > 0.5) == rows.yt.bool()).float().mean())


@question("https://github.com/keras-team/keras/issues/5992", "over_regularized", "head_or_loss_wrong")
def dropout_after_the_softmax(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Half of eight units are dropped, and half of the ten probabilities too."""
    rows = digits()
    share = 0.0 if mended else 0.5
    model = nn.Sequential(
        *(nn.Linear(64, 14), nn.ReLU(), nn.Dropout(share), nn.Linear(14, 8), nn.ReLU(), nn.Dropout(share)),
        *(nn.Linear(8, 10), nn.Softmax(dim=1), nn.Dropout(share)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.MSELoss()
    y, yv = F.one_hot(rows.y, 10).float(), F.one_hot(rows.yv, 10).float()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(50):
            model.train()
            for inputs, labels in DataLoader(TensorDataset(rows.x, y), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)
