"""Discounts: how much less than it came an n-gram counts for, so that something is left for those that never came.

n_r is how many different n-grams came r times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_USUAL = (0.5, 1.0, 1.5)  # where a text is too small to tell; each below the count that it is taken from
_KATZ_MOST = 5  # counts above this are believed
_HALF = 0.5


class Discounts(NamedTuple):
    """What is taken from counts of 0, 1, 2 and 3 or more, float64 [4], and what a person should know of it.

    Example:
        >>> Discounts(np.array([0.0, 0.5, 1.0, 1.5]), "").amounts[1]
        np.float64(0.5)
    """

    amounts: NDArray[np.float64]
    note: str


class Ratios(NamedTuple):
    """What counts of 0, 1, 2 … are multiplied by, float64; the last holds for all above; or an absolute discount.

    Example:
        >>> Ratios(np.array([1.0, 0.4, 0.8, 1.0]), 0.0, "").of(np.array([1, 2, 9])).tolist()
        [0.4, 0.8, 1.0]
    """

    factors: NDArray[np.float64]
    absolute: float
    note: str

    def of(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """The factor of each count, 1 or more."""
        factors = self.factors[np.minimum(counts, len(self.factors) - 1)]
        return factors - self.absolute / np.maximum(counts, 1)


def counts_of_counts(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """n_1 … n_most.

    Args:
        counts: of n-grams; those of 0 are no n-grams.
        most: the largest that is asked for.

    Example:
        >>> counts_of_counts(np.array([1, 0, 1, 3, 9]), 4).tolist()
        [2, 0, 1, 0]
    """
    return np.asarray(np.bincount(np.minimum(counts, most + 1), minlength=most + 2)[1 : most + 1])


def modified_discounts(frequencies: NDArray[np.int64]) -> Discounts:
    """The three discounts of modified Kneser–Ney smoothing, from the data.

    With Y = n₁ / (n₁ + 2 n₂): D₁ = 1 − 2 Y n₂ / n₁, D₂ = 2 − 3 Y n₃ / n₂, D₃ = 3 − 4 Y n₄ / n₃. Where there are too few
    n-grams for these, so that one cannot be computed or is not in (0, r), it is Y for all; where not even Y is in (0, 1), it
    is 0.5, 1 and 1.5.

    Args:
        frequencies: n₁ … n₄.

    Example:
        >>> modified_discounts(np.array([100, 40, 20, 12])).amounts.round(3)
        array([0.   , 0.556, 1.167, 1.667])
        >>> modified_discounts(np.array([5, 0, 0, 0])).amounts.tolist()
        [0.0, 0.5, 1.0, 1.5]

    Source: Chen and Goodman (1999), An empirical study of smoothing techniques for language modeling.
    """
    n = np.asarray(frequencies, np.float64)
    if (n > 0).all():
        y = n[0] / (n[0] + 2 * n[1])
        amounts = np.array([0.0, *(r - (r + 1) * y * n[r] / n[r - 1] for r in (1, 2, 3))])
        if ((amounts[1:] > 0) & (amounts[1:] < (1, 2, 3))).all():
            return Discounts(amounts, "")
    one = kneser_ney_discount(frequencies)
    why = f"n-grams that came 1, 2, 3 and 4 times are {', '.join(f'{int(each):,}' for each in n[:4])}"
    if not one.note:
        return Discounts(one.amounts, f"{why}: too few for three discounts, so all are {one.amounts[1]:.3g}")
    return Discounts(np.array([0.0, *_USUAL]), f"{why}: too few to tell the discounts, which are 0.5, 1 and 1.5")


def kneser_ney_discount(frequencies: NDArray[np.int64]) -> Discounts:
    """The one discount of Kneser–Ney smoothing, n₁ / (n₁ + 2 n₂); 0.5 where that is not in (0, 1).

    Args:
        frequencies: n₁, n₂ and any more.

    Example:
        >>> kneser_ney_discount(np.array([100, 50])).amounts.tolist()
        [0.0, 0.5, 0.5, 0.5]

    Source: Ney, Essen and Kneser (1994), On structuring probabilistic dependences in stochastic language modelling.
    """
    once, twice = int(frequencies[0]), int(frequencies[1])
    if once and twice:
        return Discounts(np.array([0.0, *[once / (once + 2 * twice)] * 3]), "")
    return Discounts(
        np.array([0.0, *[_HALF] * 3]),
        f"n-grams that came once and twice are {once:,} and {twice:,}: too few to tell the discount, which is {_HALF}",
    )


def good_turing_ratios(frequencies: NDArray[np.int64]) -> Ratios:
    """By what counts are multiplied in Katz's back-off: d_r = (r* / r − A) / (1 − A) for r ≤ k, 1 above.

    r* = (r + 1) n_{r+1} / n_r is Good and Turing's count and A = (k + 1) n_{k+1} / n₁, with k = 5 or the largest below it for
    which all d_r are in (0, 1]. Where there is none, an absolute discount is taken in its place.

    Args:
        frequencies: n₁ … n₆.

    Example:
        >>> good_turing_ratios(np.array([1000, 400, 220, 140, 100, 75])).factors.round(3)
        array([1.   , 0.636, 0.682, 0.725, 0.805, 0.818, 1.   ])

    Source: Katz (1987), Estimation of probabilities from sparse data for the language model component of a speech recognizer.
    """
    n = np.asarray(frequencies, np.float64)
    for most in range(_KATZ_MOST, 1, -1):
        if (n[: most + 1] <= 0).any():
            continue
        r = np.arange(1, most + 1)
        above = (most + 1) * n[most] / n[0]
        if above >= 1:
            continue
        factors = ((r + 1) * n[1 : most + 1] / n[:most] / r - above) / (1 - above)
        if ((factors > 0) & (factors <= 1)).all():
            return Ratios(np.array([1.0, *factors, 1.0]), 0.0, "")
    one = kneser_ney_discount(frequencies).amounts[1]
    return Ratios(np.ones(2), float(one), f"too few n-grams for Good and Turing's counts: {one:.3g} is taken from each count")
