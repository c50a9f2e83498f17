"""Rows for the programs of `asked_*.py`: tables that scikit-learn ships, their shares, and scores on clean test rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from sklearn import datasets
from torch import Tensor, nn


@dataclass(frozen=True)
class Shares:
    """Rows to train with, to validate with, and clean ones to score with."""

    x: Tensor
    y: Tensor
    xv: Tensor
    yv: Tensor
    xt: Tensor
    yt: Tensor


def table(name: str) -> tuple[Tensor, Tensor]:
    """Inputs (N, D) and targets (N,) of one of scikit-learn's own tables; class numbers are whole."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    targets = torch.from_numpy(y)
    return torch.from_numpy(x).float(), targets.float() if targets.is_floating_point() else targets.long()


def shared(x: Tensor, y: Tensor, *, valid: float = 0.2, test: float = 0.3) -> Shares:
    """A random split, from torch's seed."""
    order = torch.randperm(len(x))
    held = int(len(x) * test)
    ends = held + int(len(x) * valid)
    t, v, rest = order[:held], order[held:ends], order[ends:]
    return Shares(x[rest], y[rest], x[v], y[v], x[t], y[t])


def scaled(rows: Shares) -> Shares:
    """Inputs in standard units of the training rows."""
    mean, std = rows.x.mean(0), rows.x.std(0)
    return replace(rows, **{name: (getattr(rows, name) - mean) / std for name in ("x", "xv", "xt")})


def digits() -> Shares:
    """8 × 8 pixels from 0 to 1, as 64 columns."""
    x, y = table("digits")
    return shared(x / 16, y)


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of rows whose largest output is that of their class."""
    model.eval()
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


def balanced(answers: Tensor, y: Tensor) -> float:
    """Mean over the classes of the share that is answered rightly."""
    return float(torch.stack([(answers[y == k] == k).float().mean() for k in y.unique()]).mean())


def r_squared(outputs: Tensor, y: Tensor) -> float:
    """1 − error / variance, from −1 (or no number) to 1."""
    share = float((outputs.flatten() - y.flatten()).square().mean() / y.var(correction=0))
    return max(-1.0, 1 - share) if math.isfinite(share) else -1.0
