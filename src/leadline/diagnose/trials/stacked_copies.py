"""Copies of one architecture and loss that learn in one program, each from its own rows and by its own optimizer.

A copies, B rows of a step.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, optim
from torch.optim import Optimizer

from leadline.diagnose.trials.copied_graphs import CopiedGraph, leaves_of, near, tensors_by_name
from leadline.diagnose.trials.copied_training import CopiedTraining
from leadline.training.recorded.tracing import CannotRecordError
from leadline.training.recorded.updating import Update

# Optimizers that treat every number by itself, so that those of several copies can lie side by side.
_ELEMENTWISE: tuple[type[Optimizer], ...] = (
    optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.Adadelta, optim.Adamax, optim.NAdam, optim.RAdam,
)  # fmt: skip
_AHEAD = 32  # steps whose rows are chosen together
_TIMED = 5  # steps


class StackedCopies:
    """Copies that are alike, of which each learns what it would learn alone, apart from rounding.

    The step of one is mapped over all, and its kernels are played from a tape. Each copy has the rows, the masks of dropout,
    the rate and the clip that it would have alone; copies with the same optimizer are updated together.

    Args:
        copies: changed, but not trained yet.
        graph: of one of them.

    Errors: `CannotRecordError` where the copies cannot be stacked; what torch raises where it cannot map a kernel.

    Example:
        >>> from leadline.diagnose.trials.copied_graphs import graph_of
        >>> from leadline.diagnose.trials.copied_training import copy_of
        >>> from leadline.diagnose.trials.habits import habits_of
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject(steps=1)
        >>> one, other, alone = (copy_of(subject, habits_of(subject), (subject.train, subject.valid)) for _ in range(3))
        >>> other.rate = 0.1
        >>> StackedCopies([one, other], graph_of(one)).learn(50)
        True
        >>> torch.allclose(one.end().errors, alone.run(50).errors)
        True
    """

    def __init__(self, copies: Sequence[CopiedTraining], graph: CopiedGraph) -> None:
        self.graph = graph
        alike: dict[str, list[_Maker]] = {}
        for copied in copies:
            copied.begin()
            maker = _Maker(copied, graph.trained)
            alike.setdefault(maker.key, []).append(maker)
        self._alike = list(alike.values())
        self.copies = [maker.copied for each in self._alike for maker in each]
        self._gather()
        self._start()
        given = [*next(self._rows), *self._tensors(), *self._masks()]
        self._tape = graph.stacked_tape(given)
        self._compare(given)
        self._start()

    def pace(self) -> float:
        """Seconds of one step, measured."""
        began = time.perf_counter()
        self._train(_TIMED, float("inf"))
        took = time.perf_counter() - began
        self._start()
        return took / _TIMED

    def learn(self, steps: int, deadline: float = float("inf")) -> bool:
        """Train all copies; False where the time was over before, and they are as they were."""
        if not self._train(steps, deadline):
            return False
        with torch.no_grad():
            for at, copied in enumerate(self.copies):
                own = tensors_by_name(copied.model)
                for name, stacked in {**self._weights, **self._kept}.items():
                    own[name].copy_(stacked[at])
        return True

    def _gather(self) -> None:
        """All rows of all copies in one place: most learn from the same."""
        places: dict[tuple[int, ...], int] = {}
        parts: list[list[Tensor]] = []
        total, first = 0, []
        for copied in self.copies:
            leaves = leaves_of(copied.train)
            key = tuple(id(leaf) for leaf in leaves)
            if key not in places:
                places[key] = total
                total += len(copied.train)
                parts.append(leaves)
            first.append(places[key])
        self._first = first
        self._pool = [torch.cat(leaf) if len(leaf) > 1 else leaf[0] for leaf in zip(*parts, strict=True)]

    def _start(self) -> None:
        """Before the first step: weights, optimizers, the order of rows and what dropout draws from."""
        own = [tensors_by_name(copied.model) for copied in self.copies]
        self._weights, self._kept = (
            {name: torch.stack([each[name].detach() for each in own]) for name in names}
            for names in (self.graph.trained, self.graph.kept)
        )
        self._updates, start = [], 0
        for makers in self._alike:
            self._updates.append(_Updates(makers[0], slice(start, start + len(makers)), self._weights))
            start += len(makers)
        self._rows = self._batches()
        device = self._pool[0].device
        seeds = sorted({copied.seed for copied in self.copies})
        self._generators = [Generator(device).manual_seed(seed) for seed in seeds]
        self._seeds = torch.tensor([seeds.index(copied.seed) for copied in self.copies], device=device)
        kept = [not copied.habits.zeroes for copied in self.copies]
        self._summed = torch.tensor(kept, device=device) if any(kept) else None
        self._sums = [torch.zeros_like(weight) for weight in self._weights.values()] if any(kept) else []
        clips = [copied.habits.clip for copied in self.copies]
        self._clips = (
            torch.tensor([float("inf") if clip is None else clip for clip in clips], device=device)
            if any(clip is not None for clip in clips)
            else None
        )

    def _batches(self) -> Iterator[list[Tensor]]:
        """The rows of each step, [A, B, …], leaf by leaf."""
        orders: dict[tuple[Any, ...], Iterator[Tensor]] = {}
        keys = []
        for copied in self.copies:
            own = copied.habits.shuffled, copied.habits.by_target
            keys.append(
                (copied.seed, len(copied.train), *own, id(copied.row_weights), id(copied.train.targets) if own[1] else 0)
            )
            orders.setdefault(keys[-1], copied.orders())
        device = self._pool[0].device
        while True:
            ahead = {key: torch.stack(list(itertools.islice(order, _AHEAD))) for key, order in orders.items()}
            chosen = torch.stack(
                [ahead[key] + first for key, first in zip(keys, self._first, strict=True)], dim=1
            )  # steps, A, B
            for rows in chosen.to(device).unbind():
                flat = rows.flatten()
                yield [pool.index_select(0, flat).view(*rows.shape, *pool.shape[1:]) for pool in self._pool]

    def _tensors(self) -> list[Tensor]:
        return [*self._kept.values(), *self._weights.values()]

    def _masks(self) -> list[Tensor]:
        """What dropout draws, [A, …]: the same for copies of the same seed."""
        drawn = []
        for mask in self.graph.masks:
            each = torch.empty(len(self._generators), *mask.shape, dtype=mask.dtype, device=self._pool[0].device)
            for part, generator in zip(each, self._generators, strict=True):
                part.bernoulli_(mask.share, generator=generator)
            drawn.append(each.index_select(0, self._seeds))
        return drawn

    def _train(self, steps: int, deadline: float) -> bool:
        for step in range(steps):
            if time.perf_counter() > deadline:
                return False
            _, *gradients = self._tape.run(*next(self._rows), *self._tensors(), *self._masks())
            gradients = [each if each.is_contiguous() else each.contiguous() for each in gradients]
            if self._summed is not None:
                for total, gradient in zip(self._sums, gradients, strict=True):
                    kept = self._summed.view(-1, *[1] * (total.ndim - 1))
                    torch.where(kept, total + gradient, gradient, out=total)
                gradients = self._sums
            if self._clips is not None:
                self._clip(gradients, self._clips)
            for update in self._updates:
                update(gradients, step / steps)
        return True

    def _clip(self, gradients: list[Tensor], most: Tensor) -> None:
        """As `nn.utils.clip_grad_norm_` does it, for each copy."""
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        factors = (most / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))

    def _compare(self, given: list[Tensor]) -> None:
        """What the tape gives for the last copy is what the graph gives."""
        alone = self.graph.graph(*(each[-1].clone() for each in given))
        if not all(near(one[-1], other) for one, other in zip(self._tape.run(*given), alone, strict=True)):
            raise CannotRecordError("stacked, the copies would learn something else")


class _Maker:
    """A copy with the optimizer that it would have alone; `key` is what copies share that one optimizer can update.

    Errors: `CannotRecordError` where its optimizer is none for stacked copies, or holds other weights than these.
    """

    def __init__(self, copied: CopiedTraining, trained: Sequence[str]) -> None:
        made = copied.made_optimizer()
        if made is None or type(made) not in _ELEMENTWISE:
            raise CannotRecordError(f"{type(made).__name__} does not update numbers one by one")
        of = {id(part): name for name, part in copied.model.named_parameters()}
        self.copied, self.kind = copied, type(made)
        self.groups: list[tuple[list[str], dict[str, Any]]] = []
        for group in made.param_groups:
            settings = {key: value for key, value in group.items() if key != "params"}
            self.groups.append(([of[id(part)] for part in group["params"] if part.requires_grad], settings))
        if not set(trained) <= {name for names, _ in self.groups for name in names}:
            raise CannotRecordError("the copies train other weights")
        if any(isinstance(value, Tensor) for _, settings in self.groups for value in settings.values()):
            raise CannotRecordError("a setting of its optimizer is a tensor")
        self.key = str((self.kind, self.groups, copied.habits.rates))


class _Updates:
    """The updates of copies that lie next to each other and have the same optimizer and schedule."""

    def __init__(self, maker: _Maker, rows: slice, weights: dict[str, Tensor]) -> None:
        self._habits, self._rows = maker.copied.habits, rows
        own = {name: weight[rows].detach() for name, weight in weights.items()}
        self._weights = list(own.values())
        kind: Any = maker.kind
        groups = [{**settings, "params": [own[name] for name in names if name in own]} for names, settings in maker.groups]
        self._optimizer: Optimizer = kind([group for group in groups if group["params"]])
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._update = Update(self._optimizer, self._weights)

    def __call__(self, gradients: list[Tensor], progress: float) -> None:
        if self._habits.rates:
            multiplier = self._habits.multiplier(progress)
            for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * multiplier
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient[self._rows]
        self._update()
