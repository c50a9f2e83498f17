"""The recorded step: the plain one without its autograd engine, its module calls and its optimizer's bookkeeping."""

from __future__ import annotations

import copy
import math
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from leadline.training.recorded.tape import Tape
from leadline.training.recorded.tracing import CannotRecordError, Trace, hooks_of, leaves, said_by, trace_step
from leadline.training.recorded.updating import Update
from leadline.training.steps import BEGINNING, Progress, Supervised

_TRIED = 2  # steps that must give the same weights before a tape is trusted: the second starts where the first has been
_TOLERANCE = 1e-5  # of a tensor's norm


class Recorded:
    """A `Supervised` step whose forward and backward pass are recorded once and then played from a tape.

    The tape is the list of kernels that the plain step runs, in the same order, so the weights are the same: it saves what lies
    between the kernels, which for a small network on a CPU is half of the time. Gradients are in `.grad` when the step has
    returned, but in the same memory after each step. Logs, learning rates, clipping, penalties, state and random numbers are
    those of the plain step, and a checkpoint of either can be gone on from with the other.

    Batches of a shape that was not recorded run plain, and so do all while the network is in evaluation mode or a hook listens.
    What the network's Python code decides (which branch, a share of dropout that changes) is decided when it is recorded.

    Args:
        step: the plain step.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> step = Recorded(Supervised(model, nn.functional.mse_loss, sgd))
        >>> batch = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0]])
        >>> step.record(batch)
        ''
        >>> step(batch, None)
        {'loss': tensor(1.)}
        >>> model.weight.data
        tensor([[0.2000, 0.4000]])
    """

    def __init__(self, step: Supervised) -> None:
        self.step = step
        self._tapes: dict[tuple[Any, ...], _Player] = {}
        self._hooks = hooks_of(step.model)

    def record(self, batch: Any) -> str:
        """Record batches of this shape: "" when that is done, else the reason why they run plain.

        Nothing is trained: two plain and two recorded steps of copies are compared, which needs three times the memory of the
        network and its optimizer for as long as it takes. A shorter last batch can be recorded beside the full one.
        """
        if reason := _unfit(self.step, self._hooks):
            return reason
        try:
            tensors = leaves(batch)
            if any(tensor.requires_grad for tensor in tensors):
                return "a batch asks for gradients of its own"
            trace = trace_step(self.step, batch)
            _compare(self.step, trace, batch)
            self._tapes[_shape(tensors)] = _Player(self.step, trace, trace.constants)
        except CannotRecordError as error:
            return str(error)
        return ""

    def __call__(self, batch: Any, progress: Progress) -> dict[str, Tensor]:
        try:
            tensors = leaves(batch)
        except CannotRecordError:
            return self.step(batch, progress)
        player = self._tapes.get(_shape(tensors))
        if player is None or not self.step.model.training or any(self._hooks):
            return self.step(batch, progress)
        return player(tensors, progress)

    @property
    def rate(self) -> float:
        """The learning rate of the last step, of the first parameter group."""
        return self.step.rate

    def state(self) -> dict[str, Any]:
        return self.step.state()

    def load(self, state: dict[str, Any]) -> None:
        self.step.load(state)

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    def evaluating(self) -> AbstractContextManager[None]:
        return self.step.evaluating()


