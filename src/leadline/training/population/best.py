"""The best weights of each network of a population; those that have stopped improving leave it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.training.population.evaluation import PopulationEvaluation


class Ranked(NamedTuple):
    """A network and how it did.

    Args:
        network: its number among the candidates.
        value: the best value of the watched column; NaN where it never was a number.
        epoch: the evaluation, counted from 1, that gave it; 0 where none did.

    Example:
        >>> Ranked(3, 0.25, 7).network
        3
    """

    network: int
    value: float
    epoch: int


class PopulationBest:
    """Early stopping for each network by itself: keeps a copy of its weights at its best value, and lets it go when it waits.

    Stands where `training.Best` would: pass it to `run_loop` as `best` and its evaluation as `evaluate`. A network leaves the
    population after `patience` evaluations without a better value, or when its value is no longer a number. At the end all
    networks are active again, with their best weights.

    Args:
        evaluation: gives the values, the column to watch and which way is up.
        patience: evaluations to wait for a better value; None never stops, but for a value that is not a number.
        min_change: how much better it must be to count.

    Errors: `ArgumentError` for a patience below 1 or a negative change.

    Example:
        >>> from leadline.training import run_loop
        >>> from leadline.training.population import Candidate, Population
        >>> _ = torch.manual_seed(0)
        >>> candidates = [Candidate(nn.Linear(2, 1), rate) for rate in (0.001, 0.01, 0.1)]
        >>> population = Population(candidates, nn.functional.mse_loss)
        >>> x = torch.randn(8, 2)
        >>> evaluation = PopulationEvaluation(population, [(x, x.sum(1, keepdim=True))], nn.functional.mse_loss)
        >>> best = PopulationBest(evaluation, patience=3)
        >>> batches = [(x.expand(3, 8, 2), x.sum(1, keepdim=True).expand(3, 8, 1))] * 4
        >>> history = run_loop(population, batches, epochs=5, evaluate=evaluation, best=best)
        >>> [network for network, value, epoch in best.ranking()]
        [2, 1, 0]

    Source: Prechelt 1998, Early stopping - but when?
    """

    def __init__(self, evaluation: PopulationEvaluation, *, patience: int | None = None, min_change: float = 0.0) -> None:
        if (patience is not None and patience < 1) or min_change < 0:
            raise ArgumentError(
                "Early stopping is out of range",
                expected="patience of at least 1 and min_change of at least 0",
                got=(patience, min_change),
            )
        self.evaluation, self.patience, self.min_change = evaluation, patience, min_change
        self.population, self.monitor = evaluation.population, evaluation.monitor
        self.higher_is_better = evaluation.higher_is_better
        count = self.population.count
        self.curves: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        self.values: list[float] = [math.nan] * count
        self.epochs = [0] * count
        self._epoch, self._finished = 0, False
        self._stores: dict[str, Tensor] = {}

    @property
    def value(self) -> float | None:
        """The best value of all networks so far."""
        values = [value for value in self.values if not math.isnan(value)]
        if not values:
            return None
        return max(values) if self.higher_is_better else min(values)

    def update(self, record: Mapping[str, Any], modules: Mapping[str, nn.Module]) -> bool:
        """Note the values that the evaluation has just found; whether the best of all networks has been beaten."""
        before, active = self.value, self.population.active
        self._epoch += 1
        improved = []
        for place, (network, value) in enumerate(zip(active, self.evaluation.values[self.monitor], strict=True)):
            self.curves[network].append((self._epoch, value))
            if self._better(value, self.values[network]):
                self.values[network], self.epochs[network] = value, self._epoch
                improved.append(place)
        self._keep(improved, next(iter(modules.values())))
        going = [place for place, network in enumerate(active) if not self._is_done(network)]
        self._finished = not going
        if going and len(going) < len(active):
            self.population.keep(going)
        return self.value != before

    def keep(self, modules: Mapping[str, nn.Module]) -> None:
        """Copy the weights of all active networks as they are now."""
        self._keep(list(range(len(self.population.active))), next(iter(modules.values())))

    def exhausted(self) -> str:
        """Why it is time to stop, or an empty string."""
        if not self._finished:
            return ""
        watched = self.monitor.replace("_", " ")
        return f"no better {watched} for {self.patience} evaluations in any of {len(self.values)} networks"

    def restore(self, modules: Mapping[str, nn.Module]) -> None:
        """All networks are active again and have their best weights."""
        if self._stores:
            self.population.restore(self._stores)

    def ranking(self) -> list[Ranked]:
        """All networks, the best first; those that never had a value come last."""
        rows = [Ranked(network, *pair) for network, pair in enumerate(zip(self.values, self.epochs, strict=True))]
        sign = -1.0 if self.higher_is_better else 1.0
        return sorted(rows, key=lambda row: math.inf if math.isnan(row.value) else sign * row.value)

    def state(self) -> dict[str, Any]:
        return {
            "curves": [[list(point) for point in curve] for curve in self.curves],
            "values": self.values,
            "epochs": self.epochs,
            "epoch": self._epoch,
            "finished": self._finished,
            "stores": self._stores,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.curves = [[(int(epoch), float(value)) for epoch, value in curve] for curve in state["curves"]]
        self.values, self.epochs, self._epoch = list(state["values"]), list(state["epochs"]), state["epoch"]
        device = self.population.live.trained.device
        self._finished = state["finished"]
        self._stores = {name: store.to(device) for name, store in state["stores"].items()}

    def _keep(self, places: list[int], weights: nn.Module) -> None:
        """Copy the rows at these places; a row of a network that is never kept holds its weights at the first evaluation."""
        shown = {name: getattr(weights, name).detach() for name in ("trained", "kept", "counts")}
        if not self._stores:
            self._stores = {name: store.clone() for name, store in shown.items()}
        if places:
            device = shown["trained"].device
            rows = torch.tensor([self.population.active[place] for place in places], device=device)
            chosen = torch.tensor(places, device=device)
            for name, store in self._stores.items():
                store.index_copy_(0, rows, shown[name].index_select(0, chosen))

    def _better(self, value: float, than: float) -> bool:
        if math.isnan(value):
            return False
        if math.isnan(than):
            return True
        return value > than + self.min_change if self.higher_is_better else value < than - self.min_change

    def _is_done(self, network: int) -> bool:
        if not math.isfinite(self.curves[network][-1][1]):
            return True
        return self.patience is not None and self._epoch - self.epochs[network] >= self.patience
