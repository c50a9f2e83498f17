"""From counts to probabilities: Kneser–Ney smoothing, Katz's back-off, and add-k.

V words, without padding V − 1 that can come; h a past of m − 1 words, h′ the same without its first word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError, unknown
from leadline.language.ngrams.ngram_counting import CountedLevel, NGramCounts
from leadline.language.ngrams.ngram_discounts import (
    Ratios,
    counts_of_counts,
    good_turing_ratios,
    kneser_ney_discount,
    modified_discounts,
)
from leadline.language.ngrams.ngram_kernels import depths_in_text
from leadline.language.ngrams.ngram_matching import matched_lengths
from leadline.language.ngrams.ngram_models import ModelLevel, NGramModel
from leadline.language.ngrams.ngram_storage import Room
from leadline.text.vocabularies import PADDING

SMOOTHINGS = ("modified_kneser_ney", "kneser_ney", "katz", "add_k")
_SLICE = 1 << 18  # tokens that are looked up at a time
_NOTHING = 1e-12  # a share of the probability that is a sum's rounding


class Smoothed(NamedTuple):
    """A model, and for each length what a person may want to know of it.

    Example:
        >>> from leadline.language.ngrams.ngram_counting import count_ngrams
        >>> smooth(count_ngrams(np.array([2, 3, 2, 3]), 4, order=2)).records[0]["ngrams"]
        2
    """

    model: NGramModel
    records: list[dict[str, Any]]


class _Estimate(NamedTuple):
    """One level: p of each n-gram, and of each past the weight of the shorter one; what was taken from counts of 1, 2, 3."""

    p: NDArray[np.float64]
    back_off: NDArray[np.float64]
    discounts: list[float]
    note: str


def smooth(
    counts: NGramCounts, smoothing: str = "modified_kneser_ney", *, k: float = 0.1, minimum_counts: Sequence[int] = ()
) -> Smoothed:
    """The model of some counts.

    - Kneser–Ney, interpolated: p(w | h) = (a(hw) − D(a(hw))) / Σ_v a(hv) + γ(h) p(w | h′), where γ(h) is what the discounts
      leave, a counts how often the longest n-grams came and after how many different words shorter ones did, and D is one
      discount for each length, or three in the modified form. Below single words lies 1 / (V − 1).
    - Katz: p(w | h) = d c(hw) / c(h) where hw came, else α(h) p(w | h′), with d of Good and Turing.
    - add-k: p(w | h) = (c(hw) + k) / (c(h) + k (V − 1)).

    Args:
        counts: of a text.
        smoothing: "modified_kneser_ney", "kneser_ney", "katz" or "add_k".
        k: of add-k, above 0.
        minimum_counts: for each length, n-grams that came less often are left out, and their probability goes to shorter ones;
            the last holds for all longer ones, and none may be smaller than the one before. Single words are all kept.

    Errors: `ArgumentError` for an unknown smoothing, a k that is not above 0, and minimum counts that fall or that add-k has.

    Example:
        >>> from leadline.language.ngrams.ngram_counting import count_ngrams
        >>> counts = count_ngrams(np.array([3, 4, 2, 3, 3, 2]), 5, order=2, boundary=2)
        >>> for smoothing in SMOOTHINGS:
        ...     model = smooth(counts, smoothing).model
        ...     print(f"{np.exp(model.query(4, [3])):.3f} {np.exp(model.query(1, [3])):.3f}")
        0.238 0.020
        0.238 0.020
        0.111 0.667
        0.324 0.029

    Source: Kneser and Ney (1995), Improved backing-off for m-gram language modeling; Chen and Goodman (1999), An empirical
    study of smoothing techniques for language modeling; Katz (1987); Lidstone (1920) for add-k.
    """
    if smoothing not in SMOOTHINGS:
        unknown("smoothing", smoothing, SMOOTHINGS)
    if smoothing == "add_k" and not 0 < k < np.inf:
        raise ArgumentError("Nothing can be added to the counts so", expected="k above 0", got=k)
    minimum = _minimum(minimum_counts, counts.order)
    if smoothing == "add_k" and max(minimum) > 1:
        raise ArgumentError(
            "Add-k leaves no n-gram out",
            expected="minimum counts of 1",
            got=list(minimum_counts),
            do="Take another smoothing, or a minimum of 1.",
        )
    room, vocabulary = counts.room, counts.vocabulary
    estimate: Callable[[NGramCounts, int, NDArray[np.bool_], NDArray[np.float64]], _Estimate] = _katz
    if smoothing != "katz":
        estimate = _Added(k) if smoothing == "add_k" else _KneserNey(modified=smoothing.startswith("modified"))
    below = np.full(1, 1 / (vocabulary - 1))
    kept_shorter: NDArray[np.bool_] = np.ones(1, bool)
    levels: list[ModelLevel] = []
    records = []
    for length, level in enumerate(counts.levels, 1):
        kept = _kept(level, minimum[length - 1] if length > 1 else 0, room)
        found = estimate(counts, length, kept, below)
        if levels:
            shorter = levels[-1]
            weights = room.empty(len(shorter.codes), np.float32)
            _log_into(weights, found.back_off, kept_shorter, room)
            levels[-1] = shorter._replace(back_off=weights)
        levels.append(_level(level, found.p, kept, kept_shorter, vocabulary, room))
        if length == 1:
            levels[0].log_p[PADDING] = -np.inf
        records.append(
            {
                "length": length,
                "ngrams": counts.sizes[length - 1] if length == 1 else len(levels[-1].codes),
                "counted": counts.sizes[length - 1],
                "discounts": found.discounts,
                "note": found.note,
            }
        )
        below, kept_shorter = found.p, kept
    levels[-1] = levels[-1]._replace(back_off=np.zeros(0, np.float32))
    model = NGramModel(levels, vocabulary, boundary=counts.boundary, backs_off=smoothing != "add_k")
    return Smoothed(model, records)


def added_losses(counts: NGramCounts, ids: NDArray[Any], amounts: Sequence[float]) -> list[float]:
    """The mean surprise of a text under add-k, in nats, for each of several k: from the counts of what comes in it alone.

    Args:
        counts: of another text.
        ids: of the text, [N].
        amounts: k to try.

    Example:
        >>> from leadline.language.ngrams.ngram_counting import count_ngrams
        >>> text = np.array([3, 4, 2, 3, 3, 2])
        >>> counts, other = count_ngrams(text, 5, order=2, boundary=2), np.array([3, 4, 2])
        >>> [round(loss, 4) for loss in added_losses(counts, other, [0.5, 1.0])]
        [0.789, 0.9541]
        >>> round(float(smooth(counts, "add_k", k=0.5).model.surprises(other).mean()), 4)
        0.789
    """
    order, words = counts.order, counts.vocabulary - 1
    totals = [_Grouped(counts, length).counts() for length in range(1, order + 1)]
    losses = np.zeros(len(amounts))
    for start in range(0, len(ids), _SLICE):
        first = max(0, start - order + 1)
        read = np.asarray(ids[first : start + _SLICE]).astype(np.int64)
        depths = depths_in_text(read, order, counts.boundary, begins=first == 0)
        came, total = _came(counts, totals, read, depths)
        came, total = came[start - first :], total[start - first :]
        losses += [np.log((total + k * words) / (came + k)).sum() for k in amounts]
    return [float(loss) / len(ids) for loss in losses]


def _came(
    counts: NGramCounts, totals: list[NDArray[np.float64]], read: NDArray[np.int64], depths: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each token came after what is before it, and how often anything did: [N], [N]."""
    came, total = counts.levels[0].counts[read].astype(np.float64), np.full(len(read), totals[0][0])
    codes = [level.codes for level in counts.levels]
    for length, asked, at, pasts, found, places in matched_lengths(codes, counts.vocabulary, read, depths, counts.boundary):
        came[asked], total[asked] = 0.0, 0.0
        total[at] = totals[length - 1][pasts]
        came[at[found]] = counts.levels[length - 1].counts[places[found]]
    return came, total


