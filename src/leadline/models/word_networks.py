"""The network of word2vec: two tables of vectors, of words and of what foretells the words around them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.layers.arguments import check_whole

WORD_METHODS = ("skip_gram", "cbow")
WORD_TARGETS = ("negative_sampling", "hierarchical_softmax")
_MOST = 10_000  # of width, window and negatives; samples in a row must not reach around the whole table that they come from


class WordNetwork(nn.Module):
    """Vectors of V words, and V vectors of targets beside them; it answers a word with its vector.

    It is trained by `language.Word2vec`, not by steps of an optimizer.

    Shapes: int64 [B] or [B, 1] → [B, D].

    Args:
        vocabulary: V.
        width: D.

    Errors: `ArgumentError` for a size below 1.

    Example:
        >>> WordNetwork(50, 8)(torch.tensor([[4], [9]])).shape
        torch.Size([2, 8])

    Source: Mikolov et al. (2013), Efficient estimation of word representations in vector space.
    """

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        check_whole("WordNetwork", {"vocabulary": vocabulary, "width": width})
        self.vectors, self.targets = nn.Embedding(vocabulary, width), nn.Embedding(vocabulary, width)
        with torch.no_grad():
            self.vectors.weight.uniform_(-1 / width, 1 / width)
            self.targets.weight.zero_()

    def forward(self, ids: Tensor) -> Tensor:
        return self.vectors(ids.flatten())  # type: ignore[no-any-return]


def word2vec(
    *,
    vocabulary: int,
    method: str = "skip_gram",
    targets: str = "negative_sampling",
    width: int = 100,
    window: int = 5,
    negatives: int = 5,
    subsample: float = 1e-3,
) -> nn.Module:
    """Word vectors that foretell the words around each word, `WordNetwork`.

    Shapes: int64 [B, 1] → [B, width]; 2 · vocabulary · width parameters.

    Args:
        vocabulary: numbers of words; the data decide it.
        method: "skip_gram" or "cbow".
        targets: "negative_sampling" or "hierarchical_softmax".
        width: numbers of a vector.
        window: words on each side, at most.
        negatives: words that each word is told apart from.
        subsample: words with a larger share of the text are passed over now and then; 0 reads all.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> sum(p.numel() for p in word2vec(vocabulary=1000, width=10).parameters())
        20000
    """
    check_word_settings(method=method, targets=targets, width=width, window=window, negatives=negatives, subsample=subsample)
    return WordNetwork(vocabulary, width)


def check_word_settings(*, method: str, targets: str, width: int, window: int, negatives: int, subsample: float) -> None:
    """Refuse settings of word2vec that it cannot learn by; for the arguments see `word2vec`.

    Errors: `ArgumentError` that names the first that is out of range.

    Example:
        >>> check_word_settings(method="cbow", targets="negative_sampling", width=9, window=5, negatives=5, subsample=0)
    """
    if method not in WORD_METHODS:
        unknown("method of word2vec", str(method), WORD_METHODS)
    if targets not in WORD_TARGETS:
        unknown("kind of targets of word2vec", str(targets), WORD_TARGETS)
    for name, value in {"width": width, "window": window, "negatives": negatives}.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
            expected = f"a whole number from 1 to {_MOST:,}"
            raise ArgumentError(f"{name} of word2vec is out of range", expected=expected, got=repr(value))
    if not 0 <= subsample < 1:
        raise ArgumentError("subsample of word2vec is out of range", expected="a share in [0, 1)", got=subsample)
