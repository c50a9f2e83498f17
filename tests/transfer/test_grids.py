"""New heads: against scikit-learn, at the optimum by their gradient, and chosen as the validation rows want."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor
from torch.nn import functional as F

from leadline import data
from leadline.data import Classes, Labels, Numbers
from leadline.errors import ArgumentError
from leadline.transfer.grids import fit_head_grid, fit_vectors_head


def problem(rows: int = 400, features: int = 12, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features of very different sizes and places, and classes that follow from them with noise."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, features, generator=generator, dtype=torch.float64)
    classes = (z @ torch.randn(features, 3, generator=generator, dtype=torch.float64) + 2 * torch.randn(
        rows, 3, generator=generator, dtype=torch.float64)).argmax(1)  # fmt: skip
    return z * torch.logspace(-2, 3, features, dtype=torch.float64) + torch.linspace(-50, 50, features), classes


def test_the_head_is_that_of_scikit_learn() -> None:
    x, t = problem()
    found = fit_head_grid(x[:300], t[:300], x[300:], t[300:], Classes(("a", "b", "c")))
    mean, std = x[:300].mean(0), x[:300].std(0, correction=0)
    model = LogisticRegression(C=1 / (found.l2 * 300), tol=1e-10, max_iter=10_000).fit((x[:300] - mean) / std, t[:300])
    ours = torch.softmax(found.head(x), 1).detach().numpy()
    np.testing.assert_allclose(ours, model.predict_proba((x - mean) / std), atol=2e-4)


def test_the_gradient_vanishes_at_the_head() -> None:
    x, t = problem()
    found = fit_head_grid(x, t, x[:50], t[:50], Classes(("a", "b", "c")))
    mean, std = x.mean(0), x.std(0, correction=0)
    weight = (found.head.weight.detach() * std).requires_grad_()  # of standardized features, where the penalty is
    bias = (found.head.bias.detach() + found.head.weight.detach() @ mean).requires_grad_()
    loss = F.cross_entropy((x - mean) / std @ weight.mT + bias, t) + found.l2 / 2 * weight.square().sum()
    gradients = torch.autograd.grad(loss, (weight, bias))
    assert max(float(each.abs().max()) for each in gradients) < 1.1e-5
    assert found.converged
    assert found.gradient < 1e-5


def test_the_penalty_is_the_best_of_the_grid_on_the_validation_rows() -> None:
    x, t = problem(rows=120, features=60)  # few rows, many features: a strong penalty is right
    found = fit_head_grid(x[:60], t[:60], x[60:], t[60:], Classes(("a", "b", "c")))
    losses = {}
    for l2 in (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5):
        alone = fit_head_grid(x[:60], t[:60], x[60:], t[60:], Classes(("a", "b", "c")), penalties=[l2])
        losses[l2] = float(F.cross_entropy(alone.head(x[60:]), t[60:]).detach())
    assert found.l2 == min(losses, key=lambda l2: losses[l2])
    assert found.l2 >= 0.1
    assert found.table[0].l2 == 1.0
    assert len(found.table) < 6  # the rest was left out
    best = min(found.table, key=lambda row: row.valid_loss)
    assert best.l2 == found.l2
    assert best.valid_loss == pytest.approx(losses[found.l2], rel=1e-2)


def test_many_rows_look_for_the_penalty_on_some() -> None:
    x, t = problem(rows=26_000, features=6)
    x, t = x.float(), t
    found = fit_head_grid(x[:24_000], t[:24_000], x[24_000:], t[24_000:], Classes(("a", "b", "c")))
    assert {row.rows for row in found.table} == {10_000, 24_000}
    assert found.table[-1].rows == 24_000
    assert found.converged


def test_a_rough_grid_chooses_the_same_penalty_in_fewer_evaluations() -> None:
    x, t = problem(rows=600, features=30)
    classes = Classes(("a", "b", "c"))
    exact = fit_head_grid(x[:400], t[:400], x[400:], t[400:], classes)
    rough = fit_head_grid(x[:400], t[:400], x[400:], t[400:], classes, tolerance=1e-3)
    assert rough.l2 == exact.l2
    assert rough.converged
    assert exact.gradient < 1e-5 < rough.gradient < 1e-3
    assert rough.table == exact.table
    assert rough.score == pytest.approx(exact.score, abs=0.01)
    alone = sum(fit_head_grid(x[:400], t[:400], x[400:], t[400:], classes, penalties=[row.l2], tolerance=1e-3)
                .table[0].evaluations for row in rough.table)  # fmt: skip
    assert sum(row.evaluations for row in rough.table) < alone, "each begins with the head of the penalty before"


def test_labels_each_have_their_own_logistic_regression() -> None:
    x, t = problem()
    labels = torch.stack([t == 0, t != 2], 1).float()
    found = fit_head_grid(x[:300], labels[:300], x[300:], labels[300:], Labels(("one", "two")))
    mean, std = x[:300].mean(0), x[:300].std(0, correction=0)
    for at in range(2):
        model = LogisticRegression(C=1 / (found.l2 * 300), tol=1e-10, max_iter=10_000).fit(
            (x[:300] - mean) / std, labels[:300, at]
        )
        np.testing.assert_allclose(
            torch.sigmoid(found.head(x))[:, at].detach().numpy(), model.predict_proba((x - mean) / std)[:, 1], atol=2e-4
        )
    assert found.metric == "average_precision"


def test_numbers_are_learned_by_ridge_regression_in_their_own_units() -> None:
    x, _ = problem()
    y = 1000 + 30 * x[:, :1] + x[:, 1:2]
    answers = Numbers(("price",), (float(y.mean()),), (float(y.std()),))
    found = fit_head_grid(x[:300], y[:300], x[300:], y[300:], answers, penalties=[0.01])
    mean, std = x[:300].mean(0), x[:300].std(0, correction=0)
    model = Ridge(alpha=0.01 * 300).fit((x[:300] - mean) / std, answers.prepare(y[:300]).double().numpy())
    np.testing.assert_allclose(
        found.head(x).detach().numpy()[:, 0], np.ravel(model.predict((x - mean) / std)), rtol=1e-4, atol=1e-5
    )
    assert found.metric == "mae"
    assert found.score == pytest.approx(float((answers.values(found.head(x[300:])) - y[300:]).abs().mean().detach()), rel=1e-6)


def test_a_class_without_a_training_row_has_an_output() -> None:
    x, t = problem()
    found = fit_head_grid(x[:300], t[:300], x[300:], t[300:], Classes(("a", "b", "c", "d")))
    assert found.head.out_features == 4
    assert int((found.head(x).argmax(1) == 3).sum()) == 0


def test_a_bottleneck_file_trains_a_head_directly(tmp_path: Path) -> None:
    x, t = problem()
    path = tmp_path / "bottleneck.npz"
    np.savez(path, train=x[:300].numpy(), train_targets=t[:300].numpy(), test=x[300:].numpy(), test_targets=t[300:].numpy())
    dataset = data.load(path)
    network, found = fit_vectors_head(dataset)
    prepared = dataset.schema.inputs.preparer(torch.device("cpu"))(torch.tensor(dataset.test.inputs))
    right = (network(prepared).argmax(1).numpy() == dataset.test.targets).mean()
    assert right > 0.6  # three classes, much noise
    assert [name for name, _ in network.named_parameters()] == ["head.weight", "head.bias"]
    assert found.seconds < 60


def test_careless_arguments() -> None:
    x, t = problem()
    with pytest.raises(ArgumentError, match="penalties of a head"):
        fit_head_grid(x, t, x, t, Classes(("a", "b", "c")), penalties=[])
    with pytest.raises(ArgumentError, match="penalties of a head"):
        fit_head_grid(x, t, x, t, Classes(("a", "b", "c")), penalties=[0.0])
    with pytest.raises(ArgumentError, match=r"do not go together.*\[400, 12\] and \[400, 11\]"):
        fit_head_grid(x, t, x[:, 1:], t, Classes(("a", "b", "c")))
    with pytest.raises(ArgumentError, match="no features"):
        fit_vectors_head(data.load("digits"))