class _Player:
    """A tape with the step whose tensors it works on."""

    def __init__(self, step: Supervised, trace: Trace, constants: dict[str, Tensor]) -> None:
        self.step, self.logs = step, trace.logs
        self.graded = [step.parameters[at] for at in trace.graded]
        chosen = set(trace.graded)
        self.ungraded = [parameter for at, parameter in enumerate(step.parameters) if at not in chosen]
        self._made = trace, constants
        self._link()

    def _link(self) -> None:
        trace, constants = self._made
        self.tape = Tape(trace, self.graded, constants)
        self.update = Update(self.step.optimizer, self.graded)
        self._addresses = [parameter.data_ptr() for parameter in self.graded]

    def __call__(self, tensors: list[Tensor], progress: Progress) -> dict[str, Tensor]:
        step = self.step
        if step.schedule is not None:
            step.set_rates(step.schedule(progress.fraction))
        if [parameter.data_ptr() for parameter in self.graded] != self._addresses:
            self._link()  # somebody gave the parameters other memory
        results = self.tape.run(*tensors)
        count = len(self.logs)
        for parameter, gradient in zip(self.graded, results[count:], strict=True):
            parameter.grad = gradient
        for parameter in self.ungraded:
            parameter.grad = None
        logs = dict(zip(self.logs, results, strict=False))
        with torch.no_grad():
            if step.clip is not None:
                logs["clipped"] = step.clip(step.parameters)
            self.update()
        return logs


def _shape(tensors: list[Tensor]) -> tuple[Any, ...]:
    return tuple([(tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad) for tensor in tensors])


def _unfit(step: Supervised, hooks: list[dict[int, Any]]) -> str:
    if type(step) is not Supervised:
        return f"a {type(step).__name__} step is not recorded"
    if not step.model.training:
        return "the network is in evaluation mode"
    if any(hooks) or any(parameter._backward_hooks for parameter in step.parameters):
        return "hooks listen to the network, and a tape would pass them by"
    return ""


def _compare(step: Supervised, trace: Trace, batch: Any) -> None:
    """Take a few steps with copies of everything, plain and recorded; the random generators are left as they were.

    Errors: `CannotRecordError` where they do not end at the same weights.
    """
    memo: dict[int, Any] = {}
    try:
        plain, taped = copy.deepcopy(step), copy.deepcopy(step, memo)
    except Exception as error:  # an optimizer or a schedule of somebody else's
        raise CannotRecordError(f"the step cannot be copied: {said_by(error)}") from error
    constants = {name: memo.get(id(tensor), tensor) for name, tensor in trace.constants.items()}
    places = [*{parameter.device for parameter in step.parameters if parameter.device.type == "cuda"}]
    try:
        player = _Player(taped, trace, constants)
        with torch.random.fork_rng(places):
            expected = [plain(batch, BEGINNING) for _ in range(_TRIED)]
        with torch.random.fork_rng(places):
            played = [player(leaves(batch), BEGINNING) for _ in range(_TRIED)]
    except Exception as error:  # of the plain step too: it will be told when the training begins
        raise CannotRecordError(f"its tape cannot be played: {said_by(error)}") from error
    pairs = [("a buffer", *both) for both in zip(plain.model.buffers(), taped.model.buffers(), strict=True)]
    pairs += [("a weight", *both) for both in zip(plain.parameters, taped.parameters, strict=True)]
    for told, ours in zip(expected, played, strict=True):
        if told.keys() != ours.keys():
            raise CannotRecordError("its tape tells other logs")
        pairs += [(f"the log {name}", told[name], ours[name]) for name in told]
    pairs.append(("a gradient", _gradients(plain), _gradients(taped)))  # which a rate near zero would hide in the weights
    for what, one, other in pairs:
        if not _close(one.detach(), other.detach()):
            raise CannotRecordError(f"its tape ends at other numbers: {what} differs")
    for parameter in player.graded:
        gradient = parameter.grad
        if gradient is not None and gradient.stride() != parameter.stride():
            raise CannotRecordError("a gradient is not laid out like its parameter, as the optimizers' kernels want it")


def _gradients(step: Supervised) -> Tensor:
    """All gradients as one vector: one that is nothing but rounding may differ."""
    each = [p.grad if p.grad is not None else torch.zeros_like(p) for p in step.parameters]
    return torch.cat([gradient.reshape(-1).float() for gradient in each])


def _close(one: Tensor, other: Tensor) -> bool:
    if not one.is_floating_point():
        return torch.equal(one, other)
    distance, size = (one - other).double().norm().item(), one.double().norm().item()
    return distance <= _TOLERANCE * size or not math.isfinite(size)
