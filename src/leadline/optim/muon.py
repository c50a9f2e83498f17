"""Muon: momentum made orthogonal before each update, for hidden matrices and filters; another optimizer has the rest."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.errors import ArgumentError, unknown

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # as steep at zero as keeps singular values around 1
_LEAST_NORM = 1e-7
_SCALES: dict[str, Callable[[int, int], float]] = {
    "original": lambda rows, columns: math.sqrt(max(1.0, rows / columns)),
    "match_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
    "relative": lambda rows, columns: 1.0,
}
# On a CPU that multiplies bfloat16 itself it wins from this size on: 39 against 94 ms for two matrices of 512 × 512, 0.8
# against 1.0 ms for eight of 64 × 64, but 0.45 against 0.15 ms for six of 16 × 144 (one AVX-512 core, medians of 7).
_WORTH_BFLOAT16 = 64


def orthogonalized(matrices: Tensor, *, iterations: int = 5, precision: torch.dtype | None = None) -> Tensor:
    """Roughly the nearest orthogonal matrix to each: all singular values are brought near 1, without a decomposition.

    X ← X / ‖X‖; then, so many times, A = X Xᵀ and X ← aX + (bA + cA²)X with (a, b, c) = (3.4445, −4.7750, 2.0315). Five
    iterations bring every singular value above a hundredth of the norm to between 0.68 and 1.21.

    Shapes: [R, C] or [N, R, C] → the same.

    Args:
        matrices: one, or N of one shape, which are computed at once.
        iterations: at least 1.
        precision: of the products; None takes bfloat16 where the hardware has it and gains from it, else that of the matrices.

    Errors: `ArgumentError` for another number of dimensions, or less than one iteration.

    Example:
        >>> torch.linalg.svdvals(orthogonalized(torch.diag(torch.tensor([5.0, 1.0])))).round(decimals=1)
        tensor([0.8000, 0.7000])

    Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
    """
    if matrices.ndim not in (2, 3) or iterations < 1:
        raise ArgumentError(
            "This cannot be orthogonalized",
            expected="[R, C] or [N, R, C] and at least 1 iteration",
            got=(list(matrices.shape), iterations),
        )
    a, b, c = _COEFFICIENTS
    multiply_add = torch.addmm if matrices.ndim == 2 else torch.baddbmm
    x = matrices.to(precision or _precision(matrices))
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT  # X Xᵀ is then the smaller of the two products
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=_LEAST_NORM)
    for _ in range(iterations):
        gram = x @ x.mT
        x = multiply_add(x, multiply_add(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def hidden_matrices(module: nn.Module, *, head: bool = False) -> list[Tensor]:
    """The weights that Muon is for: those of linear layers and convolutions, but the head's.

    What a vector of inputs meets is a matrix, whose singular values have a meaning; a bias, a scale, an embedding (rows picked,
    not multiplied), the stacked gates of a recurrent layer and the head (each row a class of its own) are none, and left out.
    The head is the attribute `head`, or else the last linear layer. Frozen weights are left out too.

    Args:
        module: a network.
        head: whether to take the head as well.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 10))
        >>> [tuple(weight.shape) for weight in hidden_matrices(network)]
        [(8, 3, 3, 3)]
    """
    layers = [each for each in module.modules() if isinstance(each, (nn.Linear, nn.modules.conv._ConvNd))]
    named = getattr(module, "head", None)
    linear = [each for each in layers if isinstance(each, nn.Linear)]
    heads = list(named.modules()) if isinstance(named, nn.Module) else linear[-1:]
    kept_out = () if head else tuple(heads)
    embeddings = [each.weight for each in module.modules() if isinstance(each, (nn.Embedding, nn.EmbeddingBag))]
    out = {id(weight) for weight in (*embeddings, *(p for each in kept_out for p in each.parameters()))}
    chosen = {id(each.weight): each.weight for each in layers if each.weight.requires_grad and id(each.weight) not in out}
    return list(chosen.values())


class Muon(Optimizer):
    """Momentum, made orthogonal: every direction of a matrix is learnt at the same speed.

    v ← βv + (1 − β)g; u = (1 − β)g + βv, or v without Nesterov; W ← (1 − ηλ)W − η·s·orthogonalized(u). A filter bank
    [out, in, h, w] is the matrix [out, in·h·w]. s = √max(1, rows/columns) for the scale "original", or 0.2·√max(rows, columns)
    for "match_adamw", which gives updates as large as AdamW's. For "relative" s = 1, and W ← W √rows / ‖W‖ goes before each
    update, so that η is the size of a step beside what it changes: for weights whose length a normalization undoes. Matrices
    of one shape are computed at once. Rates may be tensors on the weights' device, which is never waited for.

    Args:
        matrices: weights of at least 2 dimensions; see `hidden_matrices`.
        rest: the optimizer of all other weights. Its groups become groups of this one, after the first, so that a schedule, a
            checkpoint and `zero_grad` see one optimizer.
        learning_rate: η, above 0.
        momentum: β, in [0, 1).
        weight_decay: λ, decoupled, 0 or more.
        nesterov: whether the update looks one step ahead.
        iterations: of the orthogonalization.
        scale: "original", "match_adamw" or "relative".

    Errors: `ArgumentError` for no matrix, one of less than 2 dimensions, a value out of range or an unknown scale.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 2))
        >>> optimizer = Muon([network[0].weight], torch.optim.SGD(network[1].parameters(), lr=0.1), learning_rate=0.02)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.02, 0.1]
        >>> before = network[0].weight.detach().clone()
        >>> network(torch.randn(8, 4)).square().sum().backward()
        >>> optimizer.step()
        >>> bool(torch.linalg.matrix_norm(network[0].weight - before, 2) < 0.02 * 1.3)
        True

    Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks; the second scale: Liu et al. (2025),
    Muon is scalable for LLM training.
    """

    def __init__(
        self,
        matrices: Sequence[Tensor],
        rest: Optimizer | None = None,
        *,
        learning_rate: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        nesterov: bool = True,
        iterations: int = 5,
        scale: str = "original",
    ) -> None:
        if not matrices or min(weight.ndim for weight in matrices) < 2:
            raise ArgumentError(
                "Muon is for matrices and filters",
                expected="weights of at least 2 dimensions",
                got=[list(weight.shape) for weight in matrices] or "none",
                do="Leave the others to the optimizer for the rest.",
            )
        if not (0 < learning_rate < math.inf and 0 <= momentum < 1 and 0 <= weight_decay < math.inf) or iterations < 1:
            raise ArgumentError(
                "Muon cannot be built",
                expected="learning_rate > 0, momentum in [0, 1), weight_decay ≥ 0 and iterations ≥ 1",
                got=(learning_rate, momentum, weight_decay, iterations),
            )
        if scale not in _SCALES:
            unknown("scale of Muon", scale, _SCALES)
        own = {"lr": learning_rate, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(list(matrices), {**own, "iterations": iterations, "scale": scale})
        self._rest = rest
        if rest is not None:
            if {id(p) for p in matrices} & {id(p) for group in rest.param_groups for p in group["params"]}:
                raise ArgumentError("A weight of Muon belongs to the optimizer for the rest too", expected="one optimizer each")
            self.param_groups.extend(rest.param_groups)
            self._share()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_rest": self._rest}  # or a copy would lack it

    def _share(self) -> None:
        """The optimizer of the rest works on the groups and the state of this one, also after another state was loaded."""
        assert self._rest is not None
        self._rest.param_groups = [group for group in self.param_groups if "iterations" not in group]
        self._rest.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all weights that have a gradient.

        Args:
            closure: computes the loss anew and returns it; None where the gradients are there already.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if "iterations" in group:
                self._update(group)
        if self._rest is not None:
            self._share()
            self._rest.step()
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            return
        gradients = [weight.grad for weight in weights]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        velocities = [self.state[weight]["momentum_buffer"] for weight in weights]
        torch._foreach_lerp_(velocities, gradients, 1 - group["momentum"])
        updates = torch._foreach_lerp(gradients, velocities, group["momentum"]) if group["nesterov"] else velocities
        if group["weight_decay"]:
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        if group["scale"] == "relative":
            for weight, norm in zip(weights, torch._foreach_norm(weights), strict=True):
                weight.mul_(math.sqrt(len(weight)) / norm.clamp(min=_LEAST_NORM))
        for places in _alike(weights):
            flat = [updates[place].flatten(1) for place in places]
            matrices = flat[0] if len(flat) == 1 else torch.stack(flat)
            rows, columns = flat[0].shape
            moves = orthogonalized(matrices, iterations=group["iterations"])
            moves = moves * (group["lr"] * _SCALES[group["scale"]](rows, columns))
            chosen = [weights[place] for place in places]
            each = [moves] if len(flat) == 1 else moves.unbind()
            torch._foreach_sub_(chosen, [move.view_as(weight) for move, weight in zip(each, chosen, strict=True)])


def _alike(weights: list[Tensor]) -> list[list[int]]:
    """The places of weights that are matrices of one shape, dtype and device."""
    groups: dict[object, list[int]] = {}
    for place, weight in enumerate(weights):
        groups.setdefault((weight.shape[0], weight[0].numel(), weight.dtype, weight.device), []).append(place)
    return list(groups.values())


def _precision(matrices: Tensor) -> torch.dtype:
    if matrices.dtype != torch.float32 or not _multiplies_bfloat16(matrices.device):
        return matrices.dtype
    return torch.bfloat16 if matrices.is_cuda or min(matrices.shape[-2:]) >= _WORTH_BFLOAT16 else matrices.dtype


@functools.cache
def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware itself has bfloat16: emulated, it is slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
