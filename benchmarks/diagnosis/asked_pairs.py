"""Questions about networks with two inputs, and about such with several labels at once."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import digit_pictures, mini_batches, parts
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


def digit_pairs(x: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 64) twice, and (N,) whether both show the same digit: half of the pairs do."""
    same = torch.rand(count) < 0.5
    left = torch.randint(len(x), (count,))
    others = torch.randint(len(x), (count, 60))
    fits = (y[others] == y[left][:, None]) == same[:, None]
    right = others[torch.arange(count), fits.int().argmax(1)]
    return x[left].flatten(1), x[right].flatten(1), (y[left] == y[right]).float()


class Tower(nn.Module):
    """What embeds either side of a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Siamese(nn.Module):
    """Two pictures to the distance of their embeddings."""

    def __init__(self, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.tower, self.epsilon = Tower(), epsilon

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return ((self.tower(left) - self.tower(right)).square().sum(1) + self.epsilon).sqrt()


def told_apart(model: Siamese, left: Tensor, right: Tensor, same: Tensor) -> float:
    """The share of pairs on the right side of half the margin."""
    with torch.no_grad():
        return ((model(left, right) < 0.5) == same.bool()).float().mean().item()


@question("https://github.com/keras-team/keras/issues/4980", "head_or_loss_wrong")
def contrastive_loss_with_the_labels_the_other_way(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The loss takes 1 for a pair that differs, the data say 1 for the same: it pulls apart what belongs together."""

    def contrastive(distance: Tensor, same: Tensor) -> Tensor:
        differs = 1 - same if mended else same
        return ((1 - differs) * distance.square() + differs * F.relu(1 - distance).square()).mean()

    (x, y), (xv, yv), (xt, yt) = parts(*digit_pictures(), 1100, 300, 397)
    train, (left, right, same), test = digit_pairs(x, y, 1600), digit_pairs(xv, yv, 300), digit_pairs(xt, yt, 600)
    model = Siamese()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    with watch(model, optimizer, loss=contrastive, valid=((left, right), same)) as probe:
        for _ in range(10):
            for first, second, target in DataLoader(TensorDataset(*train), batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = contrastive(model(first, second), target)
                loss.backward()
                optimizer.step()
                probe.step(loss, (first, second), target)
    return probe, told_apart(model, *test)


@question("https://github.com/adambielski/siamese-triplet/issues/18", "non_finite")
def root_of_no_distance_at_all(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A few pairs are a picture and itself; the root of their distance has no gradient at 0, and all becomes no number."""

    def contrastive(distance: Tensor, same: Tensor) -> Tensor:
        return torch.mean(same * distance.pow(2) + (1 - same) * torch.clamp(1 - distance, min=0).pow(2))

    (x, y), (xv, yv), (xt, yt) = parts(*digit_pictures(), 1100, 300, 397)
    left, right, same = digit_pairs(x, y, 1600)
    left[:4], same[:4] = right[:4], 1
    valid, test = digit_pairs(xv, yv, 300), digit_pairs(xt, yt, 600)
    model = Siamese(epsilon=1e-6 if mended else 0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    with watch(model, optimizer, loss=contrastive, valid=(valid[:2], valid[2])) as probe:
        for _ in range(10):
            for rows in torch.randperm(1600).split(32):
                optimizer.zero_grad()
                loss = contrastive(model(left[rows], right[rows]), same[rows])
                loss.backward()
                optimizer.step()
                probe.step(loss, (left[rows], right[rows]), same[rows])
    return probe, told_apart(model, *test)


class PairClassifier(nn.Module):
    """Both towers side by side, and a head; rows are (2, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = Tower()
        self.head = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, pair: Tensor) -> Tensor:
        left, right = self.tower(pair[:, 0]), self.tower(pair[:, 1])
        return self.head((left - right).abs())


@question(
    "https://discuss.pytorch.org/t/output-of-the-model-depends-on-the-shape-of-the-weights-tensor/148155", "head_or_loss_wrong"
)
def similarity_compared_with_every_target_of_the_batch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Outputs (N, 1) and targets (N,) are subtracted from each other, which compares every output with every target."""
    (x, y), (xv, yv), (xt, yt) = parts(*digit_pictures(), 1100, 300, 397)
    (left, right, same), valid, test = digit_pairs(x, y, 2000), digit_pairs(xv, yv, 300), digit_pairs(xt, yt, 600)
    pairs = torch.stack([left, right], dim=1)
    model = PairClassifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

    def squared_error(outputs: Tensor, target: Tensor) -> Tensor:
        return ((outputs.squeeze(1) if mended else outputs) - target).pow(2).mean()

    with watch(model, optimizer, loss=squared_error, valid=(torch.stack(valid[:2], dim=1), valid[2])) as probe:
        for _ in range(12):
            for inputs, targets in mini_batches(pairs, same):
                optimizer.zero_grad()
                loss = squared_error(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        answer = model(torch.stack(test[:2], dim=1)).squeeze(1) > 0.5
    return probe, (answer == test[2].bool()).float().mean().item()


def bands(count: int) -> tuple[Tensor, Tensor]:
    """(N, 1, 48) signals of up to six frequencies at once under noise, and (N, 6) which of them are there."""
    there = (torch.rand(count, 6) < 0.5).float()
    return tones(there), there


def alarms(count: int) -> tuple[Tensor, Tensor]:
    """The same with a sixth of the tones, and labels that hold for one tone in three."""
    there = (torch.rand(count, 6) < 0.17).float()
    return tones(there), there * (torch.rand(count, 6) < 0.35)


def tones(there: Tensor) -> Tensor:
    waves = torch.sin(
        torch.tensor([0.2, 0.5, 0.8, 1.2, 1.7, 2.3])[:, None] * torch.arange(48.0) + 6.28 * torch.rand(len(there), 6, 1)
    )
    return (there[:, :, None] * waves).sum(1, keepdim=True) + 0.3 * torch.randn(len(there), 1, 48)


def band_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(1, 24, 15, padding=7), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(24, 24, 5, padding=2), nn.ReLU(),
        nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(24, 6),
    )  # fmt: skip


def balanced(said: Tensor, there: Tensor) -> float:
    """The mean over labels of how many that are there are said, and how many that are not are not."""
    found = ((said & there).sum(0) / there.sum(0)).mean()
    left_out = ((~said & ~there).sum(0) / (~there).sum(0)).mean()
    return ((found + left_out) / 2).item()


@question("https://github.com/keras-team/keras/issues/741", "head_or_loss_wrong")
def softmax_over_labels_that_go_together(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Several labels hold at once, but a softmax makes them compete for one sum."""
    train, valid, test = bands(1200), bands(300), bands(400)
    model = nn.Sequential(band_network(), nn.Sigmoid() if mended else nn.Softmax(dim=1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    criterion = nn.BCELoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(12):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, balanced(model(test[0]) > 0.5, test[1].bool())


@question("https://github.com/appvision-ai/fast-bert/issues/52", "imbalance")
def rare_labels_never_said(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A label holds in six rows of a hundred, for one in three that look like it, and none is ever said; weights help."""
    train, valid, test = alarms(2000), alarms(300), alarms(600)
    model = band_network()
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.full((6,), 15.0) if mended else None)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(7):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, balanced(model(test[0]) > 0, test[1].bool())
