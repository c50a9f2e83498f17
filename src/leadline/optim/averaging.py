"""Weight averaging: steps that wrap a step and keep a second, smoother copy of the weights for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.optim.averaging_once_stuck import AverageOnceStuck
from leadline.optim.shadow import Shadow
from leadline.spelling import bind, parse_call


class _Step(Protocol):
    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any]) -> None: ...
    def modules(self) -> dict[str, nn.Module]: ...
    def evaluating(self) -> Any: ...


class ExponentialAverage:
    """Exponential moving average of the weights after each step; evaluation and the kept weights use the average.

    a ← d·a + (1 − d)·w with d = min(decay, (1 + t) / (10 + t)) at step t, so that the first, random weights are forgotten at
    once. Floating-point buffers (the running statistics of batch norm) are averaged likewise; others are copied.

    Args:
        step: the step to wrap.
        decay: in (0, 1); 0.999 looks back over about a thousand steps.

    Errors: `ArgumentError` for a decay out of range.

    Example:
        >>> import torch
        >>> from leadline.training import Supervised
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> step = ExponentialAverage(Supervised(model, nn.functional.mse_loss, sgd))
        >>> _ = step((torch.ones(1, 1), torch.ones(1, 1)), None)
        >>> model.weight.item()
        1.0
        >>> with step.evaluating():
        ...     round(model.weight.item(), 4)  # d = 2/11, so 9/11 of the way
        0.8182

    Source: Polyak and Juditsky 1992; the warm-up of the decay is TensorFlow's.
    """

    def __init__(self, step: _Step, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise ArgumentError("The decay of the weight average is out of range", expected="a number in (0, 1)", got=decay)
        self.step, self.decay, self.count = step, decay, 0
        self._average = Shadow(_tensors(step))

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        logs = self.step(batch, progress)
        self.count += 1
        self._average.follow(1 - min(self.decay, (1 + self.count) / (10 + self.count)))
        return logs

    @property
    def rate(self) -> float | None:
        """The learning rate of the wrapped step."""
        return getattr(self.step, "rate", None)

    def state(self) -> dict[str, Any]:
        return {"step": self.step.state(), "count": self.count, "average": self._average.copies}

    def load(self, state: dict[str, Any]) -> None:
        self.step.load(state["step"])
        self.count = state["count"]
        self._average.load(state["average"])

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block the modules hold the averaged weights, in evaluation mode."""
        with self.step.evaluating(), self._average.standing_in():
            yield


