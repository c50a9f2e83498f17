"""How a Boltzmann machine learns: contrastive divergence, without autograd, in memory that is taken once.

B rows of data, N rows of chains, D visible units, H hidden units.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.models.boltzmann.boltzmann_buffers import Buffers, Draws, Moving
from leadline.models.boltzmann.boltzmann_machines import as_boltzmann_machine, check_rows
from leadline.models.boltzmann.boltzmann_products import Products, products_in
from leadline.models.step_parts import in_evaluation, inputs_of

_TOLD = 16
"""Rows reconstructed for the log where the chains do not begin at the data: enough for the mean of an epoch."""
_CAREFUL_SHARE, _CAREFUL_MOMENTUM = 0.05, 0.5
"""Section 9 of Hinton's guide: little momentum as long as the first, large changes last."""
_FOLLOWING = 0.01
"""How fast the means that units are centered by follow those of the batches: section 4 of Melchior et al."""


class _Parts(NamedTuple):
    """What a step makes when it first works."""

    draws: Draws
    moving: Moving
    products: Products


class ContrastiveDivergence:
    """Learn a Boltzmann machine from rows: what the data say of a weight, less what the machine dreams of it.

    G = ⟨(h − λ)(v − μ)⟩ of the data − the same of the chains; ΔW ← m·ΔW + ε·G; W ← (1 − ε·wd/(1 − m))·W + ΔW. Δb takes
    ⟨v⟩ − ⟨v⟩ − λG and Δc takes ⟨h⟩ − ⟨h⟩ − Gμ: units count from their means λ and μ, which makes learning indifferent to
    what is called on and what off. Without `particles` a chain begins at each row of the batch and takes `steps` steps
    (CD-k). With them so many chains never begin anew (persistent CD), which costs less and leads to better densities: the
    learning rate must then fall towards 0. Hidden units count by their probabilities and are drawn where they drive the others.

    The logged `loss` is the squared error of the reconstruction, a sum over the D units: a sign that something is learned, and
    not what is minimized. Momentum is at most 0.5 in the first twentieth of the training.

    Args:
        machine: a Boltzmann machine, such as `models.rbm` builds, best after `start_from`.
        learning_rate: ε, above 0; a tenth or a hundredth of this for Gaussian visible units.
        steps: of the chains for each batch, at least 1.
        particles: N, chains that go on from batch to batch; 0 begins at the batch.
        momentum: m, in [0, 1).
        weight_decay: of the weights and not of the biases, 0 or more. As in the guide, the pull that momentum adds up.
        schedule: progress in [0, 1] → multiplier of the learning rate; None leaves it.
        precision: torch.float32, or torch.bfloat16 for the factors of the products, see `RoundedProducts`.

    Errors: `ArgumentError` for an argument out of range, a network that is no Boltzmann machine, and rows that it cannot take:
    shapes at each step, values at the first of each epoch.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
        >>> from leadline.training import run_loop
        >>> machine = RestrictedBoltzmannMachine((4,), 8)
        >>> rows = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]).repeat(50, 1)
        >>> machine.start_from(rows)
        >>> history = run_loop(ContrastiveDivergence(machine, 0.5), [(rows, rows)] * 20, epochs=10)
        >>> history["loss"][0] > 0.9 and history["loss"][-1] < 0.1
        True

    Source: Hinton (2002), Training products of experts by minimizing contrastive divergence; Tieleman (2008), Training
    restricted Boltzmann machines using approximations to the likelihood gradient; Hinton (2010), A practical guide to training
    restricted Boltzmann machines; Melchior, Fischer and Wiskott (2016), How to center deep Boltzmann machines.
    """

    def __init__(
        self,
        machine: nn.Module,
        learning_rate: float = 0.05,
        *,
        steps: int = 1,
        particles: int = 0,
        momentum: float = 0.9,
        weight_decay: float = 2e-4,
        schedule: Callable[[float], float] | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.machine = as_boltzmann_machine(machine)
        if not learning_rate > 0 or steps < 1 or particles < 0 or not 0 <= momentum < 1 or not weight_decay >= 0:
            raise ArgumentError(
                "Contrastive divergence cannot be built",
                expected="a learning_rate above 0, steps ≥ 1, particles ≥ 0, a momentum in [0, 1) and a weight_decay ≥ 0",
                got=(learning_rate, steps, particles, momentum, weight_decay),
            )
        products_in(precision, self.machine)  # refuses what it does not know
        self.learning_rate, self.steps, self.particles = learning_rate, steps, particles
        self.momentum, self.weight_decay, self.schedule, self.precision = momentum, weight_decay, schedule, precision
        self.rate = learning_rate
        self.seed = int(torch.randint(2**62, ()))  # of the step's own generator, from the training's seed
        self.chains: Tensor | None = None  # N, D: where persistent chains stand
        self._kept: _Parts | None = None
        self._started = False
        self._buffers: dict[int, Buffers] = {}

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        rows = inputs_of(batch)
        if progress is None or progress.batch == 0:
            check_rows(self.machine, rows)
        with torch.no_grad():
            return {"loss": self.learn(rows, 0.0 if progress is None else progress.fraction)}

    def learn(self, rows: Tensor, fraction: float, *, drawn: bool = False) -> Tensor:
        """One step on rows [B, *shape]; the squared error of the reconstruction, a scalar. Call it without gradients.

        With `drawn` the rows are probabilities, and learned from are units that are on or off with these.
        """
        z = self.machine.standardized(rows)
        parts, buffers = self._parts(), self._memory(len(z))
        if drawn:
            parts.draws.units(z, out=buffers.data)
        else:
            buffers.data.copy_(z)
        self.rate = self.learning_rate * (1.0 if self.schedule is None else self.schedule(fraction))
        momentum = min(self.momentum, _CAREFUL_MOMENTUM) if fraction < _CAREFUL_SHARE else self.momentum
        if self.particles:
            self._enter(buffers)
            parts.products.up(buffers.visible, buffers.hidden)
            self._update(buffers, parts, momentum)
            return self._go_on(buffers, parts)
        loss = self._dream(buffers, parts)
        self._update(buffers, parts, momentum)
        return loss

    def _dream(self, buffers: Buffers, parts: _Parts) -> Tensor:
        """Chains that begin at the data: hidden units of both, visible ones of the chains; the error of the first step."""
        n, data, (draws, _, products) = buffers.chains, buffers.data, parts
        products.up(data, buffers.hidden[n:])
        draws.units(buffers.hidden[n:], out=buffers.states)
        loss = data.new_zeros(())
        for step in range(self.steps):
            products.down(buffers.states, buffers.means)
            if step == 0:
                loss = _error(buffers.means, data, buffers.centered_visible[n:])
            self._draw_visible(draws, buffers.means, buffers.visible[:n])
            products.up(buffers.visible[:n], buffers.hidden[:n])
            if step + 1 < self.steps:
                draws.units(buffers.hidden[:n], out=buffers.states)
        return loss

    def _enter(self, buffers: Buffers) -> None:
        """Bring the persistent chains to where this batch works; the first ones begin at rows of the data."""
        if self.chains is None:
            data = buffers.data
            self.chains = data[torch.arange(self.particles, device=data.device) % len(data)].clone()
        if self.chains.data_ptr() != buffers.visible.data_ptr():
            buffers.visible[: self.particles].copy_(self.chains)
        self.chains = buffers.visible[: self.particles]

    def _go_on(self, buffers: Buffers, parts: _Parts) -> Tensor:
        """Persistent chains after their steps; the error of some rows of the data, reconstructed beside them."""
        n, told, (draws, _, products) = buffers.chains, len(buffers.states) - buffers.chains, parts
        draws.units(buffers.hidden[:n], out=buffers.states[:n])
        buffers.states[n:].copy_(buffers.hidden[n : n + told])
        products.down(buffers.states, buffers.means)
        loss = _error(buffers.means[n:], buffers.data[:told], buffers.centered_visible[:told])
        self._draw_visible(draws, buffers.means[:n], buffers.visible[:n])
        for _ in range(self.steps - 1):
            products.up(buffers.visible[:n], buffers.hidden[:n])
            draws.units(buffers.hidden[:n], out=buffers.states[:n])
            products.down(buffers.states[:n], buffers.means[:n])
            self._draw_visible(draws, buffers.means[:n], buffers.visible[:n])
        return loss

    def _update(self, buffers: Buffers, parts: _Parts, momentum: float) -> None:
        machine, moving, shares, column, rate = self.machine, parts.moving, buffers.shares, buffers.column, self.rate
        n, v, h = buffers.chains, buffers.centered_visible, buffers.centered_hidden
        following = _FOLLOWING if self._started else 1.0
        self._started = True
        moving.visible_mean.lerp_(buffers.data.mean(0), following)
        moving.hidden_mean.lerp_(buffers.hidden[n:].mean(0), following)
        torch.sub(buffers.visible, moving.visible_mean, out=v)
        torch.sub(buffers.hidden, moving.hidden_mean, out=h)
        # The shares sum to 0, so Σ share·(v − μ) is ⟨v⟩ − ⟨v⟩, and λG = Σ share·(h − λ)·λ·(v − μ).
        torch.addcmul(shares, shares, torch.mv(h, moving.hidden_mean, out=column), value=-1, out=column)
        moving.visible_bias.addmv_(v.t(), column, beta=momentum, alpha=rate)
        torch.addcmul(shares, shares, torch.mv(v, moving.visible_mean, out=column), value=-1, out=column)
        moving.hidden_bias.addmv_(h.t(), column, beta=momentum, alpha=rate)
        parts.products.accelerate(moving.weight, h.mul_(shares[:, None]), v, momentum, rate)
        kept = 1 - rate * self.weight_decay / (1 - momentum)
        weight = machine.weight.detach()
        torch.add(moving.weight, weight, alpha=kept, out=weight)
        machine.visible_bias.detach().add_(moving.visible_bias)
        machine.hidden_bias.detach().add_(moving.hidden_bias)

    def _draw_visible(self, draws: Draws, means: Tensor, out: Tensor) -> None:
        (draws.units if self.machine.visible == "bernoulli" else draws.noisy)(means, out)

    def _parts(self) -> _Parts:
        if self._kept is None:  # not before the first step: until then the machine may change device
            weight = self.machine.weight.detach()
            products = products_in(self.precision, self.machine)
            self._kept = _Parts(Draws(weight.device, self.seed), Moving(weight), products)
        return self._kept

    def _memory(self, rows: int) -> Buffers:
        """Memory for so many rows: that of a short last batch beside the usual one, and no more."""
        if rows not in self._buffers:
            if len(self._buffers) > 1:
                self._buffers.pop(min(self._buffers))
            chains, told = (self.particles, min(-(-rows // 8), _TOLD)) if self.particles else (rows, 0)
            self._buffers[rows] = Buffers.like(self.machine.weight.detach(), chains, rows, told)
        return self._buffers[rows]

    def forget(self) -> None:
        """Give back the memory of a machine that has learned: buffers, velocities, rounded weights and chains."""
        self._kept, self.chains = None, None
        self._buffers.clear()

    def state(self) -> dict[str, Any]:
        parts = self._parts()
        return {
            "model": self.machine.state_dict(),
            "moving": parts.moving.state(),
            "random": parts.draws.state(),
            "chains": self.chains,
            "started": self._started,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.machine.load_state_dict(state["model"])
        parts = self._parts()
        parts.moving.load(state["moving"])
        parts.draws.load(state["random"])
        self.chains = None if state["chains"] is None else state["chains"].to(self.machine.weight.device)
        self._started = state["started"]

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.machine}

    def evaluating(self) -> AbstractContextManager[None]:
        return in_evaluation(self.machine)


def _error(means: Tensor, data: Tensor, out: Tensor) -> Tensor:
    """The squared error a row, a scalar; `out` is memory of that shape."""
    return torch.sub(means, data, out=out).square_().sum() / len(data)
