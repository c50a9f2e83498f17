"""Which words decided: how far an answer falls when a word is left out of the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.passes import in_use


def word_importance(
    module: nn.Module,
    ids: Tensor,
    output: int | Sequence[int],
    *,
    window: int = 1,
    stride: int = 1,
    finish: Callable[[Tensor], Tensor] | None = None,
    batch: int = 64,
) -> NDArray[np.float32]:
    """How far one output falls when a word is left out, for each word of one text; below 0 the word spoke against it.

    w_t = mean over the windows that hold word t of  (s(x) − s(x without the window)) / words in it. A text of which nothing
    would be left keeps one unknown word.

    Shapes: ids [T], without padding → [T]; of K outputs → [K, T].

    Args:
        module: a network that takes int64 [B, T], 0 behind the end, and answers [B, K].
        ids: of the words of one text, from 1 on.
        output: number of the output that is explained, or of several.
        window: neighbors that are left out together.
        stride: words from one window to the next, at most a window; the last one ends with the text.
        finish: outputs [B, K] → scores [B, K]; the outputs themselves when left out.
        batch: shortened texts in one pass.

    Errors: `ArgumentError` for ids that are no single text, an output that there is none of, or a window or stride that does
        not fit the text.

    Example:
        >>> from leadline.models.tfidf_networks import TfidfLinear
        >>> model = TfidfLinear(5, 1, ngrams=1)
        >>> model.weight.data[3] = 2.0
        >>> word_importance(model, torch.tensor([1, 3, 4]), 0).argmax()
        np.int64(1)

    Source: Li, Monroe and Jurafsky (2016), Understanding neural networks through representation erasure.
    """
    if ids.ndim != 1 or not len(ids) or ids.is_floating_point() or bool((ids == 0).any()):
        raise ArgumentError("The words to explain are not one text", expected="numbers [T] from 1 on", got=list(ids.shape))
    if not 1 <= window <= len(ids) or not 1 <= stride <= window or batch < 1:
        raise ArgumentError(
            "The window does not fit the text",
            expected=f"1 ≤ stride ≤ window ≤ {len(ids)} words",
            got=f"window {window}, stride {stride}",
        )
    several = [output] if isinstance(output, int) else [int(each) for each in output]
    scored = finish or (lambda values: values)
    places = [(start, start + window) for start in sorted({*range(0, len(ids) - window + 1, stride), len(ids) - window})]
    with in_use(module), torch.no_grad():
        whole = scored(module(ids[None]))
        if not several or not all(0 <= each < whole.shape[1] for each in several):
            raise ArgumentError("There is no such output", expected=f"0 to {whole.shape[1] - 1}", got=output)
        before = whole[0, several]
        total = torch.zeros(len(several), len(ids), device=ids.device)
        count = torch.zeros(len(ids), device=ids.device)
        for first in range(0, len(places), batch):
            part = places[first : first + batch]
            shortened = [torch.cat([ids[:start], ids[end:]]) for start, end in part]
            rows = torch.stack([row if len(row) else torch.ones_like(ids[:1]) for row in shortened])
            fallen = (before - scored(module(rows))[:, several]) / window  # P, K
            for (start, end), value in zip(part, fallen.float(), strict=True):
                total[:, start:end] += value[:, None]
                count[start:end] += 1
    worth = (total / count).numpy(force=True)
    return worth[0] if isinstance(output, int) else worth
