"""Watching one pass through a network: which layer is called, which function, and every operation below them.

Hooks tell where a module begins and ends, a function mode names what is called outside of any layer (`torch.cat`, `+`, pooling
functions), and a dispatch mode sees each operation that is carried out in the end, whoever asked for it. The pass is made with
tensors that have shapes and no values where the network allows it, so that the largest one costs neither memory nor time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from leadline.errors import ArgumentError, LeadlineError


@dataclass(frozen=True)
class Operation:
    """One operation as it is carried out: its name without `aten::`, its arguments by name, and what came out."""

    name: str
    arguments: dict[str, Any]
    output: Any
    call: Callable[..., Any]
    in_place: bool
    pointwise: bool


@dataclass
class Step:
    """One call of a layer, or of a function outside of layers, with the operations that it led to."""

    name: str
    kind: str
    module: nn.Module | None
    inputs: list[Tensor]
    output: Tensor | None = None
    operations: list[Operation] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)  # names, of those that this call used first
    repeated: list[str] = field(default_factory=list)  # of those that an earlier one has used already


class Watcher(Protocol):
    """Whoever looks on."""

    def see(self, operation: Operation) -> None:
        """One operation has been carried out."""

    def end(self, step: Step) -> None:
        """One step is over; what it put out may yet be overwritten by later ones."""


# They give a view or a copy of what is there: nothing is computed.
COPIES = {"clone", "_to_copy", "copy", "detach", "alias", "lift_fresh", "contiguous", "_unsafe_view", "unsafe_split"}
# Their children hold weights for them and are not called.
_WHOLE = (nn.MultiheadAttention,)


def trace(module: nn.Module, inputs: Sequence[Tensor], watch: Callable[[Sequence[Tensor]], Watcher]) -> list[Step]:
    """Every step of one pass, in order, in evaluation and without gradients; the network is left as it was.

    Args:
        module: any network.
        inputs: what it is called with, with the batch dimension; they may be on the device "meta".
        watch: is given the tensors that go in and answers with whoever looks on.

    Errors: `ArgumentError` where the network cannot take these inputs, with the layer that refused and what came to it.
    """
    module = unwrapped(module)
    check_shaped(module)
    own = next((each for each in (*module.parameters(), *module.buffers())), torch.empty(0))
    try:
        return _pass(module, [each.to("meta") for each in inputs], torch.device("meta"), watch)
    except Exception:
        # Some networks look at values; these are shown real ones, drawn at random. What is wrong with the others shows again.
        generator = torch.Generator().manual_seed(0)
        real = [_filled(each, generator).to(own.device if own.device.type != "meta" else "cpu") for each in inputs]
        return _pass(module, real, real[0].device, watch)


def _pass(
    module: nn.Module, inputs: list[Tensor], device: torch.device, watch: Callable[[Sequence[Tensor]], Watcher]
) -> list[Step]:
    without_values = device.type == "meta"

    def held(named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.empty_like(each, device=device) if without_values else each for name, each in named}

    weights, buffers = held(module.named_parameters()), held(module.named_buffers())
    recorder = _Recorder(module, {id(each): name for name, each in weights.items()}, watch(inputs))
    with ExitStack() as stack:
        # What PyTorch warns of here, it warns of again when the network is used.
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        stack.enter_context(torch.no_grad())
        stack.enter_context(_evaluating(module))
        stack.enter_context(_unwritten({} if without_values else buffers))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(recorder)
        try:
            if without_values:
                torch.func.functional_call(module, {**weights, **buffers}, tuple(inputs))
            else:
                module(*inputs)
        except LeadlineError:
            raise
        except Exception as error:
            raise ArgumentError(
                f"The network cannot take {_shapes(inputs)}", got=f"at {recorder.where()}: {_first_line(error)}"
            ) from error
    return recorder.steps


class _Recorder(ExitStack):
    """The three ways of watching, entered together."""

    def __init__(self, module: nn.Module, names: dict[int, str], watcher: Watcher) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.modules = {id(each): name for name, each in reversed(list(module.named_modules()))}
        self.names, self.watcher = names, watcher
        self.seen: set[str] = set()
        self.path: list[nn.Module] = []  # the modules that are running, the innermost last
        self.open: Step | None = None
        self.owner: nn.Module | None = None  # the layer whose call is `open`
        self.views: list[Tensor] = []  # of parameters; held, because the place of a tensor that is gone is given to another
        self.looking = False  # while whoever looks on computes something of its own

    def __enter__(self) -> _Recorder:
        super().__enter__()
        for handle in (register_module_forward_pre_hook(self._begin), register_module_forward_hook(self._end)):
            self.callback(handle.remove)
        self.enter_context(_Functions(self))
        self.enter_context(_Operations(self))
        return self

    def where(self) -> str:
        """The place in the network that is running, in words."""
        module = self.path[-1] if self.path else None
        if module is None:
            return "its first layer"
        name = self.modules.get(id(module), "")
        step = self.open
        came = f" given {_shapes(step.inputs)}" if step and step.inputs else ""
        return f"{name or 'the network itself'} ({type(module).__name__}){came}"

    def use(self, values: Any) -> None:
        """Note the parameters among the arguments of what is open."""
        if self.open is None:
            return
        for each in tree_leaves(values):
            name = self.names.get(id(each)) if isinstance(each, Tensor) else None
            if name is not None and name not in self.open.parameters and name not in self.open.repeated:
                (self.open.repeated if name in self.seen else self.open.parameters).append(name)
                self.seen.add(name)

    def start(self, name: str, kind: str, module: nn.Module | None, arguments: Any) -> Step:
        inputs = [each for each in tree_leaves(arguments) if isinstance(each, Tensor) and id(each) not in self.names]
        self.open = Step(name, kind, module, inputs)
        return self.open

    def finish(self, output: Any) -> None:
        step, self.open = self.open, None
        if step is None:
            return
        if step.module is not None or any(_computes(each) for each in step.operations):
            step.output = next((each for each in tree_leaves(output) if isinstance(each, Tensor)), None)
            if step.output is not None:
                self.steps.append(step)
                self.looking = True
                self.watcher.end(step)
                self.looking = False
            return
        # No more than a look at a parameter, or a view of it, which stands for it from now on.
        self.seen.difference_update(step.parameters)
        named = (*step.parameters, *step.repeated)
        views = [each for each in tree_leaves(output) if isinstance(each, Tensor) and id(each) not in self.names]
        if len(named) == 1:
            self.views += views
            self.names |= {id(each): named[0] for each in views}

    def _begin(self, module: nn.Module, arguments: Any) -> None:
        self.path.append(module)
        if self.open is None and _is_layer(module):
            name = self.modules.get(id(module), "")
            self.start(name, type(module).__name__, module, arguments)
            self.owner = module
            self.use(list(module.parameters()))

    def _end(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if module is self.owner and self.open is not None:
            self.owner = None
            self.finish(output)
        self.path.pop()

    def place(self) -> str:
        return self.modules.get(id(self.path[-1]), "") if self.path else ""


class _Functions(TorchFunctionMode):
    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        recorder = self.recorder
        if recorder.open is not None or recorder.looking:
            return func(*args, **(kwargs or {}))
        kind = str(getattr(func, "__name__", func)).strip("_")
        place = recorder.place()
        recorder.start(f"{place}.{kind}" if place else kind, kind, None, (args, kwargs))
        recorder.use((args, kwargs))
        output = func(*args, **(kwargs or {}))
        recorder.finish(output)
        return output


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if self.recorder.looking:
            return output
        arguments = {each.name: value for each, value in zip(func._schema.arguments, args, strict=False)} | (kwargs or {})
        for each in func._schema.arguments:
            if each.has_default_value():
                arguments.setdefault(each.name, each.default_value)
        name = func._schema.name.removeprefix("aten::")
        operation = Operation(
            name.rstrip("_") if func._schema.is_mutable and not name.startswith("_") else name,
            arguments,
            output,
            func,
            func._schema.is_mutable and isinstance(output, Tensor) and output is arguments.get("self"),
            torch.Tag.pointwise in func.tags,
        )
        self.recorder.watcher.see(operation)
        if self.recorder.open is not None:
            self.recorder.open.operations.append(operation)
        return output


def _is_layer(module: nn.Module) -> bool:
    """Whether a module is told of as a whole: it has no parts, or parts that are only a way of keeping its weights."""
    children = [name for name, _ in module.named_children() if name != "parametrizations"]
    return not children or isinstance(module, (*_WHOLE, torch.jit.ScriptModule))


def _computes(operation: Operation) -> bool:
    """Whether an operation makes new numbers from tensors: no view, no copy, no empty or constant tensor."""
    has_tensor = any(isinstance(each, Tensor) for each in tree_leaves(operation.arguments))
    return has_tensor and not getattr(operation.call, "is_view", False) and operation.name not in COPIES


@contextmanager
def _unwritten(buffers: dict[str, Tensor]) -> Iterator[None]:
    """Buffers are at the end what they were."""
    before = {name: each.clone() for name, each in buffers.items()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, each in buffers.items():
                each.copy_(before[name])


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training


def _filled(like: Tensor, generator: torch.Generator) -> Tensor:
    """A real tensor in place of one that has no values."""
    if like.device.type != "meta":
        return like
    if like.is_floating_point():
        return torch.randn(like.shape, generator=generator).to(like.dtype)
    return torch.zeros(like.shape, dtype=like.dtype)


def _shapes(tensors: Sequence[Tensor]) -> str:
    several = "inputs" if len(tensors) > 1 else "an input"
    return f"{several} of shape " + " and ".join(str(list(each.shape)) for each in tensors)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def check_shaped(module: nn.Module) -> None:
    """Every parameter and buffer of the network has a shape, which those of lazy layers get in their first call.

    Errors: `ArgumentError` where one has none.

    Example:
        >>> check_shaped(nn.Linear(2, 3))
    """
    unshaped = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)
    if any(isinstance(each, unshaped) for each in (*module.parameters(), *module.buffers())):
        raise ArgumentError("The network has layers without shapes yet", do="Call it once on a batch; then they have them.")


def unwrapped(module: nn.Module) -> nn.Module:
    """The network that torch.compile or DataParallel has wrapped."""
    inner = module.module if isinstance(module, nn.DataParallel) else getattr(module, "_orig_mod", module)
    return inner if isinstance(inner, nn.Module) else module


def example_inputs(
    module: nn.Module,
    shape: Sequence[int] | None,
    example: Tensor | Sequence[Tensor] | None,
    dtype: torch.dtype | None = None,
) -> list[Tensor]:
    """What to call a network with: a batch of one of this shape, without values, or the example that was given.

    Errors: `ArgumentError` for none or both of them, a dimension below 1, or an example that is no tensors.
    """
    if (shape is None) == (example is None):
        raise ArgumentError("Say what the network takes in", expected="either shape=… of one sample, or example=…")
    if example is not None:
        given = [example] if isinstance(example, Tensor) else list(example)
        if not given or not all(isinstance(each, Tensor) and each.ndim for each in given):
            raise ArgumentError(
                "The example is not what a network takes in", expected="a tensor with a batch dimension, or several"
            )
        return given
    assert shape is not None
    if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in shape) or not len(shape):
        raise ArgumentError(
            "An input cannot have this shape", expected="whole numbers ≥ 1, without the batch", got=tuple(shape)
        )
    own = next((each.dtype for each in module.parameters() if each.is_floating_point()), torch.float32)
    return [torch.empty(1, *shape, dtype=dtype or own, device="meta")]
