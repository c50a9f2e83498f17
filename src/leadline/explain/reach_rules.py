"""What each operation of PyTorch does to the intervals of `reaching`: a rule for each kind, the cautious one for all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from leadline.explain import reaching, windows
from leadline.explain.reaching import NOTHING, Reach
from leadline.explain.tracing import Operation


class Tracker:
    """The reach of every tensor of one pass along one axis.

    Args:
        inputs: the tensors that go in; the first is the one whose axis is followed.
        dim: the axis, a dimension of that tensor.
        statistics: whether what comes through the mean and deviation of a normalization counts.
    """

    def __init__(self, inputs: Sequence[Tensor], dim: int, *, statistics: bool) -> None:
        self.size, self.statistics = inputs[0].shape[dim], statistics
        self._reaches = WeakTensorKeyDictionary()
        self._reaches[inputs[0]] = reaching.start(inputs[0].shape, dim)

    def of(self, tensor: Tensor) -> Reach | None:
        """What reaches a tensor, or None where nothing of the axis does."""
        found: Reach | None = self._reaches.get(tensor)  # type: ignore[no-untyped-call]
        return found

    def follow(self, operation: Operation) -> None:
        """Follow one operation."""
        tensors = [each for each in tree_leaves(operation.arguments) if isinstance(each, Tensor)]
        known = [each for each in tensors if self.of(each) is not None]
        outputs = [each for each in tree_leaves(operation.output) if isinstance(each, Tensor)]
        if not outputs:
            return
        if not known or operation.name.startswith(("new_", "empty", "zeros", "ones", "full", "rand")):
            if operation.in_place and outputs and operation.name != "copy":
                return
            for each in outputs:
                self._reaches.pop(each, None)  # type: ignore[no-untyped-call]
            return
        rule = _RULES.get(operation.name)
        if rule is None:
            rule = _pointwise if operation.pointwise else _replay if getattr(operation.call, "is_view", False) else _cautious
        try:
            found = rule(self, operation)
        except (RuntimeError, NotImplementedError, IndexError, TypeError, KeyError):
            found = _cautious(self, operation)
        several = found if isinstance(found, list) else [found] * len(outputs)
        for each, reach in zip(outputs, several, strict=False):
            if reach is not None and reach.bounds.ndim == each.ndim + 1:
                self._keep(each, reach, written=operation.in_place)
            elif reach is not None:
                self._keep(each, reaching.everything([reach], each.ndim), written=operation.in_place)

    def _keep(self, tensor: Tensor, reach: Reach, *, written: bool) -> None:
        self._reaches[tensor] = reach
        base = tensor._base
        if not written or base is None:
            return
        # What is written into a view stands in the tensor behind it, too.
        before = self.of(base)
        if base.is_contiguous() and base.storage_offset() == 0:
            bounds = torch.full([4, *base.shape], NOTHING) if before is None else before.bounds.expand(4, *base.shape).clone()
            for part, new in zip(bounds, reach.bounds, strict=True):
                offset = part.storage_offset() + tensor.storage_offset()
                part.as_strided(tensor.shape, tensor.stride(), offset).copy_(new.expand(tensor.shape))
            self._reaches[base] = reaching.continued(Reach(bounds))
        else:
            self._reaches[base] = reaching.everything([reach] if before is None else [before, reach], base.ndim)


Found = Reach | None | list[Reach | None]
Rule = Callable[[Tracker, Operation], Found]


def _first(output: Any) -> Tensor:
    return next(each for each in tree_leaves(output) if isinstance(each, Tensor))


def _known(tracker: Tracker, values: Any) -> list[Reach]:
    found = (tracker.of(each) for each in tree_leaves(values) if isinstance(each, Tensor))
    return [each for each in found if each is not None]


def _cautious(tracker: Tracker, operation: Operation) -> Reach:
    return reaching.everything(_known(tracker, operation.arguments), _first(operation.output).ndim)


def _pointwise(tracker: Tracker, operation: Operation) -> Reach | None:
    values = dict(operation.arguments)
    if operation.name == "copy":
        values.pop("self")  # what stood there is gone
    found = _known(tracker, values)
    return reaching.union(found, _first(operation.output).ndim) if found else None


def _replay(tracker: Tracker, operation: Operation) -> Found:
    """Views, and whatever else only chooses among the numbers of one tensor: done to the intervals as it was to the tensor."""
    tensors = {name: each for name, each in operation.arguments.items() if isinstance(each, Tensor)}
    source, reach = next((name, found) for name, each in tensors.items() if (found := tracker.of(each)) is not None)
    tensor = tensors[source]
    schema = operation.call._schema  # type: ignore[attr-defined]
    others = {name: each for name, each in operation.arguments.items() if name != source}
    rest = tree_map(lambda each: each.cpu() if isinstance(each, Tensor) else each, others)
    factory = {"dtype", "layout", "device", "pin_memory", "memory_format"}

    def again(values: Tensor) -> Any:
        given = {**rest, source: values}
        return operation.call(**{each.name: given[each.name] for each in schema.arguments if each.name not in factory})

    def part(at: int) -> Callable[[Tensor], Tensor]:
        return lambda values: again(values)[at]

    if isinstance(operation.output, Tensor):
        return reaching.replayed(reach, tensor.shape, again)
    return [reaching.replayed(reach, tensor.shape, part(at)) for at in range(len(operation.output))]


def _along(operation: Operation, name: str, at: int, sides: int) -> int:
    """An argument that is a number for all sides, or one for each."""
    value = operation.arguments.get(name)
    if isinstance(value, (list, tuple)):
        return int(value[at] if len(value) == sides else value[0])
    return int(value or 0)


def _convolution(tracker: Tracker, operation: Operation) -> Reach | None:
    given, output = operation.arguments, operation.output
    came, weight = given["input"], given["weight"]
    reach, sides = tracker.of(came), weight.ndim - 2
    if reach is None:
        return _cautious(tracker, operation)
    transposed = bool(given.get("transposed"))
    for side in range(sides):
        kernel, stride, padding, dilation = (
            weight.shape[side + 2],
            *(_along(operation, name, side, sides) for name in ("stride", "padding", "dilation")),
        )
        reads = (windows.spread if transposed else windows.sliding)(output.shape[side + 2], kernel, stride, padding, dilation)
        reach = reaching.window(reach, side + 2, came.shape[side + 2], reads)
    return reaching.grouped(reach, came.shape[1], int(given.get("groups", 1)), output.shape[1])


def _pool(tracker: Tracker, operation: Operation) -> Reach | None:
    came, output = operation.arguments["self"], _first(operation.output)
    sides = len(operation.arguments["kernel_size"])
    reach = tracker.of(came)
    for side in range(sides):
        kernel, padding = (_along(operation, name, side, sides) for name in ("kernel_size", "padding"))
        stride = _along(operation, "stride", side, sides) if operation.arguments.get("stride") else kernel
        dilation = _along(operation, "dilation", side, sides) if operation.arguments.get("dilation") else 1
        dim = came.ndim - sides + side
        reads = windows.sliding(output.shape[dim], kernel, stride, padding, dilation)
        reach = reach and reaching.window(reach, dim, came.shape[dim], reads)
    return reach


def _adaptive_pool(tracker: Tracker, operation: Operation) -> Reach | None:
    came, output = operation.arguments["self"], _first(operation.output)
    reach = tracker.of(came)
    for dim in range(came.ndim - len(operation.arguments["output_size"]), came.ndim):
        if reach is not None and output.shape[dim] == 1:
            reach = reaching.over(reach, [dim])
        elif reach is not None:
            reach = reaching.window(reach, dim, came.shape[dim], windows.adaptive(output.shape[dim], came.shape[dim]))
    return reach


def _enlarge(how: str) -> Rule:
    def rule(tracker: Tracker, operation: Operation) -> Reach | None:
        given, output = operation.arguments, operation.output
        came = given["self"] if "self" in given else given["input"]
        reach, sides = tracker.of(came), came.ndim - 2
        factors = given.get("scale_factors") or [given.get(name) for name in ("scales_d", "scales_h", "scales_w", "scales")]
        factors = [each for each in factors if each is not None]
        for side in range(sides):
            factor = factors[side] if len(factors) == sides else None
            corners = bool(given.get("align_corners", False))
            reads = windows.enlarged(output.shape[side + 2], came.shape[side + 2], how, factor, corners)
            reach = reach and reaching.window(reach, side + 2, came.shape[side + 2], reads)
        return reach

    return rule


def _pad(how: str) -> Rule:
    def rule(tracker: Tracker, operation: Operation) -> Reach | None:
        came, output = operation.arguments["self"], operation.output
        pads = operation.arguments["pad" if how == "constant" else "padding"]
        reach = tracker.of(came)
        for pair in range(len(pads) // 2):
            dim = came.ndim - 1 - pair
            if pads[2 * pair] or pads[2 * pair + 1]:
                reads = windows.padded(output.shape[dim], came.shape[dim], int(pads[2 * pair]), how)
                reach = reach and reaching.window(reach, dim, came.shape[dim], reads)
        return reach

    return rule


def _slice(tracker: Tracker, operation: Operation) -> Reach | None:
    given, output = operation.arguments, operation.output
    came = given["self"]
    dim, size = int(given["dim"]) % came.ndim, came.shape[int(given["dim"])]
    first = int(given["start"] or 0)
    first = min(max(first + size if first < 0 else first, 0), size)
    reach = tracker.of(came)
    return reach and reaching.window(reach, dim, size, windows.sliced(output.shape[dim], first, int(given["step"])))


def _patches(tracker: Tracker, operation: Operation) -> Reach | None:
    """Windows cut out and laid side by side; what lies outside is zero, so NOTHING is made zero first."""
    came, reach = operation.arguments["self"], tracker.of(operation.arguments["self"])
    assert reach is not None
    options = [operation.arguments[name] for name in ("kernel_size", "dilation", "padding", "stride")]

    def again(values: Tensor) -> Tensor:
        cut = torch.nn.functional.unfold((values - NOTHING).double(), *options)
        return cut.round().long() + NOTHING

    bounds = torch.stack([again(each) for each in reach.bounds.expand(4, *came.shape)])
    return reaching.settled(Reach(torch.cat([bounds[:2], bounds[:2]])))


def _laid_together(tracker: Tracker, operation: Operation) -> Reach | None:
    """The inverse of `_patches`: a place sees what stands in all the windows that lie over it."""
    came, output = operation.arguments["self"], operation.output
    reach = tracker.of(came)
    assert reach is not None
    options = [operation.arguments[name] for name in ("kernel_size", "dilation", "padding", "stride")]
    count, height, width = output.shape[-3:]
    numbers = torch.arange(1.0, height * width + 1, dtype=torch.float64).view(1, 1, height, width)
    places = torch.nn.functional.unfold(numbers, *options).round().long().flatten()  # 0 is outside
    columns = reach.bounds[:2].expand(2, *came.shape).reshape(2, -1, count, len(places))
    bounds = columns.new_full((*columns.shape[:3], height * width + 1), NOTHING)
    bounds = bounds.scatter_reduce(3, places.expand_as(columns), columns, "amin")[..., 1:].reshape(2, *output.shape)
    return reaching.settled(Reach(torch.cat([bounds, bounds])))


def _reduce(tracker: Tracker, operation: Operation) -> Reach | None:
    """Sums, means, maxima over some dimensions, or over all."""
    came = operation.arguments["self"]
    dims, reach = _dims(operation.arguments.get("dim"), came.ndim), tracker.of(came)
    return reach and reaching.over(reach, dims, keep=bool(operation.arguments.get("keepdim", False)))


def _mix(tracker: Tracker, operation: Operation) -> Reach | None:
    """Softmax, sorting and the like: each along `dim` sees all along it."""
    came = operation.arguments["self"]
    reach = tracker.of(came)
    return reach and reaching.over(reach, _dims(operation.arguments.get("dim"), came.ndim))


def _cumulate(tracker: Tracker, operation: Operation) -> Reach | None:
    came = operation.arguments["self"]
    dim, reach = int(operation.arguments["dim"]) % came.ndim, tracker.of(came)
    return reach and reaching.running(reach, dim, came.shape[dim])


def _normalize(tracker: Tracker, operation: Operation) -> Reach | None:
    came = operation.arguments["input"]
    reach = tracker.of(came)
    if reach is None:
        return _cautious(tracker, operation)
    # An instance normalization is a batch normalization that uses the statistics at hand.
    still = "batch_norm" in operation.name and not operation.arguments.get(
        "training", operation.arguments.get("use_input_stats")
    )
    if not tracker.statistics or still:
        return reach
    if "batch_norm" in operation.name:
        return reaching.over(reach, [0, *range(2, came.ndim)])
    shape = operation.arguments.get("normalized_shape")
    return reaching.over(reach, range(came.ndim - len(shape), came.ndim) if shape else range(1, came.ndim))


def _matrices(tracker: Tracker, operation: Operation) -> Reach | None:
    """Each number sees one row of the first and one column of the second."""
    given, ndim = operation.arguments, operation.output.ndim
    left = next(given[name] for name in ("mat1", "batch1", "self") if name in given)
    right = next(given[name] for name in ("mat2", "batch2") if name in given)
    found = []
    for tensor, dim in ((left, left.ndim - 1), (right, right.ndim - 2)):
        if (reach := tracker.of(tensor)) is not None:
            found.append(reaching.over(reach, [dim]))
    if left is not given["self"] and (bias := tracker.of(given["self"])) is not None:
        found.append(bias)
    return reaching.union(found, ndim) if found else None


def _attend(tracker: Tracker, operation: Operation) -> Reach | None:
    given = operation.arguments
    found = []
    for name in ("query", "key", "value"):
        if (reach := tracker.of(given[name])) is None:
            continue
        ndim = given[name].ndim
        if name != "query" and given.get("is_causal") and given["query"].shape[-2] == given[name].shape[-2]:
            reach = reaching.running(reach, ndim - 2, given[name].shape[-2])
            found.append(reaching.over(reach, [ndim - 1]))
        else:
            found.append(reaching.over(reach, [ndim - 1] if name == "query" else [ndim - 2, ndim - 1]))
    return reaching.union(found, given["query"].ndim) if found else None


def _look_up(tracker: Tracker, operation: Operation) -> Reach | None:
    """A row of a table of embeddings sees where its number stands."""
    numbers = operation.arguments["indices"]
    reach = tracker.of(numbers)
    return reach and reaching.replayed(reach, numbers.shape, lambda values: values.unsqueeze(-1))


def _join(tracker: Tracker, operation: Operation) -> Reach | None:
    tensors, output = operation.arguments["tensors"], operation.output
    dim = int(operation.arguments.get("dim", 0)) % output.ndim
    parts = [(tracker.of(each), each.shape) for each in tensors if each.ndim == output.ndim]
    return reaching.joined(parts, dim, output.ndim)


def _stack(tracker: Tracker, operation: Operation) -> Reach | None:
    tensors, output = operation.arguments["tensors"], operation.output
    dim = int(operation.arguments.get("dim", 0)) % output.ndim
    parts = []
    for each in tensors:
        reach = tracker.of(each)
        lifted = reach and reaching.replayed(reach, each.shape, lambda values: values.unsqueeze(dim))
        parts.append((lifted, [*each.shape[:dim], 1, *each.shape[dim:]]))
    return reaching.joined(parts, dim, output.ndim)


def _dims(dim: Any, ndim: int) -> list[int]:
    if dim is None or dim == []:
        return list(range(ndim))
    return [each % ndim for each in ([dim] if isinstance(dim, int) else dim)] if ndim else []


def _for(rule: Rule, *names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, rule)


_RULES: dict[str, Rule] = {
    **_for(_convolution, "convolution", "_convolution", "convolution_overrideable"),
    **_for(_pool, "max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d", "avg_pool3d", "avg_pool1d", "max_pool1d"),
    **_for(_pool, "mkldnn_max_pool2d", "mkldnn_max_pool3d", "max_pool2d", "max_pool3d"),
    **_for(_adaptive_pool, "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
    **_for(_adaptive_pool, "mkldnn_adaptive_avg_pool2d", "adaptive_avg_pool1d", "adaptive_max_pool1d"),
    **_for(_enlarge("nearest"), "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    **_for(_enlarge("nearest_exact"), *(f"_upsample_nearest_exact{sides}d" for sides in (1, 2, 3))),
    **_for(_enlarge("linear"), "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"),
    **_for(_enlarge("cubic"), "upsample_bicubic2d"),
    **_for(_pad("constant"), "constant_pad_nd"),
    **_for(_pad("reflection"), *(f"reflection_pad{sides}d" for sides in (1, 2, 3))),
    **_for(_pad("replication"), *(f"replication_pad{sides}d" for sides in (1, 2, 3))),
    **_for(_slice, "slice"),
    **_for(_patches, "im2col"),
    **_for(_laid_together, "col2im"),
    **_for(_reduce, "sum", "mean", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean", "prod", "logsumexp"),
    **_for(_reduce, "norm", "linalg_vector_norm", "argmax", "argmin", "any", "all", "median", "nanmedian"),
    **_for(_mix, "_softmax", "_log_softmax", "_safe_softmax", "sort", "argsort", "topk"),
    **_for(_cumulate, "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"),
    **_for(_normalize, "native_layer_norm", "native_group_norm", "_fused_rms_norm", "native_batch_norm", "cudnn_batch_norm"),
    **_for(_normalize, "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "miopen_batch_norm"),
    **_for(_matrices, "mm", "bmm", "addmm", "baddbmm", "_addmm_activation"),
    **_for(_attend, "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu"),
    **_for(_attend, "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention"),
    **_for(_attend, "_scaled_dot_product_fused_attention_overrideable"),
    **_for(_look_up, "embedding"),
    **_for(_join, "cat"),
    **_for(_stack, "stack"),
    **_for(_pointwise, "clone", "_to_copy", "copy", "alias", "detach", "lift_fresh", "contiguous", "native_dropout", "where"),
    **_for(
        _pointwise,
        "tril",
        "triu",
        "masked_fill",
        "bernoulli",
        "_prelu_kernel",
        "rrelu_with_noise",
        "fill",
        "glu_jvp",
        "add",
        "sub",
        "mul",
    ),
    **_for(_replay, "_unsafe_view", "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk", "reshape", "repeat", "roll"),
    **_for(_replay, "flip", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "index", "index_select", "gather", "rot90"),
}
