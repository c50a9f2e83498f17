from typing import Any

import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.optim import ClipNorm, Penalties
from leadline.training import Supervised
from leadline.training.steps import Step


class Now:
    step = 0

    def __init__(self, fraction: float = 0.0) -> None:
        self.fraction = fraction


def make(**options: Any) -> tuple[nn.Module, Supervised]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    return model, Supervised(model, nn.functional.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.5), **options)


BATCH = (torch.randn(10, 4, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 3)


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def test_accumulation_gives_the_gradient_of_the_whole_batch() -> None:
    whole_model, whole = make()
    parts_model, parts = make(accumulate=4)  # 10 rows in micro-batches of 3, 3, 3 and 1
    one, other = whole(BATCH, Now()), parts(BATCH, Now())
    torch.testing.assert_close(one["loss"], other["loss"])
    for expected, ours in zip(gradients(whole_model), gradients(parts_model), strict=True):
        torch.testing.assert_close(ours, expected)


def test_clipping_bounds_the_norm_and_is_reported() -> None:
    free_model, free = make()
    model, step = make(clip=ClipNorm(0.1))
    free(BATCH, Now())
    logs = step(BATCH, Now())
    norm = torch.cat([gradient.reshape(-1) for gradient in gradients(model)]).norm()
    assert torch.cat([gradient.reshape(-1) for gradient in gradients(free_model)]).norm() > 0.1
    assert norm.item() == pytest.approx(0.1, rel=1e-4)
    assert logs["clipped"] == 1
    assert make(clip=ClipNorm(1e6))[1](BATCH, Now())["clipped"] == 0


def test_the_schedule_multiplies_the_rate() -> None:
    _, step = make(schedule=lambda progress: 1 - progress)
    step(BATCH, Now(0.25))
    assert step.rate == 0.375
    step(BATCH, Now(0.5))
    assert step.rate == 0.25


def test_measures_are_logged_without_gradients() -> None:
    _, step = make(measures={"accuracy": lambda outputs, targets: (outputs.argmax(1) == targets).float().mean()})
    logs = step(BATCH, Now())
    assert set(logs) == {"loss", "accuracy"}
    assert not any(value.requires_grad for value in logs.values())


def test_bfloat16_computes_in_bfloat16_and_keeps_float32_weights() -> None:
    model, step = make(precision=torch.bfloat16)
    kinds = []
    model[0].register_forward_hook(lambda _, __, output: kinds.append(output.dtype))
    step(BATCH, Now())
    assert kinds == [torch.bfloat16]
    assert model[0].weight.dtype == torch.float32


def test_evaluating_switches_the_mode_and_back() -> None:
    model, step = make()
    with step.evaluating():
        assert not model.training
    assert model.training


def test_supervised_is_a_step() -> None:
    step: Step = make()[1]
    other_model, other = make()
    step(BATCH, Now())
    other.load(step.state())
    assert torch.equal(other_model[0].weight, step.modules()["model"][0].weight)  # type: ignore[index]


def test_values_out_of_range() -> None:
    with pytest.raises(ArgumentError, match="step cannot be built"):
        make(accumulate=0)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_penalties_join_the_gradient_and_are_reported_beside_the_loss(accumulate: int) -> None:
    plain_model, plain = make()
    model, step = make(penalties=Penalties(l1=0.01, l2=0.1), accumulate=accumulate)
    expected = plain(BATCH, Now())
    start = [weight.clone() for weight in make()[0].parameters()]
    logs = step(BATCH, Now())
    torch.testing.assert_close(logs["loss"], expected["loss"])
    weights = [weight for weight in start if weight.ndim > 1]
    torch.testing.assert_close(logs["penalty_l2"], 0.05 * sum(weight.square().sum() for weight in weights))
    torch.testing.assert_close(logs["penalty_l1"], 0.01 * sum(weight.abs().sum() for weight in weights))
    for weight, bare, before in zip(model.parameters(), plain_model.parameters(), start, strict=True):
        penalty = 0.01 * before.sign() + 0.1 * before if before.ndim > 1 else 0.0
        assert weight.grad is not None
        assert bare.grad is not None
        torch.testing.assert_close(weight.grad, bare.grad + penalty)


def test_micro_batches_never_hold_a_single_row() -> None:
    """Three rows cut in two would leave one alone, which batch normalization refuses."""
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    step = Supervised(model, nn.functional.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1), accumulate=2)
    for rows in (2, 3, 5):
        assert torch.isfinite(step((torch.randn(rows, 4), torch.zeros(rows, dtype=torch.int64)), Now())["loss"])
