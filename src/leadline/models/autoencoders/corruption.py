"""Corruption: what is done to the inputs of a denoising autoencoder, which learns to tell them as they were.

Each way is built from a text such as "masking(0.3)" and called with a batch and a generator. Of rows of a table the first
`numbers` places are numbers and the others codes of categories, which are no amounts: these are only masked or swapped.
B batch, W values of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Generator, Tensor

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_above_zero, check_float
from leadline.spelling import make


class Corruption(Protocol):
    """What a step asks of a way to corrupt: [B, …] → a new tensor [B, …]; the inputs are left as they are."""

    def __call__(self, x: Tensor, generator: Generator, *, numbers: int | None = None) -> Tensor: ...


class Masking:
    """Some values become 0: which is black in pictures from 0 to 1, the mean of standardized numbers, an unknown category.

    x̃ᵢ = 0 with probability p, else xᵢ, each value by itself.

    Args:
        share: p, in [0, 1).

    Errors: `ArgumentError` for another share, or inputs that are no floating-point numbers.

    Example:
        >>> x = Masking(0.25)(torch.ones(100, 100), torch.Generator().manual_seed(0))
        >>> x.unique().tolist(), round(x.mean().item(), 1)
        ([0.0, 1.0], 0.8)

    Source: Vincent, Larochelle, Bengio and Manzagol (2008), Extracting and composing robust features with denoising
    autoencoders.
    """

    def __init__(self, share: float = 0.3) -> None:
        self.share = _checked_share("masking", share)

    def __call__(self, x: Tensor, generator: Generator, *, numbers: int | None = None) -> Tensor:
        return x.masked_fill(_chosen("masking", x, self.share, generator), 0.0)


class GaussianNoise:
    """To each value a normal number is added: x̃ᵢ = xᵢ + σ εᵢ, ε ~ N(0, 1).

    Args:
        deviation: σ, above 0, in units of the inputs as the network sees them.

    Errors: `ArgumentError` for another σ, or inputs that are no floating-point numbers.

    Example:
        >>> x = GaussianNoise(0.5)(torch.zeros(100, 100), torch.Generator().manual_seed(0))
        >>> round(x.std().item(), 2)
        0.5

    Source: Vincent et al. (2010), Stacked denoising autoencoders.
    """

    def __init__(self, deviation: float = 0.3) -> None:
        check_above_zero("The corruption gaussian", {"deviation": deviation})
        self.deviation = deviation

    def __call__(self, x: Tensor, generator: Generator, *, numbers: int | None = None) -> Tensor:
        check_float("The corruption gaussian", x)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return _numbers_alone(x, x + self.deviation * noise, numbers)


class SaltAndPepper:
    """Some values become the least or the largest that there are, either with the same probability.

    x̃ᵢ = low or high, with probability p/2 each, else xᵢ.

    Args:
        share: p, in [0, 1).
        low: the least value: pepper.
        high: the largest value, above `low`: salt.

    Errors: `ArgumentError` for an argument out of range, or inputs that are no floating-point numbers.

    Example:
        >>> x = SaltAndPepper(0.4)(torch.full((100, 100), 0.5), torch.Generator().manual_seed(0))
        >>> [round((x == value).float().mean().item(), 1) for value in (0.0, 0.5, 1.0)]
        [0.2, 0.6, 0.2]

    Source: Vincent et al. (2010), Stacked denoising autoencoders.
    """

    def __init__(self, share: float = 0.2, *, low: float = 0.0, high: float = 1.0) -> None:
        self.share = _checked_share("salt_and_pepper", share)
        if not low < high:
            raise ArgumentError("The corruption salt_and_pepper cannot be built", expected="low below high", got=(low, high))
        self.low, self.high = low, high

    def __call__(self, x: Tensor, generator: Generator, *, numbers: int | None = None) -> Tensor:
        check_float("The corruption salt_and_pepper", x)
        draws = torch.rand(x.shape, generator=generator, device=x.device)
        peppered = x.masked_fill(draws < self.share / 2, self.low)
        return _numbers_alone(x, peppered.masked_fill_(draws >= 1 - self.share / 2, self.high), numbers)


class Swapping:
    """Some values become those of the same place in another row of the batch, drawn anew for each: the noise for tables.

    x̃ᵢⱼ = xᵣⱼ with probability p, r uniform over the rows, else xᵢⱼ. Every value remains one that its column can have.

    Args:
        share: p, in [0, 1).

    Errors: `ArgumentError` for another share, or inputs that are no floating-point numbers.

    Example:
        >>> x = torch.arange(6.0).reshape(3, 2)
        >>> swapped = Swapping(0.9)(x, torch.Generator().manual_seed(0))
        >>> swapped[:, 0].remainder(2).tolist(), swapped[:, 1].remainder(2).tolist()
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])

    Source: Jahrer (2017), first place in the Porto Seguro competition; Bahri et al. (2022), SCARF.
    """

    def __init__(self, share: float = 0.15) -> None:
        self.share = _checked_share("swap", share)

    def __call__(self, x: Tensor, generator: Generator, *, numbers: int | None = None) -> Tensor:
        chosen = _chosen("swap", x, self.share, generator)
        donors = torch.randint(len(x), x.shape, generator=generator, device=x.device)
        return torch.where(chosen, x.gather(0, donors), x)


CORRUPTIONS: dict[str, Callable[..., Corruption]] = {
    "masking": Masking,
    "gaussian": GaussianNoise,
    "salt_and_pepper": SaltAndPepper,
    "swap": Swapping,
}


def corruption_of(text: str) -> Corruption | None:
    """The corruption that a text names, with the arguments it gives; None for "none".

    Args:
        text: such as "masking(0.3)", "gaussian(0.5)", "salt_and_pepper(0.2, low=-1)" or "swap".

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> corruption_of("masking(0.4)").share, corruption_of("none")
        (0.4, None)
    """
    if text == "none":
        return None
    made: Corruption = make(text, CORRUPTIONS, "corruption")
    return made


def _checked_share(name: str, share: float) -> float:
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share < 1:
        raise ArgumentError(
            f"The corruption {name} cannot be built: share is out of range", expected="a number in [0, 1)", got=repr(share)
        )
    return float(share)


def _chosen(name: str, x: Tensor, share: float, generator: Generator) -> Tensor:
    check_float(f"The corruption {name}", x)
    return torch.rand(x.shape, generator=generator, device=x.device) < share


def _numbers_alone(x: Tensor, changed: Tensor, numbers: int | None) -> Tensor:
    """The changed values, but the codes of a table as they were."""
    if numbers is None or numbers >= x.shape[1]:
        return changed
    return torch.cat([changed[:, :numbers], x[:, numbers:]], dim=1)
