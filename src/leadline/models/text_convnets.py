"""A convolutional network for texts: filters over a few words each, and of each filter the largest answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.layers.arguments import check_dropped, check_whole
from leadline.layers.lengths import masked_max, token_lengths, without_padding


class TextConvnet(nn.Module):
    """Vectors of words, convolutions of several widths side by side, the maximum over the text, dropout, a linear layer.

    For a filter of k words c_t = relu(w · v_{t−⌊k/2⌋ … t+⌊(k−1)/2⌋} + b), zeros standing before and behind the text; its answer
    is max_t c_t.

    Shapes: int64 [B, T], 0 behind the end → [B, outputs].

    Args:
        vocabulary: numbers of tokens, padding included.
        outputs: logits or numbers to predict.
        embedding: width of the vectors of words.
        filters: of each width.
        widths: words that a filter sees.
        dropout: of the words' vectors (half of it) and before the head, in [0, 1).

    Errors: `ArgumentError` for an argument out of range or ids of another shape.

    Example:
        >>> network = TextConvnet(100, 3, embedding=8, filters=4)
        >>> network(torch.tensor([[4, 5, 0], [9, 0, 0]])).shape
        torch.Size([2, 3])

    Source: Kim (2014), Convolutional neural networks for sentence classification.
    """

    def __init__(
        self,
        vocabulary: int,
        outputs: int,
        *,
        embedding: int = 128,
        filters: int = 100,
        widths: Sequence[int] = (3, 4, 5),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        numbers = {"vocabulary": vocabulary, "outputs": outputs, "embedding": embedding, "filters": filters}
        check_whole("TextConvnet", numbers | {f"widths[{at}]": width for at, width in enumerate(widths)})
        check_dropped("TextConvnet", dropout, name="dropout")
        self.vectors = nn.Embedding(vocabulary, embedding, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, filters, width) for width in widths)
        self.drop_vectors, self.drop = nn.Dropout(dropout / 2), nn.Dropout(dropout)
        self.head = nn.Linear(filters * len(widths), outputs)

    def forward(self, ids: Tensor) -> Tensor:
        lengths = token_lengths(ids)
        # Behind the end stand zeros, as behind the end of the batch, so padding changes nothing.
        vectors = without_padding(self.drop_vectors(self.vectors(ids)), lengths).transpose(1, 2)
        answers = []
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d)
            width = convolution.kernel_size[0]
            seen = F.relu(convolution(F.pad(vectors, (width // 2, (width - 1) // 2))))
            answers.append(masked_max(seen.transpose(1, 2), lengths))
        return self.head(self.drop(torch.cat(answers, 1)))  # type: ignore[no-any-return]


def text_convnet(
    shape: Sequence[int],
    outputs: int,
    *,
    vocabulary: int,
    embedding: int = 128,
    filters: int = 100,
    widths: Sequence[int] = (3, 4, 5),
    dropout: float = 0.5,
) -> nn.Module:
    """The convolutional network of Kim (2014) for texts, `TextConvnet`.

    Shapes: int64 [B, T] → [B, outputs], for texts of any length.

    Args:
        shape: (T,) of the longest text; it takes others too.
        outputs: logits or numbers to predict.
        vocabulary: numbers of tokens, padding included; the data decide it.
        embedding: width of the vectors of words.
        filters: of each width.
        widths: words that a filter sees.
        dropout: before the head, in [0, 1).

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> sum(p.numel() for p in text_convnet((50,), 2, vocabulary=100, embedding=10, filters=4).parameters())
        1518
    """
    return TextConvnet(vocabulary, outputs, embedding=embedding, filters=filters, widths=widths, dropout=dropout)
