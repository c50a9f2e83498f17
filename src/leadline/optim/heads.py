"""Linear heads on fixed features: convex problems, solved to the end by L-BFGS or in closed form instead of by steps."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown

_RAREST = 1e-6


class FittedHead(NamedTuple):
    """What `fit_head` found: logits or numbers are features · weightᵀ + bias, for features as they were given.

    `objective` holds its value at each evaluation, the first at the start and the last at the solution; `gradient` is its
    largest derivative there, and `converged` says whether that is below the tolerance.

    Example:
        >>> head = FittedHead(torch.ones(1, 2), torch.zeros(1), objective=[0.0], gradient=0.0, converged=True, iterations=0)
        >>> head.layer()(torch.tensor([[1.0, 2.0]])).tolist()
        [[3.0]]
    """

    weight: Tensor
    bias: Tensor
    objective: list[float]
    gradient: float
    converged: bool
    iterations: int

    def layer(self) -> nn.Linear:
        """A linear layer with this weight and bias."""
        outputs, inputs = self.weight.shape
        layer = nn.Linear(inputs, outputs, device=self.weight.device, dtype=self.weight.dtype)
        with torch.no_grad():
            layer.weight.copy_(self.weight)
            layer.bias.copy_(self.bias)
        return layer


def fit_head(
    features: Tensor,
    targets: Tensor,
    *,
    loss: str = "cross_entropy",
    l2: float = 1e-3,
    outputs: int | None = None,
    iterations: int = 500,
    tolerance: float = 1e-5,
    standardize: bool = True,
    start: FittedHead | None = None,
) -> FittedHead:
    """The linear head that is best for these features: logistic regression or least squares, with a penalty.

    min over W, b of (1/N) Σᵢ loss(W xᵢ + b, tᵢ) + (l2/2) ‖W‖², with x the standardized features and no penalty on b. The loss
    is the cross-entropy of K classes, the sum over L labels of their binary cross-entropies, or ½‖W x + b − t‖². The first two
    go by L-BFGS with a line search (strong Wolfe); the last is solved at once. For scikit-learn's C, l2 = 1/(C·N).

    Shapes: features [N, D], targets [N] or [N, L] → weight [K, D], bias [K].

    Args:
        features: float32 or float64, which is also the precision of the work.
        targets: class numbers int64 [N] for "cross_entropy"; 0 … 1 [N, L] for "binary_cross_entropy"; numbers [N] or [N, L]
            for "squared_error".
        loss: one of these three.
        l2: strength of the penalty, 0 or more.
        outputs: K, where not every class is among the targets; None counts them.
        iterations: at most so many.
        tolerance: it has converged when no derivative is larger.
        standardize: whether features are centred and scaled to deviation 1 first. The result is for features as given anyway.
        start: a head of as many features and outputs to begin with, such as that of a stronger penalty; the solution is the
            same. None begins with weights of zero. Least squares needs none.

    Errors: `ArgumentError` for shapes, dtypes or values that do not fit, or a feature that is no finite number.

    Example:
        >>> head = fit_head(torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1]), l2=0.1)
        >>> head.converged, head.layer()(torch.tensor([[0.5], [2.5]])).argmax(1)
        (True, tensor([0, 1]))

    Source: Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization.
    """
    problem = HeadProblem(features, targets, loss=loss, outputs=outputs, standardize=standardize)
    return problem.solve(l2, iterations=iterations, tolerance=tolerance, start=start)


class HeadProblem:
    """The heads of one set of features and targets: what does not depend on the penalty is prepared once for many of them.

    Args:
        features: as for `fit_head`, and so are the others.
        targets: as for `fit_head`.
        loss: as for `fit_head`.
        outputs: as for `fit_head`.
        standardize: as for `fit_head`.

    Errors: `ArgumentError` as `fit_head`.

    Example:
        >>> problem = HeadProblem(torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1]))
        >>> strong = problem.solve(0.1)
        >>> len(problem.solve(0.09, start=strong).objective) < len(problem.solve(0.09).objective)
        True
    """

    def __init__(
        self,
        features: Tensor,
        targets: Tensor,
        *,
        loss: str = "cross_entropy",
        outputs: int | None = None,
        standardize: bool = True,
    ) -> None:
        if loss not in _PROBLEMS and loss != "squared_error":
            unknown("loss of a linear head", loss, [*_PROBLEMS, "squared_error"])
        self.loss, self.targets = loss, _checked(features, targets, loss, outputs)
        squares = loss == "squared_error"
        with torch.no_grad():
            spread, centre = torch.std_mean(features, dim=0, correction=0)
            self.spread = torch.where((spread > 0) & standardize, spread, 1.0)
            self.centre = torch.where(torch.tensor(standardize or squares, device=features.device), centre, 0.0)
            self.x = (features - self.centre).div_(self.spread)
            self.level = None if squares else _prior(self.targets, outputs).to(self.x)
        self._curvature: Tensor | None = None
        self._turned: _Turning | None = None

    @torch.no_grad()
    def solve(
        self, l2: float, *, iterations: int = 500, tolerance: float = 1e-5, start: FittedHead | None = None
    ) -> FittedHead:
        """The head for one penalty; arguments as for `fit_head`."""
        if not 0 <= l2 < math.inf or iterations < 1 or not tolerance > 0:
            raise ArgumentError(
                "The head cannot be fitted",
                expected="l2 ≥ 0, iterations ≥ 1 and tolerance > 0",
                got=(l2, iterations, tolerance),
            )
        if self.level is None:
            found = _least_squares(self.x, self.targets, l2, tolerance)
        else:
            weight, bias = self._first(self.level, start)
            turning = self._turning(l2, len(bias))
            descent = _Descent(self.x, self.targets, _PROBLEMS[self.loss], (weight, bias), l2, tolerance, turning)
            found = descent.run(iterations)
        weight = found.weight / self.spread
        return found._replace(weight=weight, bias=found.bias - weight @ self.centre)

    def _first(self, level: Tensor, start: FittedHead | None) -> tuple[Tensor, Tensor]:
        """Weights and bias to begin with, for standardized features."""
        zero = self.x.new_zeros(len(level), self.x.shape[1])
        if start is None:
            return zero, level
        finite = bool(start.weight.isfinite().all() & start.bias.isfinite().all())
        if start.weight.shape != zero.shape or not finite:
            raise ArgumentError(
                "The head to start from does not fit",
                expected=f"{list(zero.shape)} finite numbers",
                got=f"{list(start.weight.shape)}, {'all' if finite else 'not all'} finite",
            )
        weight, bias = start.weight.to(zero), start.bias.to(zero)
        return weight * self.spread, bias + weight @ self.centre

    def _turning(self, l2: float, outputs: int) -> _Turning | None:
        """What makes the loss curve alike in all directions; None where there are too many features for it."""
        rows, features = self.x.shape
        if features > _Descent.MOST_FEATURES:
            return None
        if self._curvature is None:
            some = self.x[:: max(1, rows // (4 * features))]
            self._curvature = (some.mT @ some) / (len(some) * outputs)
        mean = self._curvature.diagonal().mean().item()
        damping = max(l2, _Descent.DAMPING * mean, torch.finfo(self.x.dtype).tiny)
        if self._turned is None or self._turned.damping != damping:  # the same for all weak penalties
            one = torch.eye(features, dtype=self.x.dtype, device=self.x.device)
            factor = torch.linalg.cholesky(self._curvature + damping * one)
            self._turned = _Turning(damping, factor, torch.linalg.solve_triangular(factor, one, upper=False))
        return self._turned


def _cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of the losses, and its gradient by the logits [N, K]."""
    logarithms = F.log_softmax(logits, dim=1)
    own = targets[:, None]
    total = -_sum(logarithms.gather(1, own))
    slope = logarithms.exp_()
    return total, slope.scatter_add_(1, own, slope.new_full(own.shape, -1.0))


