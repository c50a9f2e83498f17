"""A probe for trainings by PyTorch Lightning: a callback that tells the probe of each batch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from torch import Tensor

from leadline.diagnose.probing import Probe
from leadline.errors import ArgumentError


def lightning_callback(*, loss: Callable[[Any, Any], Tensor] | None = None, valid: Any = None) -> Any:
    """A callback for Lightning's `Trainer`; after `trainer.fit`, `callback.findings()` is the verdict.

    It watches the module that is fitted and its optimizers. A batch must be a pair (inputs, targets), and calling the module
    with the inputs must give what the loss takes.

    Args:
        loss: (outputs, targets) → scalar, as the training step computes it; without it less can be checked.
        valid: held-out (inputs, targets), or an iterable of such batches.

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

        probe: Probe | None = None

        def on_train_start(self, trainer: Any, module: Any) -> None:
            optimizers = tuple(getattr(each, "optimizer", each) for each in trainer.optimizers)
            self.probe = Probe(module, optimizers, loss=loss, valid=valid)
            self.probe.__enter__()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, number: int) -> None:
            told = outputs["loss"] if isinstance(outputs, dict) else outputs
            if self.probe is not None and isinstance(told, Tensor):
                self.probe.step(told, batch[0], batch[1])

        def on_train_end(self, trainer: Any, module: Any) -> None:
            if self.probe is not None:
                self.probe.end()

        def findings(self, *, confirm: float | None = None) -> Any:
            if self.probe is None:
                raise ArgumentError("Nothing was trained yet", do="Call trainer.fit first.")
            return self.probe.findings(confirm=confirm)

    return ProbeCallback()


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