class StochasticAverage:
    """The equal average of the weights at the end of each epoch of the last part of the training, or every few steps of it.

    a ← a + (w − a) / n for the n-th weights taken. Before the first are taken, evaluation uses the weights as they are. A rate
    that stays high in the last part makes the weights differ enough for the average to help.

    Floating-point buffers are averaged like weights. For the running statistics of batch norm that is not quite what the
    averaged weights would see; where it matters, recompute them with `torch.optim.swa_utils.update_bn` on the trained model.

    Args:
        step: the step to wrap.
        start: share of the training from which on weights are taken, in [0, 1).
        every: steps between the weights taken; 0 takes them at the end of each epoch. Where the length of an epoch is unknown
            they are taken as the next one begins, so that the last epoch is left out.

    Errors: `ArgumentError` for a value out of range.

    Example:
        >>> import torch
        >>> from leadline.training import Supervised
        >>> from types import SimpleNamespace
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.25)
        >>> step = StochasticAverage(Supervised(model, nn.functional.mse_loss, sgd), 0.0, every=1)
        >>> for number in range(2):
        ...     _ = step((torch.ones(1, 1), torch.ones(1, 1)), SimpleNamespace(fraction=number / 2, step=number))
        >>> model.weight.item()  # first 0.5, now 0.75
        0.75
        >>> with step.evaluating():
        ...     model.weight.item()
        0.625

    Source: Izmailov et al. (2018), Averaging weights leads to wider optima and better generalization.
    """

    def __init__(self, step: _Step, start: float = 0.75, *, every: int = 0) -> None:
        if not 0 <= start < 1 or every < 0 or every % 1:
            raise ArgumentError(
                "Stochastic weight averaging is out of range",
                expected="start in [0, 1) and a whole number every ≥ 0",
                got=(start, every),
            )
        self.step, self.start, self.every = step, start, every
        self.count = self._steps = 0  # how many weights were taken; steps since it began
        self._average = Shadow(_tensors(step))

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        within = progress.fraction >= self.start
        length = getattr(progress, "steps_per_epoch", None)
        if within and self.every == 0 and length is None and _batch_of(progress) == 0 and self._steps:
            self._take()
        logs = self.step(batch, progress)
        if within:
            self._steps += 1
            if self._steps % self.every == 0 if self.every else _batch_of(progress) + 1 == length:
                self._take()
        return logs

    def _take(self) -> None:
        self.count += 1
        self._average.follow(1 / self.count)

    @property
    def rate(self) -> float | None:
        """The learning rate of the wrapped step."""
        return getattr(self.step, "rate", None)

    def state(self) -> dict[str, Any]:
        return {"step": self.step.state(), "count": self.count, "steps": self._steps, "average": self._average.copies}

    def load(self, state: dict[str, Any]) -> None:
        self.step.load(state["step"])
        self.count, self._steps = state["count"], state["steps"]
        self._average.load(state["average"])

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block the modules hold the averaged weights, if any were taken, in evaluation mode."""
        with self.step.evaluating():
            if not self.count:
                yield
                return
            with self._average.standing_in():
                yield


class Lookahead:
    """Fast weights go ahead for a few steps; slow ones then follow a part of the way, and the fast go on from there.

    Every k steps: s ← s + α (w − s), then w ← s. Evaluation and the kept weights use the slow ones s; buffers stay those of the
    fast weights, and so does what the optimizer remembers.

    Args:
        step: the step to wrap.
        every: k, at least 1.
        share: α, in (0, 1].

    Errors: `ArgumentError` for a value out of range.

    Example:
        >>> import torch
        >>> from leadline.training import Supervised
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.25)
        >>> step = Lookahead(Supervised(model, nn.functional.mse_loss, sgd), 2)
        >>> for _ in range(2):
        ...     logs = step((torch.ones(1, 1), torch.ones(1, 1)), None)
        >>> model.weight.item()  # half the way to 0.75
        0.375

    Source: Zhang et al. (2019), Lookahead optimizer: k steps forward, 1 step back.
    """

    def __init__(self, step: _Step, every: int = 5, *, share: float = 0.5) -> None:
        if every < 1 or every % 1 or not 0 < share <= 1:
            raise ArgumentError(
                "Lookahead is out of range", expected="a whole number every ≥ 1 and share in (0, 1]", got=(every, share)
            )
        self.step, self.every, self.share, self.count = step, every, share, 0
        self._slow = Shadow(weight for module in step.modules().values() for weight in module.parameters())

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        logs = self.step(batch, progress)
        self.count += 1
        if self.count % self.every == 0:
            self._slow.follow(self.share)
            self._slow.put_back()
        return logs

    @property
    def rate(self) -> float | None:
        """The learning rate of the wrapped step."""
        return getattr(self.step, "rate", None)

    def state(self) -> dict[str, Any]:
        return {"step": self.step.state(), "count": self.count, "slow": self._slow.copies}

    def load(self, state: dict[str, Any]) -> None:
        self.step.load(state["step"])
        self.count = state["count"]
        self._slow.load(state["slow"])

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block the modules hold the slow weights, in evaluation mode."""
        with self.step.evaluating(), self._slow.standing_in():
            yield


AVERAGES: dict[str, Callable[..., Any]] = {
    "ema": ExponentialAverage,
    "swa": StochasticAverage,
    "once_stuck": AverageOnceStuck,
    "lookahead": Lookahead,
}


def make_average(text: str, step: Any) -> Any:
    """The step, wrapped in the average that a text spells.

    Args:
        text: "ema(0.999)", "swa(0.75, every=100)", "once_stuck(5)" or "lookahead(5, share=0.5)"; a bare number is the decay of
            an exponential average; "" and "0" are none, and give the step itself.
        step: the step to wrap.

    Errors: `ArgumentError` for an unknown name or an argument out of range.

    Example:
        >>> import torch
        >>> from leadline.training import Supervised
        >>> model = nn.Linear(1, 1)
        >>> step = Supervised(model, nn.functional.mse_loss, torch.optim.SGD(model.parameters(), lr=0.1))
        >>> make_average("swa(0.5)", step).start, make_average("0.99", step).decay, make_average("0", step) is step
        (0.5, 0.99, True)
    """
    try:
        decay = float(text or 0)
    except ValueError:
        pass
    else:
        return ExponentialAverage(step, decay) if decay else step
    call = parse_call(text, "weight average")
    if call.name not in AVERAGES:
        unknown("weight average", call.name, AVERAGES)
    average = AVERAGES[call.name]
    arguments, keywords = bind(call, average, "weight average", skip=1)
    try:
        return average(step, *arguments, **keywords)
    except TypeError as error:  # a text where a number belongs
        raise ArgumentError(f"The weight average {text!r} cannot be made", got=str(error)) from error


def _tensors(step: _Step) -> Iterator[Tensor]:
    """Parameters and buffers of all modules."""
    for module in step.modules().values():
        yield from (*module.parameters(), *module.buffers())


def _batch_of(progress: Any) -> int:
    """How many batches of the epoch are done."""
    try:
        return int(progress.batch)
    except AttributeError:
        raise ArgumentError("The end of an epoch is not known here", do="Give the steps between the weights, every=…") from None
