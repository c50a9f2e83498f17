"""Pictures from a trained generator: the same for the same seed, on any device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole
from leadline.models.adversarial.adversarial_networks import AdversarialPair


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
    pair = as_pair(pair)
    check_whole("The drawing of pictures", {"count": count, "batch_size": batch_size})
    noise = torch.randn(count, pair.latent, generator=torch.Generator().manual_seed(seed))
    asked = _asked(pair.classes, count, classes)
    device = next(pair.parameters()).device
    drawn = []
    with torch.inference_mode(), _in_evaluation(pair):
        for start in range(0, count, batch_size):
            part = slice(start, start + batch_size)
            numbers = None if asked is None else asked[part].to(device)
            drawn.append(pair(noise[part].to(device), numbers).float().cpu())
    return torch.cat(drawn)


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


def _asked(known: int, count: int, classes: Sequence[int] | Tensor | None) -> Tensor | None:
    if not known:
        if classes is not None:
            raise ArgumentError("The generator knows no classes", do="Leave the classes out, or train it with labels.")
        return None
    asked = torch.arange(count) % known if classes is None else torch.as_tensor(classes)
    if asked.shape != (count,):
        got = list(asked.shape)
        raise ArgumentError("There must be a class for each picture", expected=f"{count} class numbers", got=got)
    return asked.to("cpu", torch.int64)


@contextmanager
def _in_evaluation(module: nn.Module) -> Iterator[None]:
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training
