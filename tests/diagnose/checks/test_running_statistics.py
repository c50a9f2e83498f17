"""Running statistics that have stayed behind are told from such as fit."""

from __future__ import annotations

import torch
from torch import nn

from leadline.diagnose.checks.running_statistics import read_stale
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.samples import a_subject, rings


def network(momentum: float, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.BatchNorm1d(6, momentum=momentum), nn.Linear(6, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 3)
    )


def looked(model: nn.Module) -> tuple[float, float] | None:
    """Of a training on rows that are far from 0, where running statistics begin."""
    rows = rings(600)
    return read_stale(a_subject(model, rows=Rows(3 * rows.inputs + 4, rows.targets)))


def test_averages_that_never_arrive() -> None:
    for momentum in (0.0, 0.001):
        more, spread = looked(network(momentum)) or (0.0, 0.0)
        assert more > 3 * spread


def test_averages_that_have_arrived() -> None:
    for dropout in (0.0, 0.5):
        more, spread = looked(network(0.1, dropout)) or (1.0, 0.0)
        assert more < max(3 * spread, 0.015)


def test_without_them_there_is_nothing_to_tell() -> None:
    assert read_stale(a_subject(steps=1)) is None
    assert read_stale(a_subject(nn.Sequential(nn.BatchNorm1d(6, track_running_stats=False), nn.Linear(6, 3)), steps=1)) is None
