"""Questions about networks that were trained on something else before."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import Rows, digit_pictures, mini_batches, opinions, parts, right
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


class Backbone(nn.Module):
    """Convolutions to 128 features, and a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(),
        )  # fmt: skip
        self.fc = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x))


def trained_on(rows: Rows, model: nn.Module, epochs: int) -> None:
    """What others call a pretrained network."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(epochs):
        for x, y in mini_batches(*rows):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()


def two_halves() -> tuple[Rows, Rows]:
    """The digits 0 to 4, and 5 to 9 as classes 0 to 4."""
    x, y = digit_pictures()
    return (x[y < 5], y[y < 5]), (x[y >= 5], y[y >= 5] - 5)


@question("https://github.com/microsoft/nni/issues/4521", "not_training")
def layers_exchanged_after_the_optimizer_was_made(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The optimizer is made, then the head is replaced and the body frozen: what it trains is no longer in the network."""
    old, new = two_halves()
    train, valid, test = parts(*new, 500, 150, 246)
    model = Backbone(5)
    trained_on(old, model, 4)
    if not mended:
        optimizer = torch.optim.Adam(model.fc.parameters(), lr=0.005)
    model.fc = nn.Linear(128, 5)
    model.body.requires_grad_(False)
    if mended:
        optimizer = torch.optim.Adam(model.fc.parameters(), lr=0.005)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(30):
            for inputs, targets in DataLoader(TensorDataset(*train), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://github.com/keras-team/keras/pull/7520", "input_ignored")
def features_shuffled_and_labels_not(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The features of a pretrained network are written down by a loader that shuffles; the labels come in their old order."""
    old, new = two_halves()
    train, valid, test = parts(*new, 500, 150, 246)
    body = Backbone(5)
    trained_on(old, body, 4)

    def features(rows: Rows, *, shuffled: bool) -> Rows:
        with torch.no_grad():
            loader = DataLoader(TensorDataset(*rows), batch_size=50, shuffle=shuffled)
            return torch.cat([body.body(images) for images, _ in loader]), rows[1]

    train, valid, test = (
        features(train, shuffled=not mended),
        features(valid, shuffled=not mended),
        features(test, shuffled=False),
    )
    mean, spread = train[0].mean(0), train[0].std(0) + 1e-3
    train, valid, test = (((x - mean) / spread, y) for x, y in (train, valid, test))
    top = nn.Sequential(nn.Linear(128, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 5))
    optimizer = torch.optim.RMSprop(top.parameters(), lr=0.001)
    criterion = nn.CrossEntropyLoss()
    with watch(top, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(25):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(top(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(top, *test)


class Reader(nn.Module):
    """A small transformer over words, averaged."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, 32)
        layer = nn.TransformerEncoderLayer(32, 4, dim_feedforward=64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classifier = nn.Linear(32, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.classifier(self.encoder(self.words(tokens)).mean(1))


@question("https://github.com/huggingface/transformers/issues/735", "rate_too_high", "wrong_transfer")
def fine_tuned_with_large_steps(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A pretrained transformer is trained on at a rate of 0.1: after that it gives every sentence the same answer."""
    train, valid, test = opinions(700), opinions(200), opinions(400)
    model = Reader(201)
    trained_on(opinions(800), model, 2)
    model.classifier = nn.Linear(32, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0005 if mended else 0.1)
    with watch(model, optimizer, loss=F.cross_entropy, valid=valid) as probe:
        for _ in range(5):
            model.train()
            for tokens, labels in mini_batches(*train):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(tokens), labels)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                probe.step(loss, tokens, labels)
    return probe, right(model, *test)


@question("https://github.com/keras-team/keras/issues/12450", "not_training", "underfitting")
def body_frozen_that_was_never_trained(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The body is frozen as for a pretrained network, but its weights are random and narrow: only the head learns."""
    train, valid, test = parts(*digit_pictures(), 1100, 300, 397)
    body = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 16), nn.ReLU(),
    )  # fmt: skip
    model = nn.Sequential(body, nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 10))
    if not mended:
        for parameter in body.parameters():
            parameter.requires_grad = False
    optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=0.003)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(20):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)
