"""The formula behind each number of a summary, with the numbers of the layer put in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from leadline.explain.counting import Count
from leadline.explain.field_records import Field
from leadline.explain.tracing import Step


def parameters_formula(module: nn.Module | None, shapes: Mapping[str, Sequence[int]]) -> str:
    """How many parameters a layer has: by its kind where that has a formula, else tensor by tensor.

    Args:
        module: the layer; None for a function.
        shapes: of the parameters counted here, by their last names.
    """
    total = sum(math.prod(shape) for shape in shapes.values())
    known = set(shapes) <= {"weight", "bias"} and "weight" in shapes
    bias = "bias" in shapes
    if known and isinstance(module, nn.modules.conv._ConvNd):
        weight = shapes["weight"]
        # A transposed convolution stores its maps second.
        outputs, reads = (weight[1], weight[0]) if module.transposed else (weight[0], weight[1])
        kernel, groups = weight[2:], module.groups
        symbol = "D_in" if groups == 1 else "D_in/G"
        if module.transposed and groups > 1:
            symbol, outputs, reads = "D_in/G", weight[1] * groups, weight[0] // groups
        symbols = "·".join(["K", *("F" for _ in kernel), symbol]) + (" + K" if bias else "")
        numbers = _product((outputs, *kernel, reads)) + (f" + {outputs:,}" if bias else "")
        return f"{symbols} = {numbers} = {total:,}"
    if known and isinstance(module, nn.Linear):
        outputs, reads = shapes["weight"]
        return f"K·D{' + K' if bias else ''} = {_product((outputs, reads))}{f' + {outputs:,}' if bias else ''} = {total:,}"
    if known and isinstance(module, nn.modules.batchnorm._NormBase) and bias:
        return f"2·C = 2·{shapes['weight'][0]:,} = {total:,}"
    parts = [f"{name} {_product(shape)}" for name, shape in shapes.items()]
    if len(parts) > 8:
        parts = [*parts[:7], f"{len(parts) - 7} more"]
    return " + ".join(parts) + f" = {total:,}"


def counts_formula(counts: Iterable[Count]) -> str:
    """Multiply-adds, equal products told once with their number."""
    several = Counter(str(each) for each in counts)
    texts = [text if times == 1 else f"{times} × ({text})" for text, times in several.items()]
    if len(texts) > 4:
        texts = [*texts[:3], f"{len(texts) - 3} more products"]
    return "; ".join(texts)


def output_formula(step: Step) -> str:
    """The size of the map that a convolution or pool puts out; empty for what has no such formula."""
    module = step.module
    windowed = (nn.modules.conv._ConvNd, nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)
    if not isinstance(module, windowed) or step.output is None or not step.inputs:
        return ""
    came, left = step.inputs[0], step.output
    sides = _sides(module)
    maps = []
    for side in range(came.ndim - sides, came.ndim):
        at = side - (came.ndim - sides)
        size, kernel = came.shape[side], _one(module.kernel_size, at)
        stride, dilation = _one(module.stride, at), _one(getattr(module, "dilation", 1), at)
        if getattr(module, "transposed", False):
            more = _one(getattr(module, "output_padding", 0), at)
            padding = _one(module.padding, at)
            numbers = f"({size:,} − 1)·{stride} − 2·{padding} + {dilation}·({kernel:,} − 1) + {more} + 1 = {left.shape[side]:,}"
            maps.append(("(H − 1)·S − 2·P + D·(F − 1) + O + 1", numbers))
        elif module.padding == "same":
            maps.append(("⌈H/S⌉", f"⌈{size:,}/{stride}⌉ = {left.shape[side]:,}"))
        else:
            padding = 0 if module.padding == "valid" else _one(module.padding, at)
            open_, close = ("⌈", "⌉") if getattr(module, "ceil_mode", False) else ("⌊", "⌋")
            reach = f"{dilation}·({kernel:,} − 1)"
            symbols = f"{open_}(H + 2·P − D·(F − 1) − 1)/S{close} + 1"
            maps.append((symbols, f"{open_}({size:,} + 2·{padding} − {reach} − 1)/{stride}{close} + 1 = {left.shape[side]:,}"))
    texts = list(dict.fromkeys(numbers for _, numbers in maps))
    return f"{maps[0][0]} = " + ", ".join(texts)


def field_formula(step: Step, before: Field | None, after: Field | None) -> str:
    """How the receptive field grew from the layer's input to its output."""
    if after is None:
        return ""
    module = step.module
    centre = "centre " + ", ".join(f"{each:g}" for each in dict.fromkeys(after.centre))
    if after.whole:
        return "every unit sees the whole input"
    windowed = (nn.modules.conv._ConvNd, nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)
    transposed = getattr(module, "transposed", False)
    if before is None or not isinstance(module, windowed) or transposed or not all(before.stride):
        return f"{_seen(step, before, after)}, {centre}"
    texts = []
    sides = _sides(module)
    for at, (old, new) in enumerate(zip(before.axes, after.axes, strict=True)):
        if len(after.axes) != sides or old.stride is None:
            return f"{_seen(step, before, after)}, {centre}"
        kernel, dilation = _one(module.kernel_size, at), _one(getattr(module, "dilation", 1), at)
        texts.append(f"{old.size:,} + ({kernel:,} − 1)·{dilation}·{float(old.stride):g} = {new.size:,}")
    strides = ", ".join(dict.fromkeys(f"{float(each):g}" for each in after.stride if each is not None))
    return f"R + (F − 1)·D·stride = {', '.join(dict.fromkeys(texts))}; stride {strides}, {centre}"


def _seen(step: Step, before: Field | None, after: Field) -> str:
    """In words, the field of what is no window: a sum of branches, a product, a view."""
    together = "×".join(f"{each:,}" for each in after.size)
    if len({id(each) for each in step.inputs}) > 1:
        return f"what its {len(step.inputs)} inputs see together, {together}"
    if before is not None and before.size == after.size:
        return "that of its input"
    return f"what the values that it reads see together, {together}"


def memory_formula(output: Tensor, size: int) -> str:
    """The bytes of what a layer puts out."""
    if not size:
        return "0: it stands where its input stood"
    values = output.shape[1:] if output.ndim > 1 and output.shape[0] == 1 else output.shape
    return f"values·bytes = {_product(values)}·{output.element_size()} = {size:,}"


def _product(factors: Sequence[int]) -> str:
    return "·".join(f"{each:,}" for each in factors) or "1"


def _sides(module: nn.Module) -> int:
    return int(type(module).__name__[-2]) if type(module).__name__[-1:] == "d" and type(module).__name__[-2:-1].isdigit() else 2


def _one(value: Any, at: int) -> int:
    several = value if isinstance(value, (tuple, list)) else [value]
    return int(several[at] if len(several) > 1 else several[0])
