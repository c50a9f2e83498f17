"""Questions about networks that read words and characters."""

from __future__ import annotations

import copy
from pydoc_data.topics import topics

import torch
from asked import Watch, question
from asked_made import Rows, mini_batches, opinions, right, right_one_by_one
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


@question("https://github.com/fxia22/pointnet.pytorch/issues/27", "head_or_loss_wrong")
def log_softmax_over_the_batch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The log-softmax runs over the rows of the batch instead of over the classes."""

    class Sentiment(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(201, 16, padding_idx=0)
            self.gru = nn.GRU(16, 24, batch_first=True, bidirectional=True)
            self.out = nn.Linear(48, 2)

        def forward(self, text: Tensor) -> Tensor:
            _, h = self.gru(self.embedding(text))
            return F.log_softmax(self.out(torch.cat([h[0], h[1]], dim=1)), dim=1 if mended else 0)

    train, valid, test = opinions(1200), opinions(300), opinions(300)
    model, criterion = Sentiment(), nn.NLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(6):
            for text, label in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(text), label)
                loss.backward()
                optimizer.step()
                probe.step(loss, text, label)
    return probe, right_one_by_one(model, *test)


@question("https://github.com/PetrochukM/PyTorch-NLP/issues/2", "input_ignored", "mode_mismatch")
def attention_over_the_rows_of_the_batch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The weights of the attention sum to 1 over the batch instead of over the words, so that rows depend on each other."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(201, 24)
            self.score = nn.Linear(24, 1)
            self.out = nn.Linear(24, 2)

        def forward(self, tokens: Tensor) -> Tensor:
            words = self.words(tokens)
            weights = torch.softmax(self.score(words).squeeze(2), dim=1 if mended else 0)
            return self.out(torch.einsum("bt,btd->bd", weights, words))

    train, valid, test = (opinions(count, length=30, share=0.1) for count in (1400, 350, 450))
    model = Attention()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            for tokens, labels in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(tokens), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, tokens, labels)
    return probe, right_one_by_one(model, *test)


@question("https://seungminnam.github.io/DL-Projects/5_LSTM_Sentiment/summary.html", "memory_too_short", "vanishing_gradient")
def the_state_after_the_padding(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Sentences of twelve words are padded to sixty, and the state after all the padding is what the head sees."""

    class LastState(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(201, 16, padding_idx=0)
            self.lstm = nn.LSTM(16, 24, batch_first=True)
            self.fc = nn.Linear(24, 1)

        def forward(self, text: Tensor) -> Tensor:
            out, _ = self.lstm(self.embedding(text))
            last = (text > 0).sum(1) - 1 if mended else torch.full((len(text),), text.size(1) - 1)
            return self.fc(out[torch.arange(len(text)), last]).squeeze(1)

    def padded(count: int) -> Rows:
        text, label = opinions(count)
        return F.pad(text, (0, 48)), label.float()

    train, valid, test = padded(800), padded(200), padded(400)
    model = LastState()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    criterion = nn.BCEWithLogitsLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            for text, label in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(text), label)
                loss.backward()
                optimizer.step()
                probe.step(loss, text, label)
    with torch.no_grad():
        return probe, ((model(test[0]) > 0) == test[1].bool()).float().mean().item()


