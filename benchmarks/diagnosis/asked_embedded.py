"""Questions about embeddings, autoencoders and losses that draw codes together and apart."""

from __future__ import annotations

from itertools import pairwise

import torch
from asked import Watch, question
from asked_made import Rows, digit_pictures, mini_batches, parts, r_squared
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


class Taste(nn.Module):
    """Ratings from the product of what a person likes and what a film is."""

    def __init__(self, people: int, films: int, spread: float) -> None:
        super().__init__()
        self.people, self.films = nn.Embedding(people, 10), nn.Embedding(films, 10)
        self.bias = nn.Parameter(torch.tensor(3.0))
        for table in (self.people, self.films):
            nn.init.normal_(table.weight, std=spread)

    def forward(self, pair: Tensor) -> Tensor:
        return (self.people(pair[:, 0]) * self.films(pair[:, 1])).sum(1) + self.bias


@question("https://github.com/pytorch/pytorch/issues/3121", "bad_initialization")
def embeddings_of_unit_variance(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Products of embeddings as they come, of variance 1, are three stars too many or too few before anything is learned."""
    likes, is_like = torch.randn(60, 2), torch.randn(80, 2)
    pairs = torch.cartesian_prod(torch.arange(60), torch.arange(80))
    stars = 3 + 0.7 * (likes[pairs[:, 0]] * is_like[pairs[:, 1]]).sum(1) + 0.2 * torch.randn(len(pairs))
    train, valid, test = parts(pairs, stars, 2400, 800, 1600)
    model = Taste(60, 80, 0.1 if mended else 1.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            for pair, rating in mini_batches(*train, 40):
                optimizer.zero_grad()
                loss = criterion(model(pair), rating)
                loss.backward()
                optimizer.step()
                probe.step(loss, pair, rating)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


def batch_hard(codes: Tensor, labels: Tensor) -> Tensor:
    """For each code the farthest of its class has to be nearer, by 0.3, than the nearest of another."""
    distance = (codes[:, None] - codes[None]).square().sum(2).add(1e-9).sqrt()
    same = labels[:, None] == labels[None]
    farthest = distance.masked_fill(~same, 0.0).amax(1)
    nearest = distance.masked_fill(same, 1e6).amin(1)
    return F.relu(farthest - nearest + 0.3).mean()


def by_neighbour(model: nn.Module, known: Rows, asked: Rows) -> float:
    """The share of rows whose nearest code is that of a row of their class."""
    model.eval()
    with torch.no_grad():
        nearest = torch.cdist(model(asked[0]), model(known[0])).argmin(1)
    return (known[1][nearest] == asked[1]).float().mean().item()


@question("https://github.com/omoindrot/tensorflow-triplet-loss/issues/6", "rate_too_high", "dead_units")
def loss_stays_at_the_margin(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """With large steps all codes fall upon one point, and the triplet loss stays at its margin."""
    x, y = digit_pictures()
    train, valid, test = parts(x, y, 1100, 300, 397)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, 12))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001 if mended else 0.1)
    with watch(model, optimizer, loss=batch_hard, valid=valid) as probe:
        for _ in range(24):
            for images, labels in mini_batches(*train, 60):
                optimizer.zero_grad()
                loss = batch_hard(model(images), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, labels)
    return probe, by_neighbour(model, train, test)


def matched(ours: Tensor, theirs: Tensor) -> Tensor:
    """Cross-entropy of each row's likeness to all others' second halves, where its own is right."""
    return F.cross_entropy(ours @ theirs.T, torch.arange(len(ours)))


class Halves(nn.Module):
    """A tower for the upper half of a picture and one for the lower, to codes on a sphere."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.upper, self.lower = (nn.Sequential(nn.Linear(32, 96), nn.ReLU(), nn.Linear(96, 24)) for _ in range(2))
        self.temperature = temperature

    def forward(self, upper: Tensor, lower: Tensor) -> tuple[Tensor, Tensor]:
        return F.normalize(self.upper(upper), dim=1) / self.temperature, F.normalize(self.lower(lower), dim=1)


@question("https://github.com/ustcllm/RecStudio/issues/21", "head_or_loss_wrong")
def likeness_without_a_temperature(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Cosines between -1 and 1 go into the cross-entropy over all pairs of a batch; no temperature makes them matter."""
    x, _ = digit_pictures()
    halves = x.flatten(1)
    (train, _), (test, _) = parts(halves, torch.zeros(len(x)), 1397, 400)
    model = Halves(0.07 if mended else 1.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    with watch(model, optimizer) as probe:
        for _ in range(20):
            for (batch,) in DataLoader(TensorDataset(train), batch_size=64, shuffle=True, drop_last=True):
                upper, lower = batch[:, :32], batch[:, 32:]
                optimizer.zero_grad()
                loss = matched(*model(upper, lower))
                loss.backward()
                optimizer.step()
                probe.step(loss, (upper, lower), torch.arange(len(batch)))
    with torch.no_grad():
        ours, theirs = model(test[:, :32], test[:, 32:])
    return probe, ((ours @ theirs.T).argmax(1) == torch.arange(len(test))).float().mean().item()


class Variational(nn.Module):
    """Pictures to a mean and a log-variance of eight numbers, and back."""

    def __init__(self, halved: bool) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 16))
        self.decode = nn.Sequential(nn.Linear(8, 96), nn.ReLU(), nn.Linear(96, 64))
        self.halved = halved

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encode(x).chunk(2, dim=1)
        spread = torch.exp(0.5 * log_variance if self.halved else log_variance)
        code = mean + spread * torch.randn_like(spread) if self.training else mean
        return self.decode(code), mean, log_variance


@question(
    "https://github.com/y0ast/VAE-Torch/issues/3",
    *("non_finite", "inputs_not_prepared", "rate_too_high", "exploding_gradient"),
)
def exponent_that_runs_away(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Pixels up to 255 and a rate of 0.02: the exponent of what should be a log-variance is no number after a few steps."""
    pictures = digit_pictures()[0].flatten(1)
    (train, _), (test, _) = parts(pictures * (1 if mended else 255), torch.zeros(len(pictures)), 1397, 400)
    model = Variational(mended)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002 if mended else 0.02)
    with watch(model, optimizer) as probe:
        for _ in range(16):
            model.train()
            for (batch,) in DataLoader(TensorDataset(train), batch_size=50, shuffle=True):
                optimizer.zero_grad()
                again, mean, log_variance = model(batch)
                divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
                loss = 10 * (again - batch).square().sum(1).mean() + divergence
                loss.backward()
                optimizer.step()
                probe.step(loss, batch, batch)
    model.eval()
    with torch.no_grad():
        return probe, r_squared(model(test)[0], test)


@question(
    "https://stats.stackexchange.com/questions/245448/loss-function-for-autoencoders",
    *("vanishing_gradient", "saturation", "rate_too_low"),
)
def sigmoids_all_the_way(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Five sigmoid layers and plain descent: every digit comes out as the same blob, and the first weights never move."""
    x = digit_pictures()[0].flatten(1)
    (train, _), (valid, _), (test, _) = parts(x, torch.zeros(len(x)), 1100, 300, 397)
    between = nn.ReLU if mended else nn.Sigmoid
    sizes = (64, 64, 32, 20, 32, 64)
    layers = [layer for i, o in pairwise(sizes) for layer in (nn.Linear(i, o), between())]
    model = nn.Sequential(*layers, nn.Linear(64, 64), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005) if mended else torch.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.BCELoss()
    with watch(model, optimizer, loss=criterion, valid=(valid, valid)) as probe:
        for _ in range(48):
            for images in train[torch.randperm(len(train))].split(50):
                loss = criterion(model(images), images)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, images, images)
    with torch.no_grad():
        return probe, r_squared(model(test), test)


class Clean(nn.Module):
    """Noisy pictures to clean ones, by a narrow code."""

    def __init__(self, ends: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 12))
        self.decoder = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), ends)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


@question("https://github.com/cabralpinto/modular-diffusion/issues/17", "not_training", "head_or_loss_wrong")
def decoder_left_out(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The optimizer got the encoder's weights alone, and a sigmoid at the end cannot reach pixels from -1 to 1."""
    x = 2 * digit_pictures()[0].flatten(1) - 1
    (clean, _), (valid, _), (test, _) = parts(x, torch.zeros(len(x)), 1100, 300, 397)
    model = Clean(nn.Tanh() if mended else nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters() if mended else model.encoder.parameters(), lr=0.003)
    noisy = valid + 0.3 * torch.randn_like(valid)
    with watch(model, optimizer, loss=F.mse_loss, valid=(noisy, valid)) as probe:
        for _ in range(28):
            for images in clean[torch.randperm(len(clean))].split(40):
                seen = images + 0.3 * torch.randn_like(images)
                optimizer.zero_grad()
                loss = F.mse_loss(model(seen), images)
                loss.backward()
                optimizer.step()
                probe.step(loss, seen, images)
    with torch.no_grad():
        return probe, r_squared(model(test + 0.3 * torch.randn_like(test)), test)
