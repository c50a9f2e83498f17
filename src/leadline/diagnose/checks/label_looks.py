"""Whether labels look right, to methods that do not share the network's faults: neighbours and a linear model, out of fold."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline.diagnose.check_readings import Labels
from leadline.diagnose.checks.flat_features import choose, flat_rows
from leadline.diagnose.checks.linear_fits import linear_fit
from leadline.diagnose.checks.task_guess import classes_in
from leadline.diagnose.subject import Rows, first_tensor

_MOST, _FEW, _FOLDS, _NEIGHBOURS, _SHOWN = 1024, 40, 5, 12, 50
_WORST = 0.4  # share wrong beyond which these methods know too little to doubt a label


def read_labels(rows: Rows, task: str, classes: int) -> Labels:
    """How often labels differ from what out-of-fold methods are sure of, beside what classes that overlap would make.

    The half of the rows of which the better of the two methods is the surest are looked at. Where classes overlap, doubt grows
    toward their border, and among the sure half few labels differ; labels that are wrong lie everywhere. What an overlap with
    the same share of differing labels in all would leave in the sure half is `expected_disagreement`: that of two normal
    classes at the distance which gives this share.

    Args:
        rows: kept training rows.
        task: only "classes" can be looked at.
        classes: K.

    Returns: `rows` holds the suspicious ones, the surest first.
    """
    kept = choose(len(rows), _MOST)
    part = rows.take(kept)
    if task != "classes" or len(part) < _FEW:
        return Labels()
    labels = classes_in(first_tensor(part.targets)).cpu()
    many = max(classes, int(labels.max()) + 1)
    x, _ = flat_rows(part.inputs)
    if not x.shape[1] or many < 2 or int((torch.bincount(labels) > 0).sum()) < 2:
        return Labels()
    answers = min(
        (_neighbours(x, labels, many), _linear(x, labels, many)), key=lambda p: float((p.argmax(1) != labels).float().mean())
    )
    wrong = answers.argmax(1) != labels
    if float(wrong.float().mean()) > _WORST:
        return Labels()
    # How much likelier the answer is than the next one, whatever the label is.
    two = answers.topk(2, dim=1).values
    margin = two[:, 0] - two[:, 1]
    order = margin.argsort(descending=True, stable=True)
    sure = order[: len(order) // 2]
    suspicious = sure[wrong[sure]]
    return Labels(
        disagreement=float(wrong[sure].float().mean()),
        expected_disagreement=expected_of_overlap(float(wrong.float().mean())),
        rows=[int(kept[at]) for at in suspicious[:_SHOWN].tolist()],
    )


def expected_of_overlap(wrong: float) -> float:
    """Of two normal classes that overlap so that a share `wrong` lies beyond the border: the share among the surer half.

    With distance 2m and border 0 the surer half is |x| > median |x|, x ~ N(m, 1), m = Φ⁻¹(1 − wrong).

    Example:
        >>> [round(expected_of_overlap(share), 3) for share in (0.02, 0.1, 0.2, 0.5)]
        [0.0, 0.01, 0.075, 0.5]
    """
    m = float(torch.special.ndtri(torch.tensor(1 - min(max(wrong, 1e-6), 0.5), dtype=torch.float64)))

    def beyond(bound: float) -> tuple[float, float]:
        right, left = torch.special.ndtr(torch.tensor([m - bound, -m - bound], dtype=torch.float64)).tolist()
        return float(right), float(left)

    low, high = 0.0, m + 4.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(beyond(middle)) > 0.5 else (low, middle)
    right, left = beyond(low)
    return left / (left + right)


def _neighbours(x: Tensor, labels: Tensor, many: int) -> Tensor:
    """Weighted votes of the nearest rows, each row left out of its own; weights fall with the distance."""
    near = torch.cdist(x, x).fill_diagonal_(math.inf).topk(min(_NEIGHBOURS, len(x) - 1), largest=False)
    reach = near.values[:, -1:].clamp(min=1e-9)
    weight = (1.1 - near.values / reach).clamp(min=0.1)
    votes = (F.one_hot(labels[near.indices], many) * weight[..., None]).sum(1)
    return votes / votes.sum(1, keepdim=True)


def _linear(x: Tensor, labels: Tensor, many: int) -> Tensor:
    """Probabilities of a linear model that did not see the row."""
    wanted = F.one_hot(labels, many).float()
    fold = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)) % _FOLDS
    answers = torch.zeros(len(x), many)
    for each in range(_FOLDS):
        method = linear_fit(x[fold != each], wanted[fold != each], "classes", _share_wrong)
        answers[fold == each] = method(x[fold == each])
    return answers


def _share_wrong(answers: Tensor, wanted: Tensor) -> float:
    return float((answers.argmax(1) != wanted.argmax(1)).float().mean())
