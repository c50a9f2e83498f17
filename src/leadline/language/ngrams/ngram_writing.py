"""Writing with an n-gram model, and an n-gram model where a network is looked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from leadline.data.tokens.tokens import Tokens
from leadline.errors import ArgumentError
from leadline.language.generating import NEVER_WRITTEN, check_drawing, next_probabilities, text_pieces
from leadline.language.ngrams.ngram_models import NGramModel


class NGramNetwork(nn.Module):
    """An n-gram model as networks are seen: token numbers in, log p of the token after each out; without a weight.

    Shapes: int64 [B, T] → float32 [B, T, V].

    Args:
        counted: the model.

    Errors: `ArgumentError` for what are no token numbers.

    Example:
        >>> import numpy as np
        >>> from leadline.language.ngrams.ngram_training import fit_ngrams
        >>> network = NGramNetwork(fit_ngrams(np.array([2, 3, 2, 3]), 4, order=2).model)
        >>> network(torch.tensor([[2, 3]])).exp().sum(-1).round(decimals=4).tolist()
        [[1.0, 1.0]]
    """

    def __init__(self, counted: NGramModel) -> None:
        super().__init__()
        self.counted = counted

    def forward(self, ids: Tensor) -> Tensor:
        if ids.is_floating_point() or ids.ndim != 2:
            raise ArgumentError(
                "An n-gram model reads token numbers, and has no layers",
                expected="whole numbers [B, T]",
                got=(str(ids.dtype), tuple(ids.shape)),
            )
        rows = [[self.counted.log_probabilities(row[: at + 1]) for at in range(len(row))] for row in ids.numpy(force=True)]
        return torch.from_numpy(np.array(rows)).float().to(ids.device)

    def after(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """log p of the token that comes after all of each row: [B, T] and [B] → [B, V].

        Args:
            ids: rows that are filled up with padding.
            lengths: of each without it.
        """
        rows = zip(ids.numpy(force=True), lengths.tolist(), strict=True)
        return torch.from_numpy(np.array([self.counted.log_probabilities(row[:length]) for row, length in rows])).float()


def write_ngrams(
    model: NGramModel,
    tokens: Tokens,
    prompt: str = "",
    *,
    length: int = 400,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
) -> Iterator[str]:
    """Text that goes on from a beginning, piece by piece, each token drawn from what the n-grams foretell.

    Args:
        model: over the vocabulary of `tokens`.
        tokens: what the text that was counted was turned into.
        prompt: the beginning, which is not given again; "" begins a line.
        length: how many tokens to write.
        temperature: as for `generate`.
        top_p: as for `generate`.
        top_k: as for `generate`.
        seed: as for `generate`.

    Errors: `ArgumentError` for an argument out of range, a vocabulary that is not the model's, or nothing to go on from.

    Example:
        >>> from leadline.language.ngrams.ngram_training import fit_ngrams
        >>> tokens = Tokens.learn(["to be or not to be\\n"], by="words")
        >>> ids = tokens.encode("to be or not to be\\n" * 20)
        >>> model = fit_ngrams(ids, len(tokens.vocabulary), order=3, boundary=tokens.start).model
        >>> "".join(write_ngrams(model, tokens, "or not", length=3, temperature=0))
        ' to be\\n'
    """
    if model.vocabulary != len(tokens.vocabulary):
        raise ArgumentError(
            "The vocabulary does not match the model",
            expected=f"{model.vocabulary:,} tokens",
            got=f"{len(tokens.vocabulary):,}",
            do="Take the schema that was saved with the model.",
        )
    ids = tokens.encode(prompt).tolist()
    if not ids and model.boundary is None:
        if tokens.start is None:
            raise ArgumentError("There is nothing to go on from", expected="a beginning", do=f"Give some {tokens.by}.")
        ids = [tokens.start]
    seen = ids or [model.boundary]
    check_drawing(torch.tensor(seen), length, temperature, top_p, top_k, model.vocabulary, NEVER_WRITTEN)
    drawn = _drawn(model, ids, length, temperature, top_p, top_k, seed)
    return text_pieces(tokens, ids if prompt else [], drawn)


def _drawn(
    model: NGramModel, ids: list[int], length: int, temperature: float, top_p: float, top_k: int, seed: int
) -> Iterator[int]:
    draw, written = torch.Generator().manual_seed(seed), list(ids)
    never = [each for each in NEVER_WRITTEN if each < model.vocabulary]
    for _ in range(length):
        log_p = torch.from_numpy(model.log_probabilities(np.array(written[-model.order :], np.int64)))
        p = next_probabilities(log_p, temperature=temperature, top_p=top_p, top_k=top_k, never=never)
        written.append(int(torch.multinomial(p, 1, generator=draw)))
        yield written[-1]