def _binary_cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return _sum(each), torch.sigmoid(logits).sub_(targets)


def _prior(targets: Tensor, outputs: int | None) -> Tensor:
    """The bias that gives each class or label its frequency: there the search begins, with weights of zero."""
    if targets.ndim == 1:
        counts = torch.bincount(targets, minlength=outputs or 0)
        return (counts / len(targets)).clamp(min=_RAREST).log()
    return targets.mean(dim=0).clamp(_RAREST, 1 - _RAREST).logit()


def _sum(values: Tensor) -> Tensor:
    # In float32 the rounding of the sum, a ten-millionth of it, would hide the last steps down from the line search.
    return values.sum() if values.device.type == "mps" else values.sum(dtype=torch.float64)  # which mps does not have


_Problem = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
_PROBLEMS: dict[str, _Problem] = {"cross_entropy": _cross_entropy, "binary_cross_entropy": _binary_cross_entropy}


class _Ended(Exception):  # noqa: N818 - not an error, but the way out of torch's search
    """The tolerance is reached, or rounding lets the search go no further."""


class _Turning(NamedTuple):
    damping: float
    factor: Tensor  # L
    inverse: Tensor


class _Descent:
    """L-BFGS over V = W·L, where L Lᵀ is roughly how the loss curves: XᵀX/N, damped, over the number of outputs.

    Features that have much in common (a factor that all share) make a narrow valley, in which W itself needs many hundred
    evaluations. In V it is round: on 20,000 rows of 512 such features 46 evaluations instead of more than 600, and about as
    many as before where features have little in common. Undamped it would take ten times longer on rare features.
    """

    DAMPING = 0.3  # of the mean curvature; 0.1 to 1 are much alike
    MOST_FEATURES = 4096  # beyond, the decomposition takes longer than it saves
    PATIENCE = 40  # evaluations without a smaller gradient

    def __init__(
        self,
        x: Tensor,
        targets: Tensor,
        problem: _Problem,
        start: tuple[Tensor, Tensor],
        l2: float,
        tolerance: float,
        turning: _Turning | None,
    ) -> None:
        self.x, self.targets, self.problem, self.l2, self.tolerance = x, targets, problem, l2, tolerance
        self.turn = None if turning is None else turning.inverse  # L⁻¹
        weight, bias = start
        self.turned = nn.Parameter(weight.clone() if turning is None else weight @ turning.factor)  # V
        self.bias = nn.Parameter(bias.clone())
        self.turned.grad, self.bias.grad = torch.zeros_like(self.turned), torch.zeros_like(self.bias)
        self.objective: list[float] = []
        self.waited = 0
        self.best = FittedHead(self.turned, self.bias, [math.inf], math.inf, False, 0)

    def run(self, iterations: int) -> FittedHead:
        optimizer = torch.optim.LBFGS(
            [self.turned, self.bias],
            max_iter=iterations,
            max_eval=3 * iterations,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=20,
            line_search_fn="strong_wolfe",
        )
        with contextlib.suppress(_Ended):
            optimizer.step(self.evaluate)  # type: ignore[no-untyped-call]
        taken = int(optimizer.state[self.turned].get("n_iter", 0))
        return self.best._replace(objective=[*self.objective, *self.best.objective], iterations=taken)

    @torch.no_grad()
    def evaluate(self) -> float:
        weight = self.turned @ self.turn if self.turn is not None else self.turned.clone()
        total, slope = self.problem(torch.addmm(self.bias, self.x, weight.mT), self.targets)
        slope /= len(self.x)
        by_weight = (slope.mT @ self.x).add_(weight, alpha=self.l2)
        by_bias = slope.sum(dim=0)
        largest = torch.maximum(by_weight.abs().max(), by_bias.abs().max())
        value = total / len(self.x) + 0.5 * self.l2 * _sum(weight.square())
        value, gradient = torch.stack([value, largest.to(value.dtype)]).tolist()
        self._judge(weight, value, gradient)
        self.turned.grad = by_weight @ self.turn.mT if self.turn is not None else by_weight
        self.bias.grad = by_bias
        return float(value)

    def _judge(self, weight: Tensor, value: float, gradient: float) -> None:
        self.objective.append(value)
        self.waited += 1
        if gradient < self.best.gradient:
            converged = gradient <= self.tolerance
            self.best = FittedHead(weight, self.bias.detach().clone(), [value], gradient, converged, 0)
            self.waited = 0
        if self.best.converged or self.waited >= self.PATIENCE:
            raise _Ended


