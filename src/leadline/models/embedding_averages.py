"""Averaged embeddings: the mean of the vectors of a text's words and word n-grams through a linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.layers.arguments import check_dropped, check_whole
from leadline.layers.ngrams import hashed_ngrams

_STD = 0.1  # of first vectors: means of many of them must differ enough for the head to begin with


class AveragedEmbeddings(nn.Module):
    """Outputs = W · mean_f v_f + b over the tokens and hashed n-grams f of a text.

    Shapes: int64 [B, T], 0 behind the end → [B, outputs]; a text without tokens gives b.

    Args:
        vocabulary: numbers of tokens, padding included.
        outputs: logits or numbers to predict.
        width: of the vectors.
        ngrams: length of the longest n-gram.
        buckets: of n-grams, a power of two; none where `ngrams` is 1.
        dropout: of features of a text, each with its vector, in [0, 1).

    Errors: `ArgumentError` for an argument out of range or ids of another shape.

    Example:
        >>> network = AveragedEmbeddings(100, 3, width=8, ngrams=1)
        >>> network(torch.tensor([[4, 5, 0], [9, 0, 0]])).shape
        torch.Size([2, 3])

    Source: Joulin et al. (2017), Bag of tricks for efficient text classification.
    """

    def __init__(
        self,
        vocabulary: int,
        outputs: int,
        *,
        width: int = 64,
        ngrams: int = 2,
        buckets: int = 2**16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        numbers = {"vocabulary": vocabulary, "outputs": outputs, "width": width, "ngrams": ngrams, "buckets": buckets}
        check_whole("AveragedEmbeddings", numbers)
        check_dropped("AveragedEmbeddings", dropout, name="dropout")
        self.vocabulary, self.ngrams, self.buckets, self.dropout = vocabulary, ngrams, buckets, dropout
        self.vectors = nn.Embedding(vocabulary + (buckets if ngrams > 1 else 0), width, padding_idx=0)
        self.head = nn.Linear(width, outputs)
        with torch.no_grad():
            self.vectors.weight.mul_(_STD)

    def forward(self, ids: Tensor) -> Tensor:
        features = hashed_ngrams(ids, self.ngrams, first=self.vocabulary, buckets=self.buckets)
        counted = (features != 0).to(self.vectors.weight.dtype)
        if self.training and self.dropout:
            counted = counted * torch.empty_like(counted).bernoulli_(1 - self.dropout)
        shares = counted / counted.sum(1, keepdim=True).clamp(min=1)
        starts = torch.arange(0, features.numel(), features.shape[1], device=ids.device)
        mean = F.embedding_bag(features.flatten(), self.vectors.weight, starts, mode="sum", per_sample_weights=shares.flatten())
        return self.head(mean)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"ngrams={self.ngrams}, buckets={self.buckets}, dropout={self.dropout:g}"


def averaged_embeddings(
    shape: Sequence[int],
    outputs: int,
    *,
    vocabulary: int,
    width: int = 64,
    ngrams: int = 2,
    buckets: int = 2**16,
    dropout: float = 0.3,
) -> nn.Module:
    """The mean of the vectors of words and hashed word n-grams through a linear layer, `AveragedEmbeddings`.

    Shapes: int64 [B, T] → [B, outputs], for texts of any length.

    Args:
        shape: (T,) of the longest text; it takes others too.
        outputs: logits or numbers to predict.
        vocabulary: numbers of tokens, padding included; the data decide it.
        width: of the vectors.
        ngrams: length of the longest n-gram.
        buckets: of n-grams, a power of two.
        dropout: of words and n-grams, in [0, 1).

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> sum(p.numel() for p in averaged_embeddings((50,), 3, vocabulary=1000, ngrams=1).parameters())
        64195
    """
    return AveragedEmbeddings(vocabulary, outputs, width=width, ngrams=ngrams, buckets=buckets, dropout=dropout)
