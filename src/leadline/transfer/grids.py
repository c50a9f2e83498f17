"""New heads: the linear layer that is best for fixed features, with the penalty that serves the validation rows best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from leadline import metrics
from leadline.data.answers import Answers, Classes, Labels, Numbers
from leadline.data.dataset import Dataset
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, unknown
from leadline.optim import FittedHead
from leadline.optim.heads import HeadProblem

PENALTIES = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)
_ROUGH, _EXACT = 1e-3, 1e-5  # largest derivative: while comparing, and of the head that is kept
_SAMPLE = 10_000  # rows on which the penalty is looked for first, where there are twice as many
_PAST = 2  # weaker penalties that did worse, after which the rest is left out
_LOSSES = {"classes": "cross_entropy", "labels": "binary_cross_entropy", "number": "squared_error"}


@dataclass(frozen=True)
class GridRow:
    """One penalty: what the validation rows said of its head, on how many rows it was fitted, in how many evaluations.

    Example:
        >>> GridRow(0.01, 0.5, 0.8, 1000, 12).l2
        0.01
    """

    l2: float
    valid_loss: float
    valid_score: float
    rows: int
    evaluations: int


@dataclass(frozen=True)
class GridHead:
    """The head that was chosen, with the table of all that were tried.

    `head` takes features as they are: their standardization is folded into it. `gradient` is the largest derivative of its
    objective, `converged` whether that is below the tolerance, `score` the headline metric on the validation rows, `metric` its
    name.

    Example:
        >>> table = (GridRow(0.1, 0.5, 0.8, 1000, 9),)
        >>> GridHead(nn.Linear(2, 3), 0.1, table, "accuracy", 0.8, 1e-6, True, 0.1).describe()
        'accuracy 0.8000 on the validation rows with a penalty of 0.1, the best of 1, after 0.1 s'
    """

    head: nn.Linear
    l2: float
    table: tuple[GridRow, ...]
    metric: str
    score: float
    gradient: float
    converged: bool
    seconds: float

    def describe(self) -> str:
        tried = len(self.table)
        where = f"with a penalty of {self.l2:g}, the best of {tried}, after {self.seconds:.1f} s"
        return f"{self.metric} {self.score:.4f} on the validation rows {where}"


def fit_head_grid(
    features: Tensor,
    targets: Tensor,
    valid_features: Tensor,
    valid_targets: Tensor,
    answers: Answers,
    *,
    penalties: Sequence[float] = PENALTIES,
    tolerance: float = _EXACT,
) -> GridHead:
    """The best linear head for fixed features, its penalty chosen on validation rows.

    For each penalty, from strong to weak: min over W, b of (1/N) Σᵢ loss(W xᵢ + b, tᵢ) + (l2/2) ‖W‖², with x the features
    standardized by the mean and the deviation of the training rows, solved by L-BFGS, or at once for numbers. Each begins with
    the head of the penalty before, to a largest derivative of 0.001. The smallest validation loss decides; when two weaker
    penalties in a row are worse, the rest is left out. Of 20,000 rows or more 10,000 say first where to look. The chosen head
    is then solved to the tolerance.

    Shapes: features [N, D], [V, D] → a layer [B, D] → [B, K].

    Args:
        features: float32, as the backbone gives them.
        targets: as stored: class numbers [N], labels [N, L] or numbers [N, M].
        valid_features: of other rows.
        valid_targets: theirs.
        answers: of the Schema; says what the targets are, and turns numbers into what is learned.
        penalties: the values of l2 to try, above 0.
        tolerance: the largest derivative of the head that is chosen; 0.001 is enough to compare heads.

    Errors: `ArgumentError` for no penalties or ones out of range, no rows, or features of another number of columns.

    Example:
        >>> from leadline.data import Classes
        >>> features = torch.tensor([[0.0], [1.0], [2.0], [3.0]]).repeat(10, 1)
        >>> targets = (features[:, 0] > 1.5).long()
        >>> found = fit_head_grid(features, targets, features, targets, Classes(("low", "high")))
        >>> found.score, found.converged, found.head(torch.tensor([[0.5], [2.5]])).argmax(1)
        (1.0, True, tensor([0, 1]))

    Source: Kornblith, Shlens and Le (2019), Do better ImageNet models transfer better?, for the protocol.
    """
    started = time.perf_counter()
    if not penalties or not all(0 < each < float("inf") for each in penalties):
        raise ArgumentError("The penalties of a head are out of range", expected="numbers above 0", got=list(penalties))
    if not len(features) or not len(valid_features) or features.shape[1:] != valid_features.shape[1:]:
        raise ArgumentError(
            "The features to fit a head to and to judge it on do not go together",
            expected="some rows each, of the same number of features",
            got=f"{list(features.shape)} and {list(valid_features.shape)}",
        )
    if answers.task not in _LOSSES:
        unknown("task with a linear head", answers.task, _LOSSES)
    learned, valid_learned = answers.prepare(targets), answers.prepare(valid_targets)

    def tried(problem: HeadProblem, grid: Sequence[float], past: int) -> tuple[list[GridRow], dict[float, FittedHead]]:
        rows: list[GridRow] = []
        heads: dict[float, FittedHead] = {}
        fitted = None
        for l2 in grid:
            fitted = heads[l2] = problem.solve(l2, tolerance=max(_ROUGH, tolerance), start=fitted)
            outputs = valid_features @ fitted.weight.mT + fitted.bias
            loss = _loss(outputs, valid_learned, answers)
            score, evaluations = score_of(outputs, valid_targets, answers), len(fitted.objective)
            rows.append(GridRow(l2, loss, score, len(problem.x), evaluations))
            if len(rows) - rows.index(_best(rows)) > past:
                break
        return rows, heads

    grid, table = sorted(penalties, reverse=True), list[GridRow]()
    if len(features) >= 2 * _SAMPLE and len(grid) > 2:
        some = torch.linspace(0, len(features) - 1, _SAMPLE, dtype=torch.float64).long()
        table, _ = tried(_problem(features[some], learned[some], answers), grid, _PAST)
        grid = grid[grid.index(_best(table).l2) :]  # more rows never want a stronger penalty
    problem = _problem(features, learned, answers)
    whole, heads = tried(problem, grid, _PAST if not table else 1)
    best, table = _best(whole), [*table, *whole]
    fitted = heads[best.l2]
    if tolerance < _ROUGH:
        fitted = problem.solve(best.l2, tolerance=tolerance, start=fitted)
    head = _layer(fitted)
    with torch.no_grad():
        score = score_of(head(valid_features), valid_targets, answers)
    seconds = time.perf_counter() - started
    return GridHead(head, best.l2, tuple(table), headline_of(answers), score, fitted.gradient, fitted.converged, seconds)


def fit_vectors_head(dataset: Dataset, *, penalties: Sequence[float] = PENALTIES) -> tuple[nn.Sequential, GridHead]:
    """A network for a file of features that somebody else has computed (bottleneck features): a linear head, solved at once.

    Shapes: [B, D] prepared vectors → [B, K].

    Args:
        dataset: of vectors, for instance from a .npz file.
        penalties: as for `fit_head_grid`.

    Returns:
        The network, a head in an `nn.Sequential`, and how it was found.

    Errors: `ArgumentError` for inputs that are no vectors.

    Example:
        >>> import numpy as np
        >>> from leadline import data
        >>> values = np.random.default_rng(0).normal(size=(200, 5))
        >>> network, found = fit_vectors_head(data.load(values, (values[:, 0] > 0).astype(int)))
        >>> found.score > 0.9, network(torch.zeros(1, 5)).shape
        (True, torch.Size([1, 2]))
    """
    inputs = dataset.schema.inputs
    if not isinstance(inputs, Vectors):
        raise ArgumentError("These are no features to fit a head to", expected="rows of numbers", got=inputs.describe())
    prepare = inputs.preparer(torch.device("cpu"))
    parts = []
    for split in (dataset.train, dataset.valid):
        # Also what is read-only or memory-mapped becomes a tensor; D is small, so a copy costs little.
        parts += [prepare(torch.tensor(split.inputs)), torch.tensor(split.targets)]
    found = fit_head_grid(parts[0], parts[1], parts[2], parts[3], dataset.schema.answers, penalties=penalties)
    network = nn.Sequential()
    network.add_module("head", found.head)
    return network, found


def _layer(fitted: FittedHead) -> nn.Linear:
    """The head as a layer, made without drawing random numbers, which a training after it would miss."""
    outputs, inputs = fitted.weight.shape
    own = {"device": fitted.weight.device, "dtype": fitted.weight.dtype}
    layer: nn.Linear = skip_init(nn.Linear, inputs, outputs, **own)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(fitted.weight)
        layer.bias.copy_(fitted.bias)
    return layer


def _best(rows: Sequence[GridRow]) -> GridRow:
    return min(rows, key=lambda row: row.valid_loss)


def headline_of(answers: Answers) -> str:
    """The name of the metric that stands first for this task."""
    return next(iter(metrics.for_task(answers.task, answers.outputs)))


def predictions_of(outputs: Tensor, answers: Answers) -> Tensor:
    """What metrics take: probabilities of classes or labels, or numbers in their own units."""
    if isinstance(answers, Numbers):
        return answers.values(outputs)
    assert isinstance(answers, (Classes, Labels))
    return answers.probabilities(outputs)


def score_of(outputs: Tensor, targets: Tensor, answers: Answers) -> float:
    """The headline metric of outputs against targets as stored."""
    metric = metrics.for_task(answers.task, answers.outputs)[headline_of(answers)]
    return float(metric.function(predictions_of(outputs, answers), targets))


def _problem(features: Tensor, learned: Tensor, answers: Answers) -> HeadProblem:
    outputs = answers.outputs if answers.task == "classes" else None
    return HeadProblem(features, learned, loss=_LOSSES[answers.task], outputs=outputs)


def _loss(outputs: Tensor, learned: Tensor, answers: Answers) -> float:
    if answers.task == "classes":
        return float(F.cross_entropy(outputs, learned))
    if answers.task == "labels":
        return float(F.binary_cross_entropy_with_logits(outputs, learned))
    return float(F.mse_loss(outputs, learned))
