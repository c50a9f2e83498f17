"""Losses of steps: the mean over the steps that have a target, whatever stands in the others."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from leadline import losses
from leadline.errors import ArgumentError
from leadline.losses.steps import each_step, has_target, step_accuracy, step_error
from leadline.training import Supervised


def drawn(seed: int, rows: int = 4, steps: int = 7, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Logits, and class numbers of rows of different lengths, some steps of which have none."""
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, steps, classes, generator=random)
    targets = torch.randint(classes, (rows, steps), generator=random)
    lengths = torch.randint(1, steps + 1, (rows,), generator=random)
    targets[torch.arange(steps) >= lengths[:, None]] = -100
    targets[torch.rand(rows, steps, generator=random) < 0.1] = -1
    targets[0, 0] = 1
    return logits, targets


@given(st.integers(0, 10_000))
def test_cross_entropy_is_torchs_over_the_steps_that_have_a_class(seed: int) -> None:
    logits, targets = drawn(seed)
    there = targets >= 0
    expected = F.cross_entropy(logits[there].double(), targets[there])
    assert each_step(losses.cross_entropy)(logits, targets).item() == pytest.approx(expected.item(), rel=1e-5)
    smoothed = each_step(losses.get("cross_entropy(label_smoothing=0.2)", task="classes"))(logits, targets)
    expected = F.cross_entropy(logits[there].double(), targets[there], label_smoothing=0.2)
    assert smoothed.item() == pytest.approx(expected.item(), rel=1e-5)
    right = (logits[there].argmax(1) == targets[there]).float().mean()
    assert step_accuracy(logits, targets).item() == pytest.approx(right.item())


@pytest.mark.parametrize("name", ["cross_entropy", "kl_divergence", "weston_watkins", "crammer_singer"])
@given(seed=st.integers(0, 10_000), more=st.integers(0, 5))
def test_more_padding_changes_nothing(name: str, seed: int, more: int) -> None:
    logits, targets = drawn(seed)
    loss = each_step(losses.get(name, task="classes"))
    longer = F.pad(logits, (0, 0, 0, more), value=3.0), F.pad(targets, (0, more), value=-100)
    assert loss(*longer).item() == pytest.approx(loss(logits, targets).item(), rel=1e-5)


@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "huber", "quantile(tau=0.7)"])
def test_numbers_leave_out_what_is_nan(name: str) -> None:
    random = torch.Generator().manual_seed(3)
    outputs = torch.randn(3, 6, 2, generator=random, requires_grad=True)
    targets = torch.randn(3, 6, 2, generator=random)
    targets[1, 3:] = torch.nan
    targets[2, 0, 1] = torch.nan
    function = losses.get(name, task="number")
    there = ~targets.isnan().any(-1)
    loss = each_step(function)(outputs, targets)
    assert loss.item() == pytest.approx(function(outputs[there], targets[there]).item(), rel=1e-5)
    loss.backward()
    assert outputs.grad is not None
    assert bool(outputs.grad.isfinite().all())
    assert float(outputs.grad[~there].abs().max()) == 0
    assert step_error(outputs, targets).item() == pytest.approx((outputs - targets)[there].abs().mean().item(), rel=1e-5)


def test_class_weights_weigh_steps() -> None:
    logits, targets = drawn(0)
    weights, there = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0]), targets >= 0
    loss = each_step(lambda *given, **more: losses.cross_entropy(*given, class_weights=weights, **more))(logits, targets)
    each = F.cross_entropy(logits[there], targets[there], reduction="none") * weights[targets[there]]
    assert loss.item() == pytest.approx(each.mean().item(), rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_in_parts_has_the_loss_and_the_gradient_of_the_whole(seed: int) -> None:
    """However many steps with a target each part happens to hold."""
    inputs, targets = drawn(seed, rows=5)
    targets[1:3] = -100
    found = []
    for parts in (1, 2):
        model = torch.nn.Linear(5, 5)
        with torch.no_grad():
            model.weight.copy_(torch.eye(5))
            model.bias.zero_()
        loss = each_step(losses.cross_entropy)
        step = Supervised(
            model, loss, torch.optim.SGD(model.parameters()), accumulate=parts, measures={"accuracy": step_accuracy}
        )
        logs = step.add_gradients(inputs, targets)
        found.append((model.weight.grad, logs["loss"], logs["accuracy"]))
    torch.testing.assert_close(found[0], found[1])


def test_a_batch_without_any_target_costs_nothing_and_moves_nothing() -> None:
    logits = torch.randn(2, 3, 4, requires_grad=True)
    loss = each_step(losses.cross_entropy)(logits, torch.full((2, 3), -100))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) == 0
    assert not has_target(torch.full((2, 3), -100)).any()


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ArgumentError, match="do not fit together"):
        each_step(losses.cross_entropy)(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ArgumentError, match="do not fit together"):
        each_step(losses.cross_entropy)(torch.zeros(2, 3, 4), torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(ArgumentError, match="no class of this network"):
        each_step(losses.cross_entropy)(torch.zeros(1, 2, 3), torch.tensor([[0, 3]]))
