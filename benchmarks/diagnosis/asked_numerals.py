"""Questions about handwritten digits that the benchmarks of faulty programs collect, restated as programs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from asked import Probe, Watch, question
from asked_made import digit_pictures, mini_batches, parts, right
from question_rows import accuracy, digits, shared, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


@question(
    "https://stackoverflow.com/questions/48385830",
    *("rate_too_high", "non_finite", "exploding_gradient", "no_nonlinearity", "head_or_loss_wrong", "bad_initialization"),
)
def steps_of_three_without_activations(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two layers with nothing between or after them, weights as wide as 1, squared errors, and a rate of 3."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 30), nn.Sigmoid(), nn.Linear(30, 10))
    if not mended:
        model = nn.Sequential(model[0], model[2])
        for parameter in model.parameters():
            nn.init.normal_(parameter)
    y, yv = F.one_hot(rows.y, 10).float(), F.one_hot(rows.yv, 10).float()
    criterion: nn.Module = nn.CrossEntropyLoss() if mended else nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3 if mended else 3.0)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, yv)) as probe:
        for _ in range(20):
            for inputs, targets in DataLoader(TensorDataset(rows.x, y), batch_size=10, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, accuracy(model, rows.xt, rows.yt)


@question("https://stackoverflow.com/questions/44164749", "stopped_too_early", "rate_too_low")
def batch_as_large_as_the_set(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """All rows are one batch, so that five epochs are five steps."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 60), nn.ReLU(), nn.Linear(60, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(rows.x, rows.y), batch_size=16 if mended else 2000, shuffle=True)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(20 if mended else 5):
            model.train()
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)


def kept_off_the_ends(outputs: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of two classes as Keras has it."""
    share = outputs.clamp(1e-7, 1 - 1e-7)
    return -(targets * share.log() + (1 - targets) * (1 - share).log()).mean()


@question("https://datascience.stackexchange.com/questions/38604", "head_or_loss_wrong", "inputs_not_prepared")
def one_sigmoid_for_ten_digits(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A single sigmoid and the loss of two classes get the digits 0 to 9 for targets, and bytes for inputs."""
    x, y = table("digits")
    rows = shared(x / 16 if mended else x * 15.9, y if mended else y.float())
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10 if mended else 1))
    if not mended:
        model.extend([nn.Sigmoid(), nn.Flatten(0)])
    criterion = F.cross_entropy if mended else kept_off_the_ends
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(25):
            for batch in torch.randperm(len(rows.x)).split(32):
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    if mended:
        return probe, accuracy(model, rows.xt, rows.yt)
    with torch.no_grad():
        return probe, float((model(rows.xt).round() == rows.yt).float().mean())


@question(
    "https://datascience.stackexchange.com/questions/18667/relu-vs-sigmoid-in-mnist-example",
    *("inputs_not_prepared", "rate_too_high", "dead_units", "non_finite", "oscillation", "exploding_gradient"),
)
def bytes_into_relus(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Sigmoids bore pixels from 0 to 255; ReLUs with the same plain steps do not."""
    x, y = table("digits")
    rows = shared(x / 16 if mended else x / 16 * 255, y)
    model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, loss=nn.CrossEntropyLoss()) as probe:
        for _ in range(25):
            for inputs, labels in DataLoader(TensorDataset(rows.x, rows.y), batch_size=32, shuffle=True):
                loss = nn.CrossEntropyLoss()(model(inputs), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)


class Small(nn.Module):
    """One convolution, one layer, and what comes last."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 12, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.out = nn.Linear(12 * 16, 10)
        self.last = last

    def forward(self, picture: Tensor) -> Tensor:
        seen = self.pool(F.relu(self.convolution(picture)))
        return self.last(self.out(seen.flatten(1)))


def categorical(outputs: Tensor, labels: Tensor) -> Tensor:
    """Keras' cross-entropy: outputs are made to sum to 1 and kept off 0, then the logarithm of the label's."""
    shares = outputs / outputs.sum(1, keepdim=True).clamp(min=1e-7)
    return -shares.clamp(1e-7, 1 - 1e-7).log().gather(1, labels[:, None]).mean()


@question("https://github.com/keras-team/keras/issues/12096", "head_or_loss_wrong", "dead_units")
def convnet_that_ends_in_a_relu(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The last layer has a ReLU where its cross-entropy takes probabilities: outputs that are zero stay so."""
    (x, y), valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = Small(nn.Softmax(dim=1) if mended else nn.ReLU())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    with watch(model, optimizer, loss=categorical, valid=valid) as probe:
        for _ in range(12):
            model.train()
            for pictures, labels in mini_batches(x, y):
                loss = categorical(model(pictures), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, pictures, labels)
            right(model, *valid)
    return probe, right(model, *test)


@question("https://stackoverflow.com/questions/66069636", "vanishing_gradient", "saturation")
def softmax_between_the_layers(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Hidden layers have a softmax for an activation, so that forty units share a sum of 1 and hardly differ."""
    rows = digits()
    between = nn.ReLU() if mended else nn.Softmax(dim=1)
    model = nn.Sequential(nn.Linear(64, 40), between, nn.Linear(40, 40), between, nn.Linear(40, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(30):
            for batch in torch.randperm(len(rows.x)).split(32):
                optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)
