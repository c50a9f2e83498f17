"""Spectral normalization: a weight divided by its largest singular value, so that no input is stretched beyond its length."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_above_zero, refuse

_FIRST_ITERATIONS = 15  # so that the first step finds a good estimate; as many as torch takes


class SpectralNorm(nn.Module):
    """A weight over its largest singular value, found by one step of power iteration each time in training.

    W̄ = W / σ with σ = uᵀ M v, M being the weight as a matrix [O, I·k·k]; in training u ← Mv / ‖Mv‖, v ← Mᵀu / ‖Mᵀu‖ first. The
    vectors count as constants, so that dσ/dM = u vᵀ. It is torch's own parametrization (whose σ it has to the last bits),
    except that it works under autocast too, where it stays in the precision of the weight.

    Shapes: [O, …] → the same.

    Args:
        weight: of the shape that is to come, of at least two axes; the vectors are fitted to it.
        epsilon: a length that is not divided by, above 0.

    Errors: `ArgumentError` for a weight of another shape.

    Example:
        >>> weight = torch.diag(torch.tensor([3.0, 0.5]))
        >>> SpectralNorm(weight)(weight).round(decimals=4)
        tensor([[1.0000, 0.0000],
                [0.0000, 0.1667]])

    Source: Miyato et al. (2018), Spectral normalization for generative adversarial networks.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, *, epsilon: float = 1e-12) -> None:
        super().__init__()
        check_above_zero("SpectralNorm", {"epsilon": epsilon})
        if weight.ndim < 2 or not weight.is_floating_point() or not weight.numel():
            refuse("SpectralNorm", weight, "a weight of floating-point numbers [O, ...], of at least two axes")
        self.shape, self.epsilon = weight.shape, epsilon
        matrix = weight.detach().flatten(1)
        self.register_buffer("u", F.normalize(torch.randn_like(matrix[:, 0]), dim=0, eps=epsilon))
        self.register_buffer("v", F.normalize(torch.randn_like(matrix[0]), dim=0, eps=epsilon))
        for _ in range(_FIRST_ITERATIONS):
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.shape != self.shape or not weight.is_floating_point():
            refuse("SpectralNorm", weight, f"floating-point numbers of shape {list(self.shape)}")
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)
            if self.training:
                self._iterate(matrix.detach())
            # Copies: the next forward pass writes into the vectors, and the backward pass of this one still needs them.
            sigma = torch.dot(self.u.clone(), torch.mv(matrix, self.v.clone()))
            return weight / sigma

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        F.normalize(torch.mv(matrix, self.v), dim=0, eps=self.epsilon, out=self.u)
        F.normalize(torch.mv(matrix.T, self.u), dim=0, eps=self.epsilon, out=self.v)

    def right_inverse(self, value: Tensor) -> Tensor:
        """What is assigned to the weight becomes the weight that is divided."""
        return value

    def extra_repr(self) -> str:
        return str(list(self.shape))


def with_spectral_norm(layer: nn.Module) -> nn.Module:
    """The same layer with its weight divided by its largest singular value, each time that it is used.

    Args:
        layer: with a `weight` of at least two axes, the first of them its outputs: linear, convolution, embedding. It is
            changed in place.

    Errors: `ArgumentError` for a layer without such a weight, or one that has it already.

    Example:
        >>> layer = with_spectral_norm(nn.Linear(3, 3))
        >>> with torch.no_grad():
        ...     layer.weight = 5 * torch.eye(3)
        >>> layer.weight.round(decimals=4).diagonal().tolist()
        [1.0, 1.0, 1.0]

    Source: Miyato et al. (2018), Spectral normalization for generative adversarial networks.
    """
    weight = getattr(layer, "weight", None)
    kind = type(layer).__name__
    if parametrize.is_parametrized(layer, "weight"):
        raise ArgumentError(f"The weight of this {kind} is parametrized already", expected="a plain layer")
    if not isinstance(weight, nn.Parameter):
        raise ArgumentError(f"{kind} has no weight to be normalized", expected="such as a linear layer or a convolution")
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        raise ArgumentError(f"The first axis of the weight of {kind} is that of its inputs", expected="that of its outputs")
    return parametrize.register_parametrization(layer, "weight", SpectralNorm(weight))
