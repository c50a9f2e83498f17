"""Cross-entropy over a large vocabulary: the last linear layer and its loss in one, a few rows of logits at a time.

N rows, D features, V words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks

# Logits that are in the works at a time. On a CPU they should stay near its caches; a GPU wants enough work for each launch.
_LOGITS_ON_CPU, _LOGITS_ELSEWHERE = 1 << 22, 1 << 26


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    ignored: int | None = None,
    chunk: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The surprise at the true one of V words, of logits that are never held all at once.

    lossᵢ = log Σᵥ exp(sᵢᵥ) − sᵢ,ₜᵢ with s = h Wᵀ + b. It is `cross_entropy(linear(h, W, b), t)`, but neither the logits [N, V]
    nor their gradient are kept: rows go through in chunks, and the mean's gradients are made in the same pass, while the
    probabilities of a chunk are there. Under autocast the products are in its precision and the softmax in float32.

    Shapes: [..., D], [V, D], [V] and [...] → [] or [...].

    Args:
        hidden: h, what the last linear layer gets.
        weight: W, its weights; those of the embedding where both are tied.
        bias: b, or None.
        targets: word numbers 0 … V − 1.
        ignored: a target that does not count (that of padding): its loss is 0 and the mean is over the others.
        chunk: rows at a time; None takes as many as fit the caches.
        reduction: "mean" → [], "none" → [...].

    Errors: `ArgumentError` for shapes that do not fit, an empty batch, or a target that is no word.

    Example:
        >>> hidden, weight = torch.zeros(2, 7, 3), torch.zeros(50, 3)
        >>> round(linear_cross_entropy(hidden, weight, None, torch.ones(2, 7, dtype=torch.long)).exp().item(), 3)
        50.0

    Source: the method is that of Wijmans et al. (2024), Cut your losses in large-vocabulary language models.
    """
    rows, numbers = word_rows(hidden, weight, bias, targets)
    check_words(numbers, len(weight))
    if ignored is not None:
        counted = numbers != ignored
        numbers = torch.where(counted, numbers, 0)
    else:
        counted = torch.ones_like(numbers, dtype=torch.bool)
    on_cpu = rows.device.type == "cpu"
    if chunk is None:
        chunk = max(64, (_LOGITS_ON_CPU if on_cpu else _LOGITS_ELSEWHERE) // len(weight))
    if chunk < 1:
        raise ArgumentError("There are no rows in a chunk", expected="chunk of at least 1", got=chunk)
    if not torch.is_grad_enabled():  # in a function of autograd this can no longer be told
        rows, weight, bias = rows.detach(), weight.detach(), None if bias is None else bias.detach()
    if checks.checked_reduction(reduction) == "none":
        each: Tensor = _Each.apply(rows, weight, bias, numbers, chunk)  # type: ignore[no-untyped-call]
        return torch.where(counted, each, 0.0).reshape(targets.shape)
    mean: Tensor = _Mean.apply(rows, weight, bias, numbers, counted, chunk)  # type: ignore[no-untyped-call]
    return mean


class _Mean(torch.autograd.Function):
    """The mean over the rows that count; its gradients are there when the forward pass is over."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, counted: Tensor, chunk: int
    ) -> Tensor:
        wanted = ctx.needs_input_grad[:3]
        share = counted.to(_softmax_type(rows)) / counted.sum().clamp(min=1)
        total = rows.new_zeros((), dtype=_softmax_type(rows))
        d_rows = torch.empty_like(rows) if wanted[0] else None
        d_weight = torch.zeros_like(weight) if wanted[1] else None
        d_bias = torch.zeros_like(bias) if bias is not None and wanted[2] else None
        for place, part, log_p, precise in _chunks(rows, weight, bias, chunk):
            of_true = targets[place, None]
            shares = share[place, None]
            total -= (log_p.gather(1, of_true) * shares).sum()
            if not any(wanted):
                continue
            slope = log_p.exp_()  # p − 1 at the true word
            slope.scatter_add_(1, of_true, slope.new_full((), -1.0).expand_as(of_true))
            _add(slope, shares, place, part, precise, d_rows, d_weight, d_bias)
        ctx.save_for_backward(d_rows, d_weight, d_bias)
        return total.to(torch.promote_types(rows.dtype, torch.float32))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
        # Nearly always 1; not changed in place, so that a graph that is kept can be gone through again.
        return (*(None if saved is None else saved * slope.to(saved.dtype) for saved in ctx.saved_tensors), None, None, None)


class _Each(torch.autograd.Function):
    """The loss of each row; its gradient needs the logits a second time."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, chunk: int) -> Tensor:
        losses = rows.new_empty(len(rows), dtype=_softmax_type(rows))
        for place, _, log_p, _ in _chunks(rows, weight, bias, chunk):
            losses[place] = -log_p.gather(1, targets[place, None]).squeeze(1)
        ctx.save_for_backward(rows, weight, bias, targets)
        ctx.chunk = chunk
        return losses

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Any, ...]:
        rows, weight, bias, targets = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        d_rows = torch.empty_like(rows) if wanted[0] else None
        d_weight = torch.zeros_like(weight) if wanted[1] else None
        d_bias = torch.zeros_like(bias) if bias is not None and wanted[2] else None
        for place, part, log_p, precise in _chunks(rows, weight, bias, ctx.chunk):
            slope = log_p.exp_()
            of_true = targets[place, None]
            slope.scatter_add_(1, of_true, slope.new_full((), -1.0).expand_as(of_true))
            _add(slope, slopes[place, None].to(slope), place, part, precise, d_rows, d_weight, d_bias)
        return d_rows, d_weight, d_bias, None, None


