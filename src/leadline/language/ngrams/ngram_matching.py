"""Which n-grams of a table end at the tokens of a text, length by length.

N tokens, V words, G n-grams of one length, K tokens that come after a past that is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.language.ngrams.ngram_merging import code_places


class Matched(NamedTuple):
    """What is found of one length.

    `asked` [N] says which tokens have so many before them. Of these `at` [K] are those whose past is in the table, and `pasts`
    [K] its place there; of those again `found` says [K] which n-grams are in the table, and `places` [K] where.
    """

    length: int
    asked: NDArray[np.bool_]
    at: NDArray[np.int64]
    pasts: NDArray[np.int64]
    found: NDArray[np.bool_]
    places: NDArray[np.int64]


def matched_lengths(
    codes: Sequence[NDArray[np.int64]],
    vocabulary: int,
    read: NDArray[np.int64],
    depths: NDArray[np.int64],
    boundary: int | None,
) -> Iterator[Matched]:
    """The n-grams of two words, of three, and so on, that end at the tokens of a text.

    Which n-gram ends at a token follows from which one, a word shorter, ends at the token before.

    Args:
        codes: of each length from 1 on (see `CountedLevel`), [G] each.
        vocabulary: V.
        read: tokens [N].
        depths: how many tokens each may know of, [N].
        boundary: what stands before the first of all, if anything.

    Example:
        >>> pairs = np.array([2 * 9 + 4])  # 2 4
        >>> found = next(matched_lengths([np.arange(9), pairs], 9, np.array([2, 4, 4]), np.array([0, 1, 1]), None))
        >>> found.at.tolist(), found.pasts.tolist(), found.found.tolist()
        ([1, 2], [2, 4], [True, False])
    """
    grams = read
    for length, longer in enumerate(codes[1:], 2):
        begin = boundary if length == 2 and boundary is not None else -1
        pasts = np.concatenate([[begin], grams[:-1]])[: len(read)]
        asked = depths >= length - 1
        at = np.flatnonzero(asked & (pasts >= 0))
        known = pasts[at]
        places, found = code_places(longer, known * vocabulary + read[at])
        grams = np.full(len(read), -1)
        grams[at[found]] = places[found]
        yield Matched(length, asked, at, known, found, places)
