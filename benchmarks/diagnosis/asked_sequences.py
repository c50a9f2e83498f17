"""Questions about recurrent networks and transformers on signals and time series."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import Rows, mini_batches, next_values, r_squared, right, waves
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


@question("https://discuss.pytorch.org/t/lstm-change-batch-first-true-loss-does-not-decrease/62364", "input_ignored")
def view_where_axes_should_change_places(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The LSTM wants time first; the batch is brought to that shape by `view`, which mixes the signals of different rows."""

    class WaveNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(2, 32)
            self.fc = nn.Linear(32, 3)

        def forward(self, x: Tensor) -> Tensor:
            batch, time, channels = x.shape
            x = x.transpose(0, 1) if mended else x.view(time, batch, channels)
            out, _ = self.lstm(x)
            return self.fc(out[-1])

    train, valid, test = waves(1000), waves(300), waves(400)
    model = WaveNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(18):
            for inputs, targets in DataLoader(TensorDataset(*train), batch_size=40, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


class Forecast(nn.Module):
    """An LSTM, and a head on its last state; the states at the start are made by hand."""

    def __init__(self, hidden: int = 32, outputs: int = 1) -> None:
        super().__init__()
        self.hidden = hidden
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        start = torch.zeros(1, x.size(0), self.hidden), torch.zeros(1, x.size(0), self.hidden)
        out, _ = self.lstm(x, start)
        return self.linear(out[:, -1])


@question("https://stackoverflow.com/questions/51432661", "head_or_loss_wrong")
def forecast_through_a_relu(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The last layer of a forecast has a ReLU, and the series is below zero half of the time."""
    train, valid, test = next_values(800), next_values(200), next_values(300)
    model = Forecast() if mended else nn.Sequential(Forecast(), nn.ReLU())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with watch(model, optimizer, loss=F.mse_loss, valid=valid) as probe:
        for _ in range(16):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = F.mse_loss(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


@question(
    "https://discuss.pytorch.org/t/two-dimensional-mse-loss-in-mlp-training/180059", "inputs_not_prepared", "bad_initialization"
)
def two_targets_of_different_size(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """One target is about 0.4, the other about -22: the error of the second is all that the network sees."""

    def flux(count: int) -> Rows:
        x, value = next_values(count)
        level = x[:, -6:].mean(1)
        return x, torch.cat([0.4 + 0.1 * value, -22 + 8 * level], dim=1)

    (x, y), valid, (inputs, truth) = flux(800), flux(200), flux(300)
    centre, spread = (y.mean(0), y.std(0)) if mended else (torch.zeros(2), torch.ones(2))
    model = Forecast(outputs=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(valid[0], (valid[1] - centre) / spread)) as probe:
        for _ in range(16):
            for batch, targets in mini_batches(x, (y - centre) / spread):
                optimizer.zero_grad()
                loss = criterion(model(batch), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, batch, targets)
    with torch.no_grad():
        predicted = model(inputs) * spread + centre
    return probe, (r_squared(predicted[:, 0], truth[:, 0]) + r_squared(predicted[:, 1], truth[:, 1])) / 2


class NextNumber(nn.Module):
    """A transformer over a few numbers, with learned positions."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.lift = nn.Linear(1, 16)
        self.places = nn.Parameter(0.1 * torch.randn(length, 16))
        self.trans = nn.TransformerEncoderLayer(16, 2, dim_feedforward=32, dropout=0.0, batch_first=True)
        self.lin = nn.Linear(length * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin(self.trans(self.lift(x) + self.places).flatten(1))


@question(
    "https://discuss.pytorch.org/t/transformer-cannot-predict-next-number-in-linear-sequence/184454",
    "not_training",
    "inputs_not_prepared",
)
def numbers_as_they_are_and_gradients_never_zeroed(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Integers up to hundreds go in and out of a transformer, and nobody calls zero_grad: two faults at once."""

    def counting(count: int) -> Rows:
        start, step = torch.randint(1, 200, (count, 1)), torch.randint(1, 6, (count, 1))
        numbers = (start + step * torch.arange(11)).float()
        return numbers[:, :10, None], numbers[:, 10:]

    scale = 100.0 if mended else 1.0
    (x, y), (xv, yv), (xt, yt) = counting(800), counting(200), counting(300)
    model = NextNumber(10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(xv / scale, yv / scale)) as probe:
        for _ in range(14):
            for inputs, targets in mini_batches(x / scale, y / scale):
                if mended:
                    optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(xt / scale) * scale, yt)


def first_of_many(count: int, length: int) -> Rows:
    """(N, T, 5): one of three marks at the start, then noise on two other channels, and which mark it was."""
    kind = torch.randint(3, (count,))
    x = torch.zeros(count, length, 5)
    x[:, 1:, 3:] = torch.randn(count, length - 1, 2)
    x[torch.arange(count), 0, kind] = 1
    return x, kind


@question("https://github.com/keras-team/keras/issues/8945", "memory_too_short", "vanishing_gradient")
def plain_cells_over_a_long_time(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """What matters stands at the start of 50 steps, and a plain recurrent layer forgets it; open gates keep it."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = (nn.LSTM if mended else nn.RNN)(5, 24, batch_first=True)
            self.fc = nn.Linear(24, 3)
            if mended:
                nn.init.constant_(self.rnn.bias_ih_l0[24:48], 4.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.rnn(x)[0][:, -1])

    train, valid, test = first_of_many(800, 50), first_of_many(200, 50), first_of_many(400, 50)
    model = Last()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://stackoverflow.com/questions/53912956", "memory_too_short")
def state_detached_at_every_step(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The state is detached within the loop over time, so that nothing is learned of what to keep."""

    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRUCell(5, 24)
            self.out = nn.Linear(24, 3)

        def forward(self, x: Tensor) -> Tensor:
            h = x.new_zeros(len(x), 24)
            for step in x.unbind(1):
                h = self.cell(step, h if mended else h.detach())
            return self.out(h)

    train, valid, test = first_of_many(1000, 10), first_of_many(300, 10), first_of_many(400, 10)
    model = ByHand()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://taourl.com/read-2336182.html", "non_finite", "inputs_not_prepared", "exploding_gradient")
def prices_in_thousands_and_relu_cells(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Prices of some thousands go into recurrent ReLU cells as they are; the first steps overflow."""

    class Prices(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(1, 24, nonlinearity="relu", batch_first=True)
            self.fc = nn.Linear(24, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.rnn(x)[0][:, -1, :])

    def prices(count: int) -> Rows:
        x, y = next_values(count)
        return (x, y) if mended else (3000 + 200 * x, 3000 + 200 * y)

    train, test = prices(800), prices(300)
    model = Prices()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion) as probe:
        for _ in range(20):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


@question("https://stats.stackexchange.com/questions/376851", "rate_too_low", "stopped_too_early")
def lstm_with_tiny_steps(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Plain gradient descent at a rate of 0.001 gets an LSTM nowhere in the epochs that it has."""
    train, valid, test = next_values(800), next_values(200), next_values(300)
    model = Forecast()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2 if mended else 0.001)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(16):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])
