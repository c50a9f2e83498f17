"""A copy of a training: its network, loss, optimizer, rows and habits, each of which a trial may change before it runs."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Optimizer

from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.readings import Readings
from leadline.diagnose.subject import Rows, Subject, first_tensor
from leadline.diagnose.trials.function_sites import Replacing, replaced
from leadline.diagnose.trials.habits import Habits, own_rates
from leadline.diagnose.trials.redrawing import redraw
from leadline.diagnose.trials.scoring import TOLD, loss_names, part_losses, row_errors
from leadline.training.recorded.updating import Update

_FUSED = (SGD, Adam, AdamW, Adagrad)


@dataclass
class Outcome:
    """How a copy fared: its errors on the held-out rows, or the losses of parts of them, and its mean loss there."""

    errors: Tensor
    loss: float
    per_row: bool


class Player(Protocol):
    """Sets the gradients of these weights by the loss on some rows, and gives the loss."""

    weights: list[Tensor]

    def __call__(self, rows: Rows) -> Tensor: ...


@dataclass
class CopiedTraining:
    """A copy of a training. A change alters its fields before `run`, never the person's own objects.

    Args:
        subject: what is copied.
        model: the copy of the network.
        loss: (outputs, targets) → scalar.
        train: rows to learn from.
        held: rows to be judged on.
        habits: how its steps are taken.
        seed: of the order of rows, and of dropout.
        readings: what was measured, for changes that need to know it.
        rate: multiplier of the learning rates.
        settings: of the optimizer, in place of the person's.
        optimizer: (groups of parameters) → another optimizer; None is one like the person's.
        everything: whether parameters that no optimizer holds are trained too.
        within: functions of the forward pass that others stand in for.
        added: layers that the person's network lacks, by name.
        row_weights: how likely each training row is drawn; None goes through all.
        judging: weight of each held-out row; None is 1.
        head: operations after its last weights.
        loss_made_of: operations of its loss.
        outputs_of: of what the network gives, in the targets' units.
        before_judging: called with the copy when it has been trained.
        length: multiplier of the steps.
        goes_on: whether it begins where the person's training ended.
        play: what stands in for `backward`, and for gradients that are zeroed before it.
    """

    subject: Subject
    model: nn.Module
    loss: Callable[[Any, Any], Tensor]
    train: Rows
    held: Rows
    habits: Habits
    seed: int = 0
    readings: Readings | None = None
    rate: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)
    optimizer: Callable[[list[dict[str, Any]]], Optimizer] | None = None
    everything: bool = False
    within: list[Replacing] = field(default_factory=list)
    added: dict[str, nn.Module] = field(default_factory=dict)
    row_weights: Tensor | None = None
    judging: Tensor | None = None
    head: list[str] = field(default_factory=list)
    loss_made_of: list[str] = field(default_factory=list)
    outputs_of: Callable[[Any], Any] = lambda outputs: outputs
    before_judging: Callable[[CopiedTraining], None] | None = None
    length: float = 1.0
    goes_on: bool = False
    play: Player | None = None

    def answer(self, inputs: Any) -> Any:
        """What the copy gives for the inputs, with all that was put in the place of something else."""
        if not self.within:
            return self.subject.call(self.model, inputs)
        return replaced(lambda given: self.subject.call(self.model, given), inputs, self.within)

    def set_training(self, mode: bool) -> None:
        self.model.train(mode)
        for layer in self.added.values():
            layer.train(mode)

    def run(self, steps: int, deadline: float = float("inf")) -> Outcome | None:
        """Train for so many steps and judge; None where the time was over before."""
        self.begin()
        steps = round(steps * self.length)
        if steps and not self._learn(steps, deadline):
            return None
        return self.end()

    def begin(self) -> None:
        """What comes before the first step: random numbers, and the modes of the network's parts."""
        torch.manual_seed(self.seed)
        # Frozen parts of a network in evaluation mode stay in it.
        modes = {name: module.training for name, module in self.subject.model.named_modules()}
        self.set_training(self.habits.training_mode)
        if self.habits.training_mode:
            for name, module in self.model.named_modules():
                if modes.get("", True) and not modes.get(name, True):
                    module.training = False

    def end(self) -> Outcome:
        """What comes after the last step."""
        if self.before_judging is not None:
            self.before_judging(self)
        return self.judge()

    def made_optimizer(self) -> Optimizer | None:
        """The optimizer of the copy; None where it would hold none of its parameters."""
        own_parts = {id(part) for part in self.subject.model.parameters()}
        groups = [group for optimizer in self.subject.optimizers for group in optimizer.param_groups]
        if not self.everything and not any(id(part) in own_parts for group in groups for part in group["params"]):
            return None
        settings, kind = dict(self.settings), type(self.subject.optimizers[0])
        if kind in _FUSED and self.optimizer is None and _can_be_fused(self.model):
            settings |= {"fused": True, "foreach": False}
        made = self.subject.optimizer_for(self.model, everything=self.everything, **settings)
        self._set_rates(made)
        if self.goes_on and self.optimizer is None and not self.everything:
            self._take_memory(made)
        extra = [part for layer in self.added.values() for part in layer.parameters()]
        if self.optimizer is not None:
            own: list[dict[str, Any]] = [
                {key: group[key] for key in ("params", "weight_decay") if key in group} for group in made.param_groups
            ]
            return self.optimizer([*own, *([{"params": extra}] if extra else [])])
        if extra:
            made.add_param_group(
                {**{key: value for key, value in made.param_groups[0].items() if key != "params"}, "params": extra}
            )
        return made

    def _set_rates(self, optimizer: Optimizer) -> None:
        """The largest rate that was seen, in the person's proportions: at the end a schedule may have left nothing of it."""
        own_parts = {id(part) for part in self.subject.model.parameters()}
        groups = [group for theirs in self.subject.optimizers for group in theirs.param_groups]
        rates = own_rates(self.subject)
        shares = [
            rate / rates[0] if rates[0] else 1.0
            for rate, group in zip(rates, groups, strict=True)
            if any(id(part) in own_parts for part in group["params"])
        ]
        for place, group in enumerate(optimizer.param_groups):  # parameters that no optimizer held come last
            group["lr"] = self.habits.rate * (shares[place] if place < len(shares) else 1.0) * self.rate

    def _take_memory(self, optimizer: Optimizer) -> None:
        """What the person's optimizer remembers of its steps, such as momentum."""
        names = {id(part): name for name, part in self.subject.model.named_parameters()}
        own = dict(self.model.named_parameters())
        for theirs in self.subject.optimizers:
            if type(theirs) is not type(optimizer):
                continue
            for part, memory in theirs.state.items():
                copied = own.get(names.get(id(part), ""))
                if copied is not None and copied.shape == part.shape:
                    optimizer.state[copied] = copy.deepcopy(memory)

    def _learn(self, steps: int, deadline: float) -> bool:
        if not self.habits.learns or (optimizer := self.made_optimizer()) is None:
            return True  # as in the person's training, nothing is learned
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        clipped = [part for group in optimizer.param_groups for part in group["params"]]
        batches, searching, backward = self._batches(), isinstance(optimizer, LBFGS), self.play or self.backward
        # By a tape every weight that it knows gets a gradient in every step.
        update = Update(optimizer, self.play.weights) if self.play is not None else optimizer.step
        for step in range(steps):
            if time.perf_counter() > deadline:
                return False
            if self.habits.rates:
                multiplier = self.habits.multiplier(step / steps)
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * multiplier
            rows = next(batches)
            if self.habits.zeroes and self.play is None:
                optimizer.zero_grad()

            def closure(rows: Rows = rows) -> Tensor:
                if searching:  # it asks for the gradient several times a step
                    optimizer.zero_grad()
                return backward(rows)

            if searching:
                optimizer.step(closure)  # type: ignore[arg-type]
                continue
            closure()
            if self.habits.clip is not None:
                nn.utils.clip_grad_norm_(clipped, self.habits.clip)
            update()
        return True

    def backward(self, rows: Rows) -> Tensor:
        """Add the gradients of the loss on these rows; the loss."""
        loss = self.loss(self.answer(rows.inputs), rows.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _batches(self) -> Iterator[Rows]:
        device = first_tensor(self.train.targets).device
        return (self.train.take(which.to(device)) for which in self.orders())

    def orders(self) -> Iterator[Tensor]:
        """Which rows each step learns from, without end: the short batch of an epoch is left out, unless there is no other."""
        count = len(self.train)
        size = max(1, min(self.habits.batch, count))
        random = Generator().manual_seed(self.seed)
        rows = torch.arange(count)
        if self.habits.by_target and self.row_weights is None:
            rows = first_tensor(self.train.targets).reshape(count, -1)[:, 0].argsort(stable=True).cpu()
        while True:
            if self.row_weights is not None:
                order = torch.multinomial(self.row_weights, count, replacement=True, generator=random)
            else:
                order = rows[torch.randperm(count, generator=random)] if self.habits.shuffled else rows
            for start in range(0, count - size + 1, size):
                yield order[start : start + size]

    def judge(self) -> Outcome:
        """The copy in evaluation mode, on the held-out rows."""
        self.set_training(False)
        task, given, total, count = self.subject.task, [], 0.0, 0
        with torch.no_grad():
            for part in self.subject.loss_parts(self.held, 512):
                outputs = self.answer(part.inputs)
                total, count = total + float(self.loss(outputs, part.targets)) * len(part), count + len(part)
                if task in TOLD:
                    first = answer_tensor(self.outputs_of(outputs))
                    assert first is not None
                    given.append(first if first.ndim and len(first) == len(part) else first.reshape(len(part), -1))
            mean = total / count
            if task not in TOLD:
                own = self.subject.loss  # what is compared must not be what was changed
                assert own is not None
                size = min(self.subject.batch, len(self.held)) if self.subject.among else None
                parts = part_losses(own, lambda inputs: self.outputs_of(self.answer(inputs)), self.held, size=size)
                return Outcome(parts, mean, False)
            errors = row_errors(
                torch.cat(given), self.held.targets, task, classes=self.subject.classes, head=self.head, loss=self.loss_made_of
            )
        return Outcome(errors if self.judging is None else errors * self.judging, mean, True)


def copy_of(
    subject: Subject,
    habits: Habits,
    rows: tuple[Rows, Rows],
    *,
    seed: int = 0,
    start: str = "initial",
    readings: Readings | None = None,
) -> CopiedTraining:
    """A copy of a training, unchanged.

    Args:
        subject: what is copied; it must have a loss and an optimizer.
        habits: how its steps are taken.
        rows: to learn from, and to be judged on.
        seed: 0 begins with the person's own first weights, any other with weights drawn again by the same law.
        start: "initial", or "trained" for the weights as they are now.
        readings: what was measured.

    Example:
        >>> from leadline.diagnose.trials.habits import habits_of
        >>> model = nn.Linear(2, 1)
        >>> rows = Rows(torch.randn(64, 2), torch.randn(64, 1))
        >>> subject = Subject(model, nn.functional.mse_loss, (SGD(model.parameters(), lr=0.1),), rows, batch=8, task="number")
        >>> copied = copy_of(subject, habits_of(subject), (rows, rows))
        >>> copied.run(50).errors.mean() < 1.1, torch.equal(copied.model.weight, model.weight)
        (tensor(True), False)
    """
    assert subject.loss is not None
    assert subject.optimizers
    model = subject.trained() if start == "trained" else subject.fresh()
    if seed and start == "initial":
        redraw(model, seed)
    for parameter in model.parameters():
        parameter.grad = None
    copied = CopiedTraining(subject, model, subject.loss, rows[0], rows[1], habits, seed, readings)
    if subject.turned is not None:
        copied.outputs_of = subject.on_scale
    if start == "trained":
        copied.goes_on = True
        if habits.rates:  # as it was at the end
            copied.habits = dataclasses.replace(habits, rates=((0.0, habits.rates[-1][1]),))
    if readings is not None:
        copied.head = list(readings.graph.head)
    copied.loss_made_of = loss_names(subject.loss, readings.graph.loss_operations if readings is not None else ())
    return copied


def _can_be_fused(model: nn.Module) -> bool:
    return all(part.is_floating_point() and part.device.type in ("cpu", "cuda") for part in model.parameters())
