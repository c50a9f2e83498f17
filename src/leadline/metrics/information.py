"""Information measures of discrete distributions, in nats; `base=2` gives bits.

All are differentiable and work over the last axis of any shape. Here both arguments of a cross-entropy are distributions; the
losses of networks, which take logits, are in `leadline.losses`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from leadline.errors import ArgumentError

# Rows of float32 or bfloat16 softmax sum to 1 only as closely as their type resolves.
_SUM_TOLERANCE = 1e-2


def information_content(p: Tensor, *, base: float = math.e) -> Tensor:
    """How surprising an event of probability p is: I = −log p. A certain event has none, an impossible one ∞.

    Args:
        p: probabilities of events, any shape.
        base: of the logarithm, above 1: e gives nats, 2 bits.

    Returns:
        The same shape, float64.

    Raises:
        ArgumentError: a probability outside 0 … 1, or a base that is not above 1.

    Example:
        >>> information_content(torch.tensor([1.0, 0.5, 0.25]), base=2).tolist()
        [0.0, 1.0, 2.0]

    Source: Shannon (1948), A mathematical theory of communication.
    """
    p = _probabilities(p)
    return (1 / p).log() / _unit(base)


def entropy(p: Tensor, *, base: float = math.e) -> Tensor:
    """The mean surprise of a distribution: H(p) = −Σ p log p, from 0 (certain) to log K (uniform).

    Args:
        p: distributions [..., K].
        base: of the logarithm.

    Returns:
        [...], float64.

    Raises:
        ArgumentError: a row that is no distribution, or a base that is not above 1.

    Example:
        >>> entropy(torch.tensor([0.5, 0.25, 0.25]), base=2).item()
        1.5
    """
    p = _distribution(p)
    return -_p_log_q(p, p).sum(dim=-1) / _unit(base)


def cross_entropy(p: Tensor, q: Tensor, *, base: float = math.e) -> Tensor:
    """The mean surprise of one who expects q where p holds: H(p, q) = −Σ p log q = H(p) + KL(p ‖ q).

    Args:
        p: true distributions [..., K].
        q: expected distributions [..., K].
        base: of the logarithm.

    Returns:
        [...], float64; ∞ where q rules out what p allows.

    Raises:
        ArgumentError: a row that is no distribution, shapes that differ, or a base that is not above 1.

    Example:
        >>> cross_entropy(torch.tensor([1.0, 0.0]), torch.tensor([0.25, 0.75]), base=2).item()
        2.0
    """
    p, q = _pair(p, q)
    return -_p_log_q(p, q).sum(dim=-1) / _unit(base)


def kl_divergence(p: Tensor, q: Tensor, *, base: float = math.e) -> Tensor:
    """What expecting q costs where p holds: KL(p ‖ q) = Σ p log(p/q), 0 only where they are the same; not symmetric.

    Args:
        p: true distributions [..., K].
        q: expected distributions [..., K].
        base: of the logarithm.

    Returns:
        [...], float64; ∞ where q rules out what p allows.

    Raises:
        ArgumentError: what `cross_entropy` raises.

    Example:
        >>> round(kl_divergence(torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.25])).item(), 4)
        0.1438

    Source: Kullback and Leibler (1951), On information and sufficiency.
    """
    p, q = _pair(p, q)
    return (_p_log_q(p, p) - _p_log_q(p, q)).sum(dim=-1) / _unit(base)


def mutual_information(joint: Tensor, *, base: float = math.e) -> Tensor:
    """What one variable tells about another: I(X; Y) = Σ p(x, y) log(p(x, y) / p(x) p(y)), 0 only where they are independent.

    Args:
        joint: joint distributions [..., A, B], each A × B table summing to 1.
        base: of the logarithm.

    Returns:
        [...], float64.

    Raises:
        ArgumentError: a table that is no distribution, or a base that is not above 1.

    Example:
        >>> mutual_information(torch.tensor([[0.5, 0.0], [0.0, 0.5]]), base=2).item()
        1.0
    """
    if joint.ndim < 2:
        raise ArgumentError("A joint distribution needs two axes", expected="shape [..., A, B]", got=list(joint.shape))
    joint = _distribution(joint.flatten(-2)).reshape(joint.shape)
    independent = joint.sum(dim=-1, keepdim=True) * joint.sum(dim=-2, keepdim=True)
    return (_p_log_q(joint, joint) - _p_log_q(joint, independent)).sum(dim=(-2, -1)) / _unit(base)


def perplexity(p: Tensor) -> Tensor:
    """Among how many equally likely outcomes a model was, in effect, undecided: exp(−1/N Σ log pᵢ), the same in every base.

    Args:
        p: the probabilities [..., N] that a model gave to the N outcomes that came.

    Returns:
        [...], float64, at least 1; ∞ where something came that the model ruled out.

    Raises:
        ArgumentError: a probability outside 0 … 1.

    Example:
        >>> round(perplexity(torch.tensor([0.25, 0.25, 0.25])).item(), 6)
        4.0
    """
    return information_content(p).mean(dim=-1).exp()


def _p_log_q(p: Tensor, q: Tensor) -> Tensor:
    """p log q, which is 0 where p is 0, whatever q."""
    return torch.xlogy(p, q)


def _unit(base: float) -> float:
    if not base > 1:
        raise ArgumentError("The base of the logarithm is too small", expected="a number above 1", got=base)
    return math.log(base)


def _probabilities(p: Tensor) -> Tensor:
    p = p.double()
    if not bool(((p >= 0) & (p <= 1 + _SUM_TOLERANCE)).all()):
        raise ArgumentError("A probability is out of range", expected="0 … 1", got=f"{float(p.min()):g} … {float(p.max()):g}")
    return p


def _distribution(p: Tensor) -> Tensor:
    p = _probabilities(p)
    off = (p.sum(dim=-1) - 1).abs()
    if not bool((off <= _SUM_TOLERANCE).all()):
        raise ArgumentError(
            "The probabilities do not sum to 1", expected="a sum of 1 over the last axis", got=f"off by {float(off.max()):g}"
        )
    return p


def _pair(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    if p.shape[-1:] != q.shape[-1:]:
        raise ArgumentError(
            "The distributions differ in length", expected="the same last axis", got=f"{list(p.shape)} and {list(q.shape)}"
        )
    return _distribution(p), _distribution(q)
