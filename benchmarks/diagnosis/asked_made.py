"""What the programs of the questions learn from: small pictures, signals, sentences; and how their answers are scored."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

Rows = tuple[Tensor, Tensor]


def parts(x: Tensor, y: Tensor, *sizes: int) -> list[Rows]:
    """Rows in a random order, cut into training, validation and test."""
    return [(x[part], y[part]) for part in torch.randperm(len(x)).split(list(sizes))]


def digit_pictures() -> tuple[Tensor, Tensor]:
    """(1797, 1, 8, 8) in [0, 1], and which digit each is."""
    data = load_digits()
    return torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, torch.tensor(data.target)


def mini_batches(x: Tensor, y: Tensor, size: int = 32) -> Iterator[Rows]:
    """One epoch in a new order; an incomplete last batch is left out."""
    order = torch.randperm(len(x))
    for start in range(0, len(x) - size + 1, size):
        rows = order[start : start + size]
        yield x[rows], y[rows]


def right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of rows where the largest output is the label's."""
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def right_one_by_one(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The same for a network that is asked one row at a time."""
    model.eval()
    with torch.no_grad():
        return sum(model(x[row : row + 1]).argmax(1).item() == y[row].item() for row in range(len(x))) / len(x)


def r_squared(predicted: Tensor, y: Tensor) -> float:
    """At least -1, also for answers that are no numbers."""
    score = 1 - ((predicted - y).square().sum() / (y - y.mean(0)).square().sum()).item()
    return max(score, -1.0) if math.isfinite(score) else -1.0


def overlap(predicted: Tensor, y: Tensor) -> float:
    """Intersection over union of a mask and what is predicted of it, from 0 to 1 each."""
    return (torch.minimum(predicted, y).sum() / torch.maximum(predicted, y).sum()).item()


def blob_pictures(count: int, *, contrast: float = 2.0) -> Rows:
    """(N, 1, 16, 16) of noise with a bright disc somewhere, and masks of it: a pixel in twenty."""
    centre = 3 + 10 * torch.rand(count, 2, 1, 1)
    radius = 1.5 + torch.rand(count, 1, 1)
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    mask = ((rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2 < radius**2).float()[:, None]
    return contrast * mask + torch.randn(count, 1, 16, 16), mask


def waves(count: int, length: int = 24) -> Rows:
    """(N, T, 2): sine, square or saw-tooth with any phase and noise, and beside each a second channel of noise."""
    kind = torch.randint(3, (count,))
    phase = (torch.rand(count, 1) + torch.arange(length) * (0.08 + 0.04 * torch.rand(count, 1))) % 1
    shapes = torch.stack([torch.sin(2 * math.pi * phase), (phase < 0.5) * 2.0 - 1, 2 * phase - 1])
    wave = shapes[kind, torch.arange(count)] + 0.2 * torch.randn(count, length)
    return torch.stack([wave, torch.randn(count, length)], dim=2), kind


def next_values(count: int, length: int = 20) -> Rows:
    """(N, T, 1) windows of two mixed sines, about standardized, and (N, 1) the value after each."""
    time = 500 * torch.rand(count, 1) + torch.arange(length + 1)
    series = (torch.sin(time / 2) + torch.sin(time / 3.3 + 1)) + 0.05 * torch.randn(count, length + 1)
    return series[:, :-1, None], series[:, -1:]


def opinions(count: int, words: int = 200, length: int = 12, *, telling: int = 40, share: float = 0.4) -> Rows:
    """(N, T) words, 1 and up, of which the first `telling` speak for or against, and whether more of them speak for.

    A bit fewer than `count` rows: those are left out where as many speak for as against.
    """
    charge = torch.zeros(words + 1)
    charge[1 : telling // 2 + 1], charge[telling // 2 + 1 : telling + 1] = 1, -1
    lean = torch.randint(2, (count, 1)) * 2 - 1
    sentences = torch.randint(telling + 1, words + 1, (count, length))
    spoken = torch.rand(count, length) < share
    agrees = torch.rand(count, length) < 0.8
    side = torch.where(agrees, lean, -lean)
    opinion = torch.randint(1, telling // 2 + 1, (count, length)) + (side < 0) * (telling // 2)
    sentences = torch.where(spoken, opinion, sentences)
    total = charge[sentences].sum(1)
    clear = total != 0
    return sentences[clear], (total[clear] > 0).long()
