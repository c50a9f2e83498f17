"""Questions about sequences and embeddings: encoders, positions, events, gates, dropout that stays away."""

from __future__ import annotations

import math

import torch
from asked import Probe, Watch, question
from asked_made import Rows, mini_batches, opinions, r_squared, right
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


def ledgers(count: int, length: int = 10) -> Rows:
    """(N, T, 3) of amounts and marks; the target is the sum of the amounts that are marked, (N, 1)."""
    amount, marked = torch.randn(count, length), (torch.rand(count, length) < 0.4).float()
    target = (amount * marked).sum(1, keepdim=True)
    return torch.stack([amount, marked, torch.randn(count, length)], dim=2), target / 2


@question(
    "https://github.com/Exorust/TorchLeet/issues/5", "input_ignored", "mode_mismatch", "head_or_loss_wrong", "underfitting"
)
def encoder_that_takes_rows_for_time(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The encoder was not told that the batch comes first: what attends to each other are the rows of a batch."""
    train, valid, test = ledgers(800), ledgers(200), ledgers(300)

    class Regressor(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Linear(3, 24)
            layer = nn.TransformerEncoderLayer(24, 2, dim_feedforward=48, dropout=0.0, batch_first=mended)
            self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
            self.output = nn.Linear(24, 1)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.encoder(self.embedding(x))
            out: Tensor = self.output(hidden[:, -1])
            return out

    model = Regressor()
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=30 * 25)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(30):
            model.train()
            for x, y in mini_batches(*train, 32):
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
                schedule.step()
                probe.step(loss, x, y)
    model.eval()
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


def which_came_first(count: int, length: int = 8, words: int = 12) -> Rows:
    """(N, T) words, among which 1 and 2 stand once each, and whether 1 comes before 2."""
    sentences = torch.randint(3, words, (count, length))
    places = torch.rand(count, length).argsort(1)[:, :2]
    rows = torch.arange(count)
    sentences[rows, places[:, 0]], sentences[rows, places[:, 1]] = 1, 2
    return sentences, (places[:, 0] < places[:, 1]).long()


@question("https://github.com/AkiRusProd/numpy-transformer/issues/1", "input_ignored", "underfitting", "mode_mismatch")
def positions_of_the_rows(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The encoding of positions is cut by the length of the batch, and tells a word in which row it is, not at which place."""
    train, valid, test = which_came_first(1200), which_came_first(256), which_came_first(512)
    place = torch.arange(512)[:, None] * torch.exp(torch.arange(0, 32, 2) * (-math.log(10000.0) / 32))
    encoding = torch.stack([place.sin(), place.cos()], dim=2).flatten(1)

    class Encoder(nn.Module):
        pe: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(12, 32)
            self.register_buffer("pe", encoding)
            self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
            self.forward_layer = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 2))

        def forward(self, x: Tensor) -> Tensor:
            embedded = self.words(x)
            embedded = embedded + (self.pe[: x.shape[1]] if mended else self.pe[: x.shape[0]][:, None])
            attended, _ = self.attention(embedded, embedded, embedded)
            out: Tensor = self.forward_layer((embedded + attended).mean(1))
            return out

    model = Encoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(25):
            for x, y in mini_batches(*train, 32):
                loss = criterion(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                probe.step(loss, x, y)
    return probe, right(model, *test)


def pulses(count: int, length: int = 30) -> Rows:
    """(N, T, 1) noise in which a rise and a fall, now and then, make an event; (N, T) is 1 where it has just happened."""
    signal = 0.9 * torch.randn(count, length)
    event = torch.rand(count, length) < 0.025
    event[:, :2] = False
    signal = signal + 1.8 * (event.roll(-2, 1).float() + event.float()) - 1.8 * event.roll(-1, 1).float()
    return signal[..., None], event.float()


@question("https://discuss.pytorch.org/t/loss-function-for-binary-classification/72150", "imbalance")
def events_once_in_forty_steps(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Steps with an event are one in forty and look like noise: without a weight for them, hardly any is ever called."""
    train, valid, test = pulses(500), pulses(200), pulses(400)

    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(1, 16, batch_first=True)
            self.fc = nn.Linear(16, 1)

        def forward(self, x: Tensor) -> Tensor:
            states, _ = self.lstm(x)
            scores: Tensor = self.fc(states).squeeze(2)
            return scores

    model = Detector()
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(40.0) if mended else None)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(20):
            for x, y in DataLoader(TensorDataset(*train), batch_size=20, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
                probe.step(loss, x, y)
    with torch.no_grad():
        called = model(test[0]) > 0
    happened = test[1] > 0
    return probe, (called[happened].float().mean().item() + (~called[~happened]).float().mean().item()) / 2


@question("https://github.com/delip/PyTorchNLPBook/issues/28", "mode_mismatch")
def dropout_that_knows_no_mode(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """`F.dropout` drops most units whatever mode the network is in, for nobody tells it."""
    train, valid, test = opinions(1200), opinions(250), opinions(800)

    class Reviews(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emb = nn.Embedding(201, 12, padding_idx=0)
            self.convnet = nn.Sequential(nn.Conv1d(12, 8, 1), nn.ELU())
            self.fc1, self.fc2 = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            told = self.training or not mended
            features = self.convnet(self.emb(x).permute(0, 2, 1)).mean(2)
            hidden = F.relu(self.fc1(F.dropout(features, p=0.6, training=told)))
            out: Tensor = self.fc2(F.dropout(hidden, p=0.6, training=told))
            return out

    classifier = Reviews()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=3e-3)
    loss_func = nn.CrossEntropyLoss()
    with watch(classifier, optimizer, loss=loss_func, valid=valid) as probe:
        for _ in range(16):
            classifier.train()
            for x, y in mini_batches(*train, 32):
                optimizer.zero_grad()
                loss = loss_func(classifier(x), y)
                loss.backward()
                optimizer.step()
                probe.step(loss, x, y)
            right(classifier, *valid)
    return probe, right(classifier, *test)


def shops(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 6) columns, one of eight domains, and a target whose weights on the columns are one set of four."""
    fixed = torch.Generator().manual_seed(11)
    weights = torch.randn(4, 6, generator=fixed)
    x, domain = torch.randn(count, 6), torch.randint(8, (count,))
    return x, domain, (torch.tanh(x) * weights[domain % 4]).sum(1) + 0.1 * torch.randn(count)


@question(
    "https://github.com/mrchor/HiNet/issues/1",
    *("dead_units", "bad_initialization", "head_or_loss_wrong", "input_ignored", "not_training", "underfitting"),
)
def gate_behind_a_relu(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A ReLU stands before the softmax of a gate, and its embeddings start at zero: the gate never opens more or less."""
    x, domain, y = shops(2400)

    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.domains = nn.Embedding(8, 8)
            self.gate = nn.Linear(8, 6, bias=False)
            self.experts = nn.ModuleList(nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1)) for _ in range(6))
            if not mended:
                nn.init.zeros_(self.domains.weight)

        def forward(self, columns: Tensor, domain: Tensor) -> Tensor:
            opened = self.gate(self.domains(domain))
            weights = torch.softmax(opened if mended else F.relu(opened), dim=1)
            answers = torch.cat([expert(columns) for expert in self.experts], dim=1)
            return (weights * answers).sum(1)

    model = Experts()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with watch(model, optimizer, loss=F.mse_loss, valid=((x[1500:1800], domain[1500:1800]), y[1500:1800])) as probe:
        for epoch in range(30):
            if epoch == 22:
                for group in optimizer.param_groups:
                    group["lr"] = 0.002
            for some in torch.randperm(1500).split(50):
                optimizer.zero_grad()
                loss = F.mse_loss(model(x[some], domain[some]), y[some])
                loss.backward()
                optimizer.step()
                probe.step(loss, (x[some], domain[some]), y[some])
    with torch.no_grad():
        return probe, r_squared(model(x[1800:], domain[1800:]), y[1800:])


@question(
    "https://geeksmental.com/question/the-sum-of-multi-class-prediction-is-not-1-using-tensorflow-and-keras",
    *("head_or_loss_wrong", "not_training", "wrong_transfer"),
)
def four_sigmoids_over_frozen_words(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: four sigmoids stand where one softmax should, and the words, which nobody trained, are frozen and tiny."""
    topic = torch.randint(4, (1700,))
    spoken = torch.rand(1700, 10) < 0.3
    x = torch.where(spoken, 1 + 15 * topic[:, None] + torch.randint(15, (1700, 10)), torch.randint(61, 200, (1700, 10)))
    train, valid, test = ((x[part], topic[part]) for part in torch.arange(1700).split([1000, 200, 500]))

    class Topics(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            vectors = torch.randn(200, 24) if mended else 0.05 * torch.randn(200, 24)
            self.embedding = nn.Embedding.from_pretrained(vectors, freeze=not mended)
            self.lstm = nn.LSTM(24, 24, batch_first=True)
            self.dense = nn.Linear(24, 4)

        def forward(self, x: Tensor) -> Tensor:
            _, (last, _) = self.lstm(self.embedding(x))
            out: Tensor = self.dense(last[0])
            return out if mended else torch.sigmoid(out)

    model = Topics()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=2e-3)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            for inputs, labels in DataLoader(TensorDataset(*train), batch_size=25, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, right(model, *test)


@question("https://github.com/dangitstam/topic-rnn/pull/9", "rate_too_high", "dead_units", "oscillation", "exploding_gradient")
def counts_of_words_into_dead_units(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A feed-forward net reads how often each word stands in a text; at its rate the ReLUs die, a smaller one spares them."""
    kind = torch.randint(5, (1800,))
    shares = torch.softmax(torch.randn(5, 120, generator=torch.Generator().manual_seed(3)), dim=1)
    counts = torch.zeros(1800, 120).scatter_add_(1, torch.multinomial(shares[kind], 25, True), torch.ones(1800, 25))
    train, valid, test = ((counts[part], kind[part]) for part in torch.arange(1800).split([1000, 300, 500]))
    model = nn.Sequential(
        nn.Linear(120, 64),
        nn.ReLU(),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.ReLU(),
        nn.Linear(32, 5),
        nn.LogSoftmax(1),
    )
    criterion = nn.NLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3 if mended else 0.3)
    best, waited = math.inf, 0
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(25):
            for x, y in mini_batches(*train, 25):
                loss = criterion(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, x, y)
            with torch.no_grad():
                heldout = criterion(model(valid[0]), valid[1]).item()
            best, waited = (heldout, 0) if heldout < best else (best, waited + 1)
            if waited == 4:
                break
    return probe, right(model, *test)
