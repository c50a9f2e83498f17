"""Questions about attention and about decoders that are forced: masks, shifts and warm-up."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import Rows, mini_batches, opinions, right
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


def two_grammars(count: int, length: int = 12) -> Tensor:
    """(N, T + 1) tokens: 11 or 12, which says which of two orders the others follow, with a slip now and then."""
    chosen = torch.randint(2, (count, 1))
    follows = torch.stack([torch.arange(11) * 3 % 11, (torch.arange(11) * 2 + 5) % 11])
    tokens = [11 + chosen[:, 0], torch.randint(11, (count,))]
    for _ in range(length - 1):
        slips = torch.rand(count) < 0.1
        tokens.append(torch.where(slips, torch.randint(11, (count,)), follows[chosen[:, 0], tokens[-1]]))
    return torch.stack(tokens, dim=1)


@question("https://github.com/pytorch/tutorials/issues/2478", "split_mismatch", "head_or_loss_wrong")
def next_token_in_sight(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A language model without a causal mask reads the next token where it stands, and knows nothing without it."""

    class LanguageModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(13, 32)
            self.places = nn.Parameter(0.1 * torch.randn(12, 32))
            layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True, norm_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.decoder = nn.Linear(32, 11)

        def forward(self, tokens: Tensor) -> Tensor:
            length = tokens.shape[1]
            x = self.embed(tokens) + self.places[:length]
            mask = nn.Transformer.generate_square_subsequent_mask(length) if mended else None
            return self.decoder(self.encoder(x, mask=mask))

    train, valid, test = two_grammars(900), two_grammars(200), two_grammars(300)
    model = LanguageModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)

    def over_tokens(scores: Tensor, after: Tensor) -> Tensor:
        return F.cross_entropy(scores[:, 1:].reshape(-1, 11), after[:, 1:].reshape(-1))

    with watch(model, optimizer, loss=over_tokens, valid=(valid[:, :-1], valid[:, 1:])) as probe:
        for _ in range(9):
            for (batch,) in DataLoader(TensorDataset(train), batch_size=32, shuffle=True):
                tokens, after = batch[:, :-1], batch[:, 1:]
                optimizer.zero_grad()
                loss = over_tokens(model(tokens), after)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                probe.step(loss, tokens, after)
    model.eval()
    with torch.no_grad():
        hits = [(model(test[:, :k])[:, -1].argmax(1) == test[:, k]).float().mean() for k in range(3, 12)]
    return probe, torch.stack(hits).mean().item()


class Translator(nn.Module):
    """A GRU reads, another writes what it is told to write next."""

    def __init__(self, words: int = 8) -> None:
        super().__init__()
        self.words = nn.Embedding(words, 16)
        self.reader, self.writer = nn.GRU(16, 64, batch_first=True), nn.GRU(16, 64, batch_first=True)
        self.out = nn.Linear(64, words)

    def forward(self, source: Tensor, told: Tensor) -> Tensor:
        _, state = self.reader(self.words(source))
        return self.out(self.writer(self.words(told), state)[0])

    def translate(self, source: Tensor) -> Tensor:
        told = torch.zeros(len(source), 1, dtype=torch.long)
        for _ in range(source.shape[1]):
            told = torch.cat([told, self(source, told)[:, -1:].argmax(2)], dim=1)
        return told[:, 1:]


@question("https://github.com/Kyubyong/transformer/issues/94", "split_mismatch", "head_or_loss_wrong")
def decoder_told_the_answer(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The decoder gets the target words without a shift and learns to repeat what it is told; alone it has nothing to say."""

    def turned(count: int) -> Rows:
        source = torch.randint(1, 8, (count, 4))
        return source, source.flip(1)

    train, valid, (source, truth) = turned(1600), turned(300), turned(300)
    model = Translator()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.006)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, valid=valid) as probe:
        for _ in range(12):
            for words, target in mini_batches(*train, 40):
                told = F.pad(target[:, :-1], (1, 0)) if mended else target
                optimizer.zero_grad()
                output = model(words, told)
                loss = criterion(output.reshape(-1, output.shape[-1]), target.reshape(-1))
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                probe.step(loss, words, target)
    with torch.no_grad():
        return probe, (model.translate(source) == truth).float().mean().item()


def clicks(count: int) -> Rows:
    """(N, 6) categories from 0 to 7 and whether someone clicked, which depends on two pairs of them."""
    fields = torch.randint(8, (count, 6))
    drawn = torch.Generator().manual_seed(7)
    first, second = torch.randn(8, 8, generator=drawn), torch.randn(8, 8, generator=drawn)
    score = 3 * (first[fields[:, 0], fields[:, 1]] + second[fields[:, 2], fields[:, 3]])
    return fields, (torch.rand(count) < torch.sigmoid(score)).long()


@question(
    "https://datascience.stackexchange.com/questions/122686/bce-loss-stuck-at-0-693-in-the-beginnng-of-training-and-then-started-to-decrease",
    *("rate_too_low", "stopped_too_early"),
)
def warm_up_longer_than_the_training(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The warm-up is meant for 3,000 steps and the training has some hundreds: the rate is still near nothing at its end."""

    class Clicks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(48, 32)
            self.block = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
            self.logit = nn.Linear(6 * 32, 1)

        def forward(self, fields: Tensor) -> Tensor:
            x = self.block(self.embed(fields + 8 * torch.arange(6)))
            return self.logit(x.flatten(1)).squeeze(-1)

    warm = 100 if mended else 3000
    train, valid, (x, y) = clicks(3200), clicks(400), clicks(800)
    model = Clicks()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.3 * 32**-0.5, betas=(0.9, 0.98), eps=1e-9)
    noam = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) ** -0.5, (step + 1) * warm**-1.5))
    criterion = nn.BCEWithLogitsLoss()
    with watch(model, optimizer, loss=criterion, valid=(valid[0], valid[1].float())) as probe:
        for _ in range(4):
            for fields, clicked in mini_batches(*train, 40):
                optimizer.zero_grad()
                loss = criterion(model(fields), clicked.float())
                loss.backward()
                optimizer.step()
                noam.step()
                probe.step(loss, fields, clicked.float())
    model.eval()
    with torch.no_grad():
        return probe, ((model(x) > 0) == y.bool()).float().mean().item()


@question("https://github.com/lucidrains/x-transformers/issues/253", "input_ignored")
def mask_the_other_way(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The padding mask says where words are, the layer wants to know where none are: all that is attended to is padding."""

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(202, 24)
            self.places = nn.Embedding(17, 24)
            layer = nn.TransformerEncoderLayer(24, 2, 48, dropout=0.1, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.out = nn.Linear(24, 2)

        def forward(self, tokens: Tensor) -> Tensor:
            mask = tokens == 0 if mended else tokens != 0
            x = self.embed(tokens) + self.places(torch.arange(tokens.shape[1]))
            return self.out(self.encoder(x, src_key_padding_mask=mask)[:, 0])

    def padded(count: int) -> Rows:
        words, labels = opinions(count)
        return F.pad(F.pad(words, (1, 0), value=201), (0, 4)), labels

    train, valid, test = padded(1500), padded(300), padded(400)
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(7):
            model.train()
            for tokens, labels in DataLoader(TensorDataset(*train), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(tokens), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, tokens, labels)
    return probe, right(model, *test)
