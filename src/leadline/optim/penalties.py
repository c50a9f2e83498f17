"""Penalties on the size of the weights: terms that are added to the loss, and reported beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError


@dataclass(frozen=True)
class Penalties:
    """What large weights cost. λ₁ makes most of them 0, λ₂ all of them small, λ₁ and λ₂ together are the elastic net.

    l1 = λ₁ Σ |w|, l2 = ½ λ₂ Σ w², orthogonal = λₒ Σ ‖W Wᵀ − I‖²_F, where W is a weight as a matrix [outputs, all else] (and
    Wᵀ W is taken where that is smaller), so that no direction is stretched. The slopes are λ₁ sign(w), λ₂ w and
    4 λₒ (W Wᵀ − I) W. Penalized are the weights that are trained and have at least two axes: no biases and no scales.

    Of a recurrent language model, whose step adds them: activation = α mean(o²) of what its last layer puts out, and
    temporal = β mean((o_t − o_{t−1})²) of that before dropout, which keep the state small and slow.

    With plain gradient descent l2 is weight decay by λ₂; with Adam it is not, whose own, decoupled decay is the better choice.

    Args:
        l1: λ₁, 0 or more.
        l2: λ₂, 0 or more.
        orthogonal: λₒ, 0 or more.
        activation: α, 0 or more.
        temporal: β, 0 or more.

    Errors: `ArgumentError` for a negative λ or one that is no number.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> with torch.no_grad():
        ...     _ = layer.weight.copy_(torch.tensor([[3.0, -4.0]]))
        >>> {name: round(term.item(), 4) for name, term in Penalties(l1=0.1, l2=0.01)(layer).items()}
        {'l1': 0.7, 'l2': 0.125}

    Source: ridge: Hoerl and Kennard (1970); lasso: Tibshirani (1996); elastic net: Zou and Hastie (2005); orthogonal: Brock,
    Lim, Ritchie and Weston (2017), Neural photo editing with introspective adversarial networks; activation and temporal:
    Merity, McCann and Socher (2017), Revisiting activation regularization for language RNNs.
    """

    l1: float = 0.0
    l2: float = 0.0
    orthogonal: float = 0.0
    activation: float = 0.0
    temporal: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < math.inf:
                raise ArgumentError(f"The penalty {name} is out of range", expected="a number, 0 or more", got=value)

    @property
    def active(self) -> bool:
        """Whether there is anything to add: where not, a step need not ask."""
        return self.of_weight_sizes or self.of_outputs

    @property
    def of_weight_sizes(self) -> bool:
        """Whether large weights cost something."""
        return bool(self.l1 or self.l2 or self.orthogonal)

    @property
    def of_outputs(self) -> bool:
        """Whether what a recurrent layer puts out costs something."""
        return bool(self.activation or self.temporal)

    def __call__(self, module: nn.Module) -> dict[str, Tensor]:
        """The terms with a λ above 0, by name, each a scalar with a gradient: what is trained on is the loss plus their sum.

        Example:
            >>> Penalties(orthogonal=2.0)(nn.Conv2d(3, 8, 3)).keys()
            dict_keys(['orthogonal'])
        """
        return self.of_weights(list(penalized(module).values()))

    def of_weights(self, weights: list[Tensor]) -> dict[str, Tensor]:
        """The same for weights that are given one by one, for instance those of one network of a population."""
        terms: dict[str, Tensor] = {}
        if self.l1:
            terms["l1"] = self.l1 * _sum([weight.abs().sum() for weight in weights])
        if self.l2:
            terms["l2"] = 0.5 * self.l2 * _sum([weight.square().sum() for weight in weights])
        if self.orthogonal:
            terms["orthogonal"] = self.orthogonal * _sum([_from_rotation(weight) for weight in weights])
        return terms


def penalized(module: nn.Module) -> dict[str, Tensor]:
    """The weights that penalties are for, by name: trained, of at least two axes, and called neither a scale nor a bias.

    Members of an ensemble have scales and biases of two axes; pulled to 0, or towards a rotation, they would take the network
    with them.

    Example:
        >>> list(penalized(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))))
        ['0.weight']
    """
    return {
        name: weight
        for name, weight in module.named_parameters()
        if weight.ndim >= 2 and weight.requires_grad and not name.rpartition(".")[2].startswith(("scale", "bias"))
    }


def _sum(terms: list[Tensor]) -> Tensor:
    # Without weights it is a 0 that a step can go backwards from, as from any other.
    return torch.stack(terms).sum() if terms else torch.zeros((), requires_grad=True)


def _from_rotation(weight: Tensor) -> Tensor:
    """‖W Wᵀ − I‖²_F of the weight as a matrix, on its smaller side."""
    matrix = weight.flatten(1)
    with torch.autocast(weight.device.type, enabled=False):  # in bfloat16 the difference from I would be mostly rounding
        gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return (gram - torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).square().sum()
