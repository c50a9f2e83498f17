"""Simple methods find what there is to find, no more, and in little time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn

from leadline.diagnose.checks.linear_fits import Ridge, ridge
from leadline.diagnose.checks.random_trees import RandomTrees
from leadline.diagnose.checks.simple_methods import read_beside
from leadline.diagnose.subject import Rows, Subject

G = torch.Generator().manual_seed(0)


def beside(x, y, task, classes=0, *, valid=True, seconds=30.0):
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    x, y = torch.as_tensor(x).float()[order] if not isinstance(x, dict) else x, torch.as_tensor(y)[order]
    cut = 2 * len(y) // 3 if valid else len(y)
    held = Rows(x[cut:], y[cut:]) if valid else None
    return read_beside(Subject(nn.Linear(1, 1), None, (), Rows(x[:cut], y[:cut]), held, task=task, classes=classes), seconds)


def test_digits():
    x, y = load_digits(return_X_y=True)
    found = beside(x, y, "classes", 10)
    assert found.from_split
    assert found.valid_rows == 599
    assert found.valid_error["constant"] == pytest.approx(0.9, abs=0.03)
    assert found.valid_error["linear"] < 0.08
    assert found.valid_error["neighbours"] < 0.05
    assert found.valid_error["trees"] < 0.06
    assert 0.003 < found.valid_se["linear"] < 0.02


def test_two_classes_and_numbers():
    x, y = load_breast_cancer(return_X_y=True)
    found = beside(x, y, "classes", 2)
    assert max(found.valid_error[name] for name in ("linear", "neighbours", "trees")) < 0.07
    x, y = load_diabetes(return_X_y=True)
    found = beside(x, np.float32(y), "number")
    assert found.valid_error["constant"] == pytest.approx(1, abs=0.05)
    assert found.valid_error["linear"] < 0.65
    assert found.train_error["trees"] < 0.2


def test_each_method_sees_what_the_others_cannot():
    x = torch.randn(900, 6, generator=G)
    crossed = beside(x, (x[:, 0] * x[:, 1] > 0).long(), "classes", 2)
    assert crossed.valid_error["linear"] > 0.4
    assert crossed.valid_error["trees"] < 0.15
    labels = torch.stack([x[:, 0] > 0, x[:, 1] + x[:, 2] > 0], dim=1).float()
    assert beside(x, labels, "labels", 2).valid_error["linear"] < 0.04


def test_noise_is_not_learned():
    x = torch.randn(600, 10, generator=G)
    found = beside(x, torch.randint(0, 2, (600,), generator=G), "classes", 2)
    assert min(found.valid_error.values()) > 0.38
    found = beside(x, torch.randn(600, generator=G), "number")
    assert min(found.valid_error.values()) > 0.9


def test_without_held_out_rows_a_third_is_left_out():
    x = torch.randn(300, 3, generator=G)
    found = beside(x, (x[:, 0] > 0).long(), "classes", 2, valid=False)
    assert not found.from_split
    assert found.valid_rows == 100
    assert found.valid_error["linear"] < 0.1


def test_time_is_kept_and_little_is_needed():
    x = torch.randn(600, 10, generator=G)
    found = beside(x, (x[:, 0] > 0).long(), "classes", 2, seconds=0.0)
    assert found.valid_error == {}
    assert beside(x[:8], (x[:8, 0] > 0).long(), "classes", 2).valid_error == {}
    constant = beside(torch.ones(90, 3), (torch.arange(90) % 2), "classes", 2)
    assert list(constant.valid_error) == ["constant"]


def test_ridge_is_the_same_in_both_spaces():
    x, y = torch.randn(20, 30, generator=G).double(), torch.randn(20, 2, generator=G).double()
    x, y = x.float(), y.float()
    weight, bias = ridge(x, y, 0.1)
    centered = (x - x.mean(0)).double()
    strength = 0.1 * float(torch.linalg.eigvalsh(centered @ centered.T).mean())
    exact = torch.linalg.solve(centered.T @ centered + strength * torch.eye(30).double(), centered.T @ (y - y.mean(0)).double())
    assert torch.allclose(weight.double(), exact, atol=1e-4)
    assert torch.allclose(bias.double(), (y.mean(0).double() - x.mean(0).double() @ exact), atol=1e-4)


def test_logistic_regression_is_that_of_scikit_learn():
    x = torch.randn(300, 5, generator=G)
    y = (x @ torch.randn(5, 3, generator=G) + torch.randn(300, 3, generator=G)).argmax(1)
    wanted = torch.nn.functional.one_hot(y, 3).float()
    fitted = Ridge(x, wanted)
    penalty = 0.01
    weight, bias = fitted.logistic(penalty, "classes")
    strength = 0.1 * penalty * fitted.scale  # of the sum of losses, with ½ before ‖W‖²
    peer = LogisticRegression(C=1 / strength, max_iter=1000, tol=1e-8).fit(x.numpy(), y.numpy())
    ours = torch.softmax(x @ weight + bias, 1).numpy()
    assert np.abs(ours - peer.predict_proba(x.numpy())).max() < 5e-3


def test_trees_fit_numbers_and_leave_leaves():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 4)).astype(np.float32)
    y = (np.sin(2 * x[:, :1]) + x[:, 1:2] ** 2).astype(np.float32)
    trees = RandomTrees(x[:300], y[:300], trees=40, leaf=1)
    assert np.abs(trees(x[:300]) - y[:300]).mean() < 0.15
    assert ((trees(x[300:]) - y[300:]) ** 2).mean() < 0.4 * y.var()
    one = RandomTrees(np.zeros((5, 1), np.float32), np.ones((5, 1), np.float32))
    assert one(np.zeros((2, 1), np.float32)).tolist() == [[1.0], [1.0]]
