"""One way to ask all networks that learn from inputs alone: the code of a row, the row told again, and how odd it is.

B batch, D numbers of a code, V values of a row that are compared.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.losses.normal_codes import gaussian_kl_of_each
from leadline.models.autoencoders.autoencoders import Autoencoder
from leadline.models.autoencoders.output_distributions import BernoulliOutputs, OutputDistribution
from leadline.models.autoencoders.table_autoencoders import MixedOutputs
from leadline.models.autoencoders.variational_autoencoders import VariationalAutoencoder
from leadline.models.boltzmann.belief_nets import DeepBeliefNet, upward_layers
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine

Coder = Autoencoder | VariationalAutoencoder | RestrictedBoltzmannMachine | DeepBeliefNet


def as_coder(model: nn.Module) -> Coder:
    """The same model, once it is known to tell its inputs again.

    Errors: `ArgumentError` for another network.

    Example:
        >>> as_coder(nn.Linear(2, 2))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Linear does not tell its inputs again. Expected an autoencoder, a Boltzmann machine or a
        deep belief net.
    """
    if not isinstance(model, Coder):
        raise ArgumentError(
            f"{type(model).__name__} does not tell its inputs again",
            expected="an autoencoder, a Boltzmann machine or a deep belief net",
        )
    return model


def row_codes(model: nn.Module, x: Tensor) -> Tensor:
    """The code of each row: [B, …] → [B, D]; of a variational autoencoder the mean, of a machine the hidden probabilities.

    Args:
        model: as `as_coder` takes it.
        x: rows as the network takes them.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import rbm
        >>> row_codes(rbm((4,), hidden=3), torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """
    coder = as_coder(model)
    codes: Tensor = coder(x) if isinstance(coder, RestrictedBoltzmannMachine | DeepBeliefNet) else coder.encode(x)
    return codes


def rows_told_again(model: nn.Module, x: Tensor) -> Tensor:
    """Each row as the network tells it from its code alone: [B, …] → [B, …].

    Args:
        model: as `as_coder` takes it.
        x: rows as the network takes them.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import rbm
        >>> rows_told_again(rbm((4,), hidden=3), torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """
    return as_coder(model).reconstruct(x)


def rows_of_codes(model: nn.Module, codes: Tensor) -> Tensor:
    """What the network tells from given codes: [N, D] → [N, …] as its inputs are.

    Args:
        model: as `as_coder` takes it.
        codes: of a machine the probabilities of its topmost hidden units.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import rbm
        >>> rows_of_codes(rbm((1, 2, 2), hidden=3), torch.zeros(5, 3)).shape
        torch.Size([5, 1, 2, 2])
    """
    coder = as_coder(model)
    if isinstance(coder, RestrictedBoltzmannMachine | DeepBeliefNet):
        machines = [coder] if isinstance(coder, RestrictedBoltzmannMachine) else coder.machines
        for machine in reversed(machines):
            codes = machine.visible_means(codes)
        return machines[0].restored(codes)
    return coder.distribution.reconstruction(coder.decode(codes))


def row_oddness(model: nn.Module, x: Tensor) -> Tensor:
    """A score that is high where a row is odd: [B, …] → [B], in nats.

    Of an autoencoder −log p(x | z(x)), to which a variational one adds KL(q(z | x) ‖ p(z)); where values are told as
    probabilities, less what they would cost told exactly, Σᵢ KL(xᵢ ‖ σ(lᵢ)), or a grey picture would be odd for being grey.
    Of a Boltzmann machine the free energy, which is −log p(x) less a constant; of a deep belief net ½ ‖x − x̂‖² in units of
    its visible ones.

    Args:
        model: as `as_coder` takes it.
        x: rows as the network takes them.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import rbm
        >>> row_oddness(rbm((4,), hidden=3), torch.zeros(2, 4)).shape
        torch.Size([2])
    """
    coder = as_coder(model)
    if isinstance(coder, RestrictedBoltzmannMachine):
        return coder.free_energy(x)
    if isinstance(coder, DeepBeliefNet):
        first = coder.machines[0]
        return 0.5 * (first.standardized(coder.reconstruct(x)) - first.standardized(x)).square().sum(dim=1)
    if isinstance(coder, VariationalAutoencoder):
        mean, log_variance = coder.posterior(x)
        return _surprise(coder.distribution, coder.decode(mean), x) + gaussian_kl_of_each(mean, log_variance).sum(dim=1)
    return _surprise(coder.distribution, coder(x), x)


def _surprise(told_by: OutputDistribution, outputs: Tensor, x: Tensor) -> Tensor:
    if isinstance(told_by, BernoulliOutputs):
        return told_by.errors(outputs, x).flatten(1).sum(dim=1)
    return told_by.nll(outputs, x)


class ComparedRows(NamedTuple):
    """Rows and what was told of them, as numbers that can be subtracted, and what each counts: all [B, V].

    Example:
        >>> zero = torch.zeros(1, 2)
        >>> ComparedRows(zero, zero, zero).squared_errors().tolist()
        [0.0]
    """

    values: Tensor
    told: Tensor
    weights: Tensor

    def squared_errors(self, told: Tensor | None = None) -> Tensor:
        """Σ w (v − v̂)² of each row, [B]; of something else that tells them, where it is given."""
        return (self.weights * (self.values - (self.told if told is None else told)).square()).sum(dim=1)


def compared_rows(model: nn.Module, x: Tensor) -> ComparedRows:
    """Rows beside what a network tells of them: pixels and numbers as they are, each category of a table as a 1 among zeros.

    Of a category the probabilities are told, so its squared error is Brier's score; a number whose cell is missing counts 0.

    Args:
        model: as `as_coder` takes it.
        x: rows as the network takes them.

    Example:
        >>> from leadline.models.autoencoders.table_autoencoders import table_autoencoder
        >>> compared_rows(table_autoencoder([(), ()], (3,), code=2), torch.zeros(4, 3)).values.shape
        torch.Size([4, 5])
    """
    coder = as_coder(model)
    told_by = getattr(coder, "distribution", None)
    if not isinstance(told_by, MixedOutputs):
        again = coder.reconstruct(x).flatten(1).float()
        values = x.flatten(1).float()
        return ComparedRows(values, again, torch.ones_like(values))
    outputs = coder(x).float()
    numbers = told_by.numbers
    parts = torch.split(outputs[:, numbers:], list(told_by.categories), dim=1) if told_by.categories else ()
    told = torch.cat([outputs[:, :numbers], *(part.softmax(dim=1) for part in parts)], dim=1)
    values = dense_rows(told_by, x)
    weights = torch.ones_like(values)
    if numbers:
        weights[:, :numbers] = told_by.present_numbers(x[:, :numbers])
    return ComparedRows(values, told, weights)


def dense_rows(told_by: MixedOutputs, x: Tensor) -> Tensor:
    """Rows of a table with each category as a 1 among zeros: [B, W] → [B, O].

    Example:
        >>> dense_rows(MixedOutputs(1, (3,)), torch.tensor([[0.5, 2.0]])).tolist()
        [[0.5, 0.0, 0.0, 1.0]]
    """
    values = [x[:, : told_by.numbers]]
    for codes, size in zip(x[:, told_by.numbers :].unbind(dim=1), told_by.categories, strict=True):
        known = (codes >= 0) & (codes < size)
        values.append(F.one_hot(torch.where(known, codes, 0).long(), size).to(x.dtype))
    return torch.cat(values, dim=1)


def encoding_layers(model: nn.Module) -> nn.Module:
    """The way from inputs to code as a network of its own: the first layers of a classifier.

    Of an autoencoder they are its own, with the same weights; of machines they are copies, linear → sigmoid for each, the
    scales of Gaussian units in the first.

    Shapes: [B, *shape] → [B, D].

    Args:
        model: as `as_coder` takes it.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import rbm
        >>> machine, x = rbm((4,), hidden=3), torch.rand(2, 4)
        >>> bool(torch.allclose(encoding_layers(machine)(x), machine(x)))
        True
    """
    coder = as_coder(model)
    if isinstance(coder, RestrictedBoltzmannMachine | DeepBeliefNet):
        machines = [coder] if isinstance(coder, RestrictedBoltzmannMachine) else coder.machines
        return nn.Sequential(*upward_layers(machines))
    return coder.features
