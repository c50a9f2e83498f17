"""How good a generator is, after each epoch: distances from held-out pictures on given features, and its collapse."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole
from leadline.metrics.sample_distances import frechet_distance, kernel_distance
from leadline.metrics.sample_spreads import SampleSpread, sample_spread
from leadline.models.adversarial.adversarial_samples import as_pair, drawn_parts

_LEAST = 20  # pictures: two in each of the ten blocks of the kernel distance
_SPREAD = 2000  # rows among which all distances are taken


class SampleEvaluation:
    """Calling it draws as many pictures as were held out, always from the same noise, and gives columns for the history.

    `valid_frechet` and `valid_kernel` are `frechet_distance` and `kernel_distance` of the features of drawn and held-out
    pictures, with `valid_kernel_error` the standard error of the latter; `valid_pairwise`, `valid_nearest` and `valid_coverage`
    are those of `sample_spread`. The features are of any network that was trained on the same data: the distances tell
    generators of these data apart and are no FID.

    `spread` is the last `SampleSpread`, whose `told` says whether the generator has collapsed.

    Args:
        pair: an `AdversarialPair`.
        real: held-out pictures as the step sees them, [M, C, H, W] in [−1, 1], at least 20; some thousands are usual.
        features: pictures [N, C, H, W] on the CPU → rows [N, D], such as a classifier before its head; None takes the pixels.
        classes: of the held-out pictures, for a generator that knows classes: it draws the same ones.
        seed: of the noise.
        prefix: what the columns start with.

    Errors: `ArgumentError` for another network, too few pictures, classes that do not fit, or features that are no rows.

    Example:
        >>> from leadline.models.adversarial.adversarial_networks import dcgan
        >>> evaluation = SampleEvaluation(dcgan((1, 8, 8), latent=4, width=4), torch.rand(60, 1, 8, 8) * 2 - 1)
        >>> list(evaluation())
        ['valid_frechet', 'valid_kernel', 'valid_kernel_error', 'valid_pairwise', 'valid_nearest', 'valid_coverage']
        >>> evaluation.spread.told[:28]
        'The generator has collapsed:'
    """

    def __init__(
        self,
        pair: nn.Module,
        real: Tensor,
        *,
        features: Callable[[Tensor], Tensor] | None = None,
        classes: Sequence[int] | Tensor | None = None,
        seed: int = 0,
        prefix: str = "valid_",
    ) -> None:
        self.pair = as_pair(pair)
        check_whole("The evaluation of drawn pictures", {"held-out pictures": len(real)}, least=_LEAST)
        if tuple(real.shape[1:]) != self.pair.shape:
            raise ArgumentError(
                "The held-out pictures are not of the generator's kind",
                expected=f"[M, {', '.join(map(str, self.pair.shape))}]",
                got=list(real.shape),
            )
        self.features = features or (lambda pictures: pictures.flatten(1))
        self.classes = None if classes is None or not self.pair.classes else torch.as_tensor(classes)
        self.seed, self.prefix = seed, prefix
        self.real = self._rows(real.cpu())
        self.spread: SampleSpread | None = None

    def __call__(self) -> dict[str, float]:
        parts = drawn_parts(self.pair, len(self.real), seed=self.seed, classes=self.classes)
        drawn = torch.cat([self._rows(part) for part in parts])
        kernel = kernel_distance(drawn, self.real)
        self.spread = sample_spread(drawn[:_SPREAD], self.real[:_SPREAD])
        told = {
            "frechet": float(frechet_distance(drawn, self.real)),
            "kernel": float(kernel.value),
            "kernel_error": float(kernel.standard_error),
            **self.spread._asdict(),
        }
        return {self.prefix + name: value for name, value in told.items()}

    def _rows(self, pictures: Tensor) -> Tensor:
        rows = self.features(pictures)
        if not isinstance(rows, Tensor) or rows.ndim != 2 or len(rows) != len(pictures):
            got = list(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
            raise ArgumentError("The features are no rows", expected=f"[{len(pictures)}, D]", got=got)
        return rows.detach().float().cpu()
