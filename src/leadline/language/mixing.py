"""Mixing language models: any that foretell tokens, weighted by what explains other text best, and a cache of what was read.

N tokens, M models, V words, D features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.data.tokens.token_streams import TokenStreams
from leadline.errors import ArgumentError
from leadline.models.language_steps import as_language_model, stream_features, stream_surprises

_ROWS = 512  # of the cache's scores at a time


class Foretelling(Protocol):
    """A language model as mixing and writing see it, whatever is inside: a network, counts of n-grams, a mixture."""

    def surprises(self, ids: NDArray[Any]) -> NDArray[np.float64]:
        """−log p of each token [N] of a text, given those before it, in nats: [N]."""

    def log_probabilities(self, context: NDArray[Any]) -> NDArray[np.float64]:
        """log p of each token of the vocabulary after some others: [V]."""


class NetworkForetelling:
    """A network as a `Foretelling`.

    Args:
        model: a language model; put into evaluation mode while it reads.
        start: the token that a text is taken to come after.
        streams: parts of a long text that are read side by side; each but the first begins without a past.
        length: tokens of a window.

    Example:
        >>> from leadline.models.language_networks import recurrent_language
        >>> model = NetworkForetelling(recurrent_language(9, embedding=4, hidden=4), start=2)
        >>> model.surprises(np.array([3, 4, 5])).shape, round(float(np.exp(model.log_probabilities(np.array([3]))).sum()), 6)
        ((3,), 1.0)
    """

    def __init__(self, model: nn.Module, *, start: int, streams: int = 1, length: int = 64) -> None:
        as_language_model(model)
        self.model, self.start, self.streams, self.length = model, start, streams, length

    def surprises(self, ids: NDArray[Any]) -> NDArray[np.float64]:
        return self._read_by(stream_surprises, ids).numpy().astype(np.float64)

    def signs(self, ids: NDArray[Any]) -> NDArray[np.float32]:
        """What the last layer gets before each token: [N, E]."""
        return self._read_by(stream_features, ids).numpy()

    def log_probabilities(self, context: NDArray[Any]) -> NDArray[np.float64]:
        reader, device = as_language_model(self.model), next(self.model.parameters()).device
        read = torch.tensor([[self.start, *np.asarray(context).tolist()]], device=device)
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                logits = reader.head(reader.read_on(read, None).outputs[0, -1])
        finally:
            self.model.train(was_training)
        return np.asarray(logits.double().log_softmax(0).cpu().numpy())

    def _read_by(self, reading: Callable[[nn.Module, TokenStreams], Tensor], ids: NDArray[Any]) -> Tensor:
        device = next(self.model.parameters()).device
        batches = TokenStreams(ids, self.streams, length=self.length, whole=True, start=self.start, device=device)
        was_training = self.model.training
        self.model.eval()
        try:
            return reading(self.model, batches)
        finally:
            self.model.train(was_training)


class Mixture:
    """Several models as one: p = Σ_m w_m p_m.

    Args:
        models: M of them, over one vocabulary.
        weights: w, 0 or more, that sum to 1; see `fit_mixture`.

    Errors: `ArgumentError` for weights that are none, or not one for each model.

    Example:
        >>> from leadline.models.language_networks import recurrent_language
        >>> models = [NetworkForetelling(recurrent_language(9, embedding=4, hidden=4), start=2) for _ in range(2)]
        >>> mixed = Mixture(models, [0.25, 0.75])
        >>> round(float(np.exp(mixed.log_probabilities(np.array([3]))).sum()), 6)
        1.0

    Source: Jelinek and Mercer (1980), Interpolated estimation of Markov source parameters from sparse data.
    """

    def __init__(self, models: Sequence[Foretelling], weights: Sequence[float]) -> None:
        self.models, self.weights = list(models), np.asarray(weights, np.float64)
        if self.weights.shape != (len(self.models),) or (self.weights < 0).any() or abs(self.weights.sum() - 1) > 1e-6:
            raise ArgumentError(
                "The weights of the mixture are out of range",
                expected=f"{len(self.models)} numbers of 0 or more that sum to 1",
                got=self.weights.tolist(),
            )

    def surprises(self, ids: NDArray[Any]) -> NDArray[np.float64]:
        return mixed_surprises(np.stack([model.surprises(ids) for model in self.models], axis=1), self.weights)

    def log_probabilities(self, context: NDArray[Any]) -> NDArray[np.float64]:
        return -mixed_surprises(-np.stack([model.log_probabilities(context) for model in self.models], axis=1), self.weights)


def mixed_surprises(surprises: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """−log Σ_m w_m exp(−s_nm): the surprises of a mixture.

    Shapes: [N, M] and [M], or [N, M] where the weights are not the same at all tokens → [N].

    Args:
        surprises: s, of each model at each token; infinite where a model rules a token out.
        weights: w.

    Example:
        >>> mixed_surprises(-np.log([[0.5, 0.1]]), np.array([0.25, 0.75])).round(4)
        array([1.6094])
    """
    with np.errstate(divide="ignore"):
        log_p = np.log(weights) - surprises
    return np.asarray(-np.logaddexp.reduce(log_p, axis=1))


def fit_mixture(surprises: NDArray[np.float64], *, tolerance: float = 1e-9, most: int = 1000) -> NDArray[np.float64]:
    """The weights under which a text is least surprising, on average, by expectation maximization.

    w_m ← mean over n of w_m p_nm / Σ_k w_k p_nk. It never gets worse, and there is one best place alone.

    Shapes: [N, M] → [M].

    Args:
        surprises: of each model at each token of a text that none of them was trained on.
        tolerance: it ends when the mean surprise falls by less than this.
        most: rounds at most.

    Errors: `ArgumentError` where there is no token, or one that all models rule out.

    Example:
        >>> one_is_always_right = -np.log(np.array([[0.9, 0.2], [0.8, 0.1]]))
        >>> fit_mixture(one_is_always_right).round(3)
        array([1., 0.])

    Source: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.
    """
    surprises = np.asarray(surprises, np.float64)
    if surprises.ndim != 2 or not surprises.size:
        raise ArgumentError("There is nothing to weight the models by", expected="surprises [N, M]", got=surprises.shape)
    if not np.isfinite(surprises.min(axis=1)).all() or np.isnan(surprises).any():
        raise ArgumentError("All models rule out a token", expected="a finite surprise of one of them at least")
    # Only the ratios between models count; the largest probability of each row becomes 1.
    p = np.exp(surprises.min(axis=1, keepdims=True) - surprises)
    weights = np.full(p.shape[1], 1 / p.shape[1])
    before = math.inf
    for _ in range(most):
        mixed = p @ weights
        now = float(-np.log(mixed).mean())
        weights = weights * (p / mixed[:, None]).mean(axis=0)
        if before - now < tolerance:
            break
        before = now
    return np.asarray(weights / weights.sum())


def cache_surprises(features: Tensor, ids: Tensor, *, flatness: float, size: int) -> NDArray[np.float64]:
    """−log p of each token under a cache of what was read: a token is likely where it came after something alike.

    p_cache(x_t) ∝ Σ_{t − size ≤ i < t} 1[x_i = x_t] exp(θ h_t · h_i), with h_t what the last layer got before token x_t. It
    looks at the text it is judged on, and is told apart from the network's own score. Infinite for what is not in the cache.

    Shapes: [N, D] and [N] → float64 [N].

    Args:
        features: h, as `models.stream_features` gives them.
        ids: x, the tokens that were foretold.
        flatness: θ; 0 counts alone.
        size: tokens of the cache.

    Errors: `ArgumentError` for a cache without room, or features that do not fit.

    Example:
        >>> surprises = cache_surprises(torch.ones(4, 2), torch.tensor([5, 6, 5, 5]), flatness=0.0, size=10)
        >>> np.exp(-surprises).round(3)
        array([0.   , 0.   , 0.5  , 0.667])

    Source: Grave, Joulin and Usunier (2017), Improving neural language models with a continuous cache.
    """
    if size < 1 or features.ndim != 2 or ids.shape != features.shape[:1]:
        raise ArgumentError(
            "The cache cannot be made",
            expected="size of at least 1, features [N, D] and ids [N]",
            got=(size, list(features.shape)),
        )
    found = torch.empty(len(ids), dtype=torch.float64)
    for start in range(0, len(ids), _ROWS):
        rows = torch.arange(start, min(start + _ROWS, len(ids)))
        first = max(0, start - size)
        past = torch.arange(first, int(rows[-1]) + 1)
        within = (past < rows[:, None]) & (past >= rows[:, None] - size)
        scores = (flatness * (features[rows] @ features[past].t())).double().masked_fill(~within, -math.inf)
        same = ids[past] == ids[rows, None]
        found[rows] = scores.logsumexp(1) - scores.masked_fill(~same, -math.inf).logsumexp(1)
    return np.where(np.isnan(found.numpy()), math.inf, found.numpy())


class CacheFit(NamedTuple):
    """The cache that helps a network most: its θ, how many tokens it holds, its weight, and the perplexity with it.

    Example:
        >>> CacheFit(flatness=0.3, size=500, weight=0.1, perplexity=90.0).size
        500
    """

    flatness: float
    size: int
    weight: float
    perplexity: float


def fit_cache(
    features: Tensor,
    ids: Tensor,
    surprises: NDArray[np.float64],
    *,
    flatnesses: Sequence[float] = (0.0, 0.1, 0.3, 1.0),
    sizes: Sequence[int] = (500, 2000),
) -> CacheFit:
    """The best of some caches beside a network, on a text that neither was trained on.

    Args:
        features: of the text, [N, D].
        ids: its tokens, [N].
        surprises: of the network at them, [N].
        flatnesses: θ to try; the larger the features, the smaller.
        sizes: to try.

    Example:
        >>> features, ids = torch.ones(60, 2), torch.arange(60) % 3
        >>> fit = fit_cache(features, ids, np.full(60, np.log(50.0)))
        >>> fit.weight > 0.5, fit.perplexity < 10
        (True, True)
    """
    tried = []
    for size in sizes:
        for flatness in flatnesses:
            both = np.stack([surprises, cache_surprises(features, ids, flatness=flatness, size=size)], axis=1)
            weights = fit_mixture(both)
            tried.append(CacheFit(flatness, size, float(weights[1]), math.exp(mixed_surprises(both, weights).mean())))
    return min(tried, key=lambda fit: fit.perplexity)
