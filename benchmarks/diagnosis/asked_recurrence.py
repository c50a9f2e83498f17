"""Questions about recurrent networks: which axis is time, what the padding does, and who steps the schedule."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import Rows, digit_pictures, mini_batches, next_values, opinions, parts, r_squared, right_one_by_one, waves
from question_rows import balanced
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


@question("https://github.com/yunjey/pytorch-tutorial/issues/196", "input_ignored", "mode_mismatch")
def lstm_along_the_batch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The pictures come batch first, the LSTM takes the first axis for time: each picture reads on where the last one ended."""

    class LineByLine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(8, 48, num_layers=2, batch_first=mended)
            self.fc = nn.Linear(48, 10)

        def forward(self, x: Tensor) -> Tensor:
            out, _ = self.lstm(x)
            return self.fc(out[:, -1, :])

    train, valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = LineByLine()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(14):
            for images, labels in DataLoader(TensorDataset(*train), batch_size=50, shuffle=True):
                loss = criterion(model(images.reshape(-1, 8, 8)), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, images, labels)
    return probe, right_one_by_one(model, test[0].reshape(-1, 8, 8), test[1])


def in_turn(reviews: Tensor, labels: Tensor) -> Rows:
    """For, against, for, against …"""
    each = min(int(labels.sum()), int((1 - labels).sum()))
    order = torch.stack([(labels == k).nonzero()[:each, 0] for k in (1, 0)], dim=1).flatten()
    return reviews[order], labels[order]


@question("https://github.com/udacity/deep-learning-v2-pytorch/issues/5", "input_ignored", "mode_mismatch", "split_mismatch")
def reviews_in_turn(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Reviews lie for and against in turn, nobody shuffles, and an LSTM that runs along the batch counts instead of reading."""

    class Sentiment(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(201, 24)
            self.lstm = nn.LSTM(24, 32, batch_first=mended)
            self.fc = nn.Linear(32, 1)
            self.sig = nn.Sigmoid()

        def forward(self, x: Tensor) -> Tensor:
            out, _ = self.lstm(self.embedding(x))
            return self.sig(self.fc(out))[:, -1]

    train, valid, (words, truth) = in_turn(*opinions(1600)), in_turn(*opinions(400)), opinions(400)
    net = Sentiment()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.004)
    loader = DataLoader(TensorDataset(*train), batch_size=50, shuffle=mended, drop_last=True)
    with watch(net, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(6):
            for inputs, labels in loader:
                net.zero_grad()
                loss = criterion(net(inputs).squeeze(), labels.float())
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 5)
                optimizer.step()
                probe.step(loss, inputs, labels)
    with torch.no_grad():
        said = torch.cat([net(row[None]) for row in words])[:, 0] > 0.5
    return probe, (said == truth.bool()).float().mean().item()


def tagged(count: int, length: int = 30) -> Rows:
    """(N, T) words from 1 to 12, zeros after four to nine of them, and (N, T) tags from 1 to 3, likewise zeros."""
    words = torch.randint(1, 13, (count, length))
    before = torch.cat([torch.zeros(count, 1, dtype=torch.long), words[:, :-1]], dim=1)
    real = torch.arange(length) < torch.randint(4, 10, (count, 1))
    return words * real, (1 + (words + before) % 3) * real


@question("https://github.com/keras-team/keras/issues/1539", "head_or_loss_wrong", "imbalance")
def tags_of_padding(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Four tags of five are those of the padding, which the loss counts, and a softmax comes before the cross-entropy."""

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(13, 16, padding_idx=0)
            self.lstm = nn.LSTM(16, 32, batch_first=True, bidirectional=True)
            self.dense = nn.Linear(64, 4)

        def forward(self, words: Tensor) -> Tensor:
            scores = self.dense(self.lstm(self.embed(words))[0])
            return scores if mended else torch.softmax(scores, dim=-1)

    train, valid, (words, tags) = tagged(900), tagged(200), tagged(300)
    model = Tagger()
    criterion = nn.CrossEntropyLoss(ignore_index=0) if mended else nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.008)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            for sentence, truth in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(sentence).transpose(1, 2), truth)
                loss.backward()
                optimizer.step()
                probe.step(loss, sentence, truth)
    with torch.no_grad():
        return probe, (model(words).argmax(2) == tags)[tags > 0].float().mean().item()


