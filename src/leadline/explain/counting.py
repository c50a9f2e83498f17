"""Multiply-adds of one operation, with the formula that counts them.

Counted is what decides the time of a network: products of matrices, which convolutions, recurrent layers and attention are made
of, and normalization. Arithmetic element by element (activations, gates, sums of branches) and pooling are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from leadline.explain.tracing import Operation, Step


class Count(NamedTuple):
    """So many multiply-adds: the factors by their symbols, in the order of the formula.

    Example:
        >>> print(Count((("N", 2), ("D", 3), ("K", 4))))
        N·D·K = 2·3·4 = 24
    """

    factors: tuple[tuple[str, int], ...]

    @property
    def amount(self) -> int:
        return math.prod(number for _, number in self.factors)

    def __str__(self) -> str:
        # A batch of one is not worth a factor.
        shown = [each for each in self.factors if each != ("N", 1)] or [("N", 1)]
        symbols, numbers = "·".join(symbol for symbol, _ in shown), "·".join(f"{number:,}" for _, number in shown)
        return f"{symbols} = {numbers}" + (f" = {self.amount:,}" if len(shown) > 1 else "")


def multiply_adds(operation: Operation) -> Count | None:
    """How many multiplications, each with the addition that goes with it, an operation takes; None where none is counted.

    Args:
        operation: as it was carried out.
    """
    rule = _RULES.get(operation.name)
    return None if rule is None else Count(tuple(rule(operation.arguments, operation.output)))


def counts_of(step: Step) -> list[Count]:
    """The multiply-adds of a step, operation by operation.

    Args:
        step: with its operations.
    """
    found = [count for each in step.operations if (count := multiply_adds(each)) is not None]
    if not found and step.kind in ("RMSNorm", "rms_norm") and step.inputs:
        # Where PyTorch has no operation for it, it is made of many.
        weighted = step.module is None or getattr(step.module, "weight", None) is not None
        found = [Count(tuple(_standardized({"input": step.inputs[0], "weight": weighted or None}, None)))]
    return found


Factors = list[tuple[str, int]]
_SIDES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


def _convolution(given: dict[str, Any], output: Tensor) -> Factors:
    weight, came = given["weight"], given["input"]
    kernel = [("F", size) for size in weight.shape[2:]]
    sides = _SIDES.get(weight.ndim - 2, ())
    groups = int(given.get("groups", 1))
    if given.get("transposed"):
        # Each number that comes in is spread over one window of every map that goes out.
        spread = [("D_out/G" if groups > 1 else "D_out", weight.shape[1])]
        return [*_batch(came), ("D_in", weight.shape[0]), *kernel, *spread, *zip(sides, came.shape[2:], strict=True)]
    maps = [(f"{side}'", size) for side, size in zip(sides, output.shape[2:], strict=True)]
    read = ("D_in/G" if groups > 1 else "D_in", weight.shape[1])
    return [*_batch(came), ("K", weight.shape[0]), *kernel, read, *maps]


def _batch(came: Tensor) -> Factors:
    return [("N", came.shape[0])]


def _matrices(first: str, second: str) -> Callable[[dict[str, Any], Any], Factors]:
    def factors(given: dict[str, Any], output: Tensor) -> Factors:
        left, right = given[first], given[second]
        several = [("B", left.shape[0])] if left.ndim == 3 else []
        return [*several, ("N", left.shape[-2]), ("D", left.shape[-1]), ("K", right.shape[-1])]

    return factors


def _vector(first: str, second: str) -> Callable[[dict[str, Any], Any], Factors]:
    def factors(given: dict[str, Any], output: Tensor) -> Factors:
        left = given[first]
        return [("N", left.shape[0] if left.ndim == 2 else 1), ("D", given[second].shape[0])]

    return factors


def _outer(given: dict[str, Any], output: Tensor) -> Factors:
    return [("N", given["vec1"].shape[0]), ("K", given["vec2"].shape[0])]


def _attention(given: dict[str, Any], output: Any) -> Factors:
    query, key, value = given["query"], given["key"], given["value"]
    heads = math.prod(query.shape[:-2])
    # Scores take one product of width E, their mixture one of the width of the values.
    return [("heads", heads), ("L", query.shape[-2]), ("S", key.shape[-2]), ("(E + V)", query.shape[-1] + value.shape[-1])]


def _recurrent(given: dict[str, Any], output: Any) -> Factors:
    came, weights = given["input"], (given["weight0"], given["weight1"])
    steps, gates = came.shape[0] * came.shape[1], weights[0].shape[0]
    return [("T", steps), ("gates·H", gates), ("(D + H)", weights[0].shape[1] + weights[1].shape[1])]


def _trilinear(given: dict[str, Any], output: Tensor) -> Factors:
    left, matrix, right = (given[name] for name in ("i1", "i2", "i3"))
    return [("N", left.shape[0]), ("K", matrix.shape[-3]), ("D₁", left.shape[-1]), ("D₂", right.shape[-1])]


def _scaled(given: dict[str, Any], output: Any) -> Factors:
    """Batch normalization in evaluation: y = a·x + b."""
    return [("values", given["input"].numel())]


def _standardized(given: dict[str, Any], output: Any) -> Factors:
    """The squares of the deviation, the division by it, and γ·x + β where there are any."""
    passes = 2 if given.get("weight") is None else 3
    return [(str(passes), passes), *_scaled(given, output)]


_RULES: dict[str, Callable[[dict[str, Any], Any], Factors]] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_overrideable": _convolution,
    "mm": _matrices("self", "mat2"),
    "addmm": _matrices("mat1", "mat2"),
    "_addmm_activation": _matrices("mat1", "mat2"),
    "bmm": _matrices("self", "mat2"),
    "baddbmm": _matrices("batch1", "batch2"),
    "addbmm": _matrices("batch1", "batch2"),
    "mv": _vector("self", "vec"),
    "addmv": _vector("mat", "vec"),
    "dot": _vector("self", "tensor"),
    "vdot": _vector("self", "other"),
    "addr": _outer,
    "_trilinear": _trilinear,
    "mkldnn_rnn_layer": _recurrent,
    "native_batch_norm": _scaled,
    "_native_batch_norm_legit": _scaled,
    "_native_batch_norm_legit_no_training": _scaled,
    "cudnn_batch_norm": _scaled,
    "miopen_batch_norm": _scaled,
    "native_layer_norm": _standardized,
    "native_group_norm": _standardized,
    "_fused_rms_norm": _standardized,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
        ),
        _attention,
    ),
}
