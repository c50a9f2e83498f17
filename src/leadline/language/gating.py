"""Weights of a mixture that depend on what is known before each token: whom to trust where.

N tokens, M models, S signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.language.mixing import Foretelling, fit_mixture, mixed_surprises

_ROUNDS = 100  # of L-BFGS


class Signed(Foretelling, Protocol):
    """A language model that knows how far to trust it where."""

    def signs(self, ids: NDArray[Any]) -> NDArray[np.floating]:
        """What is known before each token [N] of a text: finite numbers [N, S] that say when this model is right."""


class Gate(NamedTuple):
    """What gives each model its weight at each token: w_n = softmax(A (f_n − c) / d + b), f_n the signs there.

    `slopes` A [M, S], `offsets` b [M], `centers` c [S] and `spreads` d [S].

    Example:
        >>> gate = Gate(np.array([[0.0], [1.0]]), np.zeros(2), np.zeros(1), np.ones(1))
        >>> gate.weights(np.array([[0.0], [2.0]])).round(2)
        array([[0.5 , 0.5 ],
               [0.12, 0.88]])
    """

    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]
    centers: NDArray[np.float64]
    spreads: NDArray[np.float64]

    def weights(self, signs: NDArray[np.floating]) -> NDArray[np.float64]:
        """w at each token: [N, S] → [N, M]."""
        scores = ((signs - self.centers) / self.spreads) @ self.slopes.T + self.offsets
        each = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(each / each.sum(axis=1, keepdims=True))


def fit_gate(surprises: NDArray[np.float64], signs: NDArray[np.floating], *, penalty: float = 1.0) -> Gate:
    """The gate under which a text is least surprising: −mean log Σ_m w_nm p_nm + penalty mean A² is least, by L-BFGS.

    It begins with the same weights at all tokens, the best of these, and signs at mean 0 and spread 1. Fit it on text that none
    of the models was trained on.

    Shapes: [N, M] and [N, S] → a `Gate`.

    Args:
        surprises: of each model at each token.
        signs: what is known before each token; the same for all tokens says nothing.
        penalty: on the square of a slope; the larger, the nearer to one weight for all tokens.

    Errors: `ArgumentError` for signs that are not one row for each token, or not numbers; what `fit_mixture` refuses.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> sign = rng.integers(0, 2, 500)  # where it is 1, the second model knows
        >>> surprises = np.stack([np.where(sign, 3.0, 1.0), np.where(sign, 1.0, 3.0)], axis=1)
        >>> gate = fit_gate(surprises, sign[:, None].astype(float), penalty=0.1)
        >>> bool((gate.weights(np.array([[0.0], [1.0]])).argmax(axis=1) == [0, 1]).all())
        True

    Source: Jordan and Jacobs (1994), Hierarchical mixtures of experts and the EM algorithm; weights by what is known of the
    past go back to Jelinek and Mercer (1980), Interpolated estimation of Markov source parameters from sparse data.
    """
    surprises, signs = np.asarray(surprises, np.float64), np.asarray(signs)
    if signs.ndim != 2 or len(signs) != len(surprises) or not np.isfinite(signs).all():
        raise ArgumentError(
            "The signs do not fit the tokens",
            expected=f"a row of finite numbers for each of {len(surprises):,} tokens",
            got=f"{list(signs.shape)}" + ("" if np.isfinite(signs).all() else ", some of them no numbers"),
        )
    weights = fit_mixture(surprises).clip(1e-6)
    centers, spreads = signs.mean(axis=0, dtype=np.float64), signs.std(axis=0, dtype=np.float64)
    spreads = np.where(spreads > 1e-9, spreads, 1.0)
    rows = torch.from_numpy(((signs - centers) / spreads).astype(np.float32))
    # Only the ratios between models count; the most probable of each row becomes 1.
    log_p = torch.from_numpy(surprises.min(axis=1, keepdims=True) - surprises).float()
    slopes = torch.zeros(surprises.shape[1], signs.shape[1], requires_grad=True)
    offsets = torch.from_numpy(np.log(weights)).float().requires_grad_()
    optimizer = torch.optim.LBFGS([slopes, offsets], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = -(F.linear(rows, slopes, offsets).log_softmax(1) + log_p).logsumexp(1).mean() + penalty * slopes.square().mean()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    found = [part.detach().double().numpy() for part in (slopes, offsets)]
    if not all(np.isfinite(part).all() for part in found):
        found = [np.zeros(slopes.shape), np.log(weights)]
    return Gate(found[0], found[1], centers, spreads)


class GatedMixture:
    """Several models as one, each with a weight of its own at each token: p_n = Σ_m w_nm p_nm.

    Args:
        models: M of them, over one vocabulary.
        gate: fitted to the signs of all of them, side by side.

    Example:
        >>> import leadline.language as language
        >>> text = np.random.default_rng(0).integers(1, 5, 400)
        >>> models = [language.fit_ngrams(text[:200], 5, order=order).model for order in (1, 3)]
        >>> mixture = GatedMixture(models, fit_gate(*surprises_and_signs(models, text[200:])))
        >>> round(float(np.exp(mixture.log_probabilities(np.array([3, 1]))).sum()), 6)
        1.0
    """

    def __init__(self, models: Sequence[Signed], gate: Gate) -> None:
        self.models, self.gate = list(models), gate

    def surprises(self, ids: NDArray[Any]) -> NDArray[np.float64]:
        surprises, signs = surprises_and_signs(self.models, ids)
        return mixed_surprises(surprises, self.gate.weights(signs))

    def log_probabilities(self, context: NDArray[Any]) -> NDArray[np.float64]:
        # What is known before a token does not depend on it: any one may stand there.
        ids = np.append(np.asarray(context, np.int64), 1)
        signs = np.concatenate([model.signs(ids)[-1:] for model in self.models], axis=1)
        log_p = np.stack([model.log_probabilities(context) for model in self.models], axis=1)
        return -mixed_surprises(-log_p, self.gate.weights(signs))


def surprises_and_signs(models: Sequence[Signed], ids: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """Of all models at each token of a text, [N, M], and their signs side by side, [N, S].

    Args:
        models: M of them.
        ids: the text.

    Example:
        >>> import leadline.language as language
        >>> model = language.fit_ngrams(np.array([2, 3, 2, 3, 3]), 4, order=3).model
        >>> [part.shape for part in surprises_and_signs([model, model], np.array([3, 2, 3]))]
        [(3, 2), (3, 8)]
    """
    surprises = np.stack([model.surprises(ids) for model in models], axis=1)
    return surprises, np.concatenate([model.signs(ids) for model in models], axis=1)
