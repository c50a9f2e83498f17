"""Deep belief nets: Boltzmann machines one on the other, what they dream, and the ordinary networks made of them.

B rows, L machines, D values of a row, K outputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_dropped, check_whole
from leadline.layers.fast_dropout import FastDropout
from leadline.models.autoencoders.output_distributions import read_widths
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine, check_rows, drawn

_HEAD_DEVIATION = 0.01
"""Of a new head: small enough that the first gradients do not undo what the layers have learned."""


class DeepBeliefNet(nn.Module):
    """L Boltzmann machines, each of which takes the hidden units of the one below for its visible ones.

    p(v, h¹, …, hᴸ) = p(v | h¹) p(h¹ | h²) … p(hᴸ⁻¹, hᴸ): the topmost two layers are a Boltzmann machine, and below them causes
    lead downwards. Upwards the probabilities of each layer are taken for its units.

    Shapes: [B, *shape] → [B, last of hidden], the probabilities of the topmost units.

    Args:
        shape: of one row.
        hidden: units of each machine, at least one machine.
        visible: of the first machine, "bernoulli" or "gaussian".
        noise: of Gaussian units, see `RestrictedBoltzmannMachine`.
        hidden_start: the first biases of all hidden units; −1 lets each be on for fewer rows than not.

    Errors: `ArgumentError` for an argument out of range, or inputs of another shape.

    Example:
        >>> net = DeepBeliefNet((1, 28, 28), (500, 250))
        >>> net(torch.rand(4, 1, 28, 28)).shape, net.sample(3, steps=10).shape
        (torch.Size([4, 250]), torch.Size([3, 1, 28, 28]))

    Source: Hinton, Osindero and Teh (2006), A fast learning algorithm for deep belief nets.
    """

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int],
        *,
        visible: str = "bernoulli",
        noise: float = 1.0,
        hidden_start: float = -1.0,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ArgumentError("The deep belief net cannot be built", expected="at least 1 hidden layer", got="none")
        first = RestrictedBoltzmannMachine(shape, hidden[0], visible=visible, noise=noise, hidden_start=hidden_start)
        upper = [
            RestrictedBoltzmannMachine((low,), high, hidden_start=hidden_start) for low, high in itertools.pairwise(hidden)
        ]
        self.layers = nn.ModuleList([first, *upper])

    @property
    def machines(self) -> list[RestrictedBoltzmannMachine]:
        """The machines, from the data upwards."""
        return [layer for layer in self.layers if isinstance(layer, RestrictedBoltzmannMachine)]

    def forward(self, x: Tensor) -> Tensor:
        return self.below(x, len(self.layers))

    def below(self, x: Tensor, layer: int) -> Tensor:
        """What machine number `layer` (from 0) learns from: the rows themselves, or the probabilities of the layer below."""
        for machine in self.machines[:layer]:
            x = machine(x)
        return x

    def start_from(self, rows: Tensor) -> None:
        """Give the first machine the means of the data, see `RestrictedBoltzmannMachine.start_from`."""
        self.machines[0].start_from(rows)

    def reconstruct(self, x: Tensor, *, layers: int | None = None) -> Tensor:
        """Up through so many machines (None: all) and down again, means at each layer: [B, *shape] → [B, *shape]."""
        used = self.machines[:layers]
        for machine in used:
            x = machine(x)
        for machine in reversed(used):
            x = machine.visible_means(x)
        return used[0].restored(x)

    def generate(self, number: int, *, seed: int = 0, steps: int = 1000) -> Tensor:
        """New rows, [number, *shape], from chains that a seed begins: `sample` with noise of its own on the net's device.

        Args:
            number: of rows.
            seed: of all that is drawn; another kind of device draws other numbers.
            steps: of each chain.
        """
        generator = Generator(self.machines[0].weight.device).manual_seed(seed)
        return self.sample(number, steps=steps, generator=generator)

    def sample(
        self, number: int, *, steps: int = 1000, start: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Rows as the net dreams them, [number, *shape]: chains in the topmost machine, then drawn downwards.

        Args:
            number: of rows, at least 1.
            steps: of the chains, at least 1.
            start: rows that the chains begin at, [number, *shape]; None begins at units drawn by the biases.
            generator: on the net's device; None takes torch's own.

        Errors: `ArgumentError` for an argument out of range.
        """
        *lower, top = self.machines
        with torch.no_grad():
            if start is not None:
                check_rows(self.machines[0], start)
                start = drawn(self.below(start, len(lower)), generator) if lower else start
            x = top.sample(number, steps=steps, start=start, generator=generator)
            for machine in reversed(lower):
                x = machine.visible_means(drawn(x, generator))
            return self.machines[0].restored(x) if lower else x


