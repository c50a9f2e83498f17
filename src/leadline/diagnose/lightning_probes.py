"""A probe for trainings by PyTorch Lightning: a callback that tells the probe of each batch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from leadline.diagnose.findings import Verdict
from leadline.diagnose.probing import Probe
from leadline.errors import ArgumentError

_UNSAID = (
    "training_step calls several parts of the module: call=lambda module, inputs: … must say how they give what the loss takes"
)


def lightning_callback(
    *,
    loss: Callable[[Any, Any], Tensor] | None = None,
    valid: Any = None,
    call: Callable[[nn.Module, Any], Any] | None = None,
    pair: Callable[[Any], tuple[Any, Any]] | None = None,
) -> Any:
    """A callback for Lightning's `Trainer`; after `trainer.fit`, `callback.findings()` is the verdict.

    It watches the module that is fitted and its optimizers, by automatic and by manual optimization. Where `training_step` does
    not call the module itself but a network in it that has all of its parameters, that network is watched.

    Args:
        loss: (outputs, targets) → scalar, as the training step computes it; without it less can be checked.
        valid: held-out (inputs, targets), or an iterable of such batches.
        call: (module, inputs) → outputs as the loss takes them, where `training_step` calls several parts of the module.
        pair: batch → (inputs, targets), where a batch is no such pair; a batch of one tensor is its own target.

    Errors: `ArgumentError` where Lightning is not installed.

    Example:
        >>> from leadline.errors import LeadlineError
        >>> try:
        ...     callback = lightning_callback()
        ... except LeadlineError as error:  # where Lightning is not installed
        ...     print("nothing to watch")
        nothing to watch
    """
    callbacks = next(filter(None, map(_imported, ("lightning.pytorch.callbacks", "pytorch_lightning.callbacks"))), None)
    if callbacks is None:
        raise ArgumentError("Lightning is not installed", expected="the package lightning", do="pip install lightning")

    class ProbeCallback(callbacks.Callback):  # type: ignore[misc, name-defined]
        """Tells a probe of each batch."""

        def __init__(self) -> None:
            super().__init__()
            self.probe: Probe | None = None
            self._other: Probe | None = None  # for where the first step does not call the module itself
            self._calls: list[bool] = []
            self._backward: list[Tensor] = []
            self._hook: Any = None

        def on_train_start(self, trainer: Any, module: Any) -> None:
            optimizers = tuple(getattr(each, "optimizer", each) for each in trainer.optimizers)
            # Rows of a pair in the precision of the network, as the trainer makes those of a batch.
            held_out = trainer.precision_plugin.convert_input(valid) if isinstance(valid, tuple) else valid
            self.probe = Probe(module, optimizers, loss=loss, valid=held_out, call=call)
            if call is None:
                inner = only_network(module)
                self._other = Probe(inner or module, optimizers, loss=loss, valid=held_out, call=None if inner else _unsaid)
                self._hook = module.register_forward_pre_hook(lambda *_: self._calls.append(True))
                self._other.__enter__()
            self.probe.__enter__()

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, number: int) -> None:
            self._backward = []

        def on_before_backward(self, trainer: Any, module: Any, told: Tensor) -> None:
            self._backward.append(told)

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, number: int) -> None:
            told, backward = told_loss(trainer, module, outputs, self._backward), self._backward
            self._backward = []  # which hold the graph of the step
            if told is None or self.probe is None:
                return
            self._choose(stepped=bool(backward))
            self.probe.step(told, *(pair or pair_of)(batch))

        def _choose(self, *, stepped: bool) -> None:
            """After the first step: the probe of the module where that was called, the other one otherwise."""
            if self._hook is None or not stepped:
                return
            self._hook.remove()
            if self._other is not None and self.probe is not None:
                kept, left = (self.probe, self._other) if self._calls else (self._other, self.probe)
                left.end()
                self.probe = kept
            self._hook, self._other, self._calls = None, None, []

        def on_train_end(self, trainer: Any, module: Any) -> None:
            self._stop()

        def on_exception(self, trainer: Any, module: Any, error: BaseException) -> None:
            self._stop()

        def _stop(self) -> None:
            if self._hook is not None:
                self._hook.remove()
            for each in (self.probe, self._other):
                if each is not None:
                    each.end()
            self._hook, self._other, self._calls, self._backward = None, None, [], []

        def findings(self, *, confirm: float | None = None) -> Verdict:
            if self.probe is None:
                raise ArgumentError("Nothing was trained yet", do="Call trainer.fit first.")
            if not self.probe.count:
                raise ArgumentError(
                    "No loss was told, so that nothing was watched",
                    expected="a training_step that returns its loss, or that goes backward from one loss a batch",
                    do="Return from training_step, in manual optimization too, the loss that says how well it learns.",
                )
            return self.probe.findings(confirm=confirm)

    return ProbeCallback()


def told_loss(trainer: Any, module: Any, outputs: Any, backward: list[Tensor]) -> Tensor | None:
    """The loss of a batch, with its graph where it is at hand; None where there was none.

    What Lightning hands on of automatic optimization is a part of the loss, where gradients are accumulated.

    Args:
        trainer: says whether losses are scaled, and over how many batches gradients are accumulated.
        module: says whether the optimization is automatic.
        outputs: of `training_step`, as `on_train_batch_end` gets them.
        backward: the losses from which `training_step` or the trainer went backward.
    """
    returned = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    returned = returned if isinstance(returned, Tensor) else None
    scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
    only = backward[0] if len(backward) == 1 and not scaled else None
    if not module.automatic_optimization:
        return returned if returned is not None else only
    part, parts = returned if only is None else only, trainer.accumulate_grad_batches
    return part * parts if part is not None and parts > 1 else part


def pair_of(batch: Any) -> tuple[Any, Any]:
    """(inputs, targets) of a batch; one tensor is its own target.

    Errors: `ArgumentError` for any other batch.

    Example:
        >>> pair_of(["inputs", "targets"])
        ('inputs', 'targets')
    """
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return batch[0], batch[1]
    if isinstance(batch, (tuple, list)) and len(batch) == 1:
        batch = batch[0]
    if isinstance(batch, Tensor):
        return batch, batch
    got = f"a dict with {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else type(batch).__name__
    got += f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
    raise ArgumentError(
        "It is not known what of a batch are inputs and what are targets",
        expected="a pair (inputs, targets)",
        got=got,
        do='Say it: lightning_callback(pair=lambda batch: (batch["x"], batch["y"]), …)',
    )


def only_network(module: nn.Module) -> nn.Module | None:
    """The one part of a module that has all of its parameters; None where they lie in several.

    Example:
        >>> module = nn.Module()
        >>> module.network = nn.Linear(2, 1)
        >>> only_network(module) is module.network
        True
    """
    parts = [part for part in module.children() if any(True for _ in part.parameters())]
    own = any(True for _ in module.parameters(recurse=False))
    return parts[0] if len(parts) == 1 and not own else None


def _unsaid(module: nn.Module, inputs: Any) -> Any:
    raise ArgumentError(_UNSAID)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
