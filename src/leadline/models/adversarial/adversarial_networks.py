"""Two networks that play against each other: a generator that draws pictures, a discriminator that tells them from real ones.

B pictures of C channels, H × W pixels with values in [−1, 1]; D numbers of noise, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.layers.arguments import check_shape, check_whole
from leadline.layers.conditional_norm import ConditionalBatchNorm2d, check_class_numbers
from leadline.layers.spectral import with_spectral_norm
from leadline.models.adversarial.adversarial_sizes import doubled_map

_WIDEST = 8  # times the width: with more doublings than four the smallest maps have no more filters, as published
_LEAK = 0.2
_DEVIATION = 0.02
_NORMS: dict[str, Callable[[int], nn.Module] | None] = {
    "spectral": None,
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),  # over all of a picture, whatever its size
    "none": None,
}


class PictureGenerator(nn.Module):
    """Noise becomes a small map, and the map, doubled by transposed convolutions, a picture.

    h₀ = W z as a map of 4 to 7 pixels; hᵢ₊₁ = convᵀ 4×4, stride 2 (ReLU(norm(hᵢ))); picture = tanh(h_last). The norm is batch
    norm, with scales and shifts of the class where there are classes. Filters are `width` in the largest hidden map, twice as
    many in each smaller one, and at most eight times as many.

    Shapes: noise [B, D], and class numbers [B] where there are classes → [B, C, H, W] in [−1, 1], float32.

    Args:
        shape: (C, H, W) of one picture: 1 to 4 channels, sides of `SIDES`.
        classes: K, or 0 for a generator that is told nothing.
        latent: D.
        width: filters of the largest hidden map.

    Errors: `ArgumentError` for a size that it cannot make, with those that it can, an argument out of range, or inputs that do
        not fit.

    Example:
        >>> generator = PictureGenerator((1, 28, 28), latent=16, width=8)
        >>> generator(torch.randn(5, 16)).shape
        torch.Size([5, 1, 28, 28])

    Source: Radford, Metz and Chintala (2016), Unsupervised representation learning with deep convolutional generative
    adversarial networks.
    """

    def __init__(self, shape: Sequence[int], *, classes: int = 0, latent: int = 100, width: int = 64) -> None:
        super().__init__()
        name = type(self).__name__
        check_whole(name, {"latent": latent, "width": width})
        check_whole(name, {"classes": classes}, least=0)
        start, doublings = doubled_map(name, shape)
        filters = _filters(width, doublings)[::-1]
        self.shape, self.classes, self.latent = tuple(shape), classes, latent
        self.start = (filters[0], *start)
        self.project = nn.Linear(latent, math.prod(self.start), bias=False)
        self.norms = nn.ModuleList(
            ConditionalBatchNorm2d(each, classes) if classes else nn.BatchNorm2d(each) for each in filters
        )
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=number == doublings - 1)
            for number, (before, after) in enumerate(zip(filters, [*filters[1:], shape[0]], strict=True))
        )
        _begin(self)

    def forward(self, noise: Tensor, classes: Tensor | None = None) -> Tensor:
        check_shape("PictureGenerator", noise, ("B", self.latent), self.project.weight)
        if self.classes:
            check_class_numbers("PictureGenerator", classes, len(noise), self.classes)
        channels, height, width = self.start
        # Channels last, as the convolutions have it: gradients of another layout would make those of ReLU three times as slow.
        x = self.project(noise).view(-1, height, width, channels).permute(0, 3, 1, 2)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = layer(F.relu_(norm(x, classes) if self.classes else norm(x)))
        return torch.tanh(x.float() if x.dtype in (torch.bfloat16, torch.float16) else x)

    def extra_repr(self) -> str:
        return f"{self.latent} → {list(self.shape)}" + (f", classes={self.classes}" if self.classes else "")


class PictureDiscriminator(nn.Module):
    """A picture, halved by strided convolutions to a map of 4 to 7 pixels, becomes one number: above 0 for real.

    hᵢ₊₁ = LeakyReLU₀.₂(norm(conv 4×4, stride 2 (hᵢ))), without norm in the first; f = the last map, flattened;
    s = w·f + b, and with classes s = w·f + b + e_k·f, the projection of the picture on its class.

    Shapes: [B, C, H, W], and class numbers [B] where there are classes → logits [B].

    Args:
        shape: (C, H, W) of one picture: 1 to 4 channels, sides of `SIDES`.
        classes: K, or 0 for a discriminator that is told nothing.
        width: filters of the first convolution; each further one has twice as many, at most eight times as many.
        norm: "spectral" divides every weight by its largest singular value; "batch" is as published first, "layer" and "none"
            are for the gradient penalty.

    Errors: `ArgumentError` for a size that does not halve to such a map, an argument out of range, or inputs that do not fit.

    Example:
        >>> discriminator = PictureDiscriminator((3, 32, 32), classes=10, width=8)
        >>> discriminator(torch.zeros(5, 3, 32, 32), torch.arange(5)).shape
        torch.Size([5])

    Source: Radford, Metz and Chintala (2016), as for the generator; Miyato and Koyama (2018), cGANs with projection
    discriminator; Miyato et al. (2018), Spectral normalization for generative adversarial networks.
    """

    def __init__(self, shape: Sequence[int], *, classes: int = 0, width: int = 64, norm: str = "spectral") -> None:
        super().__init__()
        name = type(self).__name__
        check_whole(name, {"width": width})
        check_whole(name, {"classes": classes}, least=0)
        if norm not in _NORMS:
            unknown("norm of the discriminator", norm, _NORMS)
        start, doublings = doubled_map(name, shape)
        self.shape, self.classes, self.norm = tuple(shape), classes, norm
        layers: list[nn.Module] = []
        before = shape[0]
        for number, after in enumerate(_filters(width, doublings)):
            make = _NORMS[norm] if number else None
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=make is None))
            layers += [*([make(after)] if make else []), nn.LeakyReLU(_LEAK, inplace=True)]
            before = after
        features = before * math.prod(start)
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(features, 1)
        self.projection = nn.Embedding(classes, features) if classes else None
        _begin(self)
        if norm == "spectral":
            for layer in [each for each in self.modules() if isinstance(each, (nn.Conv2d, nn.Linear, nn.Embedding))]:
                with_spectral_norm(layer)

    def forward(self, pictures: Tensor, classes: Tensor | None = None) -> Tensor:
        check_shape("PictureDiscriminator", pictures, ("B", *self.shape))
        features: Tensor = self.layers(pictures).permute(0, 2, 3, 1).flatten(1)  # the last map as it lies in channels-last
        scores: Tensor = self.head(features).squeeze(1)
        if self.projection is None:
            return scores
        check_class_numbers("PictureDiscriminator", classes, len(pictures), self.classes)
        assert classes is not None
        projected: Tensor = self.projection(classes) * features
        return scores + projected.sum(dim=1)

    def extra_repr(self) -> str:
        return f"{list(self.shape)}, norm={self.norm!r}" + (f", classes={self.classes}" if self.classes else "")


class AdversarialPair(nn.Module):
    """A generator and a discriminator as one network, whose output is what the generator draws.

    Any two modules will do: `generator(noise)` → pictures, `discriminator(pictures)` → logits [B], and both with class numbers
    [B] behind where there are classes.

    Shapes: noise [B, D], and class numbers [B] where there are classes → [B, C, H, W].

    Args:
        generator: noise → pictures in [−1, 1].
        discriminator: pictures → logits.
        shape: (C, H, W) of one picture.
        latent: D, numbers of noise.
        classes: K, or 0.

    Errors: `ArgumentError` for no shape of pictures, or an argument out of range.

    Example:
        >>> layers = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
        >>> critic = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
        >>> pair = AdversarialPair(layers, critic, (1, 4, 4), latent=2)
        >>> pair.judged(pair(torch.randn(3, 2)), None).shape
        torch.Size([3])

    Source: Goodfellow et al. (2014), Generative adversarial nets.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, shape: Sequence[int], *, latent: int, classes: int = 0
    ) -> None:
        super().__init__()
        check_whole("AdversarialPair", {"latent": latent})
        check_whole("AdversarialPair", {"classes": classes}, least=0)
        if len(shape) != 3 or min(shape) < 1:
            raise ArgumentError("There is no picture to draw", expected="a shape (channels, height, width)", got=tuple(shape))
        self.generator, self.discriminator = generator, discriminator
        self.shape, self.latent, self.classes = tuple(shape), latent, classes

    def forward(self, noise: Tensor, classes: Tensor | None = None) -> Tensor:
        return cast(Tensor, self.generator(noise, classes) if self.classes else self.generator(noise))

    def generate(
        self, number: int, *, seed: int = 0, classes: Sequence[int] | Tensor | None = None, batch_size: int = 256
    ) -> Tensor:
        """Drawn pictures, float32 [number, C, H, W] in [−1, 1], on the CPU; the noise is the same on every device.

        Args:
            number: of pictures.
            seed: of the noise.
            classes: a class number for each picture; when left out, they go round: 0, 1, … K − 1, 0, …
            batch_size: pictures at a time.

        Errors: `ArgumentError` for classes that do not fit.
        """
        return torch.cat(list(self.drawn(number, seed=seed, classes=classes, batch_size=batch_size)))

    def drawn(
        self, number: int, *, seed: int = 0, classes: Sequence[int] | Tensor | None = None, batch_size: int = 256
    ) -> Iterator[Tensor]:
        """The same pictures a batch at a time."""
        noise = torch.randn(number, self.latent, generator=torch.Generator().manual_seed(seed))
        asked = _asked(self.classes, number, classes)
        device = next(self.parameters()).device
        for start in range(0, number, batch_size):
            part = slice(start, start + batch_size)
            numbers = None if asked is None else asked[part].to(device)
            yield self(noise[part].to(device), numbers).float().cpu()

    def judged(self, pictures: Tensor, classes: Tensor | None) -> Tensor:
        """The discriminator's logits [B], without their last axis where it has one of one number."""
        logits = self.discriminator(pictures, classes) if self.classes else self.discriminator(pictures)
        if not isinstance(logits, Tensor) or logits.numel() != len(pictures):
            raise ArgumentError(
                "The discriminator gives no logit for each picture",
                expected=f"shape [{len(pictures)}] or [{len(pictures)}, 1]",
                got=list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__,
            )
        return logits.flatten()


