"""What is heard of a training at one sampled step: hooks that are there for that step alone, and the sample that they give."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leadline.diagnose.checks.foreign_weights import ForeignWeights
from leadline.diagnose.kept_rows import as_rows
from leadline.diagnose.layer_hooks import LayerHooks
from leadline.diagnose.readings import Sample
from leadline.diagnose.sample_steps import Pass, PassHooks
from leadline.diagnose.weight_readings import WeightHooks

_MIXED_ROWS = 256  # of a batch, whose targets tell how well it is mixed


class Listener:
    """Listens to one step at a time, and remembers what only several steps together tell.

    `graph_loss` is the loss of the first step that was heard, where it has a graph; `batches` are the sizes of the batches that
    were heard, `targets` some of their targets; `passes` those of the last step that was heard.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> listener = Listener(model, [sgd])
        >>> listener.arm(0)
        >>> loss = model(torch.ones(1, 2)).square().mean()
        >>> loss.backward()
        >>> sgd.step()
        >>> listener.heard(0, loss, 0.0).rate
        0.1
    """

    def __init__(self, model: nn.Module, optimizers: Sequence[Any]) -> None:
        self.model, self.optimizers = model, optimizers
        self.graph_loss: Tensor | None = None
        self.foreign: ForeignWeights | None = None
        self.batches: list[int] = []
        self.targets: list[Tensor] = []
        self.passes: list[Pass] = []
        self.armed_at = 0.0
        self._names = [(name, each) for name, each in model.named_parameters()]
        self._activations: dict[str, str] | None = None
        self._layers: LayerHooks | None = None
        self._weights: WeightHooks | None = None
        self._pass: PassHooks | None = None
        self._stale: list[Tensor] = []
        self._after_update: Tensor | None = None
        self._last = -1

    @property
    def armed(self) -> bool:
        return self._pass is not None

    def arm(self, count: int) -> None:
        """Listen to the step of this number."""
        self._layers = LayerHooks(self.model, self._activations)
        self._weights = WeightHooks(self._names, self.optimizers)
        # Gradients can be compared with those of the last update only where that was in the step before.
        follows = self._after_update if self._last == count - 1 else None
        self._pass = PassHooks(self.model, self.optimizers, follows, self._weights.read_backward)
        self.armed_at = time.perf_counter()

    def disarm(self) -> None:
        for hooks in (self._layers, self._weights, self._pass):
            if hooks is not None:
                hooks.remove()
        self._layers = self._weights = self._pass = None

    def heard(self, count: int, loss: Tensor, began: float) -> Sample:
        """The sample of the step that was just made; no hook is left."""
        now = time.perf_counter()
        layers, weights, passed = self._layers, self._weights, self._pass
        self.disarm()
        assert layers is not None
        assert weights is not None
        assert passed is not None
        root = loss if loss.requires_grad else passed.output if passed.output is not None else loss
        if self._activations is None and root.grad_fn is not None:
            self._activations = layers.activations(root)
            self.graph_loss = loss if loss.requires_grad else None
            self.foreign = ForeignWeights(loss, self.model, self.optimizers) if loss.requires_grad else None
        dead, saturated, scale = layers.readings(root) if self._activations is not None else ({}, {}, {})
        norms = weights.readings()
        if passed.stale is not None:
            self._stale.append(passed.stale)
        self._after_update, self._last, self.passes = passed.after_update, count, passed.passes
        rates = [float(group.get("lr", 0.0)) for optimizer in self.optimizers for group in optimizer.param_groups]
        whole = now - self.armed_at
        return Sample(
            count,
            now - began,
            float(loss.detach().float().mean()),
            norms.gradient,
            norms.weight,
            norms.update,
            rates[0] if rates else 0.0,
            dead,
            saturated,
            scale,
            passed.training,
            waited=passed.waited / whole if passed.waited is not None and whole > 0 else None,
            waited_seconds=passed.waited,
            graph=passed.grad_enabled,
            clipped_to=norms.clipped_to,
            clipped_late=norms.clipped_late,
        )

    def note_batch(self, inputs: Any, targets: Any) -> None:
        """How many rows this batch has, and some of its targets."""
        many = isinstance(targets, Tensor) and targets.ndim > 0
        try:
            self.batches.append(len(as_rows(inputs, targets)))
        except ValueError:
            self.batches += [len(targets)] if many else []
        if many:
            self.targets.append(targets.detach()[:_MIXED_ROWS].clone())

    @property
    def not_zeroed(self) -> float | None:
        """The share of steps, of those looked at, whose gradients were added to those of the step before."""
        return float(torch.stack([flag.float().cpu() for flag in self._stale]).mean()) if self._stale else None
