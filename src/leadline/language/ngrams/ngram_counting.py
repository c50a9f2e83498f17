"""Counting n-grams by sorting: an m-gram is a number, made of that of its first m − 1 words and of its last word.

N tokens, V words, G different m-grams, n the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError, DataError
from leadline.language.ngrams.ngram_merging import DistinctCodes, distinct_codes, merge_counted
from leadline.language.ngrams.ngram_storage import MEMORY, Room

_MOST_NUMBERS = 2**31 - 1  # of m-grams and of words: a code, the product of the two, has to fit 63 bits


class CountedLevel(NamedTuple):
    """All m-grams of one length, in the order of their codes.

    `codes` are prefix · V + word, where prefix is the place of the first m − 1 words in the level before; of single words,
    which are all there whether they came or not, the word. `counts` are how often each came; `suffixes` are the places of the
    last m − 1 words in the level before.

    Example:
        >>> counts = count_ngrams(np.array([2, 3, 2, 3]), 4, order=2)
        >>> counts.levels[1].codes.tolist(), counts.levels[1].counts.tolist(), counts.levels[1].suffixes.tolist()
        ([11, 14], [2, 1], [3, 2])
    """

    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    suffixes: NDArray[np.int32]


class NGramCounts:
    """How often each n-gram of a text came, for every length from 1 to the order; made by `count_ngrams`.

    Example:
        >>> counts = count_ngrams(np.array([2, 3, 2, 3]), 4, order=3)
        >>> counts.sizes, counts.words(2).tolist()
        ([2, 2, 2], [[2, 3], [3, 2]])
    """

    def __init__(self, levels: list[CountedLevel], vocabulary: int, boundary: int | None, room: Room) -> None:
        self.levels, self.vocabulary, self.boundary, self.room = levels, vocabulary, boundary, room

    @property
    def order(self) -> int:
        """The length of the longest."""
        return len(self.levels)

    @property
    def sizes(self) -> list[int]:
        """How many different ones there are of each length."""
        return [int(np.count_nonzero(self.levels[0].counts)), *(len(level.codes) for level in self.levels[1:])]

    def words(self, length: int) -> NDArray[np.int64]:
        """The words of every n-gram of a length, [G, length].

        Args:
            length: from 1 to the order.
        """
        columns: list[NDArray[np.int64]] = []
        places = np.arange(len(self.levels[length - 1].codes))
        for level in reversed(self.levels[:length]):
            places, word = np.divmod(level.codes[places], self.vocabulary)
            columns.append(word)
        return np.stack(columns[::-1], axis=1)

    def after_boundary(self, length: int) -> NDArray[np.bool_]:
        """Which n-grams of a length begin with the boundary, [G].

        Args:
            length: from 1 to the order.
        """
        begin: NDArray[np.bool_] = np.zeros(self.vocabulary, bool)
        if self.boundary is not None:
            begin[self.boundary] = True
        for level in self.levels[1:length]:
            shorter, begin = begin, self.room.empty(len(level.codes), bool)
            for part in self.room.slices(len(begin)):
                begin[part] = shorter[level.codes[part] // self.vocabulary]
        return begin

    def continuations(self, length: int) -> NDArray[np.int64]:
        """How many different words came before each n-gram, [G]: what Kneser and Ney count in place of how often it came.

        Nothing comes before an n-gram that begins with the boundary, and of the longest it is not known what does: for these
        it is how often they came. Before the first word of a text without boundaries something unknown is taken to stand.

        Args:
            length: from 1 to the order.
        """
        counts = self.levels[length - 1].counts
        if length == self.order:
            return counts
        longer, room = self.levels[length].suffixes, self.room
        found = room.zeros(len(counts), np.int64)
        if room.in_memory:
            found += np.bincount(longer, minlength=len(found))
        else:  # an array that is as long as the level would not fit
            for part in room.slices(len(longer)):
                places, times = np.unique(longer[part], return_counts=True)
                found[places] += times
        begin = self.after_boundary(length) if length > 1 else np.zeros(len(counts), bool)
        for part in room.slices(len(found)):
            at_least_one = np.maximum(found[part], counts[part] > 0)
            found[part] = np.where(begin[part], counts[part], at_least_one)
        return found


def count_ngrams(
    ids: NDArray[Any],
    vocabulary: int,
    *,
    order: int,
    boundary: int | None = None,
    memory: int = MEMORY,
    folder: Path | str | None = None,
) -> NGramCounts:
    """Count all n-grams of a text, of every length up to the order.

    The m-gram that ends at a token has the code prefix · V + word; one sort of all codes numbers the different ones, in whose
    order those that continue the same words stand together. A text that is larger than `memory` is sorted in parts, which are
    merged, and its counts lie in files.

    Shapes: [N].

    Args:
        ids: the tokens, 1 … V − 1; may be memory-mapped.
        vocabulary: V.
        order: n, at least 1.
        boundary: the token that ends a sentence. The text begins after one, each sentence knows nothing of the one before,
            and the token stands in the first place of an n-gram for the beginning of a sentence, in the last one for its end.
            None counts the text as a whole.
        memory: bytes that are used at most, beside the text.
        folder: for the files, if there have to be any.

    Errors: `ArgumentError` for an order below 1 or numbers of another vocabulary; `DataError` for a text without tokens, or
    without an n-gram of the order.

    Example:
        >>> a, b, end = 3, 4, 2
        >>> counts = count_ngrams(np.array([a, b, end, a, end]), 5, order=2, boundary=end)
        >>> [(words, int(count)) for words, count in zip(counts.words(2).tolist(), counts.levels[1].counts)]
        [([2, 3], 2), ([3, 2], 1), ([3, 4], 1), ([4, 2], 1)]

    Source: the code of Leadline's own; sorting to count: Nagao and Mori (1994), A new method of n-gram statistics.
    """
    room = _checked(ids, vocabulary, order, boundary, memory, folder)
    stream = room.empty(len(ids) + 1, np.int32)
    stream[0] = 0 if boundary is None else boundary
    first = np.zeros(vocabulary, np.int64)
    longest, last = 0, 0
    for part in room.slices(len(ids)):
        stream[part.start + 1 : part.stop + 1] = ids[part]
        first += np.bincount(stream[part.start + 1 : part.stop + 1], minlength=vocabulary)
        depth, last = _depths(stream, part, boundary, last)
        longest = max(longest, int(depth.max()))
    if order > longest + 1:
        kind = "text" if boundary is None else "longest sentence of the text"
        raise DataError(
            f"The {kind} is shorter than the order of the model",
            expected=f"an order of at most {longest + 1}" + ("" if boundary is None else ", the beginning counted"),
            got=order,
            do="Take a smaller order, or give more text.",
        )
    level = CountedLevel(np.arange(vocabulary), first, np.zeros(vocabulary, np.int32))
    levels, grams = [level], stream
    for length in range(2, order + 1):
        level, grams = _counted(stream, grams, length, vocabulary, boundary, room, more=length < order)
        levels.append(level)
    return NGramCounts(levels, vocabulary, boundary, room)


def _counted(
    stream: NDArray[Any],
    grams: NDArray[Any],
    length: int,
    vocabulary: int,
    boundary: int | None,
    room: Room,
    *,
    more: bool,
) -> tuple[CountedLevel, NDArray[Any]]:
    """The n-grams of one length, and which of them ends at each token.

    Args:
        grams: which of those one shorter ends at each token, [N + 1].
        more: whether longer ones are to be counted.
    """
    parts, found = [], []
    for at, codes in _codes(stream, grams, length, vocabulary, boundary, room):
        distinct = distinct_codes(codes)
        if room.in_memory:
            found = [(at, distinct, np.arange(len(distinct.codes)))]
        parts.append((_kept(distinct.codes, room), _kept(distinct.counts, room)))
    codes, counts = parts[0] if room.in_memory else merge_counted(parts, room)
    if len(codes) > _MOST_NUMBERS:
        raise DataError(
            f"There are too many different {length}-grams", expected=f"{_MOST_NUMBERS:,} at most", got=f"{len(codes):,}"
        )
    suffixes = room.empty(len(codes), np.int32)
    longer = room.empty(len(stream) if more else 0, np.int32)
    for at, distinct, numbers in found or _numbered(stream, grams, length, vocabulary, boundary, room, codes):
        suffixes[numbers] = grams[at[distinct.first]]
        if more:
            longer[at] = numbers[distinct.numbers]
    return CountedLevel(codes, counts, suffixes), longer


def _numbered(
    stream: NDArray[Any],
    grams: NDArray[Any],
    length: int,
    vocabulary: int,
    boundary: int | None,
    room: Room,
    known: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], DistinctCodes, NDArray[np.int64]]]:
    """The slices of a text again, now that the number of each n-gram is known."""
    for at, codes in _codes(stream, grams, length, vocabulary, boundary, room):
        distinct = distinct_codes(codes)
        yield at, distinct, np.searchsorted(known, distinct.codes)


def _codes(
    stream: NDArray[Any], grams: NDArray[Any], length: int, vocabulary: int, boundary: int | None, room: Room
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Slice by slice of the text: where n-grams of the length end, and the code of each."""
    last = 0
    for part in room.slices(len(stream) - 1):
        depth, last = _depths(stream, part, boundary, last)
        at = np.flatnonzero(depth >= length - 1) + part.start + 1
        yield at, grams[at - 1].astype(np.int64) * vocabulary + stream[at]


