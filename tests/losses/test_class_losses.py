"""Cross-entropy, divergence and entropy against their formulas and against torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from drawn_rows import central_differences, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence

from leadline import losses
from leadline.errors import ArgumentError

WEIGHTS = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
seeds = st.integers(0, 2**31)


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.0, 0.1, 1.0]), st.booleans())
def test_cross_entropy_by_its_formula(seed: int, smoothing: float, weighted: bool) -> None:
    logits, targets = rows("cross_entropy", seed)
    weights = WEIGHTS if weighted else torch.ones(3, dtype=torch.float64)
    q = (1 - smoothing) * torch.eye(3, dtype=torch.float64)[targets] + smoothing / 3
    each = -(weights * q * torch.log_softmax(logits, 1)).sum(1)
    given_weights = WEIGHTS if weighted else None
    found = losses.cross_entropy(logits, targets, label_smoothing=smoothing, class_weights=given_weights, reduction="none")
    assert found.tolist() == pytest.approx(each.tolist())
    mean = losses.cross_entropy(logits, targets, label_smoothing=smoothing, class_weights=given_weights)
    assert mean.item() == pytest.approx(each.mean().item())


@settings(max_examples=40)
@given(seeds, st.integers(2, 7))
def test_the_divergence_is_that_of_torchs_distributions(seed: int, classes: int) -> None:
    logits, other = rows("squared_error", seed, 6, classes)
    expected = kl_divergence(Categorical(logits=other), Categorical(logits=logits))
    found = losses.kl_divergence(logits, other.softmax(1), reduction="none")
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-12)
    assert bool((found >= -1e-12).all())
    assert losses.kl_divergence(other, other.softmax(1)).item() == pytest.approx(0, abs=1e-12)


@settings(max_examples=40)
@given(seeds, st.sampled_from([0.0, 0.1, 0.7, 1.0]))
def test_class_numbers_are_distributions_with_all_on_one(seed: int, smoothing: float) -> None:
    logits, targets = rows("kl_divergence", seed)
    one_hot = torch.eye(3, dtype=torch.float64)[targets]
    by_number = losses.kl_divergence(logits, targets, label_smoothing=smoothing, reduction="none")
    by_row = losses.kl_divergence(logits, one_hot, label_smoothing=smoothing, reduction="none")
    assert by_number.tolist() == pytest.approx(by_row.tolist())


@settings(max_examples=40)
@given(seeds)
def test_the_divergence_has_the_slope_of_the_cross_entropy(seed: int) -> None:
    logits, other = rows("squared_error", seed)
    q = other.softmax(1)
    logits.requires_grad_()
    (slope,) = torch.autograd.grad(losses.kl_divergence(logits, q, reduction="none").sum(), logits)
    torch.testing.assert_close(slope, (logits.softmax(1) - q).detach())
    torch.testing.assert_close(
        slope, central_differences(lambda at: losses.kl_divergence(at, q).sum() * 8, logits.detach()), rtol=1e-6, atol=1e-8
    )


def test_the_divergence_where_targets_rule_out_classes() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = losses.kl_divergence(logits, torch.tensor([[0.0, 1.0, 0.0]]))
    (slope,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 2e4
    assert slope.tolist() == [[1, -1, 0]]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([0.5, 0.6], "sums from 1.1 to 1.1"),
        ([1.5, -0.5], "values from -0.5"),
        ([3.0, 4.0], r"softmax\(logits\), and not logits"),
        ([math.nan, 1.0], "no distribution"),
    ],
)
def test_what_is_no_distribution_is_refused(row: list[float], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        losses.kl_divergence(torch.zeros(1, 2), torch.tensor([row]))


def test_a_softmax_in_half_precision_is_a_distribution() -> None:
    q = torch.randn(64, 1000, generator=torch.Generator().manual_seed(0)).softmax(1).bfloat16()
    assert losses.kl_divergence(torch.zeros(64, 1000), q).isfinite()


@settings(max_examples=40)
@given(seeds, st.lists(st.integers(1, 4), max_size=2), st.integers(1, 6))
def test_the_entropy_is_that_of_torchs_distributions(seed: int, shape: list[int], classes: int) -> None:
    logits = 3 * torch.randn(*shape, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = losses.entropy(logits)
    torch.testing.assert_close(found, Categorical(logits=logits).entropy(), rtol=1e-9, atol=1e-12)
    assert losses.entropy(logits, reduction="mean").item() == pytest.approx(found.mean().item())
    expected = central_differences(lambda at: losses.entropy(at).sum(), logits)
    (slope,) = torch.autograd.grad(losses.entropy(logits.requires_grad_()).sum(), logits)
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=1e-8)


@settings(max_examples=40)
@given(seeds)
def test_the_entropy_of_enormous_logits(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.tensor([-1e4, 0.0, 1e4])[torch.randint(3, (4, 5), generator=draw)].requires_grad_()
    found = losses.entropy(logits)
    leaders = (logits == logits.amax(1, keepdim=True)).sum(1)
    assert found.tolist() == pytest.approx(leaders.log().tolist(), abs=1e-6)  # the leaders share evenly, others have nothing
    (slope,) = torch.autograd.grad(found.sum(), logits)
    assert slope.abs().max() < 1e-6


@pytest.mark.parametrize("shape", [(), (0, 3), (3, 0)])
def test_the_entropy_of_nothing_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match="nothing to be undecided about"):
        losses.entropy(torch.zeros(shape))


def test_the_loss_of_knowing_nothing() -> None:
    assert losses.cross_entropy(torch.zeros(4, 10), torch.arange(4)).item() == pytest.approx(math.log(10))
    assert losses.entropy(torch.zeros(10)).item() == pytest.approx(math.log(10))


def test_class_weights_that_do_not_fit_are_refused() -> None:
    logits, targets = rows("cross_entropy")
    with pytest.raises(ArgumentError, match=r"each of 3 classes; got \[4\]"):
        losses.cross_entropy(logits, targets, class_weights=torch.ones(4))


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.0, 0.1, 1.0]), st.booleans())
def test_cross_entropy_of_mixtures_is_the_mixture_of_cross_entropies(seed: int, smoothing: float, weighted: bool) -> None:
    """Zhang et al. write mixup either way: a loss of mixed targets, or a mixture of two losses."""
    logits, one = rows("cross_entropy", seed)
    other, eye = one.roll(1), torch.eye(3, dtype=torch.float64)
    share = torch.rand(len(one), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    given_weights = {"class_weights": WEIGHTS if weighted else None, "label_smoothing": smoothing}
    mixed = share[:, None] * eye[one] + (1 - share)[:, None] * eye[other]
    first, second = (losses.cross_entropy(logits, t, reduction="none", **given_weights) for t in (one, other))
    expected = share * first + (1 - share) * second
    found = losses.cross_entropy(logits, mixed, reduction="none", **given_weights)
    assert found.tolist() == pytest.approx(expected.tolist())
    mean = losses.cross_entropy(logits, mixed, **given_weights)
    assert mean.item() == pytest.approx(expected.mean().item())


@pytest.mark.parametrize("row", [[0.4, 0.4], [1.5, -0.5], [3.0, 4.0], [math.nan, 1.0]])
def test_cross_entropy_takes_no_rows_that_are_no_distributions(row: list[float]) -> None:
    with pytest.raises(ArgumentError, match="no distribution over the classes"):
        losses.cross_entropy(torch.zeros(1, 2), torch.tensor([row]))
    with pytest.raises(ArgumentError, match="differ in shape"):
        losses.cross_entropy(torch.zeros(1, 3), torch.tensor([row]))
