"""How well a language model foretells a text: bits a token and perplexity, with intervals over blocks of the text.

N tokens, B blocks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline import metrics
from leadline.data.tokens.token_streams import TokenStreams
from leadline.data.tokens.tokens import Tokens
from leadline.metrics.table import Metric
from leadline.models.language_steps import stream_features, stream_surprises
from leadline.text.vocabularies import UNKNOWN

_RESAMPLES = 1000
_BLOCK, _BLOCKS, _FEWEST = 50, 200, 5  # tokens of a block at least; blocks at most; below so few, redrawing tells nothing
_LENGTH, _STREAMS, _APART = 64, 8, 4_000  # windows; parts of the text read side by side, each of so many tokens at least


def surprises_of(model: nn.Module, ids: NDArray[Any], tokens: Tokens, device: torch.device) -> NDArray[np.float64]:
    """−log p of each token of a text that is foretold, in its order: [N], or [N − 1] where nothing stands before the first.

    Args:
        model: a language model, in evaluation mode.
        ids: of the text.
        tokens: how the model reads text.
        device: of the model.
    """
    return stream_surprises(model, _streams(ids, tokens, device)).numpy().astype(np.float64)


def features_of(model: nn.Module, ids: NDArray[Any], tokens: Tokens, device: torch.device) -> Tensor:
    """What the last layer gets before each token of a text that is foretold, read as for `surprises_of`: float32 [N, E].

    Args:
        model: a language model, in evaluation mode.
        ids: of the text.
        tokens: how the model reads text.
        device: of the model.
    """
    return stream_features(model, _streams(ids, tokens, device))


def _streams(ids: NDArray[Any], tokens: Tokens, device: torch.device) -> TokenStreams:
    streams = min(_STREAMS, max(1, len(ids) // _APART))
    return TokenStreams(ids, streams, length=_LENGTH, whole=True, start=tokens.start, device=device)


def token_scores(surprises: NDArray[np.float64], tokens: Tokens) -> dict[str, dict[str, Any]]:
    """Bits and perplexity with their 95 % intervals, by name, the headline first: bits by character, perplexity by word.

    A block of tokens is redrawn as one, since how hard a text is changes slowly; of fewer than 5 blocks there is no interval.

    Args:
        surprises: of each token, in nats.
        tokens: how the text is read.

    Example:
        >>> tokens = Tokens.learn(["to be or not to be"])
        >>> scores = token_scores(np.full(1000, np.log(8)), tokens)
        >>> {name: (round(score["value"], 6), score["title"]) for name, score in scores.items()}
        {'bits': (3.0, 'Bits per character'), 'perplexity': (8.0, 'Perplexity')}
    """
    sums, counts = _blocks(surprises)
    scores = {}
    for metric in _metrics(tokens):
        low, high = None, None
        if len(sums) >= _FEWEST:
            low, high = metrics.bootstrap_interval(metric, sums, counts, resamples=_RESAMPLES)
        scores[metric.name] = {
            "value": float(metric.function(sums, counts)),
            "low": low,
            "high": high,
            "title": metric.title,
            "higher_is_better": False,
        }
    return scores


def counted_scores(surprises: NDArray[np.float64], ids: NDArray[Any], tokens: Tokens) -> dict[str, dict[str, Any]]:
    """The same for an n-gram model, and beside it the perplexity without the unknown word, where that comes.

    Args:
        surprises: of each token, in nats.
        ids: the tokens.
        tokens: how the text is read.

    Example:
        >>> tokens = Tokens.learn(["to be or not to be"])
        >>> list(counted_scores(np.full(2, np.log(8)), np.array([1, 3]), tokens))
        ['bits', 'perplexity', 'perplexity_known']
    """
    scores = token_scores(surprises, tokens)
    known = np.asarray(ids) != UNKNOWN
    if known.any() and not known.all():
        title = f"Perplexity without unknown {tokens.unit}"
        scores["perplexity_known"] = {**token_scores(surprises[known], tokens)["perplexity"], "title": title}
    return scores


def token_difference(ours: NDArray[np.float64], theirs: NDArray[np.float64], tokens: Tokens) -> dict[str, float | None]:
    """The headline of one model less that of another on the same text, with its interval over the same blocks.

    Args:
        ours: surprises of one.
        theirs: of the other, at the same tokens.
        tokens: how the text is read.

    Example:
        >>> tokens = Tokens.learn(["to be or not to be"])
        >>> round(token_difference(np.full(600, np.log(4)), np.full(600, np.log(8)), tokens)["value"], 6)
        -1.0
    """
    (sums, counts), (others, _) = _blocks(ours), _blocks(theirs)
    metric = _metrics(tokens)[0]
    if len(sums) >= _FEWEST:
        return metrics.paired_difference(metric, sums, others, counts, resamples=_RESAMPLES)
    value = float(metric.function(sums, counts)) - float(metric.function(others, counts))
    return {"value": value, "low": min(0.0, value), "high": max(0.0, value)}  # so little text may be so by chance


def _blocks(surprises: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """The sum of the surprises of each block and how many they are, [B, 1] each."""
    count = int(np.clip(len(surprises) // _BLOCK, 1, _BLOCKS))
    parts = np.array_split(surprises, count)
    sums, counts = (np.array([of(part) for part in parts], np.float64)[:, None] for of in (np.sum, len))
    return torch.from_numpy(sums), torch.from_numpy(counts)


def _mean(p: Tensor, t: Tensor, weights: Tensor | None) -> Tensor:
    sums, counts = p[:, 0].double(), t[:, 0].double()
    return sums.sum() / counts.sum() if weights is None else (weights.double() @ sums) / (weights.double() @ counts)


def _bits(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    return _mean(p, t, weights) / math.log(2)


def _perplexity(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    return _mean(p, t, weights).exp()


def _metrics(tokens: Tokens) -> list[Metric]:
    """Those of a text, the headline first."""
    bits = Metric("bits", _bits, False, f"Bits per {'character' if tokens.by_characters else 'word'}", unit_range=False)
    perplexity = Metric("perplexity", _perplexity, False, "Perplexity", unit_range=False)
    return [bits, perplexity] if tokens.by_characters else [perplexity, bits]
