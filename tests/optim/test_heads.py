import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.optim.heads import FittedHead, HeadProblem, fit_head


def problem(rows: int, features: int, seed: int = 0, *, classes: int = 3, shared: float = 0.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, features, generator=generator, dtype=torch.float64)
    x = x * torch.rand(features, generator=generator).add(0.1) + torch.randn(features, generator=generator)
    noise = torch.randn(rows, classes, generator=generator)
    scores = x @ torch.randn(features, classes, generator=generator, dtype=torch.float64)
    targets = (scores - scores.mean(0) + noise).argmax(1)  # centred, so that every class is there
    return x + shared * torch.randn(rows, 1, generator=generator), targets


def standardized(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / x.std(0, correction=0)


def objective(head: FittedHead, x: Tensor, targets: Tensor, loss: str, l2: float) -> tuple[float, float]:
    """The documented objective and its largest derivative at a head, by autograd, over the standardized features."""
    spread, centre = x.std(0, correction=0), x.mean(0)
    weight = (head.weight * spread).requires_grad_()
    bias = (head.bias + head.weight @ centre).requires_grad_()
    outputs = standardized(x) @ weight.mT + bias
    if loss == "cross_entropy":
        data = torch.nn.functional.cross_entropy(outputs, targets)
    elif loss == "binary_cross_entropy":
        data = torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="sum") / len(x)
    else:
        data = 0.5 * (outputs - targets).square().sum() / len(x)
    value = data + 0.5 * l2 * weight.square().sum()
    slopes = torch.autograd.grad(value, [weight, bias])
    return value.item(), max(slope.abs().max().item() for slope in slopes)


