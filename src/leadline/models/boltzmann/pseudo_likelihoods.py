"""How well a Boltzmann machine foretells each unit from the others: what can be told of it while it learns.

B rows, D visible units, H hidden units, K units asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine, as_boltzmann_machine, check_rows, drawn
from leadline.models.step_parts import inputs_of

_AT_ONCE = 2**23
"""Numbers held at a time: 32 MiB."""


def pseudo_log_likelihood(
    machine: RestrictedBoltzmannMachine, rows: Tensor, *, units: int | None = None, generator: Generator | None = None
) -> Tensor:
    """Σᵢ log p(vᵢ | all other units) of each row, in nats: an estimate that is right on average, or the sum itself.

    log p(vᵢ | others) = log σ(F(v with unit i turned over) − F(v)), which needs no Z. With `units` it is D times the mean over
    so many units, drawn for each row without repetition.

    Shapes: rows [B, *shape] → [B], in double precision.

    Args:
        machine: of Bernoulli visible units.
        rows: values between 0 and 1 are turned into units by one draw each.
        units: K, from 1 to D; None takes all: D · H operations a row.
        generator: of both draws; None takes torch's own.

    Errors: `ArgumentError` for Gaussian visible units, for which it has no closed form, rows that the machine cannot take, and
    `units` out of range.

    Example:
        >>> machine = RestrictedBoltzmannMachine((6,), 3)
        >>> _ = nn.init.zeros_(machine.weight)
        >>> pseudo_log_likelihood(machine, torch.ones(2, 6)).tolist()  # six fair coins: 6 · log ½
        [-4.1588..., -4.1588...]

    Source: Besag (1975), Statistical analysis of non-lattice data; Marlin et al. (2010), Inductive principles for restricted
    Boltzmann machine learning.
    """
    if machine.visible != "bernoulli":
        raise ArgumentError(
            "The pseudo-likelihood of Gaussian units has no closed form",
            expected="a machine of Bernoulli visible units",
            do="Look at the error of reconstruction, or at annealed_log_partition.",
        )
    check_rows(machine, rows)
    size, hidden = len(machine.visible_bias), len(machine.hidden_bias)
    wanted = size if units is None else units
    check_whole("The pseudo-likelihood", {"units": wanted})
    if wanted > size:
        raise ArgumentError("The pseudo-likelihood cannot be told", expected=f"units up to {size:,}", got=f"{wanted:,}")
    with torch.no_grad():
        v = drawn(machine.standardized(rows), generator)
        asked = _asked(v, wanted, generator)  # B, K
        at_once = max(1, _AT_ONCE // (wanted * hidden))
        found = [_foretold(machine, *(each[at : at + at_once] for each in (v, asked))) for at in range(0, len(v), at_once)]
        return torch.cat(found) * (size / wanted)


def _asked(v: Tensor, units: int, generator: Generator | None) -> Tensor:
    if units == v.shape[1]:
        return torch.arange(units, device=v.device).expand(len(v), -1)
    return torch.empty_like(v).uniform_(generator=generator).topk(units, dim=1).indices


def _foretold(machine: RestrictedBoltzmannMachine, v: Tensor, asked: Tensor) -> Tensor:
    """Σ log p(vᵢ | others) over the units asked for, [B]."""
    turned = 1 - 2 * v.gather(1, asked)  # B, K: what is added to a unit that is turned over
    inputs = machine.hidden_inputs(v)  # B, H
    after = inputs[:, None] + turned[:, :, None] * machine.weight.t()[asked]  # B, K, H
    causes = (F.softplus(after) - F.softplus(inputs)[:, None]).sum(2, dtype=torch.float64)
    higher = -turned * machine.visible_bias[asked] - causes
    return F.logsigmoid(higher).sum(1)


class BoltzmannEvaluation:
    """Calling it tells how good a Boltzmann machine is on held-out rows, as columns for the history.

    `valid_pseudo_likelihood` (Bernoulli units, nats a row, by `units` of each row: the same ones each time, so that epochs can
    be compared); `valid_reconstruction`, the squared error of a row; `valid_free_energy_gap`, the mean free energy of these
    rows less that of rows of the training data: it grows when the machine learns those by heart. `valid_loss` is the negative
    pseudo-likelihood, or the reconstruction's error where the visible units are Gaussian.

    Args:
        machine: as the step has it.
        batches: of the validation rows, (inputs, …) or inputs.
        units: of each row that are foretold from the others.
        beside: rows of the training data, about as many; None leaves the gap out.
        prefix: what the columns start with.

    Errors: `ArgumentError` where there is no row, or rows that the machine cannot take.

    Example:
        >>> machine = RestrictedBoltzmannMachine((6,), 3)
        >>> _ = nn.init.zeros_(machine.weight)
        >>> BoltzmannEvaluation(machine, [torch.ones(2, 6)], units=6)()
        {'valid_loss': 4.15..., 'valid_pseudo_likelihood': -4.15..., 'valid_reconstruction': 1.5}

    Source: Hinton (2010), A practical guide to training restricted Boltzmann machines, sections 5 and 6.
    """

    def __init__(
        self,
        machine: nn.Module,
        batches: Iterable[Any],
        *,
        units: int = 8,
        beside: Tensor | None = None,
        prefix: str = "valid_",
    ) -> None:
        self.machine, self.batches, self.beside, self.prefix = as_boltzmann_machine(machine), batches, beside, prefix
        self.units = min(units, len(self.machine.visible_bias))

    def __call__(self) -> dict[str, float]:
        machine, sums, count = self.machine, dict[str, Tensor](), 0
        generator = torch.Generator(machine.weight.device).manual_seed(0)
        with torch.no_grad():
            for batch in self.batches:
                rows = inputs_of(batch)
                for name, value in self._told(rows, generator).items():
                    sums[name] = sums[name] + value if name in sums else value
                count += len(rows)
            if not count:
                raise ArgumentError("There is nothing to judge the Boltzmann machine on", expected="at least 1 row")
            means = {name: value / count for name, value in sums.items()}
            if self.beside is not None:
                means["free_energy_gap"] = means["free_energy"] - machine.free_energy(self.beside).mean(dtype=torch.float64)
            del means["free_energy"]
            told = dict(zip(means, torch.stack(list(means.values())).tolist(), strict=True))
        loss = -told["pseudo_likelihood"] if "pseudo_likelihood" in told else told["reconstruction"]
        return {self.prefix + name: value for name, value in ({"loss": loss} | told).items()}

    def _told(self, rows: Tensor, generator: Generator) -> dict[str, Tensor]:
        machine = self.machine
        sums = {}
        if machine.visible == "bernoulli":
            sums["pseudo_likelihood"] = pseudo_log_likelihood(machine, rows, units=self.units, generator=generator).sum()
        z = machine.standardized(rows)
        means = machine.visible_means(torch.sigmoid(machine.hidden_inputs(z)))
        sums["reconstruction"] = (means - z).square().sum(dtype=torch.float64)
        sums["free_energy"] = machine.free_energy(rows).sum(dtype=torch.float64)
        return sums