class _KneserNey:
    def __init__(self, *, modified: bool) -> None:
        self.modified = modified

    def __call__(self, counts: NGramCounts, length: int, kept: NDArray[np.bool_], below: NDArray[np.float64]) -> _Estimate:
        level, room = counts.levels[length - 1], counts.room
        adjusted = counts.continuations(length)
        frequencies = sum(counts_of_counts(adjusted[part], 4) for part in room.slices(len(adjusted)))
        amounts, note = (modified_discounts if self.modified else kneser_ney_discount)(np.asarray(frequencies))
        grouped = _Grouped(counts, length)

        def left(part: slice) -> NDArray[np.float64]:
            return np.where(kept[part], amounts[np.minimum(adjusted[part], 3)], adjusted[part])

        totals = grouped.sums(lambda part: adjusted[part])
        gammas = grouped.sums(left)
        _divide(gammas, totals, 1.0, room)  # a past that nothing came after has the shorter one's probabilities
        p = room.empty(len(level.codes), np.float64)
        for part in room.slices(len(p)):
            pasts, came = grouped.pasts(part), adjusted[part]
            # A past comes into being with what comes after it, so its total is above 0.
            own = (came - amounts[np.minimum(came, 3)]) / totals[pasts]
            p[part] = own + gammas[pasts] * below[level.suffixes[part]]
        return _Estimate(p, gammas, [round(float(each), 6) for each in amounts[1:]], note)


