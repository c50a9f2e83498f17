"""Fitting an n-gram model: count, smooth, and look at text that was not counted."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from leadline.errors import ArgumentError, unknown
from leadline.language.ngrams.ngram_counting import NGramCounts, count_ngrams
from leadline.language.ngrams.ngram_models import NGramModel
from leadline.language.ngrams.ngram_smoothing import SMOOTHINGS, Smoothed, added_losses, smooth
from leadline.language.ngrams.ngram_storage import MEMORY

_ADDED = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4)
_LONGEST = 100
_ALL_KEPT = 2  # lengths of which every n-gram is kept, whatever the minimum: nearly all that comes is among them


@dataclass(frozen=True)
class NGramSettings:
    """What a person may choose of an n-gram model, as `model.…` in a Plan.

    Args:
        order: the length of the longest n-grams: a word is foretold from the order − 1 before it.
        smoothing: "modified_kneser_ney", "kneser_ney", "katz" or "add_k".
        k: of add-k; 0 for what foretells the validation text best.
        min_count: n-grams of 3 and more that came less often are left out.
        sentences: whether each line is a sentence that knows nothing of the one before; else the text is one.

    Errors: `ArgumentError` for a value out of range.

    Example:
        >>> NGramSettings(order=3).minimum_counts
        (1, 1, 1)
        >>> NGramSettings(order=4, min_count=2).minimum_counts
        (1, 1, 2, 2)
    """

    order: int = 5
    smoothing: str = "modified_kneser_ney"
    k: float = 0.0
    min_count: int = 1
    sentences: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.order <= _LONGEST:
            raise ArgumentError(
                "The order of an n-gram model is out of range",
                expected=f"1 to {_LONGEST}: how many words, the foretold one counted, are looked at",
                got=self.order,
            )
        if self.smoothing not in SMOOTHINGS:
            unknown("smoothing", self.smoothing, SMOOTHINGS)
        if not 0 <= self.k < math.inf:
            raise ArgumentError("The k of add-k is out of range", expected="above 0, or 0 to have it chosen", got=self.k)
        if self.min_count < 1:
            raise ArgumentError("The minimum count is out of range", expected="at least 1", got=self.min_count)
        if self.k and self.smoothing != "add_k":
            raise ArgumentError("Only add-k has a k", got=f"k = {self.k:g} for {self.smoothing}", do="Leave k out.")
        if self.min_count > 1 and self.smoothing == "add_k":
            raise ArgumentError("Add-k leaves no n-gram out", got=f"min_count = {self.min_count}", do="Leave min_count out.")

    @property
    def minimum_counts(self) -> tuple[int, ...]:
        """The minimum count of each length."""
        return tuple(1 if length <= _ALL_KEPT else self.min_count for length in range(1, self.order + 1))


class NGramFit(NamedTuple):
    """A model and the records of how it was made: one for each length, with the seconds since the beginning.

    Example:
        >>> import numpy as np
        >>> fit_ngrams(np.array([2, 3, 2, 3]), 4, order=2).records[1]["ngrams"]
        2
    """

    model: NGramModel
    records: list[dict[str, Any]]


def fit_ngrams(
    ids: NDArray[Any],
    vocabulary: int,
    *,
    order: int = 5,
    boundary: int | None = None,
    settings: NGramSettings | None = None,
    valid: NDArray[Any] | None = None,
    memory: int = MEMORY,
    folder: Path | str | None = None,
) -> NGramFit:
    """Count the n-grams of a text and smooth the counts.

    Shapes: [N].

    Args:
        ids: the tokens, 1 … V − 1; may be memory-mapped, and larger than memory.
        vocabulary: V, padding counted.
        order: short for settings of this order.
        boundary: the token that ends a sentence; see `count_ngrams`.
        settings: all choices, the order among them.
        valid: other text, by which k is chosen, and whose surprise the last record has.
        memory: bytes that counting takes at most.
        folder: for the files of a text that is larger.

    Errors: as `count_ngrams` and `smooth`.

    Example:
        >>> import numpy as np
        >>> text = np.array([3, 4, 2, 3, 5, 2] * 20)
        >>> fit = fit_ngrams(text, 6, order=3, boundary=2, valid=text[:6])
        >>> fit.model.sizes, [record["length"] for record in fit.records], fit.records[-1]["valid_loss"] < 0.4
        ([5, 5, 4], [1, 2, 3], True)
    """
    chosen, began = settings or NGramSettings(order), time.perf_counter()
    counts = count_ngrams(ids, vocabulary, order=chosen.order, boundary=boundary, memory=memory, folder=folder)
    counted = time.perf_counter() - began
    smoothed, k = _smoothed(counts, chosen, valid)
    seconds = time.perf_counter() - began
    records = [
        {"step": record["length"], "seconds": counted + (seconds - counted) * at / chosen.order, **record}
        for at, record in enumerate(smoothed.records, 1)
    ]
    if chosen.smoothing == "add_k":
        records[-1]["k"] = k
    if valid is not None and len(valid):
        records[-1]["valid_loss"] = float(smoothed.model.surprises(valid).mean())
    return NGramFit(smoothed.model, records)


def _smoothed(counts: NGramCounts, chosen: NGramSettings, valid: NDArray[Any] | None) -> tuple[Smoothed, float]:
    """The model, with the k that foretells other text best where none was chosen."""
    k = chosen.k or _ADDED[2]
    if chosen.smoothing == "add_k" and not chosen.k and valid is not None and len(valid):
        k = min(zip(added_losses(counts, valid, _ADDED), _ADDED, strict=True))[1]
    return smooth(counts, chosen.smoothing, k=k, minimum_counts=chosen.minimum_counts), k