@question("https://github.com/pytorch/pytorch/issues/1053", "not_training")
def convolutions_in_a_python_list(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The convolutions over words stand in a plain list, so the network does not know of them and the optimizer neither."""

    class TextCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(201, 16)
            convolutions = [nn.Conv1d(16, 4, size) for size in (2, 3, 4)]
            self.conv1d = nn.ModuleList(convolutions) if mended else convolutions
            self.fc = nn.Linear(12, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.embed(x).transpose(1, 2)
            return self.fc(torch.cat([F.relu(conv(x)).amax(2) for conv in self.conv1d], dim=1))

    def negated(count: int) -> Rows:
        """A word of the first ten anywhere; it counts the other way where one of the next five stands before it."""
        x = torch.randint(16, 201, (count, 14))
        place, speaks, turned = torch.randint(1, 14, (count,)), torch.randint(1, 11, (count,)), torch.rand(count) < 0.5
        rows = torch.arange(count)
        x[rows, place] = speaks
        x[rows[turned], place[turned] - 1] = torch.randint(11, 16, (int(turned.sum()),))
        return x, ((speaks > 5) ^ turned).long()

    train, valid, test = negated(1500), negated(300), negated(500)
    model = TextCNN()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(14):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://github.com/bentrevett/pytorch-seq2seq/issues/94", "input_ignored", "head_or_loss_wrong")
def outputs_and_tags_flattened_in_different_orders(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The outputs are (time, batch), the tags (batch, time), and both are flattened for the loss."""

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(60, 16)
            self.lstm = nn.LSTM(16, 24)
            self.tags = nn.Linear(24, 3)

        def forward(self, sentences: Tensor) -> Tensor:
            out, _ = self.lstm(self.words(sentences.t()))
            return self.tags(out)

    def tagged(count: int) -> Rows:
        x = torch.randint(60, (count, 10))
        return x, (x % 3 + F.pad(x % 2, (1, 0))[:, :-1]) % 3

    def tag_loss(outputs: Tensor, tags: Tensor) -> Tensor:
        return F.cross_entropy(outputs.reshape(-1, 3), (tags.t() if mended else tags).reshape(-1))

    train, valid, (x, y) = tagged(900), tagged(200), tagged(300)
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with watch(model, optimizer, loss=tag_loss, valid=valid) as probe:
        for _ in range(12):
            for sentences, tags in DataLoader(TensorDataset(*train), batch_size=30, shuffle=True):
                optimizer.zero_grad()
                loss = tag_loss(model(sentences), tags)
                loss.backward()
                optimizer.step()
                probe.step(loss, sentences, tags)
    with torch.no_grad():
        return probe, (model(x).argmax(2).t() == y).float().mean().item()


@question("https://stackoverflow.com/a/76082845", "overfitting")
def few_sentences_many_epochs(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A wide LSTM goes over two hundred sentences again and again while the validation loss rises; stopping in time helps."""

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(401, 32)
            self.lstm = nn.LSTM(32, 48, batch_first=True)
            self.fc = nn.Linear(48, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.lstm(self.embedding(x))[0].mean(1))

    def arguable(count: int) -> Rows:
        """Sentences that lean one way or the other, and what one reader made of each."""
        x, leans = opinions(count, words=400, telling=60)
        return x, torch.where(torch.rand(len(x)) < 0.2, 1 - leans, leans)

    train, valid, test = arguable(250), arguable(250), opinions(1200, words=400, telling=60)
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    criterion = nn.CrossEntropyLoss()
    best, kept = float("inf"), model.state_dict()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(40):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
            with torch.no_grad():
                held_out = criterion(model(valid[0]), valid[1]).item()
            if held_out < best:
                best, kept = held_out, copy.deepcopy(model.state_dict())
            elif mended and held_out > 1.05 * best:
                break
        if mended:
            model.load_state_dict(kept)
    return probe, right(model, *test)


class CharacterModel(nn.Module):
    """Characters to the scores of the next, (N, T, K)."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.encoder = nn.Embedding(characters, 24)
        self.rnn = nn.GRU(24, 64, batch_first=True)
        self.decoder = nn.Linear(64, characters)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.rnn(self.encoder(x))[0])


@question("https://discuss.pytorch.org/t/the-gradient-descent-dont-work/66435", "rate_too_high", "oscillation")
def characters_at_a_rate_of_a_tenth(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A character model with Adam at 0.1, without clipping, learns little more than that spaces are frequent."""
    text = "".join(
        c if c.isalpha() else " " for c in " ".join(topics[key] for key in sorted(topics)[:20]).lower() if c.isascii()
    )
    text = " ".join(text.split())[:45000]
    characters = sorted(set(text))
    codes = torch.tensor([characters.index(c) for c in text])
    windows = codes[: len(codes) // 25 * 25].view(-1, 25)
    order = torch.randperm(len(windows))
    train, valid, test = (windows[part] for part in order.split([1000, 200, len(windows) - 1200]))
    model = CharacterModel(len(characters))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01 if mended else 0.15)

    def character_loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs.transpose(1, 2), targets)

    with watch(model, optimizer, loss=character_loss, valid=(valid[:, :-1], valid[:, 1:])) as probe:
        for _ in range(6):
            for inputs, targets in mini_batches(train[:, :-1], train[:, 1:]):
                optimizer.zero_grad()
                loss = character_loss(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, (model(test[:, :-1]).argmax(2) == test[:, 1:]).float().mean().item()