def _least_squares(x: Tensor, targets: Tensor, l2: float, tolerance: float) -> FittedHead:
    """(XᵀX/N + l2·I) Wᵀ = XᵀT/N for centred X and T, or, with fewer rows than features, the same through XXᵀ."""
    rows = len(x)
    level = targets.mean(dim=0)
    y = targets - level
    few = rows < x.shape[1]
    gram = (x @ x.mT if few else x.mT @ x).cpu().double() / rows  # small, and some devices have no float64
    gram.diagonal().add_(l2)
    right = (y if few else x.mT @ y).cpu().double() / rows
    factor, failed = torch.linalg.cholesky_ex(gram)
    if l2 > 0 and int(failed) == 0:
        solution = torch.cholesky_solve(right, factor)
    else:  # features may depend on each other: of all solutions the smallest
        solution = torch.linalg.pinv(gram, hermitian=True, rtol=len(gram) * torch.finfo(x.dtype).eps) @ right
    solution = solution.to(x)
    weight = (x.mT @ solution if few else solution).mT
    left = x @ weight.mT - y
    gradient = (left.mT @ x / rows + l2 * weight).abs().max().item()
    value = (left.square().sum() / (2 * rows) + 0.5 * l2 * weight.square().sum()).item()
    start = (y.square().sum() / (2 * rows)).item()
    size = max(1.0, (y.mT @ x / rows).abs().max().item())  # of the gradient at the start: targets may have any unit
    return FittedHead(weight, level, [start, value], gradient, gradient <= tolerance * size, 1)