def deep_belief_net(
    shape: Sequence[int],
    *,
    hidden: str = "500-500-2000",
    visible: str = "bernoulli",
    noise: float = 1.0,
    hidden_start: float = -1.0,
) -> nn.Module:
    """A deep belief net that has learned nothing yet, see `DeepBeliefNet`.

    Shapes: [B, *shape] → [B, last of hidden].

    Args:
        shape: of one row.
        hidden: units of each machine, such as "500-500-2000".
        visible: of the first machine, "bernoulli" for values in [0, 1], "gaussian" for others.
        noise: of Gaussian units.
        hidden_start: the first biases of all hidden units, below 0 for sparse features.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> [len(machine.hidden_bias) for machine in deep_belief_net((64,), hidden="100-50").machines]
        [100, 50]
    """
    return DeepBeliefNet(shape, read_widths(hidden), visible=visible, noise=noise, hidden_start=hidden_start)


def feed_forward_network(net: DeepBeliefNet, outputs: int, *, dropout: float = 0.0) -> nn.Sequential:
    """An ordinary network whose hidden layers are those of the net, with a new linear head: to be fine-tuned like any other.

    flatten → (linear → sigmoid → dropout) for each machine → linear. Means and scales of Gaussian units go into the first
    linear layer. The weights are copies. Its features before the head are those of the net.

    Shapes: [B, *shape] → [B, K].

    Args:
        net: trained, or not.
        outputs: K, at least 1.
        dropout: share of hidden units dropped in training, in [0, 1); 0 leaves those layers out.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> feed_forward_network(DeepBeliefNet((64,), (100, 50)), 10)
        Sequential(
          (0): Flatten(start_dim=1, end_dim=-1)
          (1): Linear(in_features=64, out_features=100, bias=True)
          (2): Sigmoid()
          (3): Linear(in_features=100, out_features=50, bias=True)
          (4): Sigmoid()
          (5): Linear(in_features=50, out_features=10, bias=True)
        )

    Source: Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural networks.
    """
    check_whole("The network", {"outputs": outputs})
    check_dropped("The network", dropout, name="dropout")
    head = nn.Linear(len(net.machines[-1].hidden_bias), outputs)
    nn.init.normal_(head.weight, 0.0, _HEAD_DEVIATION)
    nn.init.zeros_(head.bias)
    weight = net.machines[0].weight
    return nn.Sequential(*upward_layers(net.machines, dropout=dropout), head.to(weight.device, weight.dtype))


def belief_filters(net: DeepBeliefNet, layer: int) -> NDArray[np.float32]:
    """What turns on each hidden unit of a machine, as far as a linear look tells: float32 [H, *shape].

    The product of the weights from this machine down to the data; for the first machine its weights themselves.

    Args:
        net: on any device.
        layer: number of the machine, from 0.

    Errors: `ArgumentError` for a number that no machine has.

    Example:
        >>> belief_filters(DeepBeliefNet((1, 8, 8), (100, 20)), 1).shape
        (20, 1, 8, 8)
    """
    machines = net.machines
    if not 0 <= layer < len(machines):
        raise ArgumentError("There is no such machine", expected=f"a number from 0 to {len(machines) - 1}", got=layer)
    found = machines[layer].weight.detach().double()
    for machine in reversed(machines[:layer]):
        found = found @ machine.weight.detach().double()
    return found.float().cpu().numpy().reshape(-1, *machines[0].shape)


def upward_layers(machines: Sequence[RestrictedBoltzmannMachine], *, dropout: float = 0.0) -> list[nn.Module]:
    """The way up through machines as ordinary layers: flatten, then linear → sigmoid → dropout for each; copies of the weights.

    Args:
        machines: from the data upwards.
        dropout: share of hidden units dropped in training; 0 leaves those layers out.

    Example:
        >>> [type(layer).__name__ for layer in upward_layers([RestrictedBoltzmannMachine((4,), 3)])]
        ['Flatten', 'Linear', 'Sigmoid']
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for machine in machines:
        layers += [_linear(*upward_weights(machine)), nn.Sigmoid(), *([FastDropout(dropout)] if dropout else [])]
    return layers


def upward_weights(machine: RestrictedBoltzmannMachine) -> tuple[Tensor, Tensor]:
    """Weights [H, D] and biases [H] from rows as they come to the log odds of the hidden units; scales of Gaussian ones within.

    Args:
        machine: any.

    Example:
        >>> weight, bias = upward_weights(RestrictedBoltzmannMachine((4,), 3))
        >>> weight.shape, bias.shape
        (torch.Size([3, 4]), torch.Size([3]))
    """
    weight, bias = machine.weight.detach(), machine.hidden_bias.detach()
    if machine.visible == "gaussian":
        weight = weight / machine.scale
        bias = bias - weight @ machine.mean
    return weight, bias


def downward_weights(machine: RestrictedBoltzmannMachine) -> tuple[Tensor, Tensor]:
    """Weights [D, H] and biases [D] from hidden units to log odds, or to the means of Gaussian units in units of the rows.

    Args:
        machine: any.

    Example:
        >>> weight, bias = downward_weights(RestrictedBoltzmannMachine((4,), 3))
        >>> weight.shape, bias.shape
        (torch.Size([4, 3]), torch.Size([4]))
    """
    weight, bias = machine.weight.detach().t(), machine.visible_bias.detach()
    if machine.visible == "gaussian":
        return weight * machine.scale[:, None], bias * machine.scale + machine.mean
    return weight, bias


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer
