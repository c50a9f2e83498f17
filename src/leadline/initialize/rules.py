"""Rules for the first weights of one layer, given as [outputs, inputs, *kernel] and changed in place.

The fan-in of a weight is inputs × ∏kernel, what one output adds up; its fan-out is outputs × ∏kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from leadline.errors import ArgumentError, unknown


def normal(weight: Tensor, std: float = 0.01, *, generator: Generator | None = None) -> None:
    """w ~ N(0, std²), whatever the size of the layer.

    Shapes: [out, in, *kernel], changed in place.

    Args:
        weight: at least two axes, here as in every rule.
        std: above 0.
        generator: draws the numbers; None takes torch's own.

    Errors: `ArgumentError` for a weight of one axis or an argument out of range.

    Example:
        >>> w = torch.empty(500, 400)
        >>> normal(w, 0.02, generator=Generator().manual_seed(0))
        >>> round(w.std().item(), 4)
        0.02
    """
    _draw(weight, _positive("deviation", std), "normal", generator)


def uniform(weight: Tensor, bound: float = 0.05, *, generator: Generator | None = None) -> None:
    """w ~ U(−bound, bound), whatever the size of the layer; its deviation is bound/√3.

    Shapes: [out, in, *kernel], changed in place.

    Args:
        weight: at least two axes.
        bound: above 0.
        generator: draws the numbers; None takes torch's own.

    Errors: `ArgumentError` for a weight of one axis or an argument out of range.

    Example:
        >>> w = torch.empty(500, 400)
        >>> uniform(w, 0.3, generator=Generator().manual_seed(0))
        >>> round(w.max().item(), 3), round(w.std().item(), 3)
        (0.3, 0.173)
    """
    _draw(weight, _positive("bound", bound) / math.sqrt(3), "uniform", generator)


def xavier(weight: Tensor, distribution: str = "uniform", *, gain: float = 1.0, generator: Generator | None = None) -> None:
    """Variance gain² · 2 / (fan-in + fan-out): the signal keeps its variance forwards and backwards in square linear layers.

    After ReLU half of it is lost in each layer, after tanh little while the values are small.

    Shapes: [out, in, *kernel], changed in place.

    Args:
        weight: at least two axes.
        distribution: "uniform" or "normal".
        gain: above 0.
        generator: draws the numbers; None takes torch's own.

    Errors: `ArgumentError` for a weight of one axis, an unknown distribution or a gain out of range.

    Example:
        >>> w = torch.empty(500, 300)
        >>> xavier(w, generator=Generator().manual_seed(0))
        >>> round(w.var().item() * (500 + 300) / 2, 2)
        1.0

    Source: Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks.
    """
    fan_in, fan_out = _fans(weight)
    _draw(weight, _positive("gain", gain) * math.sqrt(2 / (fan_in + fan_out)), distribution, generator)


def he(
    weight: Tensor,
    mode: str = "fan_in",
    *,
    slope: float = 0.0,
    distribution: str = "normal",
    generator: Generator | None = None,
) -> None:
    """Variance 2 / ((1 + slope²) · fan): ReLU halves the mean square, and this doubles it again.

    With "fan_in" the signal keeps its mean square on the way forwards, with "fan_out" the gradient on the way back.

    Shapes: [out, in, *kernel], changed in place.

    Args:
        weight: at least two axes.
        mode: "fan_in" or "fan_out".
        slope: of the activation below 0: 0 for ReLU, 0.01 for leaky ReLU.
        distribution: "normal" or "uniform".
        generator: draws the numbers; None takes torch's own.

    Errors: `ArgumentError` for a weight of one axis, an unknown mode or distribution, or a slope that is no number.

    Example:
        >>> w = torch.empty(500, 400)
        >>> he(w, generator=Generator().manual_seed(0))
        >>> round(w.var().item() * 400, 1)
        2.0

    Source: He, Zhang, Ren and Sun (2015), Delving deep into rectifiers.
    """
    if mode not in ("fan_in", "fan_out"):
        unknown("mode", mode, ("fan_in", "fan_out"))
    if not math.isfinite(slope):
        raise ArgumentError("The slope of the activation is out of range", expected="a number", got=slope)
    fan = _fans(weight)[mode == "fan_out"]
    _draw(weight, math.sqrt(2 / ((1 + slope**2) * fan)), distribution, generator)


def lecun(weight: Tensor, distribution: str = "normal", *, generator: Generator | None = None) -> None:
    """Variance 1 / fan-in: a sum of fan-in values of variance 1 has variance 1; what SELU is made for.

    Shapes: [out, in, *kernel], changed in place.

    Args:
        weight: at least two axes.
        distribution: "normal" or "uniform".
        generator: draws the numbers; None takes torch's own.

    Errors: `ArgumentError` for a weight of one axis or an unknown distribution.

    Example:
        >>> w = torch.empty(500, 400)
        >>> lecun(w, generator=Generator().manual_seed(0))
        >>> round(w.var().item() * 400, 2)
        1.0

    Source: LeCun, Bottou, Orr and Müller (1998), Efficient backprop; with SELU: Klambauer et al. (2017), Self-normalizing
    neural networks.
    """
    _draw(weight, math.sqrt(1 / _fans(weight)[0]), distribution, generator)


def orthogonal(weight: Tensor, gain: float = 1.0, *, generator: Generator | None = None) -> None:
    """W Wᵀ = gain² I, or Wᵀ W = gain² I where there are more rows than columns: no direction grows and none is lost.

    W is [out, in · ∏kernel], a random rotation: Q of the QR decomposition of a normal matrix, with the signs of R's diagonal.

    Shapes: [out, in, *kernel], changed in place.

    Args:
        weight: at least two axes.
        gain: above 0; √2 for ReLU.
        generator: draws the numbers; None takes torch's own.

    Errors: `ArgumentError` for a weight of one axis or a gain out of range.

    Example:
        >>> w = torch.empty(3, 5)
        >>> orthogonal(w)
        >>> torch.allclose(w @ w.T, torch.eye(3), atol=1e-6)
        True

    Source: Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear dynamics of learning in deep linear networks.
    """
    _fans(weight)
    _positive("gain", gain)
    rows, columns = weight.shape[0], weight[0].numel()
    exact = torch.float64 if weight.dtype == torch.float64 else torch.float32
    drawn = torch.empty(max(rows, columns), min(rows, columns), dtype=exact, device=_place(weight, generator))
    q, r = torch.linalg.qr(drawn.normal_(generator=generator))
    q = gain * (q * torch.where(r.diagonal() < 0, -1.0, 1.0))
    with torch.no_grad():
        weight.copy_((q.T if rows < columns else q).reshape(weight.shape))


def dirac(weight: Tensor, *, generator: Generator | None = None) -> None:
    """Output i is input i: the identity in a linear layer, and in a convolution with 'same' padding; the other weights are 0.

    Outputs beyond the inputs give 0. The middle of an even kernel of size F is place F/2, counted from 0.

    Shapes: [out, in, *kernel], changed in place.

    Args:
        weight: at least two axes.
        generator: not used; nothing is drawn.

    Errors: `ArgumentError` for a weight of one axis.

    Example:
        >>> convolution = torch.nn.Conv1d(1, 1, 3, padding=1, bias=False)
        >>> dirac(convolution.weight)
        >>> convolution(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist()
        [[[1.0, 2.0, 3.0]]]

    Source: Zagoruyko and Komodakis (2017), DiracNets.
    """
    _fans(weight)
    middle = weight.detach()
    for size in weight.shape[2:]:
        middle = middle.select(2, size // 2)
    with torch.no_grad():
        weight.zero_()
        middle.fill_diagonal_(1.0)


INITIALIZERS: dict[str, Callable[..., None]] = {
    "normal": normal,
    "uniform": uniform,
    "xavier": xavier,
    "he": he,
    "lecun": lecun,
    "orthogonal": orthogonal,
    "dirac": dirac,
}


def _draw(weight: Tensor, std: float, distribution: str, generator: Generator | None) -> None:
    """Fill the weight with numbers of mean 0 and deviation `std`, on the generator's device, so that a seed means the same."""
    _fans(weight)
    if distribution not in ("normal", "uniform"):
        unknown("distribution", distribution, ("normal", "uniform"))
    place = _place(weight, generator)
    with torch.no_grad():
        drawn = weight if place == weight.device else torch.empty(weight.shape, dtype=weight.dtype, device=place)
        if distribution == "normal":
            drawn.normal_(0.0, std, generator=generator)
        else:
            drawn.uniform_(-math.sqrt(3) * std, math.sqrt(3) * std, generator=generator)
        if drawn is not weight:
            weight.copy_(drawn)


def _place(weight: Tensor, generator: Generator | None) -> torch.device:
    return weight.device if generator is None else generator.device


def _fans(weight: Tensor) -> tuple[int, int]:
    """Fan-in and fan-out."""
    if weight.ndim < 2 or weight.numel() == 0 or not weight.is_floating_point():
        raise ArgumentError(
            "There is no rule for such a weight",
            expected="floating-point numbers [outputs, inputs, *kernel]",
            got=f"{weight.dtype} {list(weight.shape)}",
        )
    kernel = weight[0, 0].numel()
    return weight.shape[1] * kernel, weight.shape[0] * kernel


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise ArgumentError(f"The {name} of the first weights is out of range", expected="a number above 0", got=value)
    return value
