"""Looking up very many n-grams: compiled, once that takes less time than it saves; all tokens of one length at a time.

N tokens, V words, G n-grams of one length.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.language.compiling import compiled
from leadline.text.vocabularies import PADDING

Kernel = Callable[..., None]


class Slots(NamedTuple):
    """Where each code of a level is found without a search: in the slot that its hash says, or the next that is not taken.

    `slots` are places among the codes, −1 for none, twice as many as there are codes or more, a power of two; `shift` is by
    how much a hash of 64 bits is cut to the number of one.

    Example:
        >>> slots = hashed_slots(np.array([3, 8, 9]))
        >>> len(slots.slots), slots.shift, sorted(slots.slots[slots.slots >= 0].tolist())
        (8, 61, [0, 1, 2])
    """

    slots: NDArray[np.int32]
    shift: int


def hashed_slots(codes: NDArray[np.int64]) -> Slots:
    """The slots of a level.

    Args:
        codes: without repetition.

    Example:
        >>> len(hashed_slots(np.array([5])).slots)
        2

    Source: multiplicative hashing with linear probing: Knuth (1973), The art of computer programming, 6.4.
    """
    bits = max(1, (2 * len(codes) - 1).bit_length())
    slots = np.full(1 << bits, -1, np.int32)
    slot_kernel()(codes, slots, 64 - bits)
    return Slots(slots, 64 - bits)


def depths_in_text(tokens: NDArray[np.int64], order: int, boundary: int | None, *, begins: bool) -> NDArray[np.int64]:
    """How many tokens each one may know of, n − 1 at most: those before it that are not of a sentence before.

    Shapes: [N] → [N].

    Args:
        tokens: of a text or a slice of it.
        order: n.
        boundary: the token that ends a sentence, if any does.
        begins: whether the text begins here, and so after a boundary.

    Example:
        >>> depths_in_text(np.array([5, 6, 2, 5, 6]), 3, 2, begins=True).tolist()
        [1, 2, 2, 1, 2]
    """
    places = np.arange(len(tokens))
    if boundary is None:
        return np.asarray(np.minimum(places, order - 1))
    # The boundary is in place −1, or not known of at all; where it is the last token, that alone is known.
    first = -1 if begins else 0
    ends = np.where(tokens == boundary, places, first)
    before = np.concatenate([[first], np.maximum.accumulate(ends)[:-1]])[: len(tokens)]
    return np.asarray(np.minimum(places - before, order - 1))


def depths_in_rows(rows: NDArray[np.int64], order: int, boundary: int | None) -> NDArray[np.int64]:
    """How many tokens each one may know of in its row: those behind padding, and behind a boundary or that itself.

    Shapes: [B, T] → [B, T].

    Args:
        rows: of tokens, padded at the left.
        order: n.
        boundary: the token that ends a sentence, if any does.

    Example:
        >>> depths_in_rows(np.array([[0, 5, 6], [5, 2, 6]]), 3, 2).tolist()
        [[0, 0, 1], [0, 1, 1]]
    """
    places = np.arange(rows.shape[1])
    walls = np.where(rows == PADDING, places, -1)
    if boundary is not None:
        walls = np.maximum(walls, np.where(rows == boundary, places - 1, -1))
    last = np.maximum.accumulate(walls, axis=1)
    before = np.concatenate([np.full((len(rows), 1), -1), last[:, :-1]], axis=1)
    return np.asarray(np.minimum(places - 1 - before, order - 1))


@functools.cache
def slot_kernel() -> Kernel:
    """The compiled filling of slots: codes [G], slots, shift."""
    kernel: Kernel = compiled(_fill, ["r int64", "w int32", "int64"])
    return kernel


@functools.cache
def level_kernel() -> Kernel:
    """The compiled look-up of one length; it holds no lock of Python's, so that several threads can run it side by side.

    Its arguments: grams [N], which n-gram, one word shorter, ends at each token, and is replaced by which one ends there of
    this length, −1 for none; tokens [N]; depths [N], how many tokens each may know of; the past of the first token; the
    length; V; the codes, slots, shift and log p of the level; the back-off weights of the level before; log p [N] so far and
    lengths matched [N], which are brought up to date; what a past that never came foretells with, or NaN where a shorter one
    does.
    """
    texts, tables = ["w int64", "r int64", "r int64"], ["r int64", "r int32", "int64", "r float32", "r float32"]
    kernel: Kernel = compiled(_look_up, [*texts, "int64", "int64", "int64", *tables, "w float64", "w int16", "float64"])
    return kernel


# 2⁶⁴ divided by the golden ratio, odd: neighbouring codes fall far from each other.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def _fill(codes: Any, slots: Any, shift: int) -> None:
    last = len(slots) - 1
    for place in range(len(codes)):
        slot = np.int64((np.uint64(codes[place]) * _SPREAD) >> np.uint64(shift))
        while slots[slot] >= 0:
            slot = (slot + 1) & last
        slots[slot] = place


def _look_up(
    grams: Any,
    tokens: Any,
    depths: Any,
    before: int,
    length: int,
    vocabulary: int,
    codes: Any,
    slots: Any,
    shift: int,
    log_ps: Any,
    back_offs: Any,
    log_p: Any,
    matched: Any,
    alone: float,
) -> None:
    past, last = before, len(slots) - 1
    for at in range(len(tokens)):
        context, past = past, grams[at]
        grams[at] = -1
        if depths[at] < length - 1:
            continue
        if not np.isnan(alone):
            log_p[at] = alone
        if context < 0:
            continue
        code = context * vocabulary + tokens[at]
        slot = np.int64((np.uint64(code) * _SPREAD) >> np.uint64(shift))
        place = slots[slot]
        while place >= 0 and codes[place] != code:
            slot = (slot + 1) & last
            place = slots[slot]
        if place >= 0:
            grams[at] = place
            log_p[at] = log_ps[place]
            matched[at] = length
        else:
            log_p[at] += back_offs[context]