@question("https://github.com/VGraphRNN/VGRNN/issues/4", "exploding_gradient", "rate_too_high", "oscillation", "non_finite")
def clipped_after_the_step(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The gradients of recurrent ReLU cells are clipped when the step has been taken already, which helps nobody."""

    class Cells(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(1, 32, nonlinearity="relu", batch_first=True)
            self.out = nn.Linear(32, 1)

        def forward(self, series: Tensor) -> Tensor:
            _, state = self.rnn(series)
            return self.out(state[-1])

    train, valid, test = next_values(1000, 30), next_values(250, 30), next_values(300, 30)
    model = Cells()
    with torch.no_grad():
        model.rnn.weight_hh_l0.copy_(0.9 * torch.eye(32))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    with watch(model, optimizer, loss=F.mse_loss, valid=valid) as probe:
        for _ in range(14):
            for series, after in mini_batches(*train):
                optimizer.zero_grad()
                loss = F.mse_loss(model(series), after)
                loss.backward()
                if mended:
                    nn.utils.clip_grad_norm_(model.parameters(), 0.3)
                optimizer.step()
                if not mended:
                    nn.utils.clip_grad_norm_(model.parameters(), 0.3)
                probe.step(loss, series, after)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


@question("https://github.com/pytorch/pytorch/issues/65417", "rate_too_low", "stopped_too_early")
def one_cycle_by_the_epoch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The one-cycle schedule counts batches and is stepped once an epoch, so that the rate never leaves the warm-up."""

    class Ahead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(1, 32, batch_first=True)
            self.head = nn.Sequential(nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 1))

        def forward(self, window: Tensor) -> Tensor:
            return self.head(self.gru(window)[1].squeeze(0)).squeeze(1)

    (x, y), (xv, yv), test = next_values(1000), next_values(200), next_values(300)
    loader = DataLoader(TensorDataset(x, y.squeeze(1)), batch_size=32, shuffle=True)
    model, epochs = Ahead(), 10
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.4, epochs=epochs, steps_per_epoch=len(loader), cycle_momentum=False
    )
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=(xv, yv.squeeze(1))) as probe:
        for _ in range(epochs):
            model.train()
            for window, after in loader:
                optimizer.zero_grad(set_to_none=True)
                loss = criterion(model(window), after)
                loss.backward()
                optimizer.step()
                if mended:
                    schedule.step()
                probe.step(loss, window, after)
            if not mended:
                schedule.step()
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1].squeeze(1))


def rare_waves(count: int) -> Rows:
    """Noisy sine, square and saw-tooth waves, of which there are 75, 20 and 5 in a hundred."""
    x, kind = waves(6 * count)
    keep = torch.rand(len(kind)) < torch.tensor([1.0, 0.27, 0.07])[kind]
    return (x + 0.3 * torch.randn_like(x))[keep][:count], kind[keep][:count]


@question("https://github.com/janghyuncho/PiCIE/issues/28", "imbalance")
def weighted_by_the_counts(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The weights of the classes are their counts, where they should be one over their counts: rare waves count even less."""

    class WaveKinds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(2, 16, 5, padding=2)
            self.gru = nn.GRU(16, 24, batch_first=True)
            self.fc = nn.Linear(24, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.conv(x.transpose(1, 2))).transpose(1, 2)
            return self.fc(self.gru(x)[0].mean(1))

    train, valid, (x, y) = rare_waves(1500), rare_waves(400), rare_waves(1200)
    counts = train[1].bincount(minlength=3).float()
    weights = counts.sum() / (3 * counts) if mended else 3 * counts / counts.sum()
    model = WaveKinds()
    criterion = nn.CrossEntropyLoss(weight=weights)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(11):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, balanced(model(x).argmax(1), y)
