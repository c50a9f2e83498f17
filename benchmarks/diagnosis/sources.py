"""Rows for the programs: what scikit-learn brings with it, and generated tasks whose best possible score is known roughly.

Generated tasks draw new rows for every seed, and a clean test set of at least 500. Of bundled data a fixed third is the test
set, and the seed parts the rest into training and validation.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recipe import Arrays
from sklearn import datasets

Array = NDArray[Any]
GIVEN = np.random.default_rng(20)  # what is the same for all seeds of a generated task: its weights, centres, words


def parted(x: Array, y: Array, rows: tuple[int, int], task: str, classes: int = 0) -> Arrays:
    """The first rows to train on, the next to validate on, the rest to test on; numbers standardized from training rows."""
    ends = np.cumsum(rows)
    inputs = torch.from_numpy(x) if x.dtype.kind == "i" else torch.from_numpy(x.astype(np.float32))
    targets = torch.from_numpy(y.astype(np.int64 if task == "classes" else np.float32))
    if task == "number":
        known = targets[: ends[0]]
        targets = (targets - known.mean()) / known.std()
    if task in ("number", "binary"):
        targets = targets[:, None]
    cut = [slice(0, ends[0]), slice(ends[0], ends[1]), slice(ends[1], None)]
    train, valid, test = ((inputs[part], targets[part]) for part in cut)
    return Arrays(train, valid, test, task, classes)


def standardized(arrays: Arrays) -> Arrays:
    """The columns with the mean and the spread of the training rows, as a careful person prepares them."""
    known = arrays.train[0]
    mean, std = known.mean(0), known.std(0).clamp_min(1e-6)
    for name in ("train", "valid", "test"):
        x, y = getattr(arrays, name)
        setattr(arrays, name, ((x - mean) / std, y))
    return arrays


def bundled(x: Array, y: Array, seed: int, task: str, classes: int = 0, valid: float = 0.2) -> Arrays:
    """A fixed third to test on, the rest parted by the seed."""
    order = np.random.default_rng(7).permutation(len(x))
    test, rest = order[: len(x) // 3], order[len(x) // 3 :]
    rest = np.random.default_rng(seed).permutation(rest)
    held = int(len(rest) * valid)
    rows = np.concatenate([rest, test])
    return parted(x[rows], y[rows], (len(rest) - held, held), task, classes)


LOGISTIC = GIVEN.normal(size=20) * GIVEN.integers(0, 2, size=20), GIVEN.normal(size=(20, 20)) / 4 + np.eye(20)


def logistic(seed: int) -> Arrays:
    """Two classes that a linear model tells apart as well as can be done."""
    draw = np.random.default_rng(seed)
    weights, mixing = LOGISTIC
    x = draw.normal(size=(2200, 20)) @ mixing
    y = draw.uniform(size=2200) < 1 / (1 + np.exp(-1.5 * (x @ weights)))
    return standardized(parted(x, y, (900, 300), "binary"))


def table(seed: int) -> Arrays:
    source = datasets.load_breast_cancer()
    return standardized(bundled(source.data, source.target, seed, "classes", 2, valid=0.25))


def digits(seed: int) -> Arrays:
    source = datasets.load_digits()
    return bundled(source.data / 16, source.target, seed, "classes", 10)


def digit_pictures(seed: int) -> Arrays:
    source = datasets.load_digits()
    return bundled(source.images[:, None] / 16, source.target, seed, "classes", 10)


def later_digits(seed: int) -> Arrays:
    """Five to nine: what a network that knows zero to four is asked to learn."""
    source = datasets.load_digits()
    known = source.target >= 5
    return bundled(source.images[known][:, None] / 16, source.target[known] - 5, seed, "classes", 5)


def earlier_digits() -> tuple[torch.Tensor, torch.Tensor]:
    source = datasets.load_digits()
    known = source.target < 5
    return torch.from_numpy(source.images[known][:, None].astype(np.float32) / 16), torch.from_numpy(source.target[known])


def reconstruction(seed: int) -> Arrays:
    made = digits(seed)
    pairs = {name: (getattr(made, name)[0],) * 2 for name in ("train", "valid", "test")}
    return Arrays(**pairs, task="reconstruct")


def diabetes(seed: int) -> Arrays:
    source = datasets.load_diabetes()
    return standardized(bundled(source.data, source.target, seed, "number", valid=0.25))


def moons(seed: int) -> Arrays:
    x, y = datasets.make_moons(1800, noise=0.2, random_state=seed)
    return standardized(parted(x, y, (600, 200), "binary"))


def spirals(seed: int) -> Arrays:
    """Three arms, one and two thirds of a turn each."""
    draw = np.random.default_rng(seed)
    y = np.arange(2200) % 3
    far = np.sqrt(draw.uniform(0.02, 1, 2200))
    angle = far * 3.3 * math.pi + y * 2 * math.pi / 3 + draw.normal(scale=0.13, size=2200)
    x = np.stack([far * np.cos(angle), far * np.sin(angle)], 1) * 2
    return parted(x, y, (900, 300), "classes", 3)


def friedman(seed: int) -> Arrays:
    x, y = datasets.make_friedman1(2000, n_features=10, noise=1.0, random_state=seed)
    return standardized(parted(x, y, (700, 250), "number"))


def textures(seed: int) -> Arrays:
    """Colored gratings of four orientations under noise: the color says nothing, neighboring pixels do."""
    draw = np.random.default_rng(seed)
    count, side = 1600, 12
    y = draw.integers(0, 4, count)
    angle = y * math.pi / 4 + draw.normal(scale=0.1, size=count)
    frequency, phase = draw.uniform(1.2, 2.2, count), draw.uniform(0, 2 * math.pi, count)
    rows, columns = np.mgrid[:side, :side] / 2
    wave = frequency[:, None, None] * (np.cos(angle)[:, None, None] * columns + np.sin(angle)[:, None, None] * rows)
    color = draw.uniform(0.3, 1, (count, 3, 1, 1))
    x = color * np.sin(wave + phase[:, None, None])[:, None] + draw.normal(scale=0.9, size=(count, 3, side, side))
    return parted(x, y, (700, 250), "classes", 4)


def order(seed: int) -> Arrays:
    """Two marks, each a or b, among filler: which came first, which second (Hochreiter's temporal order, shorter)."""
    draw = np.random.default_rng(seed)
    count, length = 2200, 14
    x = draw.integers(2, 8, (count, length))
    first, second = draw.integers(0, 2, (2, count))
    places = np.arange(count), draw.integers(1, 5, count), draw.integers(6, 11, count)
    x[places[0], places[1]], x[places[0], places[2]] = first, second
    return parted(x, 2 * first + second, (1100, 300), "classes", 4)


def series(seed: int) -> Arrays:
    """The next value of two waves under noise, from the last 12."""
    draw = np.random.default_rng(seed)
    count, length = 1600, 12
    time = np.arange(length + 1)
    waves = [
        size * np.sin(draw.uniform(low, high, (count, 1)) * time + draw.uniform(0, 2 * math.pi, (count, 1)))
        for size, low, high in ((1.0, 0.2, 0.5), (0.6, 0.8, 1.3))
    ]
    x = waves[0] + waves[1] + draw.normal(scale=0.15, size=(count, length + 1))
    return parted(x[:, :-1, None], x[:, -1], (600, 250), "number")


WORDS, TOPICS = 400, 5
OWN = np.stack([GIVEN.permutation(WORDS - 20)[:24] + 20 for _ in range(TOPICS)])  # the words of each topic; some are shared


def text(seed: int) -> Arrays:
    """Texts of 40 words, a fifth of them from their topic's own, the others as in a natural language: few are frequent."""
    draw = np.random.default_rng(seed)
    count, length = 1900, 40
    often = 1 / np.arange(1, WORDS + 1)
    y = draw.integers(0, TOPICS, count)
    x = draw.choice(WORDS, size=(count, length), p=often / often.sum())
    own = draw.uniform(size=(count, length)) < 0.2
    x[own] = OWN[y[np.nonzero(own)[0]], draw.integers(0, OWN.shape[1], own.sum())]
    return parted(x, y, (800, 300), "classes", TOPICS)


def gaussians(seed: int, rows: tuple[int, int, int], far: float, shares: list[float], columns: int = 8) -> tuple[Array, Array]:
    """Classes around fixed centres, each of two lumps."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(5).normal(size=(len(shares), 2, columns)) * far
    y = draw.choice(len(shares), size=sum(rows), p=shares)
    x = centres[y, draw.integers(0, 2, sum(rows))] + draw.normal(size=(sum(rows), columns))
    return x, y


def imbalanced(seed: int) -> Arrays:
    x, y = gaussians(seed, (1100, 440, 2000), 1.35, [10 / 11, 1 / 11])
    return standardized(parted(x, y, (1100, 440), "classes", 2))


def tiny(seed: int) -> Arrays:
    x, y = gaussians(seed, (60, 40, 600), 1.1, [1 / 3] * 3)
    return standardized(parted(x, y, (60, 40), "classes", 3))


UNSURE = GIVEN.normal(size=(3, 10, 8))


def unsure(seed: int, sharpness: float) -> tuple[Array, Array]:
    """Three classes whose odds vary smoothly over the inputs: no method can know more than the odds."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(2800, 10))
    values = np.tanh(np.einsum("nd,kdh->nkh", x, UNSURE) / 2).sum(2)
    odds = np.exp(sharpness * (values - values.max(1, keepdims=True)))
    odds /= odds.sum(1, keepdims=True)
    return x, (draw.uniform(size=(2800, 1)) > odds.cumsum(1)).sum(1)


def noisy(seed: int) -> Arrays:
    x, y = unsure(seed, 1.0)
    return parted(x, y, (1200, 400), "classes", 3)


def ceiling(seed: int) -> Arrays:
    x, y = unsure(seed, 0.42)
    return parted(x, y, (1200, 400), "classes", 3)


LABELS = GIVEN.normal(size=(2, 15, 5))


def labels(seed: int) -> Arrays:
    """Five labels side by side, each of its own bend of the inputs."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(2000, 15))
    values = x @ LABELS[0] + 2 * np.abs(x @ LABELS[1] / 2) - 3
    y = draw.uniform(size=values.shape) < 1 / (1 + np.exp(-1.5 * values))
    return parted(x, y, (800, 250), "labels")


@cache
def rows_of(name: str, seed: int) -> Arrays:
    """The rows of a task by its name. Faults copy what they change."""
    makers = (logistic, table, digits, digit_pictures, later_digits, reconstruction, diabetes, moons, spirals, friedman,
              textures, order, series, text, imbalanced, tiny, noisy, ceiling, labels)  # fmt: skip
    made: Arrays = {maker.__name__: maker for maker in makers}[name](seed)
    return made
