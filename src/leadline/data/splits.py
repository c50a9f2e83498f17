"""Who is in train, valid and test: shuffled, stratified, seeded, and copies of one row never apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError, DataError
from leadline.spelling import counted

TRAIN, VALID, TEST = 0, 1, 2
USUAL = 0.15  # of the rows, for validation and for the test, where nobody says otherwise
_BINS = 10  # of the values of a number, each with the same share of train, valid and test
_HEAVY = 0.05  # of a stratum's rows in one group of copies: too many for chance to put them into a small split


def assign(
    strata: NDArray[np.int64], copies: NDArray[np.int64], *, valid: float, test: float, seed: int = 0
) -> NDArray[np.int64]:
    """Give each of N rows a part: 0 train, 1 valid, 2 test.

    Each stratum is shuffled and cut by itself. With three or more different rows it is in all three parts, with two in train
    and test, with one in train. Rows that are copies of each other count as one and stay together.

    Args:
        strata: the stratum (class) of each row, int64 [N].
        copies: for each row the number of the first row with the same content, int64 [N].
        valid: share of the rows (below 1), or their number; 0 for none.
        test: likewise.
        seed: of the shuffle.

    Returns:
        int64 [N].

    Raises:
        ArgumentError: the shares leave nothing to train on.
        DataError: there are too few rows for the parts asked for.

    Example:
        >>> np.bincount(assign(np.zeros(20, int), np.arange(20), valid=0.1, test=4))
        array([14,  2,  4])
    """
    _, first, unit = np.unique(copies, return_index=True, return_inverse=True)
    stratum, size = strata[first], np.bincount(unit)
    units = np.bincount(stratum, minlength=int(strata.max(initial=-1)) + 1)
    in_test, in_valid = _shares(units, _number(test, len(first), "test"), _number(valid, len(first), "valid"))
    if (test and not in_test.sum()) or (valid and not in_valid.sum()):
        raise DataError(
            "There are too few rows to keep some for validation and for the test",
            expected="at least one class with 3 different examples",
            got=f"{counted(len(first), 'different row')} in {counted(int(np.count_nonzero(units)), 'group')}",
        )
    heavy = (size > 1) & (size > _HEAVY * np.bincount(strata)[stratum])
    order = np.lexsort((np.random.default_rng(seed).random(len(first)), heavy, stratum))
    place = np.empty(len(first), dtype=np.int64)
    place[order] = np.arange(len(first)) - np.repeat(np.cumsum(units) - units, units)
    part = np.where(place < in_test[stratum], TEST, np.where(place < (in_test + in_valid)[stratum], VALID, TRAIN))
    rows: NDArray[np.int64] = part[unit]
    return rows


def assign_in_order(order: NDArray[np.int64], *, valid: float, test: float) -> NDArray[np.int64]:
    """Give each of N rows a part by its place in time: 0 train for the earliest, then 1 valid, 2 test for the latest.

    Rows at the same moment stay together, on the earlier side of a cut.

    Args:
        order: the place of each row, int64 [N]; equal for rows at the same moment.
        valid: share of the rows (below 1), or their number; 0 for none.
        test: likewise.

    Returns:
        int64 [N].

    Raises:
        DataError: there are too few rows, or moments, for the parts asked for.

    Example:
        >>> assign_in_order(np.array([3, 1, 2, 0, 4]), valid=1, test=1).tolist()
        [1, 0, 0, 0, 2]
    """
    count = len(order)
    in_test, in_valid = _number(test, count, "test"), _number(valid, count, "valid")
    ranked = np.sort(order)
    part = np.zeros(count, np.int64)
    for number, wanted, kept in ((VALID, in_valid, count - in_test - in_valid), (TEST, in_test, count - in_test)):
        if not wanted:
            continue
        if kept < 1 or ranked[kept - 1] == ranked[-1]:
            raise DataError(
                f"The time has {len(np.unique(order)):,} different moments, too few to learn from early ones and judge by late",
                expected="at least three, with few rows at the latest",
                do="Take a finer column, or several: --time Year,Month.",
            )
        part[order > ranked[kept - 1]] = number
    return part


def strata_of_labels(targets: NDArray[Any]) -> NDArray[np.int64]:
    """The stratum of each row of 0 and 1 [N, L]: its rarest label, so that rare labels are spread; L for rows without one."""
    rarest: NDArray[np.int64] = np.where(targets > 0, targets.sum(axis=0), np.inf).argmin(axis=1)
    rarest[~targets.any(axis=1)] = targets.shape[1]
    return rarest


def strata_of_numbers(values: NDArray[Any]) -> NDArray[np.int64]:
    """The stratum of each row of numbers [N, M]: the tenth of the first column's values it falls into."""
    bins = max(1, min(_BINS, len(values) // 10))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values[:, 0], kind="stable")] = np.arange(len(values))
    return ranks * bins // max(1, len(values))


def check_shares(valid: float, test: float) -> None:
    """Raise unless each is a share in (0, 1) or a number of rows ≥ 1, and shares leave something to train on."""
    for name, value in (("valid", valid), ("test", test)):
        if isinstance(value, bool) or not (0 < value < 1 or (value >= 1 and float(value).is_integer())):
            raise ArgumentError(
                f"{name} is neither a share nor a number of rows", expected="0 < share < 1, or 1, 2, …", got=value
            )
    if sum(value for value in (valid, test) if value < 1) >= 1:
        raise ArgumentError("valid and test leave no rows to train on", expected="a sum below 1", got=f"{valid} + {test}")


def _number(share: float, rows: int, name: str) -> int:
    number = int(share) if share >= 1 or share == 0 else max(1, round(share * rows))
    if number >= rows:
        raise DataError(
            f"There are too few rows for the {name} split", expected=f"more than {number:,} different rows", got=rows
        )
    return number


def _shares(units: NDArray[np.int64], test: int, valid: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of each stratum's units go to test and to valid; each keeps at least one for train."""
    three = (units >= 3) & (valid > 0)
    in_test = _allot(units, test, least=(units >= 2) & (test > 0), most=units - 1 - three)
    in_valid = _allot(units, valid, least=three | ((units >= 2) & (test == 0) & (valid > 0)), most=units - 1 - in_test)
    return in_test, in_valid


def _allot(units: NDArray[np.int64], total: int, *, least: NDArray[np.bool_], most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Split `total` over the strata in proportion to their units, by largest remainders, within the bounds of each."""
    most = np.maximum(most, 0)
    quota = units * (total / max(1, units.sum()))
    given: NDArray[np.int64] = np.minimum(np.maximum(np.floor(quota).astype(np.int64), least), most)
    while (left := total - int(given.sum())) > 0 and (given < most).any():
        ahead = np.argsort(np.where(given < most, given - quota, np.inf), kind="stable")[: min(left, int((given < most).sum()))]
        given[ahead] += 1
    return given
