"""Restricted Boltzmann machines: one layer of visible units, one of hidden units, and weights between the two alone.

B rows, D visible units, H hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError, unknown
from leadline.layers.arguments import check_above_zero, check_whole

VISIBLE_UNITS = ("bernoulli", "gaussian")

_FIRST_DEVIATION = 0.01  # of the weights: section 8 of Hinton's guide


class RestrictedBoltzmannMachine(nn.Module):
    """A distribution over rows v, made of hidden causes h that are each on or off; what it computes are their probabilities.

    Bernoulli visible units, v in {0, 1}: E(v, h) = −b·v − c·h − h·Wv. Gaussian ones: with z = (v − mean) / scale,
    E(v, h) = ½‖z − b‖² − c·h − h·Wz. p(v, h) = exp(−E) / Z, so that p(hⱼ = 1 | v) = σ(cⱼ + Wⱼ·v), and given h each visible unit
    is on with probability σ(bᵢ + Wᵢ·h), or is normal around bᵢ + Wᵢ·h with deviation 1 in units of its scale. Values between
    0 and 1 are taken as the probabilities of Bernoulli units. Mean and scale are those of the data, see `start_from`.

    Shapes: [B, *shape] → [B, H], the probabilities of the hidden units: features for whatever comes after.

    Args:
        shape: of one row, flattened to D values.
        hidden: H, at least 1.
        visible: "bernoulli" or "gaussian".
        noise: how far a Gaussian unit strays from what the hidden units say, as a share of its deviation in the data, above 0.
            1 is usual; less makes the machine explain more of the data and is harder to learn.
        hidden_start: the biases of the hidden units before they learn. Below 0, such as −2, units come to be on for few rows
            each, which often makes better features; at 0 for about half of them.

    Errors: `ArgumentError` for an argument out of range, and inputs of another shape or type.

    Example:
        >>> machine = RestrictedBoltzmannMachine((1, 28, 28), 500)
        >>> machine(torch.rand(16, 1, 28, 28)).shape
        torch.Size([16, 500])

    Source: Smolensky (1986), Information processing in dynamical systems: foundations of harmony theory; Hinton (2010), A
    practical guide to training restricted Boltzmann machines, sections 2, 8 and 13.2.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        hidden: int,
        *,
        visible: str = "bernoulli",
        noise: float = 1.0,
        hidden_start: float = 0.0,
    ) -> None:
        super().__init__()
        for size in shape:
            check_whole("RestrictedBoltzmannMachine", {"shape": size})
        check_whole("RestrictedBoltzmannMachine", {"hidden": hidden})
        check_above_zero("RestrictedBoltzmannMachine", {"noise": noise})
        if visible not in VISIBLE_UNITS:
            unknown("kind of visible units", visible, VISIBLE_UNITS)
        self.shape, self.visible, self.noise, self.hidden_start = tuple(shape), visible, noise, hidden_start
        size = math.prod(shape)
        self.weight = nn.Parameter(torch.empty(hidden, size))  # H, D
        self.visible_bias = nn.Parameter(torch.empty(size))
        self.hidden_bias = nn.Parameter(torch.empty(hidden))
        if visible == "gaussian":
            self.register_buffer("mean", torch.zeros(size))
            self.register_buffer("scale", torch.full((size,), float(noise)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, 0.0, _FIRST_DEVIATION)
        nn.init.zeros_(self.visible_bias)
        nn.init.constant_(self.hidden_bias, self.hidden_start)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.hidden_inputs(self.standardized(x)))

    def standardized(self, x: Tensor) -> Tensor:
        """Rows as the energy takes them: [B, *shape] → [B, D], Gaussian units as z."""
        self.check(x)
        rows = x.flatten(1)
        return (rows - self.mean) / self.scale if self.visible == "gaussian" else rows

    def check(self, x: Tensor) -> None:
        """The rows have the shape and the type that the machine takes; their values are not looked at.

        Errors: `ArgumentError` that names both.
        """
        if x.shape[1:] != self.shape and x.shape[1:] != self.visible_bias.shape:
            raise ArgumentError(
                "The Boltzmann machine cannot take these rows",
                expected=f"shape [B, {', '.join(map(str, self.shape))}]",
                got=f"shape {list(x.shape)}",
            )
        if x.dtype != self.weight.dtype:
            wanted, got = (str(each).removeprefix("torch.") for each in (self.weight.dtype, x.dtype))
            raise ArgumentError(
                "The Boltzmann machine cannot take these rows",
                expected=f"{wanted}, the type of its weights",
                got=got,
                do="Divide bytes by 255." if x.dtype == torch.uint8 else None,
            )

    def restored(self, z: Tensor) -> Tensor:
        """What `standardized` did, undone: [B, D] → [B, *shape]."""
        return (z * self.scale + self.mean if self.visible == "gaussian" else z).view(-1, *self.shape)

    def hidden_inputs(self, z: Tensor) -> Tensor:
        """c + Wz, the log odds of the hidden units: [B, D] → [B, H]."""
        return F.linear(z, self.weight, self.hidden_bias)

    def visible_means(self, h: Tensor) -> Tensor:
        """What the visible units are on average, given the hidden ones: [B, H] → [B, D], Gaussian units as z."""
        inputs = F.linear(h, self.weight.t(), self.visible_bias)
        return inputs if self.visible == "gaussian" else torch.sigmoid(inputs)

    def free_energy(self, x: Tensor) -> Tensor:
        """F(v) = −log Σ_h exp(−E(v, h)) of each row, [B, *shape] → [B]; p(v) is exp(−F(v)) / Z.

        −b·v − Σⱼ log(1 + exp(cⱼ + Wⱼ·v)), with ½‖z − b‖² in the place of −b·v for Gaussian units.
        """
        z = self.standardized(x)
        causes = F.softplus(self.hidden_inputs(z)).sum(1)
        if self.visible == "gaussian":
            return 0.5 * (z - self.visible_bias).square().sum(1) - causes
        return -(z @ self.visible_bias) - causes

    def reconstruct(self, x: Tensor) -> Tensor:
        """Up to the probabilities of the hidden units and back to the means of the visible ones, [B, *shape]."""
        return self.restored(self.visible_means(self(x)))

    def start_from(self, rows: Tensor) -> None:
        """Take from the data what need not be learned: how often each unit is on, or its mean and scale.

        Bernoulli: bᵢ = log(pᵢ / (1 − pᵢ)), pᵢ being the mean of column i, with one row more of each kind so that it is never 0
        or 1. Gaussian: mean and scale are the mean and `noise` times the deviation of each column, the scale 1 where that is 0.

        Args:
            rows: of the training data, [N, *shape].

        Errors: `ArgumentError` where the machine cannot take the rows.
        """
        check_rows(self, rows)
        values, count = rows.flatten(1), len(rows)
        with torch.no_grad():
            if self.visible == "bernoulli":
                means = (values.sum(0, dtype=torch.float64) + 1) / (count + 2)
                self.visible_bias.copy_(torch.logit(means))
                return
            deviation, mean = torch.std_mean(values.double(), dim=0, correction=0)
            constant = deviation <= 1e-6 * mean.abs().clamp(min=1e-6)
            self.mean.copy_(mean)
            self.scale.copy_(torch.where(constant, 1.0, self.noise * deviation))
            self.visible_bias.zero_()

    def sample(
        self, number: int, *, steps: int = 1000, start: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Rows as the machine dreams them, [number, *shape]: the means of the visible units at the end of a chain for each.

        h ~ p(h | v), v ~ p(v | h), as often as `steps` says.

        Args:
            number: of rows, at least 1.
            steps: of each chain, at least 1. A machine whose hidden units have specialized mixes slowly: take thousands.
            start: rows that the chains begin at, [number, *shape]; None begins at units drawn by their biases.
            generator: on the machine's device; None takes torch's own.

        Errors: `ArgumentError` for an argument out of range, and more or fewer rows to begin at than chains.
        """
        check_whole("A sample of the Boltzmann machine", {"number": number, "steps": steps})
        with torch.no_grad():
            if start is None:
                biases = self.visible_bias.expand(number, -1)
                z = self.draw_visible(biases if self.visible == "gaussian" else torch.sigmoid(biases), generator)
            else:
                check_rows(self, start)
                if len(start) != number:
                    raise ArgumentError("There must be a row for each chain to begin at", expected=number, got=len(start))
                z = self.standardized(start)
            z = self.chain(z, steps - 1, generator)
            hidden = drawn(torch.sigmoid(self.hidden_inputs(z)), generator)
            return self.restored(self.visible_means(hidden))

    def generate(self, number: int, *, seed: int = 0, steps: int = 1000) -> Tensor:
        """New rows, [number, *shape], from chains that a seed begins: `sample` with noise of its own on the machine's device.

        Args:
            number: of rows.
            seed: of all that is drawn; another kind of device draws other numbers.
            steps: of each chain.
        """
        generator = Generator(self.weight.device).manual_seed(seed)
        return self.sample(number, steps=steps, generator=generator)

    def chain(self, z: Tensor, steps: int, generator: Generator | None = None) -> Tensor:
        """Visible units after so many steps of alternating Gibbs sampling, [B, D] → [B, D], Gaussian units as z."""
        with torch.no_grad():
            for _ in range(steps):
                hidden = drawn(torch.sigmoid(self.hidden_inputs(z)), generator)
                z = self.draw_visible(self.visible_means(hidden), generator)
        return z

    def draw_visible(self, means: Tensor, generator: Generator | None = None) -> Tensor:
        """Visible units with these means, [B, D] → [B, D]."""
        if self.visible == "bernoulli":
            return drawn(means, generator)
        return means + torch.empty_like(means).normal_(generator=generator)

    def extra_repr(self) -> str:
        noise = f", noise={self.noise:g}" if self.visible == "gaussian" else ""
        return f"shape={self.shape}, hidden={len(self.hidden_bias)}, visible={self.visible!r}{noise}"


def rbm(
    shape: Sequence[int],
    *,
    hidden: int = 500,
    visible: str = "bernoulli",
    noise: float = 1.0,
    hidden_start: float = 0.0,
) -> nn.Module:
    """A restricted Boltzmann machine that has learned nothing yet, see `RestrictedBoltzmannMachine`.

    Shapes: [B, *shape] → [B, hidden]; (D + 1) · hidden + D parameters.

    Args:
        shape: of one row.
        hidden: units.
        visible: "bernoulli" for values in [0, 1], "gaussian" for others.
        noise: of Gaussian units, as a share of their deviation in the data.
        hidden_start: the first biases of the hidden units, below 0 for sparse features.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> sum(p.numel() for p in rbm((1, 28, 28)).parameters())
        393284
    """
    return RestrictedBoltzmannMachine(shape, hidden, visible=visible, noise=noise, hidden_start=hidden_start)


def drawn(probabilities: Tensor, generator: Generator | None = None) -> Tensor:
    """Units that are 1 with these probabilities and else 0, of the same shape and type.

    Args:
        probabilities: any shape.
        generator: on their device; None takes torch's own.

    Example:
        >>> drawn(torch.tensor([0.0, 1.0, 1.0]))
        tensor([0., 1., 1.])
    """
    return torch.empty_like(probabilities).uniform_(generator=generator).lt_(probabilities)


def hidden_filters(machine: RestrictedBoltzmannMachine) -> NDArray[np.float32]:
    """The weights of each hidden unit as a picture of what turns it on: float32 [H, *shape].

    Args:
        machine: on any device.

    Example:
        >>> hidden_filters(RestrictedBoltzmannMachine((1, 28, 28), 100)).shape
        (100, 1, 28, 28)
    """
    return machine.weight.detach().float().cpu().numpy().reshape(-1, *machine.shape)


def check_rows(machine: RestrictedBoltzmannMachine, rows: Tensor) -> None:
    """The machine can learn from these rows: their shape, their type, and their values, which a GPU has to be waited for.

    Errors: `ArgumentError` for no rows, another shape or type, values that are no numbers, and values outside [0, 1] where the
    visible units are Bernoulli.

    Example:
        >>> check_rows(RestrictedBoltzmannMachine((2,), 4), torch.tensor([[0.5, 1.5]]))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Bernoulli units cannot take these values. Expected numbers in [0, 1]; got numbers from
        0.5 to 1.5. Scale them to [0, 1], or take visible="gaussian".
    """
    machine.check(rows)
    if not len(rows):
        raise ArgumentError("There is nothing to learn from", expected="at least 1 row", got=0)
    low, high = (value.item() for value in rows.aminmax())
    if not math.isfinite(low) or not math.isfinite(high):
        raise ArgumentError(
            "The Boltzmann machine cannot take these rows", expected="finite numbers", got="values that are none"
        )
    if machine.visible == "bernoulli" and not 0 <= low <= high <= 1:
        raise ArgumentError(
            "Bernoulli units cannot take these values",
            expected="numbers in [0, 1]",
            got=f"numbers from {low:g} to {high:g}",
            do='Scale them to [0, 1], or take visible="gaussian".',
        )


def as_boltzmann_machine(module: nn.Module) -> RestrictedBoltzmannMachine:
    """The same module, once it is known to be a Boltzmann machine.

    Errors: `ArgumentError` for another network.

    Example:
        >>> as_boltzmann_machine(nn.Linear(3, 2))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Linear is no Boltzmann machine. Expected what rbm builds.
    """
    if not isinstance(module, RestrictedBoltzmannMachine):
        raise ArgumentError(f"{type(module).__name__} is no Boltzmann machine", expected="what rbm builds")
    return module
