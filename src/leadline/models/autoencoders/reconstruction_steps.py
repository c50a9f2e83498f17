"""How an autoencoder learns: a step that tells inputs from themselves, with noise that a resumed training draws again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.errors import ArgumentError
from leadline.models.autoencoders.reconstruction_objectives import Objective
from leadline.models.step_parts import in_evaluation, inputs_of
from leadline.optim import Clip, set_rates


class ReconstructionStep:
    """Learn inputs from themselves: draw the noise of this step, zero the gradients, objective, backward, clip, update.

    Whatever is drawn (corruption, codes, binarized inputs) depends on nothing but the objective's seed and the number of the
    step, so the state holds no generator and a training resumed anywhere goes on as if nothing had happened. A batch is the
    inputs, or a tuple that begins with them; targets are not looked at.

    Args:
        model: an autoencoder.
        objective: `Reconstruct` or `VariationalBound`.
        optimizer: updates the model's parameters; its learning rates are what the schedule multiplies.
        schedule: progress in [0, 1] → multiplier; None leaves the rates alone.
        penalties: of the model → terms by name, whose gradients join; each is logged as `penalty_NAME`.
        clip: one of `optim.CLIPS`; the share of clipped steps is logged as `clipped`.
        accumulate: micro-batches a batch is cut into: the same noise and gradient (apart from rounding, and from what looks at
            the whole batch: batch norm, sparsity, free bits) in less memory.
        precision: torch.float32, or torch.bfloat16 for autocast.

    Errors: `ArgumentError` for an argument out of range, and what network and objective refuse.

    Example:
        >>> from types import SimpleNamespace
        >>> from leadline.models.autoencoders.autoencoders import autoencoder
        >>> from leadline.models.autoencoders.reconstruction_objectives import Reconstruct
        >>> model = autoencoder((4,), hidden="8", code=2, output="bernoulli")
        >>> adam = torch.optim.Adam(model.parameters(), lr=0.02)
        >>> step = ReconstructionStep(model, Reconstruct(corruption="masking(0.2)"), adam)
        >>> x = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]).repeat(16, 1)
        >>> losses = [step(x, SimpleNamespace(step=number, fraction=0.0))["loss"].item() for number in range(200)]
        >>> losses[0] > 2, losses[-1] < 1
        (True, True)
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizer: Optimizer,
        *,
        schedule: Callable[[float], float] | None = None,
        penalties: Callable[[nn.Module], dict[str, Tensor]] | None = None,
        clip: Clip | None = None,
        accumulate: int = 1,
        precision: torch.dtype = torch.float32,
    ) -> None:
        if accumulate < 1:
            raise ArgumentError("The step cannot be built", expected="accumulate of at least 1", got=accumulate)
        self.model, self.objective, self.optimizer = as_autoencoder(model), objective, optimizer
        self.schedule, self.penalties, self.clip, self.accumulate = schedule, penalties, clip, accumulate
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._autocast = precision if precision != torch.float32 else None

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        inputs = inputs_of(batch)
        if self.schedule is not None:
            set_rates(self.optimizer, self._rates, self.schedule(progress.fraction))
        self.optimizer.zero_grad()
        logs = self._add_gradients(inputs, progress)
        if self.penalties is not None:
            terms = self.penalties(self.model)
            torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
            logs |= {f"penalty_{name}": term.detach() for name, term in terms.items()}
        if self.clip is not None:
            logs["clipped"] = self.clip(self.parameters)
        self.optimizer.step()
        return logs

    def _add_gradients(self, inputs: Tensor, progress: Any) -> dict[str, Tensor]:
        draws = self.objective.draws(self.model, inputs, progress.step)
        parts = min(self.accumulate, max(1, len(inputs) // 2))  # a single row has no variance for batch normalization
        cut = [each.tensor_split(parts) for each in (inputs, *draws)]
        total: dict[str, Tensor] = {}
        for part, *drawn in zip(*cut, strict=True):
            share = len(part) / len(inputs)
            with torch.autocast(part.device.type, dtype=self._autocast, enabled=self._autocast is not None):
                loss, logs = self.objective(self.model, part, tuple(drawn), progress.fraction)
            (loss if parts == 1 else loss * share).backward()  # type: ignore[no-untyped-call]
            for name, value in logs.items():
                total[name] = total[name] + value * share if name in total else value * share
        return total

    @property
    def rate(self) -> float:
        """The learning rate of the last step, of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        remembering = {name: part.state() for name, part in self._remembering()}
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), **remembering}

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, part in self._remembering():
            part.load(state[name])

    def _remembering(self) -> list[tuple[str, Any]]:
        return [(name, part) for name in ("schedule", "clip") if hasattr(part := getattr(self, name), "state")]

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def evaluating(self) -> AbstractContextManager[None]:
        return in_evaluation(self.model)


class ReconstructionEvaluation:
    """Calling it judges an autoencoder on some batches and gives columns for the history, fetched in one transfer.

    `valid_loss` is the objective's loss of rows as they are, in nats a row (of a variational autoencoder −bound with β = 1,
    beside `valid_kl`), with the same draws each time; `valid_error` the mean error of a value: of numbers squared.

    Args:
        model: as the step has it.
        batches: of the validation split, in a fixed order; without shuffling.
        objective: as the step has it.
        prefix: what the columns start with.

    Errors: `ArgumentError` where there is no row.

    Example:
        >>> from leadline.models.autoencoders.autoencoders import autoencoder
        >>> from leadline.models.autoencoders.reconstruction_objectives import Reconstruct
        >>> model = autoencoder((2,), hidden="none", code=1)
        >>> for parameter in model.parameters():
        ...     _ = nn.init.zeros_(parameter)
        >>> columns = ReconstructionEvaluation(model, [torch.tensor([[1.0, 3.0]])], Reconstruct())()
        >>> {name: round(value, 4) for name, value in columns.items()}  # ½ · 10 + log 2π
        {'valid_loss': 6.8379, 'valid_error': 5.0}
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[Any],
        objective: Objective,
        *,
        prefix: str = "valid_",
    ) -> None:
        self.model, self.batches, self.objective = as_autoencoder(model), batches, objective
        self.prefix = prefix

    def __call__(self) -> dict[str, float]:
        sums: dict[str, Tensor] = {}
        rows = 0
        for number, batch in enumerate(self.batches):
            inputs = inputs_of(batch)
            with torch.inference_mode():
                judged = self.objective.judge(self.model, inputs, -1 - number)  # noise that no step of the training has
                errors = self.model.errors(inputs).flatten(1).mean(dim=1)  # type: ignore[operator]
                # Behind the loss, where a bar looks for what to show.
                judged = {"loss": judged["loss"], "error": errors, **judged}
                for name, value in judged.items():
                    total = value.double().sum() if value.device.type != "mps" else value.sum()
                    sums[name] = sums[name] + total if name in sums else total
            rows += len(inputs)
        if not rows:
            raise ArgumentError("There is nothing to judge the autoencoder on", expected="at least 1 row")
        values = (torch.stack(list(sums.values())) / rows).tolist()
        return {self.prefix + name: value for name, value in zip(sums, values, strict=True)}


def as_autoencoder(model: nn.Module) -> nn.Module:
    """The same model, once it is known to be one.

    Errors: `ArgumentError` for a network that is no autoencoder.

    Example:
        >>> as_autoencoder(nn.Linear(2, 2))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Linear is no autoencoder. Expected a network that encodes and decodes, such as
        autoencoder, conv_autoencoder, variational_autoencoder or table_autoencoder.
    """
    if not all(hasattr(model, name) for name in ("encode", "decode", "errors", "distribution")):
        raise ArgumentError(
            f"{type(model).__name__} is no autoencoder",
            expected="a network that encodes and decodes, such as autoencoder, conv_autoencoder, variational_autoencoder or "
            "table_autoencoder",
        )
    return model
