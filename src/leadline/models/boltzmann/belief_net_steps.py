"""How a deep belief net learns: one machine after the other, from the data upwards, within one training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.models.boltzmann.belief_nets import DeepBeliefNet
from leadline.models.boltzmann.boltzmann_machines import check_rows
from leadline.models.boltzmann.boltzmann_steps import ContrastiveDivergence
from leadline.models.step_parts import in_evaluation, inputs_of

_GAUSSIAN_SHARE = 0.02
"""Of the learning rate, for a first machine of Gaussian units: section 13.2 of Hinton's guide asks for 0.001 there."""


class GreedyDivergence:
    """Learn the machines of a deep belief net one after the other, each for an equal share of the training.

    Machine l learns while the fraction of the training is in [(l − 1)/L, l/L), by contrastive divergence, from the hidden
    units below, on or off as they are drawn anew for each batch: of their probabilities, which hardly differ from row to row
    before a machine has learned much, a second machine learns little and a fourth nothing. Machines that have learned stay as
    they are. One starts from the means of the first batch that reaches it. The schedule and the careful beginning of the
    momentum count from 0 to 1 for each machine.

    The logged `loss` is the squared error of the reconstruction of what the machine learns from, `layer` its number (from 1).
    Neither can be compared from one machine to the next, so no best weights should be kept by them.

    Args:
        net: a deep belief net, such as `models.deep_belief_net` builds, best after `start_from`.
        learning_rate: as in `ContrastiveDivergence`, like the rest; a fiftieth of it for a first machine of Gaussian units.
        steps: of the chains for each batch.
        particles: chains that go on from batch to batch; 0 begins at the batch.
        momentum: in [0, 1).
        weight_decay: of the weights.
        schedule: progress in [0, 1] of a machine → multiplier of the learning rate.
        precision: torch.float32, or torch.bfloat16 for the factors of the products.

    Errors: `ArgumentError` for an argument out of range, a network that is no deep belief net, rows that it cannot take, and a
    training of fewer steps than machines.

    Example:
        >>> from leadline.models.boltzmann.belief_nets import DeepBeliefNet
        >>> from leadline.training import run_loop
        >>> net, rows = DeepBeliefNet((6,), (8, 4)), torch.rand(40, 6).round()
        >>> run_loop(GreedyDivergence(net), [(rows, rows)] * 5, epochs=4)["layer"]
        [1.0, 1.0, 2.0, 2.0]

    Source: Hinton, Osindero and Teh (2006), A fast learning algorithm for deep belief nets; Bengio et al. (2007), Greedy
    layer-wise training of deep networks.
    """

    def __init__(
        self,
        net: nn.Module,
        learning_rate: float = 0.05,
        *,
        steps: int = 1,
        particles: int = 0,
        momentum: float = 0.9,
        weight_decay: float = 2e-4,
        schedule: Callable[[float], float] | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.net = as_deep_belief_net(net)
        self.layer = 0
        self.parts = [
            ContrastiveDivergence(
                machine,
                learning_rate * (_GAUSSIAN_SHARE if machine.visible == "gaussian" else 1.0),
                steps=steps,
                particles=particles,
                momentum=momentum,
                weight_decay=weight_decay,
                schedule=schedule,
                precision=precision,
            )
            for machine in self.net.machines
        ]

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        rows = inputs_of(batch)
        machines, fraction = len(self.parts), progress.fraction
        if progress.batch == 0:
            check_rows(self.net.machines[0], rows)
            self._check_length(progress)
        with torch.no_grad():
            layer = min(int(fraction * machines + 1e-9), machines - 1)  # thirds are not exact
            if layer > self.layer:
                self.net.machines[layer].start_from(self.net.below(rows, layer))
                self.parts[self.layer].forget()
                self.layer = layer
            inputs = self.net.below(rows, layer)
            loss = self.parts[layer].learn(inputs, max(0.0, fraction * machines - layer), drawn=layer > 0)
        return {"loss": loss, "layer": torch.full_like(loss, layer + 1)}

    def _check_length(self, progress: Any) -> None:
        """Each machine has its turn: where the number of batches is unknown, the training's fraction counts epochs alone."""
        epochs = getattr(progress, "epochs", None)
        if epochs is not None and epochs * (progress.steps_per_epoch or 1) < len(self.parts):
            raise ArgumentError(
                "The deep belief net cannot be trained: there are fewer steps than machines",
                expected=f"at least {len(self.parts)} steps",
                do="Train for more epochs.",
            )

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return self.parts[self.layer].rate

    def state(self) -> dict[str, Any]:
        seeds = [part.seed for part in self.parts]  # of machines that have yet to begin, too
        return {"model": self.net.state_dict(), "layer": self.layer, "seeds": seeds, "part": self.parts[self.layer].state()}

    def load(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["model"])
        self.layer = state["layer"]
        for part, seed in zip(self.parts, state["seeds"], strict=True):
            part.seed = seed
        self.parts[self.layer].load(state["part"])

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.net}

    def evaluating(self) -> AbstractContextManager[None]:
        return in_evaluation(self.net)


class BeliefNetEvaluation:
    """Calling it gives `valid_reconstruction`: the squared error of rows that went up to the machine that learns, and down.

    It grows where a machine begins to learn, and is not called a loss: no best weights are to be kept by it.

    Args:
        step: that trains the net.
        batches: of the validation rows, (inputs, …) or inputs.
        prefix: what the column starts with.

    Errors: `ArgumentError` where there is no row.

    Example:
        >>> from leadline.models.boltzmann.belief_nets import DeepBeliefNet
        >>> step = GreedyDivergence(DeepBeliefNet((6,), (8, 4)))
        >>> list(BeliefNetEvaluation(step, [torch.rand(10, 6)])())
        ['valid_reconstruction']
    """

    def __init__(self, step: GreedyDivergence, batches: Iterable[Any], *, prefix: str = "valid_") -> None:
        self.step, self.batches, self.prefix = step, batches, prefix

    def __call__(self) -> dict[str, float]:
        sums, count, net = [], 0, self.step.net
        with torch.no_grad():
            for batch in self.batches:
                rows = inputs_of(batch)
                first, back = net.machines[0], net.reconstruct(rows, layers=self.step.layer + 1)
                sums.append((first.standardized(back) - first.standardized(rows)).square().sum(dtype=torch.float64))
                count += len(rows)
        if not count:
            raise ArgumentError("There is nothing to judge the deep belief net on", expected="at least 1 row")
        return {f"{self.prefix}reconstruction": float(torch.stack(sums).sum()) / count}


def as_deep_belief_net(module: nn.Module) -> DeepBeliefNet:
    """The same module, once it is known to be a deep belief net.

    Errors: `ArgumentError` for another network.

    Example:
        >>> as_deep_belief_net(nn.Linear(3, 2))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Linear is no deep belief net. Expected what deep_belief_net builds.
    """
    if not isinstance(module, DeepBeliefNet):
        raise ArgumentError(f"{type(module).__name__} is no deep belief net", expected="what deep_belief_net builds")
    return module
