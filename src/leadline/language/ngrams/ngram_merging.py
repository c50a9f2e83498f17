"""Merging sorted parts: what was counted in pieces of a text becomes the counts of all of it, without all of it in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.language.ngrams.ngram_storage import Room

_FEW = 256  # keys that are looked up as they come: to sort them would take longer than it saves


class DistinctCodes(NamedTuple):
    """The different ones of some codes, in their order, and where they stood.

    Example:
        >>> found = distinct_codes(np.array([7, 3, 7]))
        >>> found.codes.tolist(), found.counts.tolist(), found.first.tolist(), found.numbers.tolist()
        ([3, 7], [1, 2], [1, 0], [1, 0, 1])
    """

    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    first: NDArray[np.int64]
    numbers: NDArray[np.int64]


def distinct_codes(codes: NDArray[np.int64]) -> DistinctCodes:
    """Sort codes, and count them by the lengths of their runs.

    Shapes: [N] → codes, counts and first [G], numbers [N].

    Args:
        codes: whole numbers from 0.

    Example:
        >>> distinct_codes(np.array([5, 5, 2])).counts.tolist()
        [1, 2]
    """
    ordered, places = sorted_codes(codes)
    new = np.empty(len(codes), bool)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    numbers = np.empty(len(codes), np.int64)
    numbers[places] = np.cumsum(new) - 1
    return DistinctCodes(ordered[starts], np.diff(starts, append=len(codes)), places[starts], numbers)


def sorted_codes(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes in rising order, equal ones as they stood, and the place that each had.

    Args:
        codes: whole numbers from 0.

    Example:
        >>> ordered, places = sorted_codes(np.array([4, 1, 4]))
        >>> ordered.tolist(), places.tolist()
        ([1, 4, 4], [1, 0, 2])
    """
    if not len(codes):
        return codes, np.empty(0, np.int64)
    shift = (len(codes) - 1).bit_length()
    if int(codes.max()).bit_length() + shift <= 63:
        # Code and place in one number: to sort plain numbers takes a fraction of what it takes to sort their places.
        packed = (codes << shift) | np.arange(len(codes))
        packed.sort()
        return packed >> shift, packed & ((1 << shift) - 1)
    places = np.argsort(codes, kind="stable")
    return codes[places], places


def code_places(codes: NDArray[np.int64], keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each key is among codes in order, and whether it is there.

    Shapes: [G] and [N] → [N] and [N].

    Args:
        codes: in rising order.
        keys: in any.

    Example:
        >>> places, there = code_places(np.array([2, 5, 9]), np.array([9, 3]))
        >>> places.tolist(), there.tolist()
        ([2, 1], [True, False])
    """
    if not len(codes) or not len(keys):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
    if len(keys) <= _FEW:
        at = np.minimum(np.searchsorted(codes, keys), len(codes) - 1)
        return at, codes[at] == keys
    # In order, one search goes on from where the one before has ended, through memory that is still at hand.
    ordered, back = sorted_codes(keys)
    at = np.minimum(np.searchsorted(codes, ordered), len(codes) - 1)
    places, has = np.empty_like(at), np.empty(len(at), bool)
    places[back], has[back] = at, codes[at] == ordered
    return places, has


def merge_counted(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], room: Room
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sorted codes with their counts, of each part without repetition, as one such pair.

    Of each part a block is looked at; all codes up to the least of the blocks' ends are complete, since each later one is
    larger, and are written.

    Args:
        parts: (codes, counts) of each.
        room: where the whole goes, and how many rows may be at work.

    Example:
        >>> parts = [(np.array([1, 4]), np.array([1, 1])), (np.array([4, 6]), np.array([2, 3]))]
        >>> [array.tolist() for array in merge_counted(parts, Room(4))]
        [[1, 4, 6], [1, 3, 3]]
    """
    most = sum(len(codes) for codes, _ in parts)
    codes, counts, size = room.empty(most, np.int64), room.empty(most, np.int64), 0
    block, at = max(1, room.rows // max(1, len(parts))), [0] * len(parts)
    while any(place < len(part) for place, (part, _) in zip(at, parts, strict=True)):
        heads = [part[place : place + block] for place, (part, _) in zip(at, parts, strict=True)]
        ends = [int(head[-1]) for head, place, (part, _) in zip(heads, at, parts, strict=True) if place + len(head) < len(part)]
        takes = [int(np.searchsorted(head, min(ends), "right")) if ends else len(head) for head in heads]
        ordered, places = sorted_codes(np.concatenate([head[:take] for head, take in zip(heads, takes, strict=True)]))
        each = np.concatenate([part[place : place + take] for place, take, (_, part) in zip(at, takes, parts, strict=True)])[
            places
        ]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        codes[size : size + len(starts)] = ordered[starts]
        counts[size : size + len(starts)] = np.add.reduceat(each, starts)
        size += len(starts)
        at = [place + take for place, take in zip(at, takes, strict=True)]
    return codes[:size], counts[:size]
