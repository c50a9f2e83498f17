"""The captured step: on a GPU forward, backward and update are told once, and then launched as one graph of kernels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from leadline.errors import ArgumentError
from leadline.optim.muon import Muon
from leadline.training.devices import preserved
from leadline.training.recorded.tracing import CannotRecordError, hooks_of, leaves, rebuilt, said_by
from leadline.training.steps import BEGINNING, Progress, Supervised

_WARM_UPS = 3  # steps before the capture: libraries choose their kernels, the compiler compiles, the optimizer gets its state


class Graphs(Protocol):
    """How a `Captured` step is warmed up and captured; CUDA's way is the one that there is, tests have another."""

    def warm_up(self, action: Callable[[], Tensor]) -> None:
        """Do the action a few times, apart from all else on the device."""

    def capture(self, action: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Note what the action would do; return what does it, and the tensor that then holds the action's result."""


class Captured:
    """A `Supervised` step that is captured in a CUDA graph: one launch does forward, backward, clipping and the update.

    A small network on a GPU waits for Python: hundreds of kernels are launched one by one. Captured, they are launched at once,
    and each batch is copied to where the captured kernels look for it. Learning rates are tensors on the device, so that a
    schedule can change them. Logs, random numbers and state are those of the plain step, and a checkpoint of either can be gone
    on from with the other. Gradients are in `.grad` when the step has returned, but in the same memory after each step.

    Batches of a shape that was not recorded (a short last one) run plain, and so do all while the network is in evaluation mode
    or a hook listens. What Python decides in the network is decided when it is recorded. After `load` it is captured anew.

    Args:
        step: the plain step, of a network on a CUDA device, its optimizer SGD, Adam or AdamW with fused=True, or `Muon`.
        compiled: whether `torch.compile` makes the forward and the backward pass of what is captured.
        graphs: how to capture; None is CUDA's way.

    Errors: `ArgumentError` for a network that is not on a CUDA device.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> step = Supervised(model, nn.functional.mse_loss, torch.optim.SGD(model.parameters(), lr=0.1, fused=True))
        >>> try:
        ...     captured = Captured(step)
        ... except ArgumentError as error:
        ...     print(str(error).split(".")[0])
        A step can be captured on a CUDA device alone
    """

    def __init__(self, step: Supervised, *, compiled: bool = False, graphs: Graphs | None = None) -> None:
        device = step.parameters[0].device
        if graphs is None and device.type != "cuda":
            raise ArgumentError(
                "A step can be captured on a CUDA device alone",
                expected="a network on cuda",
                got=device,
                do="Take the plain step, or the recorded one.",
            )
        self.step, self.device, self.compiled = step, device, compiled
        self._graphs = _CudaGraphs(device) if graphs is None else graphs
        self._hooks = hooks_of(step.model)
        self._twin = copy.copy(step)
        self._twin.schedule = None  # the rates are set before each replay, and not within it
        if compiled:
            self._twin.model = torch.compile(step.model, dynamic=False)  # type: ignore[assignment]
            if (penalties := step.penalties) is not None:
                self._twin.penalties = lambda _: penalties(step.model)
        self._players: dict[tuple[Any, ...], _Player | None] = {}  # None: recorded once, and to be recorded anew
        self._fraction = 0.0

    def record(self, batch: Any) -> str:
        """Capture the step for batches of this shape: "" when that is done, else the reason why they run plain.

        Steps are taken to warm up; afterwards weights, statistics, the optimizer and the random numbers are as they were.
        """
        try:
            tensors = leaves(batch)
        except CannotRecordError as error:
            return str(error)
        if reason := _unfit(self.step, self._hooks) or _misplaced(tensors, self.device):
            return reason
        shape = _shape(tensors)
        self._players.pop(shape, None)
        gradients = [parameter.grad for parameter in self.step.parameters]
        try:
            with preserved():
                self._players[shape] = self._captured(batch, tensors)
        except Exception as error:  # the network's own code may do what no graph can hold, in as many ways as there are
            return f"its step cannot be captured: {said_by(error)}"
        finally:
            for parameter, gradient in zip(self.step.parameters, gradients, strict=True):
                parameter.grad = gradient
        return ""

    def _captured(self, batch: Any, tensors: list[Tensor]) -> _Player:
        self._rates_on_device()
        given = [tensor.detach().clone() for tensor in tensors]
        inside = rebuilt(batch, iter(given))
        names: list[str] = []

        def whole_step() -> Tensor:
            logs = self._twin(inside, BEGINNING)
            names[:] = logs
            return torch.stack(list(logs.values()))

        kept = _Kept(self.step)
        try:
            self._graphs.warm_up(whole_step)
        finally:
            kept.put_back()
        with _capturable(self.step.optimizer):
            replay, values = self._graphs.capture(whole_step)
        return _Player(self.step, given, names, replay, values)

    def __call__(self, batch: Any, progress: Progress) -> dict[str, Tensor]:
        step = self.step
        self._fraction = getattr(progress, "fraction", 0.0)
        try:
            tensors = leaves(batch)
        except CannotRecordError:
            return step(batch, progress)
        shape = _shape(tensors)
        if shape not in self._players or not step.model.training or any(self._hooks):
            return step(batch, progress)
        player = self._players[shape]
        if player is None or player.moved():
            self.record(batch)
            if (player := self._players.get(shape)) is None:
                return step(batch, progress)
        if step.schedule is not None:
            step.set_rates(step.schedule(progress.fraction))
        return player(tensors)

    def _rates_on_device(self) -> None:
        """Let the optimizer read its rates where a schedule can change them under a graph."""
        for group in self.step.optimizer.param_groups:
            if not isinstance(group["lr"], Tensor):
                group["lr"] = torch.tensor(float(group["lr"]), device=self.device)

    @property
    def rate(self) -> float:
        """The learning rate of the last step, of the first parameter group, without asking the device."""
        if self.step.schedule is None:
            return self.step.rate
        return self.step._rates[0] * self.step.schedule(self._fraction)

    def state(self) -> dict[str, Any]:
        state = self.step.state()
        for group in state["optimizer"]["param_groups"]:
            group["lr"] = float(group["lr"])  # as the plain step would keep it
        return state

    def load(self, state: dict[str, Any]) -> None:
        self.step.load(state)
        # The optimizer has new tensors now, of which a graph knows nothing.
        self._players = dict.fromkeys(self._players)

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    def evaluating(self) -> AbstractContextManager[None]:
        return self.step.evaluating()


class _CudaGraphs:
    """Captures CUDA graphs, on the stream on which it warms up: autograd remembers on which stream a weight was first used."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, action: Callable[[], Tensor]) -> None:
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            for _ in range(_WARM_UPS):
                action()
        current.wait_stream(self.stream)

    def capture(self, action: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream(self.device)
        try:
            with torch.cuda.device(self.device), torch.cuda.graph(graph, stream=self.stream):
                result = action()
        finally:
            torch.cuda.set_stream(current)  # a capture that failed would leave its own stream the current one
        return graph.replay, result


class _Player:
    """A captured step, with the tensors that its kernels read and write."""

    def __init__(
        self, step: Supervised, given: list[Tensor], names: list[str], replay: Callable[[], None], values: Tensor
    ) -> None:
        self.parameters, self.given, self.names, self.replay, self.values = step.parameters, given, names, replay, values
        self.gradients = [parameter.grad for parameter in step.parameters]
        self._places = self._here()

    def _here(self) -> list[tuple[int, bool]]:
        return [(parameter.data_ptr(), parameter.requires_grad) for parameter in self.parameters]

    def moved(self) -> bool:
        """Whether the parameters lie in other memory by now, or others are trained."""
        return self._here() != self._places

    def __call__(self, tensors: list[Tensor]) -> dict[str, Tensor]:
        for place, tensor in zip(self.given, tensors, strict=True):
            place.copy_(tensor, non_blocking=True)
        self.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        # A copy, or the next step would overwrite what was told of this one.
        return dict(zip(self.names, self.values.clone().unbind(), strict=True))


@contextmanager
def _capturable(optimizer: Optimizer) -> Iterator[None]:
    """Within the block torch lets the optimizer be captured; it would warn of the permission outside of a capture."""
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    before = [group["capturable"] for group in groups]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group, given in zip(groups, before, strict=True):
            group["capturable"] = given


class _Kept:
    """Copies of all that a step changes, to be put back in place."""

    def __init__(self, step: Supervised) -> None:
        self.step = step
        changing = {id(tensor): tensor for tensor in _changing(step)}  # each once
        self._pairs = [(tensor, tensor.detach().clone()) for tensor in changing.values()]
        self._clip = {name: tensor.clone() for name, tensor in _clip_state(step).items()}

    @torch.no_grad()
    def put_back(self) -> None:
        known = set()
        for tensor, copied in self._pairs:
            tensor.copy_(copied)
            known.add(id(tensor))
        for tensor in _optimizer_tensors(self.step.optimizer):
            if id(tensor) not in known:
                tensor.zero_()  # as good as none: all averages of the optimizers that are let in begin at 0
        for name, tensor in _clip_state(self.step).items():
            tensor.copy_(self._clip[name])


def _changing(step: Supervised) -> Iterator[Tensor]:
    yield from step.parameters
    for part in (step.model, step.loss, *step.measures.values()):
        if isinstance(part, nn.Module):
            yield from (*part.parameters(), *part.buffers())
    yield from _optimizer_tensors(step.optimizer)


def _optimizer_tensors(optimizer: Optimizer) -> Iterator[Tensor]:
    for values in optimizer.state.values():
        yield from (value for value in values.values() if isinstance(value, Tensor))


def _clip_state(step: Supervised) -> dict[str, Tensor]:
    state = step.clip.state() if step.clip is not None and hasattr(step.clip, "state") else {}
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _shape(tensors: list[Tensor]) -> tuple[Any, ...]:
    return tuple([(tensor.shape, tensor.dtype) for tensor in tensors])


def _misplaced(tensors: list[Tensor], device: torch.device) -> str:
    if any(tensor.requires_grad for tensor in tensors):
        return "a batch asks for gradients of its own"
    if any(tensor.device != device for tensor in tensors):
        return f"a batch is not on the device of the network, {device}"
    return ""


def _unfit(step: Supervised, hooks: list[dict[int, Any]]) -> str:
    if type(step) is not Supervised:
        return f"a {type(step).__name__} step is not captured"
    if not step.model.training:
        return "the network is in evaluation mode"
    if any(hooks) or any(parameter._backward_hooks for parameter in step.parameters):
        return "hooks listen to the network, and a graph would pass them by"
    if type(step.optimizer) not in (SGD, Adam, AdamW, Muon):
        return f"the optimizer {type(step.optimizer).__name__} is not known to leave the device alone"
    for group in step.optimizer.param_groups:
        if "iterations" not in group and (not group.get("fused") or group.get("dampening")):
            return "the optimizer is not one with fused=True and without dampening, which alone reads its rate on the device"
    return ""