@pytest.mark.parametrize(("c", "shared"), [(1.0, 0.0), (0.01, 0.0), (0.1, 5.0)])
def test_equal_to_scikit_learn(c: float, shared: float) -> None:
    x, targets = problem(300, 12, shared=shared)
    head = fit_head(x, targets, l2=1 / (c * 300), tolerance=1e-8)
    theirs = LogisticRegression(C=c, tol=1e-10, max_iter=5000, solver="newton-cholesky").fit(standardized(x), targets)
    assert head.converged
    ours = x @ head.weight.mT + head.bias
    ours -= ours.mean(1, keepdim=True)  # what is added to all classes changes nothing, and nobody's bias pays for it
    logits = theirs.decision_function(standardized(x))
    np.testing.assert_allclose(ours.numpy(), logits - logits.mean(1, keepdims=True), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose((head.weight * x.std(0, correction=0)).numpy(), theirs.coef_, rtol=1e-4, atol=1e-5)


def test_labels_are_as_many_separate_heads() -> None:
    x, _ = problem(200, 6)
    generator = torch.Generator().manual_seed(1)
    targets = (x[:, :4] + torch.randn(200, 4, generator=generator) > x[:, :4].mean(0)).to(torch.float64)
    head = fit_head(x, targets, loss="binary_cross_entropy", l2=0.02, tolerance=1e-9)
    for label in range(4):
        theirs = LogisticRegression(C=1 / (0.02 * 200), tol=1e-10, max_iter=5000).fit(standardized(x), targets[:, label])
        np.testing.assert_allclose(
            (x @ head.weight[label] + head.bias[label]).numpy(), theirs.decision_function(standardized(x)), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(("rows", "features"), [(80, 5), (12, 30)])
@pytest.mark.parametrize("l2", [0.3, 1e-4])
def test_least_squares_is_ridge(rows: int, features: int, l2: float) -> None:
    x, _ = problem(rows, features)
    targets = torch.stack([x[:, 0] * 2 + 1, x[:, 1] ** 2], dim=1)
    head = fit_head(x, targets, loss="squared_error", l2=l2)
    theirs = Ridge(alpha=l2 * rows).fit(standardized(x), targets)
    np.testing.assert_allclose((x @ head.weight.mT + head.bias).numpy(), theirs.predict(standardized(x)), rtol=1e-6, atol=1e-8)
    assert head.converged
    assert head.objective[-1] == pytest.approx(objective(head, x, targets, "squared_error", l2)[0])
    alone = fit_head(x, targets[:, 0], loss="squared_error", l2=l2)
    torch.testing.assert_close(alone.weight[0], head.weight[0])


def test_least_squares_without_a_penalty_takes_the_smallest_of_equal_solutions() -> None:
    x, _ = problem(50, 3)
    doubled = torch.cat([x, x], dim=1)
    head = fit_head(doubled, x @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64) + 4, loss="squared_error", l2=0.0)
    expected = torch.tensor([[0.5, 1.0, 1.5, 0.5, 1.0, 1.5]], dtype=torch.float64)
    torch.testing.assert_close(head.weight, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(head.bias, torch.tensor([4.0], dtype=torch.float64), rtol=1e-6, atol=1e-6)


LOSSES = st.sampled_from(["cross_entropy", "binary_cross_entropy", "squared_error"])


@settings(max_examples=40)
@given(st.integers(2, 60), st.integers(1, 10), st.integers(0, 1000), LOSSES, st.sampled_from([1.0, 0.03, 1e-3]))
def test_the_solution_is_where_the_gradient_vanishes(rows: int, features: int, seed: int, loss: str, l2: float) -> None:
    x, classes = problem(rows, features, seed)
    targets = classes if loss == "cross_entropy" else torch.nn.functional.one_hot(classes, 3).to(torch.float64)
    # The bias of a class that is missing or alone would go on for ever, more and more slowly.
    tolerance = 1e-7 if loss == "squared_error" or len(classes.unique()) == 3 else 1e-5
    head = fit_head(x, targets, loss=loss, l2=l2, outputs=3 if loss == "cross_entropy" else None, tolerance=tolerance)
    value, slope = objective(head, x, targets, loss, l2)
    assert head.converged
    assert slope < 1.1 * tolerance
    assert head.gradient <= tolerance
    assert head.objective[-1] == pytest.approx(value, rel=1e-9)
    assert head.objective[-1] <= head.objective[0]


@given(st.integers(0, 100), st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=20)
def test_the_unit_of_a_feature_does_not_matter(seed: int, size: float, shift: float) -> None:
    x, targets = problem(60, 4, seed)
    moved = x.clone()
    moved[:, 1] = moved[:, 1] * size + shift
    one, other = (fit_head(features, targets, l2=0.01, outputs=3, tolerance=1e-8) for features in (x, moved))
    first, second = x @ one.weight.mT + one.bias, moved @ other.weight.mT + other.bias
    torch.testing.assert_close(first.softmax(1), second.softmax(1), rtol=1e-5, atol=1e-5)


def test_a_factor_that_all_features_share_costs_few_evaluations() -> None:
    x, targets = problem(2000, 60, shared=8.0, classes=4)
    head = fit_head(x, targets, l2=1e-4, tolerance=1e-6)
    assert head.converged
    plain = LogisticRegression(C=1 / (1e-4 * 2000), tol=1e-6, max_iter=5000).fit(standardized(x), targets)
    assert len(head.objective) < 0.5 * plain.n_iter_[0]


def test_digits_in_single_precision() -> None:
    inputs, targets = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
    features = inputs.float()  # three pixels are never inked
    head = fit_head(features[:1200], targets[:1200], l2=1e-3, tolerance=1e-4)
    assert head.converged
    assert head.weight.dtype == torch.float32
    assert bool((head.weight[:, 0] == 0).all()), "what never changes says nothing"
    accuracy = (head.layer()(features[1200:]).argmax(1) == targets[1200:]).float().mean().item()
    assert accuracy > 0.9


def test_without_standardizing_the_features_stay_as_they_are() -> None:
    x, targets = problem(100, 4)
    head = fit_head(x, targets, l2=0.05, standardize=False, tolerance=1e-8)
    theirs = LogisticRegression(C=1 / (0.05 * 100), tol=1e-10, max_iter=5000).fit(x, targets)
    np.testing.assert_allclose(head.weight.numpy(), theirs.coef_, rtol=1e-4, atol=1e-5)
    numbers = fit_head(x, x[:, 0], loss="squared_error", l2=0.05, standardize=False)
    np.testing.assert_allclose(numbers.weight[0].numpy(), Ridge(alpha=5.0).fit(x, x[:, 0]).coef_, rtol=1e-6, atol=1e-9)


def test_it_says_when_it_has_not_converged() -> None:
    x, targets = problem(200, 10)
    head = fit_head(x, targets, l2=1e-4, iterations=2, tolerance=1e-10)
    assert not head.converged
    assert head.gradient > 1e-10
    assert head.iterations <= 2
    assert objective(head, x, targets, "cross_entropy", 1e-4)[1] == pytest.approx(head.gradient, rel=1e-6)
    parted = fit_head(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]), l2=0.0, tolerance=1e-9)
    assert bool(parted.weight.isfinite().all()), "separable and without penalty: no solution, and yet an end"