def _chunks(rows: Tensor, weight: Tensor, bias: Tensor | None, chunk: int) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """For some rows at a time: where they are, they themselves, their log-probabilities [n, V] in a buffer that is used again,
    and the weights; rows and weights are in the precision of the products."""
    kind = rows.device.type
    product = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    with torch.autocast(kind, enabled=False):
        precise, offset = weight.to(product), None if bias is None else bias.to(product)
        most = min(chunk, len(rows))
        # Two buffers for all chunks: fresh memory for each would cost as much as the softmax.
        logits, log_p = (rows.new_empty(most, len(weight), dtype=kind_of) for kind_of in (product, _softmax_type(rows)))
        for start in range(0, len(rows), chunk):
            place = slice(start, min(start + chunk, len(rows)))
            part = rows[place].to(product)
            scores, found = logits[: len(part)], log_p[: len(part)]
            if offset is None:
                torch.mm(part, precise.t(), out=scores)
            else:
                torch.addmm(offset, part, precise.t(), out=scores)
            torch.log_softmax(scores, 1, dtype=found.dtype, out=found)
            yield place, part, found, precise


def _add(
    slope: Tensor,
    shares: Tensor,
    place: slice,
    part: Tensor,
    weight: Tensor,
    d_rows: Tensor | None,
    d_weight: Tensor | None,
    d_bias: Tensor | None,
) -> None:
    """Add what the rows of a chunk, each by its share, contribute to the gradients.

    Shares are put on what has D columns rather than on the V of the slope.
    """
    if d_bias is not None:
        d_bias += (shares.t() @ slope).squeeze(0)
    slope = slope.to(weight.dtype)
    if d_rows is not None:
        d_rows[place] = (slope @ weight) * shares
    if d_weight is not None:
        shared = part * shares.to(part.dtype)
        if d_weight.dtype == slope.dtype:
            d_weight.addmm_(slope.t(), shared)
        else:
            d_weight += slope.t() @ shared


def _softmax_type(rows: Tensor) -> torch.dtype:
    return torch.float32 if rows.dtype in (torch.bfloat16, torch.float16) else rows.dtype


def word_rows(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [N, D] and their targets [N] as int64."""
    fits = weight.ndim == 2 and hidden.ndim > 1 and hidden.shape[-1:] == weight.shape[1:] and targets.shape == hidden.shape[:-1]
    if not fits or (bias is not None and bias.shape != weight.shape[:1]):
        raise ArgumentError(
            "The parts of the last layer and the targets do not fit together",
            expected="hidden [..., D], weight [V, D], bias [V] and targets [...]",
            got=", ".join(str(list(part.shape)) for part in (hidden, weight, bias, targets) if part is not None),
        )
    if targets.numel() == 0 or weight.numel() == 0:
        raise ArgumentError("The batch is empty", expected="at least 1 row and 1 word", got=list(targets.shape))
    if targets.is_floating_point():
        raise ArgumentError("The targets are no word numbers", expected="whole numbers from 0", got=targets.dtype)
    return hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1).long()


def check_words(targets: Tensor, words: int) -> None:
    """On the CPU: every target is a word. A GPU would have to be waited for; it stops by itself at a wrong one."""
    if targets.is_cpu:
        low, high = torch.aminmax(targets)
        if int(low) < 0 or int(high) >= words:
            raise ArgumentError(
                "A target is no word of this vocabulary",
                expected=f"numbers from 0 to {words - 1}",
                got=int(low) if int(low) < 0 else int(high),
                do="Encode the text with the vocabulary that the network was built for.",
            )
