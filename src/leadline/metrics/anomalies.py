"""Anomalies: scores that are high where a row is odd, the threshold above which it is called so, and how odd it is.

Thresholds are chosen on validation rows. A row is called odd where its score is above the threshold.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.ranking import auroc
from leadline.metrics.weighting import exact


class Threshold(NamedTuple):
    """A threshold, and how well it told the rows by which it was chosen.

    Example:
        >>> Threshold(1.5, f1=1.0, precision=1.0, recall=1.0).value
        1.5
    """

    value: float
    f1: float
    precision: float
    recall: float


def anomaly_auroc(scores: Tensor, anomalous: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The area under the ROC curve of scores: how likely an odd row scores higher than one that is not.

    AUROC = P(sᵢ > sⱼ) + ½ P(sᵢ = sⱼ), i odd, j not.

    Args:
        scores: any real numbers [N].
        anomalous: which rows are odd, [N] of true and false, or 1 and 0.
        weights: optional row weights, [N] or [R, N] for R weightings at once.

    Returns:
        float64, [] or [R]; NaN where all rows are odd, or none.

    Raises:
        ArgumentError: shapes that differ, or a score that is no number.

    Example:
        >>> anomaly_auroc(torch.tensor([1.0, 2.0, 1.5, 9.0]), torch.tensor([0, 0, 1, 1])).item()
        0.75
    """
    scores, odd = _judged(scores, anomalous)
    return auroc(torch.stack([-scores, scores], dim=1), odd.long(), weights=weights)


def quantile_threshold(scores: Tensor, *, false_alarms: float = 0.05) -> float:
    """The threshold that a new row of the same kind exceeds with a probability of at most α.

    t = the k-th smallest of the n scores, k = ⌈(n + 1)(1 − α)⌉: as likely as not to be any of n + 1 places, a new score lies
    above t with probability at most α, however scores are distributed.

    Args:
        scores: of validation rows that are not odd, [N]. A few odd ones among them raise it.
        false_alarms: α, between 0 and 1.

    Returns:
        t.

    Raises:
        ArgumentError: α out of range, a score that is no number, or fewer than 1/α − 1 rows, of which none could be it.

    Example:
        >>> quantile_threshold(torch.arange(1.0, 100.0), false_alarms=0.1)
        90.0

    Source: Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world; Laxhammar and Falkman (2010), Conformal
    prediction for distribution-independent anomaly detection in streaming vessel data.
    """
    if not 0 < false_alarms < 1:
        raise ArgumentError("The share of false alarms is out of range", expected="between 0 and 1", got=false_alarms)
    scores = _numbers(scores)
    # A product such as 1000 · 0.9 that rounding has lifted above the whole number must not take the next place.
    place = math.ceil((len(scores) + 1) * (1 - false_alarms) - 1e-9)
    if place > len(scores):
        needed = math.ceil(1 / false_alarms - 1 - 1e-9)
        raise ArgumentError(
            f"So few rows have no threshold with {false_alarms:g} false alarms", expected=f"at least {needed}", got=len(scores)
        )
    return float(scores.sort().values[place - 1])


def best_f1_threshold(scores: Tensor, anomalous: Tensor) -> Threshold:
    """The threshold with the best F1 score on validation rows of which it is known whether they are odd.

    F1 = 2 TP / (2 TP + FP + FN). It lies in the middle between two scores; of several equally good ones the highest is taken,
    which calls the fewest rows odd.

    Args:
        scores: [N].
        anomalous: which rows are odd, [N] of true and false, or 1 and 0.

    Raises:
        ArgumentError: shapes that differ, a score that is no number, or no odd row.

    Example:
        >>> best_f1_threshold(torch.tensor([1.0, 2.0, 5.0, 9.0]), torch.tensor([0, 0, 1, 1]))
        Threshold(value=3.5, f1=1.0, precision=1.0, recall=1.0)
    """
    scores, odd = _judged(scores, anomalous)
    if not bool(odd.any()):
        raise ArgumentError("No validation row is odd, so no F1 score can be best", do="Take quantile_threshold.")
    falling, order = scores.sort(descending=True, stable=True)
    found = odd[order].double().cumsum(0)  # odd rows among the first n
    called = torch.arange(1, len(scores) + 1, device=scores.device, dtype=torch.float64)
    f1 = 2 * found / (called + odd.sum())
    last_of_equals = torch.cat([falling[1:] != falling[:-1], falling.new_ones(1, dtype=torch.bool)])
    best = int(f1.where(last_of_equals, -1.0).argmax())  # the first of equals
    value = falling[best : best + 2].mean() if best + 1 < len(scores) else torch.nextafter(falling[-1], falling[-1] - 1)
    precision, recall = found[best] / called[best], found[best] / odd.sum()
    return Threshold(float(value), float(f1[best]), float(precision), float(recall))


def tail_probabilities(scores: Tensor, reference: Tensor) -> Tensor:
    """How likely a row as usual as the reference rows has at least such a score: small where a score is odd.

    p = (1 + number of reference scores ≥ s) / (M + 1), column by column. If the row is like the others, P(p ≤ α) ≤ α.

    Args:
        scores: [N], or [N, C] such as one error for each column of a table.
        reference: of validation rows, [M] or [M, C].

    Returns:
        float64, the shape of the scores, from 1/(M + 1) to 1.

    Raises:
        ArgumentError: shapes that do not fit, no reference rows, or a score that is no number.

    Example:
        >>> tail_probabilities(torch.tensor([0.0, 3.0, 9.0]), torch.tensor([1.0, 2.0, 3.0])).tolist()
        [1.0, 0.5, 0.25]

    Source: Bates, Candès, Lei, Romano and Sesia (2023), Testing for outliers with conformal p-values.
    """
    if scores.ndim not in (1, 2) or reference.ndim != scores.ndim or reference.shape[1:] != scores.shape[1:]:
        raise ArgumentError(
            "The scores and those of the reference rows do not fit together",
            expected="[N] and [M], or [N, C] and [M, C]",
            got=f"{list(scores.shape)} and {list(reference.shape)}",
        )
    known = _numbers(reference).reshape(len(reference), -1).t().contiguous().sort(dim=1).values  # C, M
    asked = _numbers(scores).reshape(len(scores), -1).t().contiguous()
    below = torch.searchsorted(known, asked)
    p = (1 + known.shape[1] - below).double() / (known.shape[1] + 1)
    return p.t().reshape(scores.shape)


def _judged(scores: Tensor, anomalous: Tensor) -> tuple[Tensor, Tensor]:
    if scores.ndim != 1 or anomalous.shape != scores.shape:
        raise ArgumentError(
            "The scores and the truth do not fit together",
            expected="both of shape [N]",
            got=f"{list(scores.shape)} and {list(anomalous.shape)}",
        )
    if not bool(((anomalous == 0) | (anomalous == 1)).all()):
        raise ArgumentError("A row is neither odd nor not", expected="true and false, or 1 and 0")
    return _numbers(scores), anomalous.to(scores.device) == 1


def _numbers(scores: Tensor) -> Tensor:
    if not len(scores):
        raise ArgumentError("There are no scores", expected="at least 1 row")
    if bool(scores.isnan().any()):
        raise ArgumentError("A score is no number", got=f"NaN in {int(scores.isnan().sum())} places")
    return exact(scores)
