"""Ensembles within one network: M members that share their matrices and differ by a few vectors each.

B batch, M members, D features, K outputs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from leadline.errors import ArgumentError, unknown

_TASKS = ("classes", "labels", "number")


class BatchEnsembleLinear(nn.Module):
    """One matrix for all members, and for each member a scale of every input, a scale of every output and a bias.

    yₘ = sₘ ⊙ W(rₘ ⊙ xₘ) + bₘ. That is member m's own matrix Wₘ = W ⊙ sₘrₘᵀ, at the price of two vectors. All scales start at 1
    and all biases alike, so the members differ by what comes in; the first layer of an ensemble is given `diverse=True`, and
    its rₘ start as random signs.

    Shapes: [B, M, D] → [B, M, out]; [B, D], the same for all members, → [B, M, out].

    Args:
        features: D.
        outputs: of each member.
        members: M.
        diverse: start rₘ as random signs.

    Errors: `ArgumentError` for an argument below 1.

    Example:
        >>> layer = BatchEnsembleLinear(3, 5, members=4)
        >>> layer(torch.ones(2, 3)).shape, layer(torch.ones(2, 4, 3)).shape
        (torch.Size([2, 4, 5]), torch.Size([2, 4, 5]))

    Source: Wen, Tran and Ba (2020), BatchEnsemble; for tables: Gorishniy, Kotelnikov and Babenko (2024), TabM.
    """

    def __init__(self, features: int, outputs: int, *, members: int, diverse: bool = False) -> None:
        super().__init__()
        _check(features, outputs, members)
        self.features, self.outputs, self.members, self.diverse = features, outputs, members, diverse
        self.weight = nn.Parameter(torch.empty(outputs, features))
        self.scale_in = nn.Parameter(torch.empty(members, features))  # r
        self.scale_out = nn.Parameter(torch.empty(members, outputs))  # s
        self.bias = nn.Parameter(torch.empty(members, outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.features)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.ones_(self.scale_in)
        nn.init.ones_(self.scale_out)
        with torch.no_grad():
            self.bias.copy_(torch.empty(self.outputs).uniform_(-bound, bound))
            if self.diverse:
                self.scale_in.copy_(torch.randint(0, 2, self.scale_in.shape) * 2 - 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x if x.ndim == 3 else x[:, None, :]
        return nn.functional.linear(x * self.scale_in, self.weight) * self.scale_out + self.bias

    def extra_repr(self) -> str:
        return f"{self.features}, {self.outputs}, members={self.members}"


class MemberHeads(nn.Module):
    """A matrix of its own for each member: the last layer, small enough to share nothing but the bias.

    yₘ = Wₘxₘ + b. The bias is common because it says how frequent each answer is, which all members must agree on.

    Shapes: [B, M, D] → [B, M, K].

    Args:
        features: D.
        outputs: K.
        members: M.

    Errors: `ArgumentError` for an argument below 1.

    Example:
        >>> heads = MemberHeads(3, 2, members=4)
        >>> heads(torch.ones(5, 4, 3)).shape, heads.bias.shape
        (torch.Size([5, 4, 2]), torch.Size([2]))

    Source: Gorishniy, Kotelnikov and Babenko (2024), TabM.
    """

    def __init__(self, features: int, outputs: int, *, members: int) -> None:
        super().__init__()
        _check(features, outputs, members)
        self.weight = nn.Parameter(torch.empty(members, features, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bmd,mdk->bmk", x, self.weight) + self.bias

    def extra_repr(self) -> str:
        members, features, outputs = self.weight.shape
        return f"{features}, {outputs}, members={members}"


def mean_of_members(outputs: Tensor, task: str) -> Tensor:
    """One answer from those of M members, in the form in which a single network gives it.

    For `classes` log(1/M Σₘ softmax(zₘ)), whose softmax is the members' mean probability; for `labels` the logit of the mean
    sigmoid; for `number` the mean. Computed from logarithms, so that large logits do not overflow.

    Shapes: [B, M, K] → [B, K].

    Args:
        outputs: what the members say.
        task: "classes", "labels" or "number".

    Errors: `ArgumentError` for another task or outputs that are not [B, M, K].

    Example:
        >>> members = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]]).log()
        >>> mean_of_members(members, "classes").softmax(dim=1)
        tensor([[0.7000, 0.3000]])
    """
    if task not in _TASKS:
        unknown("task", task, _TASKS)
    if outputs.ndim != 3:
        raise ArgumentError("There are no members to average", expected="outputs [B, M, K]", got=list(outputs.shape))
    if task == "classes":
        return outputs.log_softmax(dim=2).logsumexp(dim=1) - math.log(outputs.shape[1])
    if task == "labels":
        return logsigmoid(outputs).logsumexp(dim=1) - logsigmoid(-outputs).logsumexp(dim=1)
    return outputs.mean(dim=1)


def _check(features: int, outputs: int, members: int) -> None:
    if min(features, outputs, members) < 1:
        raise ArgumentError(
            "The members cannot be built",
            expected="features, outputs and members ≥ 1",
            got=(features, outputs, members),
        )
