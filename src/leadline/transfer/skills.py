"""What features are worth: the skill of a new head and of nearest neighbours on validation rows, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline import metrics
from leadline.data.answers import Answers, Classes, Labels, Numbers
from leadline.errors import unknown
from leadline.transfer.grids import headline_of

_QUERIES = 2048  # rows whose similarities to all others are held at once


@dataclass(frozen=True)
class Skill:
    """One way to answer, judged on the validation rows: the headline metric with its 95 % interval.

    `layer` is where the network was cut, or "" for a whole one; `detail` says what was done, `seconds` what it took.

    Example:
        >>> Skill("new head", "before fc", 0.9, 0.87, 0.93, "64 features", 0.4).describe()
        'new head at before fc: 0.900 (0.870 … 0.930), 64 features'
    """

    name: str
    layer: str
    value: float
    low: float
    high: float
    detail: str
    seconds: float

    def describe(self) -> str:
        place = f" at {self.layer}" if self.layer else ""
        return f"{self.name}{place}: {self.value:.3f} ({self.low:.3f} … {self.high:.3f}), {self.detail}"


def neighbours_predictions(
    features: Tensor, targets: Tensor, asked: Tensor, answers: Answers, *, neighbours: int = 5
) -> Tensor:
    """What the nearest rows say: the share of their votes with one vote of all rows more, or the mean of their numbers.

    Near is a large cosine of the standardized features. p = (votes + share) / (k + 1), so that nothing is impossible.

    Shapes: features [N, D], asked [V, D] → probabilities [V, K] or [V, L], numbers [V, M].

    Args:
        features: of the rows whose targets are known.
        targets: theirs, as stored.
        asked: features of other rows.
        answers: of the Schema.
        neighbours: k, at most N.

    Example:
        >>> features = torch.tensor([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]])
        >>> targets = torch.tensor([0, 0, 1, 1])
        >>> neighbours_predictions(features, targets, features, Classes(("up", "right")), neighbours=2).argmax(1)
        tensor([0, 0, 1, 1])
    """
    spread, centre = torch.std_mean(features, 0, correction=0)
    spread = torch.where(spread > 0, spread, 1.0)
    own, others = (F.normalize((each - centre) / spread, dim=1) for each in (features, asked))
    learned = _as_votes(targets, answers)
    count = min(neighbours, len(features))
    found = torch.cat([learned[(part @ own.mT).topk(count, dim=1).indices].mean(1) for part in torch.split(others, _QUERIES)])
    if isinstance(answers, Numbers):
        return answers.values(found)
    return (found * count + learned.mean(0)) / (count + 1)


def _as_votes(targets: Tensor, answers: Answers) -> Tensor:
    if isinstance(answers, Classes):
        return F.one_hot(targets, answers.outputs).float()
    if isinstance(answers, (Labels, Numbers)):
        return answers.prepare(targets).float()
    return unknown("task with neighbours", answers.task, ("classes", "labels", "number"))


def judged(name: str, layer: str, predictions: Tensor, targets: Tensor, answers: Answers, detail: str, seconds: float) -> Skill:
    """The skill of predictions for validation rows.

    Example:
        >>> p = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
        >>> judged("nothing", "", p, torch.tensor([0, 1]), Classes(("a", "b")), "", 0.0).value
        1.0
    """
    metric = metrics.for_task(answers.task, answers.outputs)[headline_of(answers)]
    value = float(metric.function(predictions, targets))
    low, high = metrics.bootstrap_interval(metric, predictions, targets, resamples=500)
    return Skill(name, layer, value, low, high, detail, seconds)


def lead_of(one: Tensor, other: Tensor, targets: Tensor, answers: Answers) -> tuple[float, float, float]:
    """How far the predictions of one are better than those of another on the same rows, with the 95 % interval.

    Example:
        >>> right, wrong = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.1, 0.9]])
        >>> lead_of(right, wrong, torch.tensor([0]), Classes(("a", "b")))[0]
        1.0
    """
    metric = metrics.for_task(answers.task, answers.outputs)[headline_of(answers)]
    first, second = (one, other) if metric.higher_is_better else (other, one)
    found = metrics.paired_difference(metric, first, second, targets, resamples=500)
    if found["value"] is None or found["low"] is None or found["high"] is None:
        return 0.0, float("-inf"), float("inf")
    return found["value"], found["low"], found["high"]
