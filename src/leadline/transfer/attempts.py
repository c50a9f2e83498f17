"""The ways to transfer, tried: heads on frozen features at several depths, and short trainings of the whole network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline import metrics
from leadline.data.dataset import Dataset, Split
from leadline.data.pictures.augment import Augment
from leadline.transfer.brief_training import train_briefly
from leadline.transfer.deciding import Candidate
from leadline.transfer.depths import Depth, cut_depths
from leadline.transfer.grids import GridHead, fit_head_grid, headline_of, predictions_of
from leadline.transfer.kept import keep_depths
from leadline.transfer.networks import backbone_of, redrawn, set_head, with_new_head
from leadline.transfer.rates import stages_of
from leadline.transfer.skills import Skill, judged, neighbours_predictions
from leadline.transfer.together import depths_together

RATES = {"fine-tune": 1e-3, "scratch": 2e-3}
DECAY = 0.6  # of the rate, from a stage to the one before
_PENALTIES = (0.1, 0.01, 1e-3, 1e-4)  # enough to compare depths; the head that is kept is fitted to the whole grid
_ENOUGH = 3e-3  # largest derivative of a head that is compared; that of the head that is kept is 0.00001
_NEIGHBOUR_ROWS = 5000
_MOST_EPOCHS = 20  # of a short training
_SOLVED = 0.99  # of a metric whose best is 1: no other way can be a point ahead
_FINE_TUNE_SHARE = 0.4  # of the rows for short trainings; from scratch needs more of them to show anything


class Attempts:
    """What the four ways reach on one data set; `skills` tells all that was measured, `candidates` what can be chosen.

    Args:
        model: the trained network; is left as it is.
        dataset: whose Schema prepares inputs as the network knows them.
        channels: of the pictures that it was trained on, where they differ.
        augment: of training pictures in the short trainings.
        fresh: makes the network with fresh weights; None draws those of a copy anew.
        seed: of everything random.
        cache: the cache folder.

    Example:
        >>> from leadline import data
        >>> from leadline.models import mlp
        >>> attempts = Attempts(mlp((1, 8, 8), 4, width=16), data.load("digits"))
        >>> [depth.layer for depth in attempts.depths]
        ['3', 'before 7']
    """

    def __init__(
        self,
        model: nn.Module,
        dataset: Dataset,
        *,
        channels: int | None = None,
        augment: Augment | None = None,
        fresh: Callable[[], nn.Module] | None = None,
        seed: int = 0,
        cache: Path | str | None = None,
    ) -> None:
        self.model, self.dataset, self.channels, self.augment = model, dataset, channels, augment
        self.fresh, self.seed, self.cache = fresh, seed, cache
        self.shape, self.answers = dataset.schema.inputs.shape, dataset.schema.answers
        own = self.shape if channels is None or len(self.shape) != 3 else (channels, *self.shape[1:])
        depths = cut_depths(model, own)
        self.depths = depths if len(depths) <= 3 else [depths[0], depths[len(depths) // 2], depths[-1]]
        self.targets = torch.tensor(dataset.valid.targets)
        self.skills: list[Skill] = []
        self.candidates: list[Candidate] = []
        self.late: GridHead | None = None

    @cached_property
    def backbones(self) -> list[nn.Module]:
        """The network, cut at each depth."""
        return [
            backbone_of(self.model, depth.layer, self.shape, grid=depth.grid, channels=self.channels) for depth in self.depths
        ]

    @cached_property
    def together(self) -> nn.Module | None:
        """The features of all depths from one pass, where that can be had."""
        return depths_together(self.backbones, self.depths, self.shape)

    @property
    def passes(self) -> float:
        """What the features of a row cost, in passes through the whole network."""
        # The earlier depths cost a part of a pass; by themselves they are taken for two thirds of one each.
        return 1 if self.together is not None else 1 + 2 / 3 * (len(self.depths) - 1)

    def heads(self, rows: int) -> None:
        """Fit a new head at each depth to the features of so many training rows at most, and ask the nearest neighbours."""
        chosen = _spread(self.dataset.train, rows, self.seed)
        split = self.dataset.train if len(chosen) == len(self.dataset.train) else self.dataset.train.take(chosen)
        targets = torch.tensor(split.targets)
        train, valid = (
            keep_depths(self.backbones, self.together, each, self.dataset.schema, cache=self.cache)
            for each in (split, self.dataset.valid)
        )
        for depth, known, asked in zip(self.depths, train, valid, strict=True):
            started = time.perf_counter()
            x, v = known.rows(), asked.rows()
            found = fit_head_grid(x, targets, v, self.targets, self.answers, penalties=_PENALTIES, tolerance=_ENOUGH)
            with torch.no_grad():
                p = predictions_of(found.head(v), self.answers)
            detail = f"{x.shape[1]} features, {len(split):,} rows, penalty {found.l2:g}"
            self._add(depth, p, detail, known.seconds + asked.seconds + time.perf_counter() - started)
            self._ask_neighbours(depth, x, targets, v)
            self.late = found  # the last of them

    def _add(self, depth: Depth, p: Tensor, detail: str, seconds: float) -> None:
        strategy = "head" if depth is self.depths[-1] else "early head"
        skill = judged(f"new head on {depth.name} features", depth.layer, p, self.targets, self.answers, detail, seconds)
        self.skills.append(skill)
        self.candidates.append(Candidate(strategy, depth.layer, depth.grid, p, skill, 1.0))

    def _ask_neighbours(self, depth: Depth, features: Tensor, targets: Tensor, valid: Tensor) -> None:
        started = time.perf_counter()
        step = max(1, len(features) // _NEIGHBOUR_ROWS)
        p = neighbours_predictions(features[::step], targets[::step], valid, self.answers)
        detail = f"5 neighbours among {len(features[::step]):,} rows"
        name, seconds = f"nearest neighbours by {depth.name} features", time.perf_counter() - started
        self.skills.append(judged(name, depth.layer, p, self.targets, self.answers, detail, seconds))

    @property
    def solved(self) -> bool:
        """Whether a head leaves so little to win that a short training is not worth its time."""
        metric = metrics.for_task(self.answers.task, self.answers.outputs)[headline_of(self.answers)]
        best = max((each.skill.value for each in self.candidates), default=0.0)
        return metric.unit_range and metric.higher_is_better and best >= _SOLVED

    def short_trainings(self, rows: int, batch: int, whole: int) -> int:
        """Train everything for so many rows in all, of `whole`: from the weights, with the head found, and from fresh ones.

        Returns:
            The rows that were trained on: fewer, where they would be too few to tell anything, or more than enough.
        """
        limit, trained = _MOST_EPOCHS * len(self.dataset.train), 0
        for strategy, share in (("fine-tune", _FINE_TUNE_SHARE), ("scratch", 1 - _FINE_TUNE_SHARE)):
            count = min(int(share * rows), limit)
            if count < 2 * batch:
                continue
            started, trained = time.perf_counter(), trained + count
            with self._own_random_numbers():
                p = self.train(strategy, self.dataset, count, batch=batch)
            if not bool(p.isfinite().all()):
                continue  # it did not stay finite, so it is no way to go
            detail = f"{count / len(self.dataset.train):.1f} epochs"
            skill = judged(_NAMES[strategy], "", p, self.targets, self.answers, detail, time.perf_counter() - started)
            self.skills.append(skill)
            self.candidates.append(Candidate(strategy, self.depths[-1].layer, 1, p, skill, min(count / whole, 1.0)))
        return trained

    def train(self, strategy: str, dataset: Dataset, rows: int, *, batch: int = 64) -> Tensor:
        """Answers for the validation rows after "fine-tune" or "scratch" with so many rows in all."""
        network = self.network(strategy)
        return train_briefly(
            network,
            dataset,
            rows,
            learning_rate=RATES[strategy],
            batch=batch,
            stages=stages_of(network, self.shape) if strategy == "fine-tune" else (),
            decay=DECAY,
            augment=self.augment,
            seed=self.seed,
        )

    @contextmanager
    def _own_random_numbers(self) -> Iterator[None]:
        """Dropout draws the same whatever was drawn before, and leaves no trace."""
        device = next(self.model.parameters()).device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            yield

    def network(self, strategy: str) -> nn.Module:
        """The network that "fine-tune" or "scratch" begins with."""
        model = self.model
        if strategy == "scratch":
            model = self.fresh() if self.fresh is not None else redrawn(self.model, self.seed)
            model.to(next(self.model.parameters()).device)
        late = self.depths[-1].layer
        network = with_new_head(model, late, self.shape, self.answers.outputs, frozen=False, channels=self.channels)
        if strategy == "fine-tune" and self.late is not None:
            set_head(network, self.late.head)
        elif strategy == "scratch":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                network.get_submodule("head").reset_parameters()  # type: ignore[operator]
        for weight in network.parameters():
            weight.requires_grad_(True)
        return network


_NAMES = {"fine-tune": "fine-tuning", "scratch": "training from scratch"}


def _spread(split: Split, rows: int, seed: int) -> NDArray[np.int64]:
    """So many rows at most, a random choice in their order."""
    if rows >= len(split):
        return np.arange(len(split))
    return np.sort(np.random.default_rng(seed).permutation(len(split))[:rows])