def _checked(features: Tensor, targets: Tensor, loss: str, outputs: int | None) -> Tensor:
    if features.ndim != 2 or features.dtype not in (torch.float32, torch.float64) or 0 in features.shape:
        raise ArgumentError(
            "The features of a head do not fit",
            expected="[N, D] of float32 or float64, at least one row and one column",
            got=f"{list(features.shape)} of {features.dtype}",
        )
    shapes = (1,) if loss == "cross_entropy" else (2,) if loss == "binary_cross_entropy" else (1, 2)
    if targets.ndim not in shapes or len(targets) != len(features) or (targets.ndim == 2 and targets.shape[1] == 0):
        raise ArgumentError(
            f"The targets of a head with {loss} do not fit its features",
            expected=f"[{len(features)}]" if shapes == (1,) else f"[{len(features)}, L]",
            got=list(targets.shape),
        )
    bad = ~features.isfinite().all(dim=1)
    if bool(bad.any()):
        raise ArgumentError("A feature is not a finite number", got=f"row {int(bad.int().argmax())}")
    if loss == "cross_entropy":
        _check_classes(targets, outputs)
        return targets
    targets = targets.to(features.dtype)
    if not bool(targets.isfinite().all()) or (
        loss == "binary_cross_entropy" and not bool((targets * (1 - targets) >= 0).all())
    ):
        raise ArgumentError(
            "A target is out of range", expected="0 … 1" if loss == "binary_cross_entropy" else "finite numbers"
        )
    return targets if targets.ndim == 2 else targets[:, None]


def _check_classes(targets: Tensor, outputs: int | None) -> None:
    if targets.dtype != torch.int64:
        raise ArgumentError("The classes of a head are no class numbers", expected="int64", got=targets.dtype)
    lowest, highest = int(targets.min()), int(targets.max())
    if lowest < 0 or (outputs is not None and highest >= outputs):
        last = "…" if outputs is None else str(outputs - 1)
        raise ArgumentError("A class is out of range", expected=f"0 … {last}", got=f"{lowest} … {highest}")
