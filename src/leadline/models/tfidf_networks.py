"""The linear model on tf-idf: one weight a word, word pair and output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.layers.arguments import check_whole
from leadline.layers.ngrams import hashed_ngrams, repeats


class TfidfLinear(nn.Module):
    """Outputs = W · x / |x| + b, where x_f = (1 + ln c_f) · idf_f and c_f is how often feature f stands in the text.

    Features are the tokens and the hashed n-grams. idf_f = ln((1 + N) / (1 + N_f)) + 1, N_f of N training texts having f, is a
    buffer of ones until `learn_frequencies` has seen them. Weights begin at 0.

    Shapes: int64 [B, T], 0 behind the end → [B, outputs]; (vocabulary + buckets) · outputs + outputs parameters.

    Args:
        vocabulary: numbers of tokens, padding included.
        outputs: logits or numbers to predict.
        ngrams: length of the longest n-gram.
        buckets: of n-grams, a power of two; none where `ngrams` is 1.

    Errors: `ArgumentError` for an argument out of range or ids of another shape.

    Example:
        >>> model = TfidfLinear(5, 2, ngrams=1)
        >>> model.learn_frequencies([torch.tensor([[1, 2], [1, 3]])])
        >>> model.values(torch.tensor([[1, 2, 0]]))[1]  # the rare word counts more
        tensor([[0.5797, 0.8148, 0.0000]])

    Source: Spärck Jones (1972), A statistical interpretation of term specificity; Salton and Buckley (1988), Term-weighting
    approaches in automatic text retrieval.
    """

    idf: Tensor

    def __init__(self, vocabulary: int, outputs: int, *, ngrams: int = 2, buckets: int = 2**17) -> None:
        super().__init__()
        check_whole("TfidfLinear", {"vocabulary": vocabulary, "outputs": outputs, "ngrams": ngrams, "buckets": buckets})
        self.vocabulary, self.outputs, self.ngrams, self.buckets = vocabulary, outputs, ngrams, buckets
        features = vocabulary + (buckets if ngrams > 1 else 0)
        self.weight = nn.Parameter(torch.zeros(features, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("idf", torch.ones(features))

    def features(self, ids: Tensor) -> Tensor:
        """The features of each text, int64 [B, L], 0 where there is none."""
        return hashed_ngrams(ids, self.ngrams, first=self.vocabulary, buckets=self.buckets)

    def learn_frequencies(self, batches: Iterable[Tensor]) -> None:
        """Set idf by the training texts, given as batches [B, T] of ids."""
        texts, having = 0, torch.zeros_like(self.idf, dtype=torch.float64)
        for ids in batches:
            features = self.features(ids.to(self.idf.device))
            having.scatter_add_(0, features.flatten(), 1 / repeats(features).flatten().double())
            texts += len(ids)
        self.idf.copy_(((1 + texts) / (1 + having)).log() + 1)

    def values(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, L] and what each place adds to x / |x|: a feature that stands there c times has a c-th at each place."""
        features = self.features(ids)
        count = repeats(features).to(self.idf.dtype)
        whole = (1 + count.log()) * self.idf[features] * (features != 0)
        norm = (whole.square() / count).sum(1, keepdim=True).sqrt()
        return features, whole / count / norm.clamp(min=1e-12)

    def forward(self, ids: Tensor) -> Tensor:
        features, values = self.values(ids)
        starts = torch.arange(0, features.numel(), features.shape[1], device=ids.device)
        summed = F.embedding_bag(
            features.flatten(), self.weight, starts, mode="sum", per_sample_weights=values.flatten().to(self.weight.dtype)
        )
        return summed + self.bias

    def extra_repr(self) -> str:
        return f"{self.vocabulary}, {self.outputs}, ngrams={self.ngrams}, buckets={self.buckets}"


def tfidf_linear(shape: Sequence[int], outputs: int, *, vocabulary: int, ngrams: int = 2, buckets: int = 2**17) -> nn.Module:
    """A linear model on tf-idf of words and hashed word n-grams, `TfidfLinear`: the strongest simple model of texts.

    Shapes: int64 [B, T] → [B, outputs], for texts of any length.

    Args:
        shape: (T,) of the longest text; it takes others too.
        outputs: logits or numbers to predict.
        vocabulary: numbers of tokens, padding included; the data decide it.
        ngrams: length of the longest n-gram.
        buckets: of n-grams, a power of two.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> tfidf_linear((200,), 3, vocabulary=1000, ngrams=1)(torch.tensor([[4, 5, 0]])).tolist()
        [[0.0, 0.0, 0.0]]
    """
    return TfidfLinear(vocabulary, outputs, ngrams=ngrams, buckets=buckets)


def learn_frequencies(model: nn.Module, batches: Iterable[Any]) -> None:
    """Let every tf-idf layer of a network see the training texts; other networks are left as they are.

    Args:
        model: changed in place.
        batches: (ids, targets), as `Batches` gives them.

    Example:
        >>> model = tfidf_linear((2,), 2, vocabulary=5, ngrams=1)
        >>> learn_frequencies(model, [(torch.tensor([[1, 2], [1, 3]]), None)])
        >>> model.idf[1:3]
        tensor([1.0000, 1.4055])
    """
    for module in model.modules():
        if isinstance(module, TfidfLinear):
            module.learn_frequencies(batch[0] for batch in batches)