def _depths(stream: NDArray[Any], part: slice, boundary: int | None, last: int) -> tuple[NDArray[np.int64], int]:
    """How many tokens each token of a slice knows of before it, the boundary counted, and where the last boundary is.

    Args:
        stream: the text behind what it begins after, so that token i of the text is in place i + 1.
        part: of the text.
        last: where the last boundary before the slice is.
    """
    places = np.arange(part.start + 1, part.stop + 1)
    if boundary is None:
        return places - 1, 0
    ends = np.where(np.asarray(stream[part]) == boundary, places - 1, last)
    before = np.maximum.accumulate(ends)
    return places - before, int(before[-1])


def _kept(array: NDArray[np.int64], room: Room) -> NDArray[Any]:
    if room.in_memory:
        return array
    kept = room.empty(len(array), np.int64)
    kept[:] = array
    return kept


def _checked(
    ids: NDArray[Any], vocabulary: int, order: int, boundary: int | None, memory: int, folder: Path | str | None
) -> Room:
    if order < 1:
        raise ArgumentError("The order of an n-gram model is out of range", expected="at least 1", got=order)
    if not 2 <= vocabulary <= _MOST_NUMBERS:
        raise ArgumentError(
            "The vocabulary of an n-gram model is out of range",
            expected="2 or more, the number 0 of padding among them",
            got=vocabulary,
        )
    if boundary is not None and not 0 < boundary < vocabulary:
        raise ArgumentError(
            "The boundary is no token of the vocabulary", expected=f"a number from 1 to {vocabulary - 1}", got=boundary
        )
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ArgumentError("The text is no list of token numbers", expected="whole numbers [N]", got=(ids.dtype, ids.shape))
    if not len(ids):
        raise DataError("The text is empty", expected="at least one token")
    room = Room(len(ids), memory=memory, folder=folder)
    for part in room.slices(len(ids)):
        least, most = int(ids[part].min()), int(ids[part].max())
        if not (least >= 1 and most < vocabulary):
            raise ArgumentError(
                "These are numbers of another vocabulary", expected=f"1 to {vocabulary - 1}", got=f"{least} to {most}"
            )
    return room
