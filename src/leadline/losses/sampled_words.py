"""Cross-entropy over a sample of a large vocabulary: most words that are not the answer need not be asked each time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.losses import checks
from leadline.losses.large_vocabularies import check_words, word_rows
from leadline.spelling import bind, parse_call

SAMPLED = "sampled_cross_entropy"


def sampled_cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, *, samples: int, ignored: int | None = None
) -> Tensor:
    """The surprise at the true word, its rivals being the words of the batch and a sample of all others.

    lossᵢ = log(Σ_{v ∈ A} exp(sᵢᵥ) + (V − |A|)/n · Σ_{v ∈ S} exp(sᵢᵥ)) − sᵢ,ₜᵢ with s = h Wᵀ + b, where A are the different
    words among the targets of the batch and S are n of the other V − |A|, drawn without replacement, the same for all rows.
    The sum is right on average, whatever A is; the frequent words, which have most of it, are nearly always in A. It is for
    training: what a network is worth is told by `linear_cross_entropy`. With n ≥ V − |A| both are the same.

    On a GPU |A| would have to be waited for, and N + n words are taken in all, so that there are n of the others at least.

    Shapes: [..., D], [V, D], [V] and [...] → [].

    Args:
        hidden: h, what the last linear layer gets.
        weight: W, its weights.
        bias: b, or None.
        targets: word numbers 0 … V − 1.
        samples: n, at least 1; drawn from torch's default generator.
        ignored: a target that does not count.

    Errors: `ArgumentError` for shapes that do not fit, an empty batch, a target that is no word, or no samples.

    Example:
        >>> hidden, weight = torch.zeros(7, 3), torch.zeros(50, 3)
        >>> round(sampled_cross_entropy(hidden, weight, None, torch.arange(7), samples=10).exp().item(), 3)
        50.0

    Source: Bengio and Senécal (2003), Quick training of probabilistic neural nets by importance sampling; sharing the words of
    the batch: Jean et al. (2015), On using very large target vocabulary for neural machine translation.
    """
    rows, numbers = word_rows(hidden, weight, bias, targets)
    check_words(numbers, len(weight))
    if samples < 1:
        raise ArgumentError("No words are sampled", expected="samples of at least 1", got=samples)
    words, device = len(weight), rows.device
    present = torch.zeros(words, dtype=torch.bool, device=device).index_fill_(0, numbers, True)
    own = present.sum()
    chosen_count = min(words, (int(own) if device.type == "cpu" else len(numbers)) + samples)
    # Those of the batch have the highest keys, the others fall in by lot.
    keys = torch.rand(words, device=device).masked_fill_(present, 2.0)
    chosen = keys.topk(chosen_count, sorted=False).indices
    place = torch.empty_like(present, dtype=torch.long)
    place[chosen] = torch.arange(chosen_count, device=device)
    logits = checks.single(F.linear(rows, weight[chosen], None if bias is None else bias[chosen]), "logits")
    stands_for = ((words - own).clamp(min=1) / (chosen_count - own).clamp(min=1)).log()
    logits = logits + torch.where(present[chosen], 0.0, stands_for)
    answers = place[numbers]
    if ignored is not None:
        answers = torch.where(numbers == ignored, -100, answers)
    return F.cross_entropy(logits, answers, ignore_index=-100)


def samples_of(text: str) -> int:
    """How many words the loss of a language model samples, as a text spells it; 0 where all are asked.

    Args:
        text: "cross_entropy", or "sampled_cross_entropy(samples=2000)".

    Errors: `ArgumentError` for another loss, or an argument that it has not or that is out of range.

    Example:
        >>> samples_of("sampled_cross_entropy(samples=2000)"), samples_of("cross_entropy")
        (2000, 0)
    """
    call = parse_call(text, "loss")
    if call.name == "cross_entropy" and not call.arguments and not call.keywords:
        return 0
    if call.name != SAMPLED:
        raise ArgumentError(f"The loss {text!r} is not for a language model", expected=f"cross_entropy or {SAMPLED}(samples=N)")
    _, keywords = bind(call, _settable, "loss")
    samples = keywords.get("samples")
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise ArgumentError("It is not said how many words to sample", expected=f"{SAMPLED}(samples=N), N at least 1", got=text)
    return samples


def _settable(*, samples: int) -> None:
    """The part of the signature that a text fills in."""
