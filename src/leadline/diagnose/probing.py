"""`watch`: a probe around a training that somebody wrote by hand, and the diagnosis of what it saw."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.diagnose.check_readings import Asked
from leadline.diagnose.checklists import Checklist
from leadline.diagnose.checks.foreign_weights import ForeignWeights
from leadline.diagnose.examining import examine
from leadline.diagnose.findings import Verdict
from leadline.diagnose.held_out import held_out_rows, order_kept
from leadline.diagnose.judging_passes import JudgingPasses
from leadline.diagnose.kept_rows import KeptRows
from leadline.diagnose.listening import Listener
from leadline.diagnose.readings import Readings
from leadline.diagnose.rival_games import RivalGame
from leadline.diagnose.sample_steps import next_sample
from leadline.diagnose.subject import Rows, Subject, drawn_aside
from leadline.diagnose.targets_in_time import TargetCourse
from leadline.diagnose.told_losses import ToldLosses
from leadline.diagnose.told_rows import ToldRows, first_line
from leadline.diagnose.training_looks import TrainingLooks
from leadline.errors import ArgumentError

_CONFIRMING_SHARE, _CONFIRMING_LEAST = 0.15, 20.0  # of the training's time; seconds
_FORCED = 3  # samples that are taken whatever they cost
_LOOKED_AT = 256  # rows have to be there, before single ones are looked at
_LOOKING = 0.4  # of the probe's share of time, for judging rows while it trains; the rest is for the sampled steps


def watch(
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer],
    *,
    loss: Callable[[Any, Any], Tensor] | None = None,
    valid: tuple[Any, Any] | Iterable[tuple[Any, Any]] | None = None,
    call: Callable[[nn.Module, Any], Any] | None = None,
    rival: nn.Module | None = None,
    share: float = 0.012,
) -> Probe:
    """A probe around a hand-written training loop, as a context manager.

    Call `probe.step(loss, inputs, targets)` once an iteration, after the backward pass, and `probe.findings()` at the end. The
    probe listens to the network and the optimizer at sampled steps, keeps some of the rows, and changes nothing: the weights
    come out the same to the bit.

    Args:
        model: that is trained.
        optimizer: that trains it, or several.
        loss: (outputs, targets) → scalar, as the loop computes it; without it, what needs a loss of other rows is not checked.
        valid: held-out (inputs, targets), or an iterable of such batches.
        call: (model, inputs) → outputs as the loss takes them, such as `lambda model, x: model(*x)`. It is left out where the
            network gets the inputs, or a view of them, or their parts as arguments: that is learned from the first step.
        rival: the discriminator, where the model is a generator that learns from one. `optimizer` is the generator's, what is
            told are its loss, the noise and the real rows, and what is watched is the game of both.
        share: the most of the training's time that the probe may take.

    Errors: `ArgumentError` for a model without parameters or a share out of range.

    Example:
        >>> from leadline.diagnose import watch
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(256, 4)
        >>> y = (x[:, 0] > 0).long()
        >>> model, criterion = nn.Linear(4, 2), nn.CrossEntropyLoss()
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> with watch(model, optimizer, loss=criterion) as probe:
        ...     for epoch in range(20):
        ...         for inputs, targets in zip(x.split(32), y.split(32)):
        ...             optimizer.zero_grad()
        ...             loss = criterion(model(inputs), targets)
        ...             loss.backward()
        ...             optimizer.step()
        ...             probe.step(loss, inputs, targets)
        >>> probe.findings(confirm=0).healthy
        True
    """
    optimizers = tuple(optimizer) if isinstance(optimizer, (list, tuple)) else (optimizer,)
    return Probe(model, optimizers, loss=loss, valid=valid, call=call, rival=rival, share=share)


class Probe:
    """Listens to a training; `watch` makes one for a hand-written loop.

    Args:
        model: that is trained.
        optimizers: that train it.
        loss: (outputs, targets) → scalar.
        valid: held-out (inputs, targets), or an iterable of such batches.
        train: the training rows, where they are known beforehand; else some are kept of the batches that pass.
        rows: how many training rows there are, where `train` is a part of them.
        call: (model, inputs) → outputs; else it is learned from the first step.
        rival: of a generator.
        share: the most of the training's time that it may take.

    Errors: `ArgumentError` for a model without parameters or a share out of range.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> probe = Probe(model, (sgd,), loss=nn.functional.mse_loss)
        >>> probe.count
        0
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: tuple[Any, ...],
        *,
        loss: Callable[[Any, Any], Tensor] | None = None,
        valid: Any = None,
        train: Rows | None = None,
        rows: int | None = None,
        call: Callable[[nn.Module, Any], Any] | None = None,
        rival: nn.Module | None = None,
        share: float = 0.012,
    ) -> None:
        if not isinstance(model, nn.Module) or not any(True for _ in model.parameters()):
            raise ArgumentError(
                "There is nothing to watch", expected="a torch.nn.Module with parameters", got=type(model).__name__
            )
        if not 0 < share < 1:
            raise ArgumentError("The share of time is out of range", expected="a number in (0, 1)", got=share)
        self.model, self.optimizers, self.loss = model, optimizers, loss
        self.readings = Readings()
        self._train, self._rows = train, rows
        self._told = ToldRows(model, loss, call=call, keeping=train is None and rival is None)
        self._game = RivalGame(model, rival, optimizers) if rival is not None else None
        self.readings.game.watched = rival is not None
        self.missed = self._told.missed
        self.checks: Checklist | None = None  # what was looked at before, on rows that stay
        self._valid_given = valid
        self._valid: Rows | None = None
        self._valid_formed = False
        self._share, self._spent, self._count = share, 0.0, 0
        self._losses = ToldLosses()
        self._listener, self._course_of_targets = Listener(model, optimizers), TargetCourse()
        self.looks = TrainingLooks(_LOOKING * share, self.missed)
        self.judging: JudgingPasses | None = None
        self._next, self._deaf = 0, False
        self._began = self._ended = 0.0
        self.stride = 1
        self._initial: dict[str, Tensor] = {}
        self._verdict: tuple[tuple[Any, ...], Verdict] | None = None

    def __enter__(self) -> Self:
        self.begin()
        self.judging = JudgingPasses(self.model)
        self.listen(0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def begin(self) -> None:
        """Keep the weights as they are before the first step."""
        self._initial = {
            name: value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
            for name, value in self.model.state_dict().items()
        }
        try:
            with drawn_aside(), order_kept(self._valid_given):
                self._valid = held_out_rows(self._valid_given, self._device)
        except Exception as error:  # of batches that are no rows side by side
            self.missed.append(f"held-out rows: {first_line(error)}")
        self._began = time.perf_counter()

    def end(self) -> None:
        """Listen no more."""
        self._disarm()
        if self.judging is not None:
            self.judging.remove()
        self._ended = time.perf_counter()

    def step(self, loss: Tensor | float, inputs: Any, targets: Any) -> None:
        """Tell the probe of an iteration: the loss of this batch as the loop computed it, and the batch."""
        loss = loss if isinstance(loss, Tensor) else torch.as_tensor(float(loss))
        self._losses.add(loss.detach())
        self._told.keep(inputs, targets)
        if self._listener.armed:
            self.heard(loss, inputs, targets)
        self._count += 1
        if self._count >= self._next:
            self._next = next_sample(self._count)
            self.listen(self._count)

    def keep(self, inputs: Any, targets: Any) -> bool:
        """Keep rows of this batch while there is room; whether there still is."""
        return self._told.keep(inputs, targets)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def note(self, logs: dict[str, Tensor]) -> None:
        """Keep the loss of a step that a loop has made."""
        self._losses.add(logs["loss"].clone() if self.stride > 1 else logs["loss"])

    def following(self, count: int) -> int:
        """The step to listen to after so many."""
        self._count = count
        return next_sample(count)

    def listen(self, count: int) -> None:
        """Listen to the next step, unless that would take too much of the time."""
        elapsed = time.perf_counter() - self._began
        self._count = count
        if self._deaf or (len(self.readings.steps.samples) >= _FORCED and self._spent > self._share * elapsed):
            return
        self._listener.arm(count)
        if self._game is not None:
            self._game.arm()

    def heard(self, loss: Tensor, inputs: Any, targets: Any) -> None:
        """Read what the hooks heard of the step that was just made."""
        try:
            self._hear(loss, inputs, targets)
        except Exception as error:  # of a program that the probe does not understand: the training is to go on
            self._disarm()
            self._deaf = True
            self.missed.append(f"steps after {self._count:,}: {first_line(error)}")

    def _hear(self, loss: Tensor, inputs: Any, targets: Any) -> None:
        if not self._listener.armed:
            return
        now = time.perf_counter()
        self._listener.note_batch(inputs, targets)
        if self._game is None:
            with suppress(TypeError, ValueError, RuntimeError):  # batches that are no rows side by side
                self._course_of_targets.note(inputs, targets)
        self.readings.steps.samples.append(self._listener.heard(self._count, loss, self._began))
        if self._game is not None:
            self._hear_game(targets)
        self._told.heard(self._listener.passes, loss, inputs, targets)
        self._listener.passes = []  # which hold the graph of the step
        if self._game is None and self.looks.due(self._count):
            self._look()
        typical = (now - self._began - self._spent) / max(self._count + 1, 1)
        if len(self.readings.steps.samples) > 1:  # the first includes what torch does once
            self._spent += time.perf_counter() - now + max(0.0, now - self._listener.armed_at - typical)

    def _hear_game(self, real: Any) -> None:
        assert self._game is not None
        norms = [norm for norm in self.readings.steps.samples[-1].gradient if not math.isnan(norm)]
        heard = self._game.heard(self._count, math.hypot(*norms) if norms else None, real)
        if heard is not None:
            self.readings.game.rounds.append(heard)
        elif not self.readings.game.rounds and "the game" not in " ".join(self.missed):
            self.missed.append(
                "the game with the rival: at the first step nothing was drawn, or no real rows were judged or told"
            )

    def _disarm(self) -> None:
        self._listener.disarm()
        if self._game is not None:
            self._game.disarm()

    def _look(self) -> None:
        def subject_of(rows: Rows) -> Subject:
            return Subject(self.model, _own_copy(self.loss), self.optimizers, rows, call=self._told.call)

        def train() -> Rows | None:
            return self._train or (self._told.rows() if self._told.kept.seen >= _LOOKED_AT else None)

        elapsed = time.perf_counter() - self._began
        self.looks.look(subject_of, self._held_out(), train, count=self._count, elapsed=elapsed)
        held_out = self.looks.held_out
        self.readings.steps.valid, self.readings.steps.valid_recalls = held_out.losses, held_out.recalls

    def _held_out(self) -> Rows | None:
        """The held-out rows as network and loss get them, once that is known."""
        if self._valid is not None and not self._valid_formed:
            self._valid, self._valid_formed = self._told.held_out(self._valid), True
        return self._valid

    def losses(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The loss of every step that was told."""
        return self._losses.together()

    def subject(self) -> Subject | None:
        """What the checks look at; None where no rows could be kept."""
        if (rows := self._train or self._told.rows()) is None or not self._told.calls_what_it_gets(rows):
            return None
        sizes = sorted(self._listener.batches)
        return Subject(
            self.model,
            _own_copy(self.loss),
            self.optimizers,
            rows,
            self._held_out(),
            self._initial,
            batch=sizes[len(sizes) // 2] if sizes else len(rows),
            steps=self._count,
            call=self._told.call,
            rows=self._rows or self._told.distinct,
        )

    def findings(self, *, confirm: float | None = None) -> Verdict:
        """The verdict on what was seen so far.

        Args:
            confirm: seconds for short trainings of copies that prove what is suspected; the larger of 20 and 15 % of the
                training's time when left out, 0 for none. Healthy trainings take less.

        Errors: `ArgumentError` where no step was told.
        """
        if not self._count:
            raise ArgumentError("The probe saw no step", do="Call probe.step(loss, inputs, targets) once an iteration.")
        key = (self._count, confirm)
        if self._verdict is None or self._verdict[0] != key:
            trained = (self._ended or time.perf_counter()) - self._began
            seconds = max(_CONFIRMING_LEAST, _CONFIRMING_SHARE * trained) if confirm is None else confirm
            self._disarm()
            self._verdict = key, examine(self, seconds=seconds)
        return self._verdict[1]

    @property
    def kept(self) -> KeptRows:
        """The rows that were told, as they were told."""
        return self._told.kept

    @property
    def game(self) -> RivalGame | None:
        """The game of a generator with its rival."""
        return self._game

    def asked(self) -> Asked:
        """What the loss asks of the targets, as far as the steps tell."""
        course = self._course_of_targets
        return Asked(places=course.places, moving=course.moving, unlike=self._told.unusual)

    @property
    def in_place(self) -> bool:
        """Whether a loss that is not said is a usual one of outputs and targets as they are told."""
        return self._told.usual is not None and self._told.usual.targets[0] != "later"

    @property
    def unlearned(self) -> str:
        """Why it could not be learned how the network is called."""
        return self._told.unlearned

    @property
    def batch_targets(self) -> list[Tensor]:
        """Targets of the first batches and of the sampled ones, some rows of each."""
        return [*self.kept.first_targets, *self._listener.targets]

    @property
    def graph_loss(self) -> Tensor | None:
        """The loss of the first step that was heard, for its graph."""
        return self._listener.graph_loss

    @property
    def foreign(self) -> ForeignWeights | None:
        """The weights of others in the graph of that loss."""
        return self._listener.foreign

    @property
    def not_zeroed(self) -> float | None:
        """The share of steps, of those looked at, whose gradients were added to those of the step before."""
        return self._listener.not_zeroed

    @property
    def count(self) -> int:
        return self._count

    @property
    def seconds(self) -> float:
        return (self._ended or time.perf_counter()) - self._began


def _own_copy(loss: Any) -> Any:
    """A loss that is a module may count its calls, or learn."""
    return copy.deepcopy(loss) if isinstance(loss, nn.Module) else loss
