"""Pictures from a trained generator: the same for the same seed, on any device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole
from leadline.models.adversarial.adversarial_networks import AdversarialPair
from leadline.models.step_parts import in_evaluation


def drawn_pictures(
    pair: nn.Module, count: int, *, seed: int = 0, classes: Sequence[int] | Tensor | None = None, batch_size: int = 256
) -> Tensor:
    """Pictures that a pair's generator draws, float32 [N, C, H, W] in [−1, 1], on the CPU; the same for the same seed.

    Within a training it is called in `step.evaluating()`, where the generator holds its averaged weights.

    Args:
        pair: an `AdversarialPair`; it is used in evaluation mode, and afterwards is as it was.
        count: N.
        seed: of the noise, which is drawn on the CPU, so that it is the same on every device.
        classes: a class number for each picture; when left out, they go round: 0, 1, … K − 1, 0, …
        batch_size: pictures at a time; it changes nothing but memory and rounding.

    Errors: `ArgumentError` for another network, fewer than 1 picture, or classes that do not fit.

    Example:
        >>> from leadline.models.adversarial.adversarial_networks import dcgan
        >>> pair = dcgan((1, 8, 8), classes=3, latent=4, width=4)
        >>> pictures = drawn_pictures(pair, 7, classes=[2] * 7)
        >>> pictures.shape, torch.equal(pictures, drawn_pictures(pair, 7, classes=[2] * 7))
        (torch.Size([7, 1, 8, 8]), True)
    """
    return torch.cat(list(drawn_parts(pair, count, seed=seed, classes=classes, batch_size=batch_size)))


@torch.no_grad()
def drawn_parts(
    pair: nn.Module, count: int, *, seed: int = 0, classes: Sequence[int] | Tensor | None = None, batch_size: int = 256
) -> Iterator[Tensor]:
    """What `drawn_pictures` gives, a batch at a time: many large drawings at once may be more than memory holds.

    Between two batches the pair is still in evaluation mode.

    Args:
        pair: an `AdversarialPair`.
        count: of all batches.
        seed: of the noise.
        classes: a class number for each picture.
        batch_size: pictures at a time.

    Errors: as `drawn_pictures`, when the first batch is asked for.

    Example:
        >>> from leadline.models.adversarial.adversarial_networks import dcgan
        >>> [len(part) for part in drawn_parts(dcgan((1, 8, 8), latent=4, width=4), 7, batch_size=3)]
        [3, 3, 1]
    """
    pair = as_pair(pair)
    check_whole("The drawing of pictures", {"count": count, "batch_size": batch_size})
    with in_evaluation(pair):
        yield from pair.drawn(count, seed=seed, classes=classes, batch_size=batch_size)


def as_pair(network: nn.Module) -> AdversarialPair:
    """The same network, once it is known to be a generator and a discriminator.

    Errors: `ArgumentError` for any other.
    """
    if not isinstance(network, AdversarialPair):
        raise ArgumentError(
            f"{type(network).__name__} is no generator with a discriminator",
            expected="an AdversarialPair, such as dcgan makes",
        )
    return network