class _Added:
    def __init__(self, k: float) -> None:
        self.k = k

    def __call__(self, counts: NGramCounts, length: int, kept: NDArray[np.bool_], below: NDArray[np.float64]) -> _Estimate:
        level, room, k = counts.levels[length - 1], counts.room, self.k
        grouped, words = _Grouped(counts, length), counts.vocabulary - 1
        totals = grouped.counts()
        p, unseen = room.empty(len(level.codes), np.float64), room.empty(len(totals), np.float64)
        for part in room.slices(len(p)):
            p[part] = (level.counts[part] + k) / (totals[grouped.pasts(part)] + k * words)
        for part in room.slices(len(unseen)):
            unseen[part] = k * words / (totals[part] + k * words)
        return _Estimate(p, unseen, [], "")


def _katz(counts: NGramCounts, length: int, kept: NDArray[np.bool_], below: NDArray[np.float64]) -> _Estimate:
    level, room, grouped = counts.levels[length - 1], counts.room, _Grouped(counts, length)
    frequencies = sum(counts_of_counts(level.counts[part], 6) for part in room.slices(len(level.counts)))
    ratios = good_turing_ratios(np.asarray(frequencies))

    def discounted(part: slice) -> NDArray[np.float64]:
        came = level.counts[part]
        return np.where(kept[part] & (came > 0), came * ratios.of(came), 0.0)

    totals = grouped.counts()
    seen = grouped.sums(discounted)
    p = room.empty(len(level.codes), np.float64)
    for part in room.slices(len(totals)):
        # Where no count is discounted, one more is taken to have come, so that something is left for what did not.
        totals[part] += seen[part] >= totals[part] * (1 - _NOTHING)
        seen[part] /= np.maximum(totals[part], 1)
    for part in room.slices(len(p)):
        p[part] = discounted(part) / totals[grouped.pasts(part)]
    if length == 1:
        never = (level.counts == 0) & (np.arange(len(p)) != PADDING)
        p[never] = (1 - seen[0]) / max(1, int(never.sum()))
        p /= p.sum()
        return _Estimate(p, np.ones(1), _taken(ratios), ratios.note)
    covered = grouped.sums(lambda part: np.where(kept[part], below[level.suffixes[part]], 0.0))
    weights = room.empty(len(totals), np.float64)
    for part in room.slices(len(weights)):
        everything = covered[part] >= 1 - _NOTHING
        weights[part] = np.where(everything, 0.0, (1 - seen[part]) / np.where(everything, 1.0, 1 - covered[part]))
    for part in room.slices(len(p)):
        pasts = grouped.pasts(part)
        # After a past that every word came after, nothing is left to be foretold by a shorter one.
        p[part] /= np.where(covered[pasts] >= 1 - _NOTHING, seen[pasts], 1.0)
    return _Estimate(p, weights, _taken(ratios), ratios.note)


