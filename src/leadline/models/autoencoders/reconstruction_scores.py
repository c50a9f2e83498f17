"""What a trained autoencoder says of rows: their codes, and a variational one the likelihood of each.

Both go through batches without gradients, in the mode the model is in, and give what they found on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole
from leadline.models.autoencoders.output_distributions import repeated
from leadline.models.autoencoders.reconstruction_steps import as_autoencoder
from leadline.models.autoencoders.variational_bounds import binarized, log_weights
from leadline.models.step_noise import step_generator
from leadline.models.step_parts import inputs_of

_AT_ONCE, _VALUES_AT_ONCE = 20_000, 1 << 24  # rows × draws that are decoded together, and their values: maps take much more


def codes_of(model: nn.Module, batches: Iterable[Any]) -> Tensor:
    """The code of each row, of a variational autoencoder its mean: float32 [N, D].

    Args:
        model: an autoencoder, in the mode in which it is to be used.
        batches: inputs, or tuples that begin with them.

    Errors: `ArgumentError` for another network, or no rows.

    Example:
        >>> from leadline.models.autoencoders.autoencoders import autoencoder
        >>> codes_of(autoencoder((4,), hidden="none", code=2), [torch.zeros(3, 4), torch.zeros(2, 4)]).shape
        torch.Size([5, 2])
    """
    return _through(model, batches, model.encode)  # type: ignore[arg-type]


def log_likelihoods(
    model: nn.Module, batches: Iterable[Any], *, samples: int = 1000, seed: int = 0, binarize: bool = False
) -> Tensor:
    """log p(x) of each row, estimated from below by the importance-weighted bound of many draws: float64 [N], in nats.

    L_K = log 1/K Σₖ p(x, zₖ) / q(zₖ | x), which goes to log p(x) as K grows; published figures have K = 5000. The sum runs over
    parts of the draws, so memory does not grow with K.

    Args:
        model: a variational autoencoder, in the mode in which it is to be used.
        batches: inputs, or tuples that begin with them, in a fixed order.
        samples: K.
        seed: of the draws.
        binarize: inputs are probabilities, and each value is drawn to be 0 or 1, once for all K.

    Errors: `ArgumentError` for another network, or no rows.

    Example:
        >>> from leadline.models.autoencoders.variational_autoencoders import variational_autoencoder
        >>> model = variational_autoencoder((4,), hidden="8", code=2)
        >>> found = log_likelihoods(model, [torch.ones(3, 4)], samples=200)
        >>> found.shape, bool((found < 0).all())
        (torch.Size([3]), True)

    Source: Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders.
    """
    check_whole("The estimate of the likelihood", {"samples": samples})
    if not hasattr(model, "posterior"):
        raise ArgumentError(
            "This network gives inputs no likelihood", expected="a variational autoencoder", got=type(model).__name__
        )
    numbers = iter(range(10**9))

    def estimate(x: Tensor) -> Tensor:
        generator = step_generator(seed, next(numbers), x.device)
        return _log_likelihood(model, binarized(x, generator) if binarize else x, samples, generator)

    return _through(model, batches, estimate)


def _log_likelihood(model: Any, x: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    mean, log_variance = model.posterior(x)
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    together = min(_AT_ONCE, _VALUES_AT_ONCE // x[0].numel())
    at_once = max(1, together // len(x))
    for first in range(0, samples, at_once):
        count = min(at_once, samples - first)
        noise = torch.randn(len(x), count, mean.shape[1], generator=generator, device=x.device)
        codes = mean[:, None] + torch.exp(0.5 * log_variance)[:, None] * noise
        surprise = model.distribution.nll(model.decode(codes.flatten(0, 1)), repeated(x, count)).view(len(x), count)
        weights = log_weights(mean, log_variance, codes, surprise).double()
        total = torch.logaddexp(total, torch.logsumexp(weights, dim=1))
    return total - math.log(samples)


def _through(model: nn.Module, batches: Iterable[Any], function: Callable[[Tensor], Tensor]) -> Tensor:
    as_autoencoder(model)
    with torch.inference_mode():
        parts = [function(inputs_of(batch)).cpu() for batch in batches]
    if not parts:
        raise ArgumentError("There are no rows to look at", expected="at least 1 batch")
    joined = torch.cat(parts)
    return joined if joined.dtype == torch.float64 else joined.float()