def test_a_class_without_rows() -> None:
    x, targets = problem(50, 3, classes=2)
    head = fit_head(x, targets, outputs=4, l2=0.1)
    assert head.weight.shape == (4, 3)
    assert bool((head.layer()(x).argmax(1) < 2).all())


@settings(max_examples=30)
@given(st.integers(3, 60), st.integers(1, 10), st.integers(0, 1000), LOSSES, st.sampled_from([1.0, 0.03, 1e-3]))
def test_where_it_starts_does_not_change_the_solution(rows: int, features: int, seed: int, loss: str, l2: float) -> None:
    x, classes = problem(rows, features, seed)
    classes[:3] = torch.arange(3)
    targets = classes if loss == "cross_entropy" else torch.nn.functional.one_hot(classes, 3).to(torch.float64)
    options = {"loss": loss, "outputs": 3 if loss == "cross_entropy" else None}
    start = fit_head(x, targets, l2=10 * l2, tolerance=1e-2, **options)  # type: ignore[arg-type]
    cold = fit_head(x, targets, l2=l2, tolerance=1e-8, **options)  # type: ignore[arg-type]
    warm = fit_head(x, targets, l2=l2, tolerance=1e-8, start=start, **options)  # type: ignore[arg-type]
    p, q = (x @ head.weight.mT + head.bias for head in (cold, warm))
    if loss == "cross_entropy":
        p, q = p.softmax(1), q.softmax(1)  # what is added to the bias of all classes changes nothing
    torch.testing.assert_close(q, p, rtol=1e-4, atol=1e-4)
    again = fit_head(x, targets, l2=l2, tolerance=1e-7, start=warm, **options)  # type: ignore[arg-type]
    assert loss == "squared_error" or len(again.objective) == 2, "it is there already: one evaluation says so"


def test_a_grid_of_penalties_costs_less_from_head_to_head() -> None:
    x, targets = problem(1500, 40, classes=5)
    penalties = [1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4]
    cold = sum(len(fit_head(x, targets, l2=l2, tolerance=1e-4).objective) for l2 in penalties)
    heads, warm = HeadProblem(x, targets), 0
    head = None
    for l2 in penalties:
        head = heads.solve(l2, tolerance=1e-4, start=head)
        warm += len(head.objective)
        assert head.converged
    assert warm < 0.8 * cold
    assert head is not None
    torch.testing.assert_close(
        (x @ head.weight.mT + head.bias).softmax(1), fit_head(x, targets, l2=1e-4).layer()(x).softmax(1), rtol=0, atol=0.01
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, t: fit_head(x, t, start=fit_head(x[:, :2], t)), r"start from does not fit.*\[3, 3\].*\[3, 2\]"),
        (lambda x, t: fit_head(x, t, start=fit_head(x, t)._replace(bias=torch.tensor([0.0, math.nan, 0.0]))), "not all finite"),
        (lambda x, t: fit_head(x, t, loss="hinge"), "no loss of a linear head 'hinge'"),
        (lambda x, t: fit_head(x, t, l2=-1.0), "l2 ≥ 0"),
        (lambda x, t: fit_head(x, t, l2=math.nan), "l2 ≥ 0"),
        (lambda x, t: fit_head(x, t, iterations=0), "iterations"),
        (lambda x, t: fit_head(x, t, tolerance=0.0), "tolerance"),
        (lambda x, t: fit_head(x[:, 0], t), r"\[N, D\]"),
        (lambda x, t: fit_head(x.half(), t), "float16"),
        (lambda x, t: fit_head(x[:0], t[:0]), "at least one row"),
        (lambda x, t: fit_head(x, t[:5]), "do not fit its features"),
        (lambda x, t: fit_head(x, t, loss="binary_cross_entropy"), r"\[20, L\]"),
        (lambda x, t: fit_head(x, t.double()), "int64"),
        (lambda x, t: fit_head(x, t - 1), "out of range"),
        (lambda x, t: fit_head(x, t, outputs=1), "out of range"),
        (lambda x, t: fit_head(x, 2.0 * t[:, None], loss="binary_cross_entropy"), "out of range"),
        (lambda x, t: fit_head(x, t * math.nan, loss="squared_error"), "out of range"),
        (lambda x, t: fit_head(x.index_fill(0, torch.tensor([7]), math.inf), t), "row 7"),
    ],
)
def test_bad_input(change: Callable[[Tensor, Tensor], FittedHead], message: str) -> None:
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ArgumentError, match=message):
        change(x, torch.arange(20) % 3)
