"""The partition function of a Boltzmann machine: estimated by annealed importance sampling, or summed where it is small.

M chains, D visible units, H hidden units.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine, check_rows

_LARGEST_SUM = 24
"""Units of the smaller layer whose states are counted through: 16.8 million of them take a minute."""
_VALUES_AT_ONCE = 2**20  # of states and what they mean for the other layer: 8 MB, which a cache holds
_STRETCHES = ((0.5, 1 / 29), (0.9, 8 / 29), (1.0, 20 / 29))
"""Up to which temperature, and by which share of all steps: 500, 4,000 and 10,000 in Salakhutdinov and Murray."""


@dataclass(frozen=True)
class PartitionEstimate:
    """log Z and how sure it is.

    Args:
        log_partition: log of the mean of the importance weights, plus log Z of the machine they start from, in nats.
        standard_error: of it, in nats: the deviation of the weights over their mean, divided by √M.
        effective_chains: (Σ w)² / Σ w²: of how many equal weights it is worth. A few of many: take more temperatures.
        chains: M.
        temperatures: how many.

    Example:
        >>> estimate = PartitionEstimate(451.3, 0.1, 62.0, 100, 10_000)
        >>> estimate.log_partition, estimate.standard_error
        (451.3, 0.1)
    """

    log_partition: float
    standard_error: float
    effective_chains: float
    chains: int
    temperatures: int


def annealed_log_partition(
    machine: RestrictedBoltzmannMachine,
    *,
    rows: Tensor | None = None,
    chains: int = 100,
    temperatures: int = 10_000,
    seed: int = 0,
) -> PartitionEstimate:
    """log Z by annealed importance sampling, from a machine without weights to this one.

    p_β(v) ∝ exp((1 − β) a·v + β b·v) Πⱼ (1 + exp(β (cⱼ + Wⱼ·v))) for β from 0 to 1, a being the biases of a machine without
    weights whose Z₀ is known. A chain starts there; at each β it multiplies its weight by the ratio of the next density to this
    one, then takes a Gibbs step that leaves the next one as it is. Ẑ = Z₀ · mean of the weights is right on average; its
    logarithm comes out too small where the chains missed a part of the distribution. Gaussian units: exp(−½‖z − b‖²) at all β.

    Args:
        machine: whose Z is wanted; its type is the precision of the chains. Sums are kept in double precision.
        rows: of the training data: a is then log(pᵢ / (1 − pᵢ)) of their means, which shortens the way. None takes b for a.
        chains: M, at least 2.
        temperatures: at least 10; ten thousand of a 784-500 machine take a minute on two cores.
        seed: of the chains.

    Errors: `ArgumentError` for an argument out of range, and rows that the machine cannot take.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
        >>> _ = torch.manual_seed(0)
        >>> machine = RestrictedBoltzmannMachine((8,), 4)
        >>> _ = torch.nn.init.normal_(machine.weight)
        >>> found = annealed_log_partition(machine, chains=200, temperatures=300)
        >>> abs(found.log_partition - exact_log_partition(machine)) < 4 * found.standard_error < 0.2
        True

    Source: Neal (2001), Annealed importance sampling; Salakhutdinov and Murray (2008), On the quantitative analysis of deep
    belief networks, section 3.
    """
    check_whole("Annealed importance sampling", {"chains": chains}, least=2)
    check_whole("Annealed importance sampling", {"temperatures": temperatures}, least=10)
    with torch.no_grad():
        start = _first_biases(machine, rows)
        generator = torch.Generator(machine.weight.device).manual_seed(seed)
        weights = _anneal(machine, start, _temperatures(temperatures), chains, generator)
        largest = weights.max()
        relative = (weights - largest).exp()
        mean = relative.mean()
        return PartitionEstimate(
            log_partition=_without_weights(machine, start) + float(largest + mean.log()),
            standard_error=float(relative.std() / mean) / math.sqrt(chains),
            effective_chains=float(relative.sum().square() / relative.square().sum()),
            chains=chains,
            temperatures=temperatures,
        )


def exact_log_partition(machine: RestrictedBoltzmannMachine) -> float:
    """log Z as the sum over all states of the smaller layer, the other one being summed in closed form, in double precision.

    log Σ_h exp(c·h) Πᵢ (1 + exp(bᵢ + Wᵢ·h)), or the same over v; Gaussian units: Πᵢ √(2π) scaleᵢ exp(½ (bᵢ + Wᵢ·h)² − ½ bᵢ²).

    Args:
        machine: with at most 24 hidden units, or at most 24 Bernoulli visible ones.

    Errors: `ArgumentError` for a machine with more of both.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
        >>> machine = RestrictedBoltzmannMachine((3,), 2)
        >>> _ = torch.nn.init.zeros_(machine.weight)
        >>> round(exact_log_partition(machine) / math.log(2), 6)  # all 2⁵ states alike
        5.0
    """
    weight, b, c = (each.detach().double() for each in (machine.weight, machine.visible_bias, machine.hidden_bias))
    gaussian = machine.visible == "gaussian"
    if not gaussian and len(b) < len(c):
        weight, b, c = weight.t(), c, b
    if len(c) > _LARGEST_SUM:
        raise ArgumentError(
            "The partition function is a sum of too many terms",
            expected=f"at most {_LARGEST_SUM} units in the smaller layer",
            got=len(c),
            do="Estimate it with annealed_log_partition.",
        )
    parts = []
    together = max(1, _VALUES_AT_ONCE // (len(b) + len(c)))
    for first in range(0, 2 ** len(c), together):
        numbers = torch.arange(first, min(first + together, 2 ** len(c)), device=c.device)
        states = (numbers[:, None] >> torch.arange(len(c), device=c.device) & 1).double()
        inputs = states @ weight + b
        other = 0.5 * (inputs.square() - b.square()) if gaussian else F.softplus(inputs)
        parts.append(torch.logsumexp(states @ c + other.sum(1), dim=0))
    total = float(torch.logsumexp(torch.stack(parts), dim=0))
    return total + (_of_gaussians(machine) if gaussian else 0.0)


def log_likelihood(machine: RestrictedBoltzmannMachine, rows: Tensor, log_partition: float) -> Tensor:
    """log p(v) = −F(v) − log Z of each row, in nats: [B, *shape] → [B], in double precision.

    Args:
        machine: any.
        rows: for Bernoulli units of 0 and 1: a value between would be no state of the machine.
        log_partition: as `annealed_log_partition` or `exact_log_partition` gives it.

    Errors: `ArgumentError` for rows that the machine cannot take, and values other than 0 and 1 for Bernoulli units.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
        >>> machine = RestrictedBoltzmannMachine((3,), 2)
        >>> states = torch.tensor([[float(n >> i & 1) for i in range(3)] for n in range(8)])
        >>> round(log_likelihood(machine, states, exact_log_partition(machine)).exp().sum().item(), 5)
        1.0
    """
    check_rows(machine, rows)
    if machine.visible == "bernoulli" and bool(((rows != 0) & (rows != 1)).any()):
        raise ArgumentError(
            "Values between 0 and 1 are no states of Bernoulli units",
            expected="rows of 0 and 1",
            do="Draw them with those probabilities, or round them.",
        )
    with torch.no_grad():
        return -machine.free_energy(rows).double() - log_partition


def _first_biases(machine: RestrictedBoltzmannMachine, rows: Tensor | None) -> Tensor:
    if rows is None or machine.visible == "gaussian":
        return machine.visible_bias.detach()
    check_rows(machine, rows)
    means = (rows.flatten(1).sum(0, dtype=torch.float64) + 1) / (len(rows) + 2)
    return torch.logit(means).to(machine.weight.dtype)


def _without_weights(machine: RestrictedBoltzmannMachine, biases: Tensor) -> float:
    """log Z of the machine that the chains start from: hidden units without weights and biases have two states of energy 0."""
    hidden = len(machine.hidden_bias) * math.log(2)
    if machine.visible == "gaussian":
        return hidden + _of_gaussians(machine)
    return hidden + float(F.softplus(biases.double()).sum())


def _of_gaussians(machine: RestrictedBoltzmannMachine) -> float:
    return 0.5 * len(machine.scale) * math.log(2 * math.pi) + float(machine.scale.double().log().sum())


def _temperatures(number: int) -> list[float]:
    """β from 0 to 1, more of them where the distribution changes most."""
    found, last = [0.0], 0.0
    for end, share in _STRETCHES:
        count = max(1, round(share * number))
        found += [last + (end - last) * (step + 1) / count for step in range(count)]
        last = end
    return found


def _anneal(
    machine: RestrictedBoltzmannMachine, start: Tensor, temperatures: list[float], chains: int, generator: torch.Generator
) -> Tensor:
    """The logarithms of the importance weights, float64 [M]."""
    weight, b, c = (each.detach() for each in (machine.weight, machine.visible_bias, machine.hidden_bias))
    gaussian = machine.visible == "gaussian"
    visible, hidden = weight.new_empty(chains, len(b)), weight.new_empty(chains, len(c))
    means, inputs = torch.empty_like(visible), torch.empty_like(hidden)
    warm, cool = torch.empty_like(hidden), torch.empty_like(hidden)
    first = start if gaussian else torch.sigmoid(start)
    visible.copy_(machine.draw_visible(first.expand(chains, -1), generator))
    weights = torch.zeros(chains, dtype=torch.float64, device=weight.device)
    for before, now in itertools.pairwise(temperatures):
        torch.addmm(c, visible, weight.t(), out=inputs)  # M, H: serves the ratio of the densities and the step
        torch.mul(inputs, now, out=warm)
        torch.mul(inputs, before, out=cool)
        weights += (F.softplus(warm) - F.softplus(cool)).sum(1, dtype=torch.float64)
        if not gaussian:
            weights += (now - before) * (visible @ (b - start)).double()
        hidden.uniform_(generator=generator).lt_(warm.sigmoid_())
        torch.addmm(b if gaussian else torch.lerp(start, b, now), hidden, weight, alpha=now, out=means)
        if gaussian:
            visible.normal_(generator=generator).add_(means)
        else:
            visible.uniform_(generator=generator).lt_(means.sigmoid_())
    return weights
