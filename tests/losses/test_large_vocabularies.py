"""The last layer and its loss in one, against torch's cross-entropy of all logits, and what it holds in memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from leadline.errors import ArgumentError
from leadline.losses.large_vocabularies import linear_cross_entropy


def parts(seed: int, rows: int = 11, words: int = 23, features: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    hidden = torch.randn(rows, features, generator=draw, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(words, features, generator=draw, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(words, generator=draw, dtype=torch.float64, requires_grad=True)
    return hidden, weight, bias, torch.randint(words, (rows,), generator=draw)


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 13), st.booleans(), st.sampled_from(["mean", "none"]), st.booleans())
def test_it_is_torchs_loss_of_all_logits(seed: int, chunk: int, biased: bool, reduction: str, ignoring: bool) -> None:
    hidden, weight, bias, targets = parts(seed)
    offset = bias if biased else None
    ignored = int(targets[0]) if ignoring and len(set(targets.tolist())) > 1 else None
    expected = F.cross_entropy(
        F.linear(hidden, weight, offset), targets, reduction=reduction, ignore_index=-100 if ignored is None else ignored
    )
    found = linear_cross_entropy(hidden, weight, offset, targets, ignored=ignored, chunk=chunk, reduction=reduction)
    torch.testing.assert_close(found, expected)
    wanted = [hidden, weight, *([bias] if biased else [])]
    # Each row's loss gets a slope of its own, so that a gradient that mixes rows up is found.
    slopes = torch.linspace(0.5, 2, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    of_torch = torch.autograd.grad(expected, wanted, slopes)
    for ours, theirs in zip(torch.autograd.grad(found, wanted, slopes), of_torch, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_only_what_is_wanted_gets_a_gradient() -> None:
    hidden, weight, bias, targets = parts(0)
    loss = linear_cross_entropy(hidden.detach(), weight, bias.detach(), targets, chunk=4)
    (slope,) = torch.autograd.grad(loss, weight)
    expected = F.cross_entropy(F.linear(hidden, weight, bias), targets)
    torch.testing.assert_close(slope, torch.autograd.grad(expected, weight)[0])


def test_a_graph_that_is_kept_can_be_gone_through_twice() -> None:
    hidden, weight, bias, targets = parts(0)
    loss = linear_cross_entropy(hidden, weight, bias, targets)
    first = torch.autograd.grad(3 * loss, hidden, retain_graph=True)[0]
    second = torch.autograd.grad(3 * loss, hidden)[0]
    assert torch.equal(first, second)


def test_windows_of_steps() -> None:
    hidden, weight, bias, targets = parts(0, rows=12)
    flat = linear_cross_entropy(hidden, weight, bias, targets, reduction="none")
    of_windows = linear_cross_entropy(hidden.view(3, 4, -1), weight, bias, targets.view(3, 4), reduction="none")
    assert torch.equal(of_windows, flat.view(3, 4))


def test_where_nothing_counts_the_loss_is_0_and_pulls_nowhere() -> None:
    hidden, weight, bias, _ = parts(0)
    loss = linear_cross_entropy(hidden, weight, bias, torch.zeros(11, dtype=torch.long), ignored=0)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, hidden)[0].abs().max() == 0


def test_sure_answers_stay_finite() -> None:
    hidden = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss = linear_cross_entropy(hidden, weight, None, torch.tensor([0, 0]), reduction="none")
    assert loss.tolist() == [0.0, 2e4]
    assert torch.isfinite(torch.autograd.grad(loss.sum(), weight)[0]).all()


def test_products_in_half_precision_and_a_softmax_in_single() -> None:
    hidden, weight, bias, targets = (part.detach().float() if part.is_floating_point() else part for part in parts(3))
    weight.requires_grad_()
    exact = linear_cross_entropy(hidden, weight, bias, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = linear_cross_entropy(hidden, weight, bias, targets)
    assert near.dtype == torch.float32
    assert near.item() == pytest.approx(exact.item(), rel=0.03)
    assert near.item() != exact.item(), "the products were not in half precision"
    slopes = [torch.autograd.grad(loss, weight)[0] for loss in (exact, near)]
    assert slopes[1].dtype == torch.float32
    assert (slopes[0] - slopes[1]).norm() < 0.03 * slopes[0].norm()


def test_the_logits_are_never_all_there() -> None:
    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func: object, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
            out = func(*args, **(kwargs or {}))  # type: ignore[operator]
            for each in out if isinstance(out, (tuple, list)) else (out,):
                if isinstance(each, Tensor):
                    self.numbers = max(self.numbers, each.numel())
            return out

    hidden, weight, bias, targets = parts(0, rows=400, words=200, features=4)
    with Largest() as largest:
        linear_cross_entropy(hidden, weight, bias, targets, chunk=10).backward()
    assert largest.numbers <= 10 * 200, "10 rows of logits, and all weights, are the most"
    with Largest() as largest:
        F.cross_entropy(F.linear(hidden, weight, bias), targets).backward()
    assert largest.numbers == 400 * 200, "else this test sees nothing"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": torch.tensor([0, 23])}, "no word of this vocabulary. Expected numbers from 0 to 22; got 23"),
        ({"targets": torch.tensor([0, -1])}, "got -1"),
        ({"targets": torch.zeros(2)}, "no word numbers"),
        ({"targets": torch.zeros(3, dtype=torch.long)}, r"do not fit together.*\[2, 4\], \[23, 4\], \[23\], \[3\]"),
        ({"weight": torch.zeros(23, 5)}, "do not fit together"),
        ({"bias": torch.zeros(22)}, "do not fit together"),
        ({"hidden": torch.zeros(0, 4), "targets": torch.zeros(0, dtype=torch.long)}, "empty"),
        ({"chunk": 0}, "no rows in a chunk"),
        ({"reduction": "sum"}, "no reduction 'sum'"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, words: str) -> None:
    fitting = {
        "hidden": torch.zeros(2, 4),
        "weight": torch.zeros(23, 4),
        "bias": torch.zeros(23),
        "targets": torch.zeros(2, dtype=torch.long),
    }
    with pytest.raises(ArgumentError, match=words):
        linear_cross_entropy(**(fitting | change))
