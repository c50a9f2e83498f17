"""What holds for every loss: its reductions, its slope, its range, its types, and what it refuses."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
import torch
from drawn_rows import OF_CLASSES, OF_LABELS, central_differences, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadline import losses
from leadline.errors import ArgumentError

# Each loss as it is and with every argument that changes its formula.
SPELLINGS = [
    *losses.LOSSES,
    "cross_entropy(label_smoothing=0.1)",
    "kl_divergence(label_smoothing=0.3)",
    "weston_watkins(margin=0.5)",
    "crammer_singer(margin=2.0)",
    "binary_cross_entropy(label_smoothing=0.2)",
    "binary_hinge(margin=3)",
    "huber(delta=0.3)",
    "quantile(tau=0.9)",
]
spelling = st.sampled_from(SPELLINGS)
seeds = st.integers(0, 2**31)


def name_of(text: str) -> str:
    return text.partition("(")[0]


@settings(max_examples=150)
@given(spelling, seeds, st.integers(1, 5), st.integers(2, 6))
def test_the_gradient_is_the_slope(text: str, seed: int, count: int, width: int) -> None:
    outputs, targets = rows(name_of(text), seed, count, width)
    loss = losses.get(text)
    expected = central_differences(lambda at: loss(at, targets), outputs)
    (slope,) = torch.autograd.grad(loss(outputs.requires_grad_(), targets), outputs)
    torch.testing.assert_close(slope, expected, rtol=1e-6, atol=1e-8)


@settings(max_examples=150)
@given(spelling, seeds, st.integers(1, 5), st.integers(2, 6))
def test_enormous_outputs_in_float32_are_as_in_float64(text: str, seed: int, count: int, width: int) -> None:
    _, targets = rows(name_of(text), seed, count, width)
    draw = torch.Generator().manual_seed(seed)
    extremes = torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4])
    outputs = extremes[torch.randint(5, (count, width), generator=draw)]
    if text not in OF_CLASSES and targets.is_floating_point():
        targets = targets.round()  # exact in both types, and so are the kinks
    found = []
    for dtype in (torch.float32, torch.float64):
        at = outputs.to(dtype).requires_grad_()
        loss = losses.get(text)(at, targets.to(dtype) if targets.is_floating_point() else targets)
        found.append((loss.detach().double(), torch.autograd.grad(loss, at)[0].double()))
    assert found[0][0].isfinite()
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("text", SPELLINGS)
def test_the_mean_is_the_mean_over_the_samples(text: str) -> None:
    outputs, targets = rows(name_of(text))
    each = losses.get(text)(outputs, targets, reduction="none")
    assert each.shape == (8,)
    assert losses.get(text)(outputs, targets).item() == pytest.approx(each.mean().item())
    alone = [losses.get(text)(outputs[i : i + 1], targets[i : i + 1]).item() for i in range(8)]
    assert each.tolist() == pytest.approx(alone)


@pytest.mark.parametrize("text", SPELLINGS)
def test_half_precision_is_reckoned_in_single(text: str) -> None:
    outputs, targets = rows(name_of(text))
    coarse = outputs.bfloat16()
    found = losses.get(text)(coarse, targets)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(losses.get(text)(coarse.float(), targets).item())


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_loss_can_be_compiled_and_stacked(text: str) -> None:
    outputs, targets = rows(name_of(text))
    plain = losses.get(text)
    compiled = torch.compile(plain, backend="eager", fullgraph=True)
    assert compiled(outputs, targets).item() == pytest.approx(plain(outputs, targets).item())
    stacked = torch.stack([outputs, 2 * outputs, -outputs])
    together = torch.func.vmap(plain, in_dims=(0, None))(stacked, targets)
    assert together.tolist() == pytest.approx([plain(one, targets).item() for one in stacked])


def test_stacked_targets_are_not_looked_at() -> None:
    for name in ("kl_divergence", *OF_LABELS):
        outputs, targets = rows(name)
        targets = outputs.softmax(1) if name == "kl_divergence" else targets
        stacked = torch.func.vmap(losses.get(name))(torch.stack([outputs] * 2), torch.stack([targets] * 2))
        assert stacked.tolist() == pytest.approx([losses.get(name)(outputs, targets).item()] * 2)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_members_are_judged_one_by_one(name: str) -> None:
    members, function = 4, losses.get(name)
    _, targets = rows(name)
    if name not in OF_CLASSES:
        targets = targets[:, :3]
    outputs = 3 * torch.randn(8, members, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = losses.per_member(function)(outputs, targets).item()
    assert found == pytest.approx(sum(function(outputs[:, m], targets).item() for m in range(members)) / members)
    plain = outputs[:, 0]
    assert losses.per_member(function)(plain, targets).item() == function(plain, targets).item()


def test_members_with_class_weights() -> None:
    weights = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
    _, targets = rows("cross_entropy")
    outputs = torch.randn(8, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weighted = functools.partial(losses.cross_entropy, class_weights=weights, label_smoothing=0.1)
    each = [weighted(outputs[:, m], targets).item() for m in range(4)]
    assert losses.per_member(weighted)(outputs, targets).item() == pytest.approx(sum(each) / 4)


def test_members_must_fit_their_targets_too() -> None:
    with pytest.raises(ArgumentError, match="differ in shape"):
        losses.per_member(losses.squared_error)(torch.zeros(5, 4, 2), torch.zeros(5, 1))


@pytest.mark.parametrize("name", losses.LOSSES)
def test_misfits_are_refused(name: str) -> None:
    outputs, targets = rows(name)
    loss = losses.get(name)
    with pytest.raises(ArgumentError, match=r"got \[8, 3\] and \[7"):
        loss(outputs, targets[:7])
    with pytest.raises(ArgumentError):
        loss(outputs[:, 0], targets)
    with pytest.raises(ArgumentError, match=r"The batch is empty.*got \[0, 3\]"):
        loss(outputs[:0], targets[:0])
    with pytest.raises(ArgumentError, match=r"are no real numbers.*got torch.int64"):
        loss(outputs.long(), targets)
    with pytest.raises(ArgumentError, match=r"no reduction 'men'.*Did you mean 'mean'"):
        loss(outputs, targets, reduction="men")


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("wrong", [3, -1, -100, 2**40])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_class_that_does_not_exist_is_named(name: str, wrong: int, reduction: str) -> None:
    outputs, targets = rows(name)
    targets[5] = wrong
    with pytest.raises(ArgumentError, match=rf"from 0 to 2 for 3 outputs; got {wrong} in row 5 \(1 of 8") as found:
        losses.get(name)(outputs, targets, reduction=reduction)
    assert found.value.__suppress_context__  # one paragraph, without torch's own error above it


@pytest.mark.parametrize("text", ["cross_entropy(label_smoothing=0.1)", "kl_divergence(label_smoothing=0.1)"])
def test_a_class_that_does_not_exist_is_named_when_smoothed(text: str) -> None:
    outputs, targets = rows("cross_entropy")
    targets[0] = 7
    with pytest.raises(ArgumentError, match="got 7 in row 0"):
        losses.get(text)(outputs, targets)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_numbers_are_no_classes(name: str) -> None:
    outputs, targets = rows(name)
    with pytest.raises(ArgumentError, match=r"no class numbers.*got torch.float32.*targets.long\(\)"):
        losses.get(name)(outputs, targets.float())


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.int8, torch.uint8])
def test_whole_numbers_of_any_size_are_classes(name: str, dtype: torch.dtype) -> None:
    outputs, targets = rows(name)
    assert losses.get(name)(outputs, targets.to(dtype)).item() == losses.get(name)(outputs, targets).item()


@pytest.mark.parametrize("name", [name for name in losses.LOSSES if name not in OF_CLASSES])
def test_targets_of_another_type_are_converted(name: str) -> None:
    outputs, targets = rows(name)
    whole = targets.round().long()
    outputs = outputs.float().requires_grad_()
    loss = losses.get(name)(outputs, whole)
    assert loss.dtype == torch.float32
    (slope,) = torch.autograd.grad(loss, outputs)
    (expected,) = torch.autograd.grad(losses.get(name)(outputs, whole.float()), outputs)
    assert slope.equal(expected)


OUT_OF_RANGE: list[tuple[str, str, Any]] = [
    *[("huber", "delta", value) for value in (0, -1.0, math.inf, math.nan)],
    *[("quantile", "tau", value) for value in (0.0, 1.0, 2, -0.5, math.nan)],
    *[
        (name, "margin", value)
        for name in ("weston_watkins", "crammer_singer", "binary_hinge")
        for value in (-1, math.nan, math.inf)
    ],
    *[
        (name, "label_smoothing", value)
        for name in ("cross_entropy", "kl_divergence", "binary_cross_entropy")
        for value in (-0.1, 1.1, math.nan)
    ],
]


@pytest.mark.parametrize(("name", "argument", "value"), OUT_OF_RANGE)
def test_arguments_out_of_range_are_refused(name: str, argument: str, value: float) -> None:
    outputs, targets = rows(name)
    with pytest.raises(ArgumentError, match=f"got {value}"):
        losses.LOSSES[name].function(outputs, targets, **{argument: value})


def test_a_target_as_distribution_points_to_the_loss_for_it() -> None:
    outputs, _ = rows("crammer_singer")
    with pytest.raises(ArgumentError, match="take the loss kl_divergence"):
        losses.crammer_singer(outputs, outputs.softmax(1))


def refuses(loss: Any, outputs: Tensor, targets: Tensor) -> bool:
    try:
        loss(outputs, targets)
    except ArgumentError:
        return True
    return False


@settings(max_examples=60)
@given(st.sampled_from(OF_CLASSES), seeds, st.integers(-4, 8))
def test_exactly_the_classes_there_are_are_taken(name: str, seed: int, wanted: int) -> None:
    outputs, targets = rows(name, seed, 4, 5)
    targets[seed % 4] = wanted
    assert refuses(losses.get(name), outputs, targets) == (not 0 <= wanted < 5)
