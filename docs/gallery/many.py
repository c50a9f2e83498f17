"""Many networks trained at once for a measurement: every rate with every seed, in one `Population`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.data import load
from leadline.data.batches import Batches
from leadline.training.population import Candidate, Population

SEEDS = (0, 1, 2, 3, 4)


@functools.cache
def digits(part: str = "train") -> tuple[Tensor, Tensor]:
    """The rows of a part of the bundled digits, standardized: inputs [N, 64] and classes [N]."""
    dataset = load("digits")
    split = getattr(dataset, part)
    inputs, targets = next(iter(Batches(split, dataset.schema, len(split))))
    return inputs.flatten(1), targets


class Grid(NamedTuple):
    """Networks in the order rate by rate, and seed by seed within a rate; `seeds[i]` is that of network i."""

    candidates: list[Candidate]
    rates: Sequence[float]
    seeds: list[int]

    def table(self, values: Tensor) -> Tensor:
        """Values [A, …] of the networks as [rates, seeds, …]."""
        return values.reshape(len(self.rates), -1, *values.shape[1:])


def grid(make: Callable[[], nn.Module], rates: Sequence[float], *, seeds: Sequence[int] = SEEDS, momentum: float = 0.9) -> Grid:
    """For each rate the same networks: one a seed."""
    candidates = []
    for rate in rates:
        for seed in seeds:
            torch.manual_seed(seed)
            candidates.append(Candidate(make(), rate, momentum))
    return Grid(candidates, rates, list(seeds) * len(rates))


def train(
    nets: Grid,
    rows: tuple[Tensor, Tensor],
    *,
    batch: int,
    steps: int,
    optimizer: str = "sgd",
    loss: Callable[[Any, Any], Tensor] = F.cross_entropy,
    watch: Callable[[Population], Tensor] | None = None,
    at: Sequence[int] = (),
    **options: Any,
) -> tuple[Population, Tensor]:
    """Train all networks of a grid; each sees the rows in the order of its seed.

    Args:
        nets: the networks.
        rows: inputs [N, …] and targets [N] for all, or [seeds, N, …] and [seeds, N], those of each seed.
        batch: rows of a step; N or more takes them all in their order.
        steps: of all networks.
        optimizer: one of `UPDATES`.
        loss: (outputs, targets) → mean over rows.
        watch: gives a tensor [A, …] of the networks as they are.
        at: after how many steps it is asked; 0 is before the first.
        options: what else `Population` takes.

    Returns:
        The population, and what was watched, [A, points, …].
    """
    population = Population(nets.candidates, loss, optimizer=optimizer, **options)
    inputs, targets = rows
    each = inputs.ndim > 2  # rows of their own for each seed
    count = inputs.shape[1 if each else 0]
    which = torch.tensor([sorted(set(nets.seeds)).index(seed) for seed in nets.seeds])[:, None]
    seen: list[Tensor] = []
    a_pass = max(1, count // batch)
    for step in range(steps + 1):
        if watch is not None and step in at:
            seen.append(watch(population))
        if step == steps:
            break
        if step % a_pass == 0:
            order = torch.stack([_order(seed, step // a_pass, count, batch) for seed in nets.seeds])
        chosen = order[:, (step % a_pass) * batch : (step % a_pass + 1) * batch]
        part = (inputs[which, chosen], targets[which, chosen]) if each else (inputs[chosen], targets[chosen])
        population(part, None)  # type: ignore[arg-type]  # without a schedule the progress is not asked for
    return population, torch.stack(seen, dim=1) if seen else torch.empty(0)


def _order(seed: int, epoch: int, count: int, batch: int) -> Tensor:
    if batch >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def losses(rows: tuple[Tensor, Tensor]) -> Callable[[Population], Tensor]:
    """A watch: the mean cross-entropy on these rows, one for each network; of a network that has diverged, infinity."""

    def watch(population: Population) -> Tensor:
        outputs = population.outputs(rows[0]).transpose(1, 2)
        each = F.cross_entropy(outputs, rows[1].expand(len(outputs), -1), reduction="none").mean(1)
        return each.nan_to_num(nan=torch.inf)

    return watch


def accuracies(population: Population, rows: tuple[Tensor, Tensor]) -> Tensor:
    """The share of these rows that each network gets right, [A]."""
    return (population.outputs(rows[0]).argmax(-1) == rows[1]).float().mean(1)


def best_rate(scores: Tensor) -> int:
    """The row of scores [rates, seeds], lower is better, whose mean over the seeds is lowest."""
    return int(scores.double().nan_to_num(nan=torch.inf).mean(1).argmin())


def steps_to(curves: Tensor, at: Sequence[int], goal: float | Tensor) -> Tensor:
    """The first of the steps `at` after which a curve [..., points] is at most the goal; infinity where none is."""
    reached = curves <= goal
    first = torch.where(reached.any(-1), reached.int().argmax(-1), len(at))
    return torch.tensor([*map(float, at), torch.inf])[first]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of log y over log x, fitted by least squares: the power with which y goes."""
    return float(rounded(np.polyfit(np.log(np.array(x)), np.log(np.array(y)), 1)[0], 3))


def rounded(values: Any, digits: int = 4) -> Any:
    """Tensors, arrays and nested lists as lists of floats with so many significant digits; what is not finite becomes None."""
    if isinstance(values, (Tensor, np.ndarray)):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [rounded(value, digits) for value in values]
    return float(f"{values:.{digits}g}") if np.isfinite(values) else None
