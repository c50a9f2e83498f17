"""How a language model learns from a stream of tokens: truncated back-propagation through time, with the state carried on.

B rows, T steps, V words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.errors import ArgumentError
from leadline.losses.large_vocabularies import linear_cross_entropy
from leadline.losses.sampled_words import sampled_cross_entropy
from leadline.models.language_networks import LanguageModel
from leadline.optim import Clip, set_rates

PADDING = 0
"""The target that does not count."""


class LanguageStep:
    """Learn the next token at each step of a window, from a state that the window before has left.

    loss = mean over the targets of −log p(target) + α · mean(o²) + β · mean((r_t − r_{t−1})²), o being the outputs of the last
    layer after dropout and r those before it. The state goes from batch to batch without its history, and back to none where
    an epoch begins; it is part of `state()`, so that a training resumed anywhere goes on as if nothing had happened.

    Args:
        model: a language model, such as `models.recurrent_language`.
        optimizer: updates its parameters; its rates are what the schedule multiplies.
        schedule: progress in [0, 1] → multiplier; None leaves the rates alone.
        clip: one of `optim.CLIPS`; the share of clipped steps is logged as `clipped`.
        penalties: (α, β), of activations and of their changes; logged as `penalty_activation` and `penalty_temporal`.
        samples: how many words besides those of the batch a target is told from; 0 takes all, which costs the more the larger
        V. nominal_length: T for which the learning rate is meant: it is multiplied by the window's T over this. 0 leaves it.
        precision: torch.float32, or torch.bfloat16 for autocast.

    Errors: `ArgumentError` for an argument out of range, and for ids that are no words of the model's vocabulary.

    Example:
        >>> from types import SimpleNamespace
        >>> from leadline.models.language_networks import recurrent_language
        >>> model = recurrent_language(20, embedding=8, hidden=8)
        >>> step = LanguageStep(model, torch.optim.SGD(model.parameters(), lr=1.0), penalties=(2.0, 1.0))
        >>> batch = torch.ones(4, 5, dtype=torch.long), torch.full((4, 5), 2)
        >>> for number in range(3):
        ...     logs = step(batch, SimpleNamespace(fraction=0.0, batch=number))
        >>> sorted(logs), logs["loss"].item() < 2
        (['loss', 'penalty_activation', 'penalty_temporal'], True)

    Source: Williams and Peng (1990), An efficient gradient-based algorithm for on-line training of recurrent network
    trajectories; the penalties: Merity, McCann and Socher (2017), Revisiting activation regularization for language RNNs.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        schedule: Callable[[float], float] | None = None,
        clip: Clip | None = None,
        penalties: tuple[float, float] = (0.0, 0.0),
        samples: int = 0,
        nominal_length: int = 0,
        precision: torch.dtype = torch.float32,
    ) -> None:
        if min(penalties) < 0 or samples < 0 or nominal_length < 0:
            raise ArgumentError(
                "The language step cannot be built",
                expected="penalties, samples and nominal_length of 0 or more",
                got=(penalties, samples, nominal_length),
            )
        as_language_model(model)
        self.model, self.optimizer, self.schedule, self.clip = model, optimizer, schedule, clip
        self.penalties, self.samples, self.nominal_length = penalties, samples, nominal_length
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._autocast = precision if precision != torch.float32 else None
        self.carried: Any = None

    def __call__(self, batch: tuple[Tensor, Tensor], progress: Any) -> dict[str, Tensor]:
        inputs, targets = batch
        if progress.batch == 0:
            self.carried = None
        self._set_rates(progress.fraction, inputs.shape[1])
        self.optimizer.zero_grad()
        with torch.autocast(inputs.device.type, dtype=self._autocast, enabled=self._autocast is not None):
            loss, terms = self._loss(inputs, targets)
        torch.stack([loss, *terms.values()]).sum().backward()  # type: ignore[no-untyped-call]
        logs = {"loss": loss.detach()} | {f"penalty_{name}": term.detach() for name, term in terms.items()}
        if self.clip is not None:
            logs["clipped"] = self.clip(self.parameters)
        self.optimizer.step()
        return logs

    def _loss(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        model = as_language_model(self.model)
        reading = model.read(inputs, self.carried)
        self.carried = model.detached(reading.state) if model.carries else None
        last, outputs = model.head, reading.outputs
        if self.samples:
            loss = sampled_cross_entropy(outputs, last.weight, last.bias, targets, samples=self.samples, ignored=PADDING)
        else:
            loss = linear_cross_entropy(outputs, last.weight, last.bias, targets, ignored=PADDING)
        activation, temporal = self.penalties
        terms = {}
        if activation:
            terms["activation"] = activation * outputs.float().square().mean()
        if temporal and inputs.shape[1] > 1:
            terms["temporal"] = temporal * reading.raw.float().diff(dim=1).square().mean()
        return loss, terms

    def _set_rates(self, fraction: float, length: int) -> None:
        if self.schedule is None and not self.nominal_length:
            return
        multiplier = 1.0 if self.schedule is None else self.schedule(fraction)
        if self.nominal_length:
            multiplier *= length / self.nominal_length
        set_rates(self.optimizer, self._rates, multiplier)

    @property
    def rate(self) -> float:
        """The learning rate of the last step, of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        remembering = {name: part.state() for name, part in self._remembering()}
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "carried": self.carried,
            **remembering,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.carried = _moved(state["carried"], next(self.model.parameters()).device)
        for name, part in self._remembering():
            part.load(state[name])

    def _remembering(self) -> list[tuple[str, Any]]:
        return [(name, part) for name in ("schedule", "clip") if hasattr(part := getattr(self, name), "state")]

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        was_training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(was_training)


class StreamEvaluation:
    """Calling it reads a whole text with the state carried on, and gives columns for the history.

    `valid_loss` is the mean of −log p(token) in nats, `valid_perplexity` its exponential and `valid_bits` the same in bits, for
    each token: by characters, bits per character. Every target counts once, except padding.

    Args:
        model: as the step has it.
        batches: windows of the text's streams, in order, such as `data.TokenStreams(…, whole=True)`.
        prefix: what the columns start with.
        then: is told the columns each time, for instance `AverageOnceStuck.told`.

    Errors: `ArgumentError` where no target counts.

    Example:
        >>> from leadline.models.language_networks import recurrent_language
        >>> model = recurrent_language(16, embedding=8, hidden=8).eval()
        >>> _ = torch.nn.init.zeros_(model.head.weight)
        >>> columns = StreamEvaluation(model, [(torch.ones(2, 5, dtype=torch.long), torch.ones(2, 5, dtype=torch.long))])()
        >>> {name: round(value, 3) for name, value in columns.items()}
        {'valid_loss': 2.773, 'valid_perplexity': 16.0, 'valid_bits': 4.0}
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[tuple[Tensor, Tensor]],
        *,
        prefix: str = "valid_",
        then: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        as_language_model(model)
        self.model, self.batches, self.prefix, self.then = model, batches, prefix, then

    def __call__(self) -> dict[str, float]:
        sums = [(each.double().sum(), (targets != PADDING).sum()) for each, targets in _read_through(self.model, self.batches)]
        total, count = (float(torch.stack(column).sum()) for column in zip(*sums, strict=True)) if sums else (0.0, 0.0)
        if not count:
            raise ArgumentError("There is nothing to judge the language model on", expected="at least 1 token to foretell")
        loss = total / count
        perplexity = math.exp(loss) if loss < 700 else math.inf
        told = {"loss": loss, "perplexity": perplexity, "bits": loss / math.log(2)}
        columns = {self.prefix + name: value for name, value in told.items()}
        if self.then is not None:
            self.then(columns)
        return columns


def stream_surprises(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """−log p of each target of a text in its order, with the state carried on: float32 [N], in nats, on the CPU.

    Args:
        model: a language model, in the mode in which it is to be used.
        batches: windows of the text's streams, in order.

    Example:
        >>> from leadline.models.language_networks import recurrent_language
        >>> model = recurrent_language(16, embedding=8, hidden=8).eval()
        >>> stream_surprises(model, [(torch.ones(1, 5, dtype=torch.long), torch.tensor([[1, 2, 3, 0, 0]]))]).shape
        torch.Size([3])
    """
    read = list(_read_through(model, batches))
    losses = torch.cat([each for each, _ in read], dim=1)  # [B, all steps]: row after row is the order of the text
    targets = torch.cat([targets for _, targets in read], dim=1)
    return losses[targets != PADDING].float().cpu()


def stream_features(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """What the last layer gets before each target of a text, in its order: float32 [N, E], on the CPU.

    Args:
        model: a language model, in the mode in which it is to be used.
        batches: windows of the text's streams, in order.

    Example:
        >>> from leadline.models.language_networks import recurrent_language
        >>> model = recurrent_language(16, embedding=8, hidden=8).eval()
        >>> stream_features(model, [(torch.ones(1, 5, dtype=torch.long), torch.tensor([[1, 2, 3, 0, 0]]))]).shape
        torch.Size([3, 8])
    """
    read = [(outputs.float().cpu(), targets.cpu()) for outputs, targets in _outputs(as_language_model(model), batches)]
    outputs, targets = (torch.cat(parts, dim=1) for parts in zip(*read, strict=True))
    return outputs[targets != PADDING]


def _read_through(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The losses [B, T] and targets [B, T] of each window."""
    reader = as_language_model(model)
    last = reader.head
    for outputs, targets in _outputs(reader, batches):
        with torch.inference_mode():
            each = linear_cross_entropy(outputs, last.weight, last.bias, targets, ignored=PADDING, reduction="none")
        yield each, targets


def _outputs(reader: LanguageModel, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """What the last layer gets [B, T, E] and the targets [B, T] of each window, the state being carried on."""
    state = None
    for inputs, targets in batches:
        with torch.inference_mode():
            reading = reader.read_on(inputs, state)
        state = reading.state
        yield reading.outputs, targets


def as_language_model(model: nn.Module) -> LanguageModel:
    """The same model, once it is known to be able to read on.

    Errors: `ArgumentError` for a network that is no language model.
    """
    if not all(hasattr(model, name) for name in ("read", "read_on", "advance", "detached", "head", "vocabulary", "carries")):
        raise ArgumentError(
            f"{type(model).__name__} is no language model",
            expected="a network that reads on from a state, such as recurrent_language, window_language or small_transformer",
        )
    return model  # type: ignore[return-value]


def _moved(state: Any, device: torch.device) -> Any:
    if isinstance(state, Tensor):
        return state.to(device)
    return tuple(_moved(part, device) for part in state) if isinstance(state, tuple) else state
