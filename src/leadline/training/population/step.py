"""The step of many networks at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.optim.clipping import Clip
from leadline.optim.optimizers import make_optimizer
from leadline.training.population.judging import EachNetwork, Judge, PenaltiesOfEach
from leadline.training.population.masks import Masks
from leadline.training.population.one_network import Candidate, check_candidates
from leadline.training.population.shrinking import ClipEach
from leadline.training.population.stacking import StackedForward
from leadline.training.population.updates import StackedOptimizer
from leadline.training.population.weights import Weights
from leadline.training.steps import Progress


class Population:
    """Trains many networks of one architecture in one stacked program; to the loop it is a step like any other.

    Network i learns what `Supervised` would teach it alone, apart from rounding: same first weights, same rates, same dropout
    masks on the CPU and, with `PopulationBatches`, same order of data. The sum of the networks' losses is what goes backward,
    and since no weight is shared, each network gets the gradient of its own loss. Logs are means over the active networks; a
    loss that is no longer a number is left out.

    Shapes: a batch is (…, inputs [A, B, …], targets [A, B, …]) for the A active networks.

    Args:
        candidates: the networks and how each is trained.
        loss: (outputs [B, …], targets [B, …]) → scalar mean over the rows.
        optimizer: one of `UPDATES` as `optim.make_optimizer` spells it: "sgd", "nesterov", "adam", "adamw(beta2=0.99)",
            "rmsprop" or "adagrad".
        schedule: progress in [0, 1] → multiplier of all learning rates; None leaves the rates alone.
        measures: more scalars to log, name → function (outputs, targets) → mean over rows.
        penalties: of a model → terms by name, as `Supervised` takes them; the means are logged as `penalty_NAME`.
        clip: one of `optim.CLIPS`, for each network's gradient by itself. The share of clipped networks is logged.
        average: decay of an exponential average of the weights, by the rule of `optim.ExponentialAverage`; None keeps none.

    Errors: `ArgumentError` for an empty population, networks that differ in their tensors, or values out of range.

    Example:
        >>> models = [nn.Linear(2, 1, bias=False) for _ in range(2)]
        >>> _ = [nn.init.zeros_(model.weight) for model in models]
        >>> rates = (0.1, 0.2)
        >>> candidates = [Candidate(model, rate, momentum=0.0) for model, rate in zip(models, rates)]
        >>> step = Population(candidates, nn.functional.mse_loss, optimizer="sgd")
        >>> inputs, targets = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0]])
        >>> step((inputs.expand(2, 1, 2), targets.expand(2, 1, 1)), None)
        {'loss': tensor(1.)}
        >>> step.write(1, models[1]).weight.data  # w − 0.2 · 2 (w·x − y) x
        tensor([[0.4000, 0.8000]])

    Source: Bradbury et al. 2018, JAX, for training an ensemble as one mapped program.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        loss: Judge,
        *,
        optimizer: str = "adamw",
        schedule: Callable[[float], float] | None = None,
        measures: dict[str, Judge] | None = None,
        penalties: Callable[[nn.Module], dict[str, Tensor]] | None = None,
        clip: Clip | None = None,
        average: float | None = None,
    ) -> None:
        candidates = list(candidates)
        check_candidates(candidates)
        if average is not None and not 0 < average < 1:
            raise ArgumentError("The population cannot be averaged", expected="a decay in (0, 1), or none", got=average)
        models = [candidate.model for candidate in candidates]
        self.count = len(candidates)
        self.active = list(range(self.count))
        self.batch_rows = 0
        self.live = Weights(models)
        self.average = Weights(models) if average is not None else None
        self.schedule, self._decay = schedule, average
        self._clip = ClipEach(clip, self.count) if clip is not None else None
        self._loss = EachNetwork(loss)
        self._measures = {name: EachNetwork(measure) for name, measure in (measures or {}).items()}
        first = candidates[0]
        # It knows best which arguments an optimizer takes, and refuses the others in its own words.
        make_optimizer(
            optimizer, first.model, learning_rate=first.learning_rate, momentum=first.momentum, weight_decay=first.weight_decay
        )
        rates = torch.tensor([candidate[1:4] for candidate in candidates], dtype=torch.float64)
        self.optimizer = StackedOptimizer(
            optimizer,
            self.live.trained,
            decayed=self.live.decayed,
            learning_rates=rates[:, 0],
            momenta=rates[:, 1],
            weight_decays=rates[:, 2],
        )
        self.masks = Masks(models, [candidate.random for candidate in candidates])
        self.forward = StackedForward(models[0], self.masks)
        self._penalties = PenaltiesOfEach(models[0], penalties) if penalties is not None else None
        self._multiplier = 1.0
        self._show(self.live)

    def __call__(self, batch: Any, progress: Progress) -> dict[str, Tensor]:
        inputs, targets = batch[-2], batch[-1]
        if len(inputs) != len(self.active):
            raise ArgumentError(
                "The batch is not for this population", expected=f"inputs [{len(self.active)}, B, …]", got=list(inputs.shape)
            )
        self.batch_rows = max(self.batch_rows, inputs.shape[1])  # the last of an epoch may be a short one
        self._multiplier = 1.0 if self.schedule is None else self.schedule(progress.fraction)
        outputs, losses, gradients, terms = self._backward(inputs, targets)
        logs = {"loss": _mean_of_numbers(losses)}
        logs |= {name: measure(outputs, targets).mean() for name, measure in self._measures.items()}
        logs |= {f"penalty_{name}": _mean_of_numbers(term) for name, term in terms.items()}
        if self._clip is not None:
            logs["clipped"] = self._clip(gradients).mean()
        self.optimizer.step(self.live.trained.detach(), gradients, self._multiplier)
        self._follow()
        return logs

    def _backward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """Outputs [A, B, …], losses [A], gradients [A, P], and the penalties [A] by name."""
        with torch.enable_grad():
            outputs = self.forward(inputs, self._views, training=True)
            losses = self._loss(outputs, targets)
            terms = {} if self._penalties is None else self._penalties(self._views)
            leaves = [self._views[name] for name in self.live.names["trained"]]
            each = torch.autograd.grad(torch.stack([losses, *terms.values()]).sum(), leaves, materialize_grads=True)
        gradients = torch.cat([gradient.reshape(len(gradient), -1) for gradient in each], dim=1)
        return outputs.detach().contiguous(), losses.detach(), gradients, {name: term.detach() for name, term in terms.items()}

    def _follow(self) -> None:
        """The average goes its share of the way to the weights."""
        if self.average is None or self._decay is None:
            return
        count = self.optimizer.count
        weight = 1 - min(self._decay, (1 + count) / (10 + count))
        with torch.no_grad():
            for name, average in self.average.stores().items():
                live = self.live.stores()[name]
                average.lerp_(live, weight) if average.is_floating_point() else average.copy_(live)

    def outputs(self, inputs: Tensor) -> Tensor:
        """What the active networks say to the same inputs [B, …]: [A, B, …], in evaluation mode."""
        with torch.no_grad():
            return self.forward(inputs.expand(len(self.active), *inputs.shape), self._views, training=False)

    @property
    def rate(self) -> float:
        """The learning rate of the last step, the mean over the active networks."""
        return float(self.optimizer.learning_rates.mean()) * self._multiplier

    @property
    def ways(self) -> dict[str, str]:
        """How each of `convolutions` is computed, by its name: measured at the first step and kept from then on.

        To train to the bit as another time, put that time's ways here before the first step.
        """
        return self.forward.ways

    @property
    def convolutions(self) -> dict[str, nn.Conv2d]:
        """The convolutions that are computed for all networks at once, by name in the order of the network."""
        return self.forward.convolutions

    @property
    def times(self) -> dict[str, dict[str, float]]:
        """Seconds, forward and backward, of each way of each convolution, where they were measured."""
        return self.forward.times

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with the active networks at these places alone, as if the others had never been there."""
        if not rows:
            raise ArgumentError("No network would be left", expected="at least 1 to keep")
        chosen = torch.tensor(rows, device=self.live.trained.device)
        self.active = [self.active[row] for row in rows]
        for weights in (self.live, self.average):
            if weights is not None:
                weights.keep(chosen)
        self.optimizer.keep(chosen)
        self.forward.memory.clear()
        self.masks.keep(rows)
        if self._clip is not None:
            self._clip.keep(rows)
        self._show(self._shown)

    def write(self, network: int, module: nn.Module) -> nn.Module:
        """Copy the weights of a network, the averaged ones where there is an average, into a module, which is returned.

        Args:
            network: its number among the candidates; it must be active.
            module: of the same architecture.
        """
        if network not in self.active:
            raise ArgumentError(f"Network {network} is not active", expected=f"one of {self.active}")
        self._result().write(self.active.index(network), module)
        return module

    def restore(self, stores: dict[str, Tensor]) -> None:
        """Make all networks active again, with these weights (stores as `Weights.stores` gives them) as their result.

        Optimizer state is of no use any more: what comes after a training is reading.
        """
        self.active = list(range(self.count))
        for weights in (self.live, self.average):
            if weights is not None:
                weights.fill(stores)
        self._show(self._shown)

    def state(self) -> dict[str, Any]:
        return {
            "active": self.active,
            "live": self.live.stores(),
            "average": self.average.stores() if self.average is not None else {},
            "optimizer": self.optimizer.state(),
            "random": self.masks.state(),
            "clip": self._clip.state() if self._clip is not None else [],
            "schedule": getattr(self.schedule, "state", dict)(),
            "ways": self.ways,
            "batch_rows": self.batch_rows,
            "multiplier": self._multiplier,
        }

    def load(self, state: dict[str, Any]) -> None:
        if not set(state["active"]) <= set(self.active) or bool(state["average"]) != (self.average is not None):
            raise ValueError(f"it holds other networks than these {len(self.active)}")
        self.keep([self.active.index(network) for network in state["active"]])
        self.live.fill(state["live"])
        if self.average is not None:
            self.average.fill(state["average"])
        self.optimizer.load(state["optimizer"])
        self.masks.load(state["random"])
        if self._clip is not None:
            self._clip.load(state["clip"])
        if self.schedule is not None and hasattr(self.schedule, "load"):
            self.schedule.load(state["schedule"])
        self.forward.ways, self.batch_rows, self._multiplier = dict(state["ways"]), state["batch_rows"], state["multiplier"]
        self._show(self._shown)

    def modules(self) -> dict[str, nn.Module]:
        """The stacked weights that are shown now: in evaluation the averaged ones, where there are any."""
        return {"population": self._shown}

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        before = self._shown
        self._show(self._result())
        try:
            yield
        finally:
            self._show(before)

    def _result(self) -> Weights:
        return self.live if self.average is None else self.average

    def _show(self, weights: Weights) -> None:
        """Which weights the forward pass sees; views, so nothing is copied."""
        self._shown, self._views = weights, weights.views()


def _mean_of_numbers(losses: Tensor) -> Tensor:
    """One network that has run away must not hide how the others fare, nor end their training."""
    return torch.where(losses.isfinite(), losses, torch.nan).nanmean()