def dcgan(
    shape: Sequence[int],
    *,
    classes: int = 0,
    latent: int = 100,
    width: int = 64,
    norm: str = "spectral",
    conditional: bool = True,
) -> AdversarialPair:
    """A DCGAN for pictures of 8 to 128 pixels: `PictureGenerator` and `PictureDiscriminator`, drawn as published, N(0, 0.02²).

    Shapes: noise [B, D] → [B, C, H, W] in [−1, 1]; at 64 × 64 with three channels and norm="batch" both networks have the
    filters of the published one.

    Args:
        shape: (C, H, W) of one picture: 1 to 4 channels, sides of 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96,
            112 or 128 pixels; the longer side may be any multiple of as many twos as the shorter.
        classes: K, so that a class can be asked for; 0 for none.
        latent: D, numbers of noise.
        width: filters of the largest hidden maps.
        norm: of the discriminator: "spectral", "batch", "layer" or "none".
        conditional: whether both are told the classes, where there are some.

    Errors: `ArgumentError` for a size that it cannot make, with those that it can, or an argument out of range.

    Example:
        >>> pair = dcgan((1, 28, 28), classes=10, latent=16, width=8)
        >>> pair(torch.randn(5, 16), torch.arange(5)).shape
        torch.Size([5, 1, 28, 28])

    Source: Radford, Metz and Chintala (2016), Unsupervised representation learning with deep convolutional generative
    adversarial networks.
    """
    doubled_map("dcgan", shape)
    classes = classes if conditional else 0
    return AdversarialPair(
        PictureGenerator(shape, classes=classes, latent=latent, width=width),
        PictureDiscriminator(shape, classes=classes, width=width, norm=norm),
        shape,
        latent=latent,
        classes=classes,
    )


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


def _filters(width: int, doublings: int) -> list[int]:
    """Filters of each map from the largest hidden one to the smallest."""
    return [width * min(2**level, _WIDEST) for level in range(doublings)]


def _begin(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(layer.weight, std=_DEVIATION)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if isinstance(projection := getattr(network, "projection", None), nn.Embedding):
        nn.init.normal_(projection.weight, std=_DEVIATION)
