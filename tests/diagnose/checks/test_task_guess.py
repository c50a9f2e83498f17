"""Tasks by their targets and outputs, and which answers are wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leadline.diagnose.checks.task_guess import answers_of, classes_in, errors_of, share_wrong, task_of

G = torch.Generator().manual_seed(0)
N = 90
Y = torch.arange(N) % 3
BITS = torch.arange(N) % 2
ZEROS = torch.zeros


@pytest.mark.parametrize(
    ("targets", "outputs", "loss", "task"),
    [
        (Y, ZEROS(N, 3), None, ("classes", 3)),
        (Y, ZEROS(8, 3), None, ("classes", 3)),
        (Y[:, None], ZEROS(N, 3), None, ("classes", 3)),
        (Y, (ZEROS(N, 3), ZEROS(N, 9)), None, ("classes", 3)),
        (Y, {"logits": ZEROS(N, 3)}, None, ("classes", 3)),
        (Y, ZEROS(N, 1), nn.MSELoss(), ("classes", 3)),
        (F.one_hot(Y, 3).float(), ZEROS(N, 3), None, ("classes", 3)),
        (ZEROS(N, 3) + 1 / 3, ZEROS(N, 3), F.cross_entropy, ("classes", 3)),
        (ZEROS(N, 3) + 1 / 3, ZEROS(N, 3), F.mse_loss, ("number", 0)),
        (BITS.float(), ZEROS(N, 1), None, ("classes", 2)),
        (BITS, ZEROS(N), None, ("classes", 2)),
        (2 * BITS - 1, ZEROS(N, 1), None, ("classes", 2)),
        (2.0 * BITS - 1, ZEROS(N), None, ("classes", 2)),
        ((torch.rand(N, 5, generator=G) > 0.5).float(), ZEROS(N, 5), None, ("labels", 5)),
        (torch.randn(N, generator=G), ZEROS(N, 1), None, ("number", 0)),
        (torch.randn(N, 4, generator=G), ZEROS(N, 4), None, ("number", 0)),
        (torch.randint(0, 5000, (N,), generator=G), ZEROS(N, 1), nn.MSELoss(), ("number", 0)),
        (torch.randint(0, 9, (N, 7), generator=G), ZEROS(N, 7, 9), None, ("other", 0)),
        (torch.rand(N, 1, 8, 8), ZEROS(N, 1, 8, 8), None, ("other", 0)),
        ((Y, Y), ZEROS(N, 3), None, ("other", 0)),
        (torch.rand(N, 4), ZEROS(N, 2), None, ("other", 0)),
        (torch.zeros(0), ZEROS(0, 1), None, ("other", 0)),
    ],
)
def test_tasks(targets, outputs, loss, task):
    assert task_of(targets, outputs, loss) == task


def test_what_is_to_be_rebuilt_is_no_number():
    x = torch.randn(N, 6, generator=G)
    assert task_of(x, ZEROS(N, 6), None, inputs=x + 0.3 * torch.randn(N, 6, generator=G)) == ("other", 0)
    assert task_of(x, ZEROS(N, 6), None, inputs=torch.randn(N, 6, generator=G)) == ("number", 0)


def test_one_output_is_judged_by_its_own_threshold():
    outputs = torch.tensor([[-0.5], [0.2], [0.7]])
    assert answers_of(outputs, 2, loss=["binary_cross_entropy_with_logits"]).tolist() == [0, 1, 1]
    assert answers_of(outputs, 2, head=["sigmoid"], loss=["binary_cross_entropy"]).tolist() == [0, 0, 1]
    assert answers_of(outputs, 2, head=["sigmoid"], loss=["binary_cross_entropy_with_logits"]).tolist() == [0, 0, 1]
    assert answers_of(outputs, 2, loss=["mse_loss"]).tolist() == [0, 0, 1]
    assert answers_of(outputs, 2, loss=["mse_loss"], signs=True).tolist() == [0, 1, 1]
    assert answers_of(torch.tensor([[2.2], [-1.0], [7.0]]), 4, loss=["mse_loss"]).tolist() == [2, 0, 3]


def test_classes_of_targets():
    assert classes_in(F.one_hot(Y, 3).float()).equal(Y)
    assert classes_in(2.0 * BITS - 1).equal(BITS)
    assert classes_in(Y[:, None]).equal(Y)


def test_errors_of_classes_and_labels():
    outputs = F.one_hot((Y + (torch.arange(N) < 9)) % 3, 3).float()
    errors = errors_of(outputs, Y, "classes", classes=3)
    assert errors.sum() == 9
    error, se = share_wrong(errors, "classes")
    assert error == pytest.approx(0.1)
    assert se == pytest.approx((0.1 * 0.9 / N) ** 0.5, rel=0.1)
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert errors_of(
        torch.tensor([[2.0, -1.0], [0.3, 0.2]]), labels, "labels", loss=["binary_cross_entropy_with_logits"]
    ).tolist() == [0, 1]
    assert share_wrong(torch.zeros(20), "classes")[1] > 0.02, "no error in few rows is not certain"


def test_the_error_of_numbers_is_one_minus_r_squared():
    y = torch.randn(N, generator=G)
    guess = y + 0.5 * torch.randn(N, generator=G)
    error, se = share_wrong(errors_of(guess[:, None], y, "number"), "number")
    assert error == pytest.approx(float(((guess - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()), rel=1e-5)
    assert 0 < se < error
    flat, _ = share_wrong(errors_of(y.mean().expand(N), y, "number"), "number")
    assert flat == pytest.approx(1.0, rel=1e-5)