def _taken(ratios: Ratios) -> list[float]:
    """What is taken from counts of 1, 2 and 3."""
    came = np.arange(1, 4)
    return [round(float(each), 6) for each in came * (1 - ratios.of(came))]


class _Grouped:
    """The n-grams of a level by their pasts, which stand together: sums over those that continue the same words."""

    def __init__(self, counts: NGramCounts, length: int) -> None:
        self.level, self.vocabulary, self.room = counts.levels[length - 1], counts.vocabulary, counts.room
        self.number = 1 if length == 1 else len(counts.levels[length - 2].codes)

    def pasts(self, part: slice) -> NDArray[np.int64]:
        """The place of the past of each n-gram of a slice in the level before."""
        return np.asarray(self.level.codes[part]) // self.vocabulary

    def sums(self, values: Callable[[slice], NDArray[Any]]) -> NDArray[np.float64]:
        """For each past the sum of the values of what comes after it; 0 where nothing does."""
        found = self.room.zeros(self.number, np.float64)
        for part in self.room.slices(len(self.level.codes)):
            pasts = self.pasts(part)
            first, last = int(pasts[0]), int(pasts[-1]) + 1
            found[first:last] += np.bincount(pasts - first, values(part), minlength=last - first)
        return found

    def counts(self) -> NDArray[np.float64]:
        """For each past how often anything came after it."""
        return self.sums(lambda part: self.level.counts[part])


def _minimum(minimum_counts: Sequence[int], order: int) -> list[int]:
    """The minimum count of each length."""
    given = list(minimum_counts) or [1]
    given = [*given, *[given[-1]] * order][:order]
    if any(each < 1 for each in given) or sorted(given) != given:
        raise ArgumentError(
            "The minimum counts cannot be kept to",
            expected="1 or more, none smaller than that of the shorter n-grams",
            got=list(minimum_counts),
        )
    return given


def _kept(level: CountedLevel, minimum: int, room: Room) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = room.empty(len(level.codes), bool)
    for part in room.slices(len(kept)):
        kept[part] = level.counts[part] >= minimum
    return kept


def _divide(values: NDArray[np.float64], by: NDArray[np.float64], otherwise: float, room: Room) -> None:
    """values / by in place, and `otherwise` where that is 0."""
    for part in room.slices(len(values)):
        values[part] = np.where(by[part] > 0, values[part] / np.where(by[part] > 0, by[part], 1.0), otherwise)


def _level(
    level: CountedLevel,
    p: NDArray[np.float64],
    kept: NDArray[np.bool_],
    kept_shorter: NDArray[np.bool_],
    vocabulary: int,
    room: Room,
) -> ModelLevel:
    """What is kept of a level, under the numbers that its pasts have once theirs is thinned out too."""
    size = int(np.count_nonzero(kept))
    codes, log_p = room.empty(size, np.int64), room.empty(size, np.float32)
    _log_into(log_p, p, kept, room)
    numbers = _numbers(kept_shorter, room) if not kept_shorter.all() else None
    at = 0
    for part in room.slices(len(kept)):
        own = level.codes[part][kept[part]]
        if numbers is not None:
            pasts, words = np.divmod(own, vocabulary)
            own = numbers[pasts] * vocabulary + words
        codes[at : at + len(own)] = own
        at += len(own)
    return ModelLevel(codes, log_p, np.zeros(0, np.float32))


def _numbers(kept: NDArray[np.bool_], room: Room) -> NDArray[np.int64]:
    """The place that each n-gram has once those that are not kept are gone."""
    numbers, before = room.empty(len(kept), np.int64), -1
    for part in room.slices(len(kept)):
        numbers[part] = np.cumsum(kept[part]) + before
        before = int(numbers[part][-1])
    return numbers


def _log_into(place: NDArray[np.float32], values: NDArray[np.float64], kept: NDArray[np.bool_], room: Room) -> None:
    """The logarithms of the values that are kept; −∞ of 0."""
    at = 0
    for part in room.slices(len(kept)):
        own = values[part][kept[part]]
        with np.errstate(divide="ignore"):
            place[at : at + len(own)] = np.log(own)
        at += len(own)
