"""How a loop brings what its network gives, and the targets, to the loss: found by the value that it tells."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline.diagnose.subject import drawn_aside, each_tensor

_MATCH = 1e-4  # of the loss
_MOST = 2_000_000  # outputs of one batch, beyond which only parts of the outputs are tried
_MOST_CLASSES = 1000

_OUTPUTS: dict[str, Callable[[Tensor], Tensor | None]] = {
    "as they are": lambda out: out,
    "squeezed": lambda out: out.squeeze(-1) if out.ndim > 1 and out.shape[-1] == 1 else None,
    "at the last step": lambda out: out[:, -1] if out.ndim == 3 else None,
    "at the first step": lambda out: out[:, 0] if out.ndim == 3 else None,
    "classes second": lambda out: out.movedim(-1, 1) if out.ndim > 2 else None,
    "flat": lambda out: out.flatten(1) if out.ndim > 2 else None,
    "at the last step, steps first": lambda out: out[-1] if out.ndim == 3 else None,
}
_SQUASHED: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda out: out,
    "sigmoid": torch.sigmoid,
    "softmax": lambda out: out.softmax(1 if out.ndim > 1 else 0),
    "log_softmax": lambda out: out.log_softmax(1 if out.ndim > 1 else 0),
}
_OF_CLASSES = (F.cross_entropy, F.nll_loss)
_USUAL: tuple[Callable[..., Tensor], ...] = (
    *_OF_CLASSES,
    *(functools.partial(each, reduction="sum") for each in _OF_CLASSES),
    *(functools.partial(each, ignore_index=0) for each in _OF_CLASSES),
    *(functools.partial(F.cross_entropy, label_smoothing=share) for share in (0.05, 0.1, 0.2)),
    *(functools.partial(F.multi_margin_loss, p=p) for p in (1, 2)),
    *(F.binary_cross_entropy_with_logits, F.binary_cross_entropy, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.poisson_nll_loss),
    *(functools.partial(each, reduction="sum") for each in (F.binary_cross_entropy_with_logits, F.mse_loss)),
)
"""Losses by which targets are answers to be learned."""


@dataclass(frozen=True)
class LossForm:
    """Which part of the outputs the loss takes, in which form, and in which the targets.

    Args:
        part: the place in the outputs.
        outputs: a name among those that are known here.
        squashed: what the loop itself applies to the outputs.
        targets: "as they are", or the type and shape, or the number of classes, or the steps that they are brought to.

    Example:
        >>> network = lambda x: (x.mean(1, keepdim=True), None)
        >>> x, y = torch.randn(8, 3), torch.randn(8)
        >>> form = form_of(F.mse_loss, network(x), y, F.mse_loss(network(x)[0].squeeze(1), y))
        >>> form.part, form.of_targets(y).shape
        ((0,), torch.Size([8, 1]))
    """

    part: tuple[Any, ...] = ()
    outputs: str = "as they are"
    squashed: str = ""
    targets: tuple[Any, ...] = ("as they are",)

    def of_outputs(self, outputs: Any) -> Any:
        """What the loss takes of the outputs."""
        for key in self.part:
            outputs = outputs[key]
        if not isinstance(outputs, Tensor):
            return outputs
        changed = _OUTPUTS[self.outputs](outputs)
        return outputs if changed is None else _SQUASHED[self.squashed](changed)

    def of_targets(self, targets: Any) -> Any:
        """What the loss takes as targets, row by row."""
        return each_tensor(targets, lambda part: _changed(part, *self.targets))


def form_of(loss: Callable[[Any, Any], Tensor], outputs: Any, targets: Any, told: float | Tensor) -> LossForm | None:
    """The form in which this loss of these outputs and targets has the value that was told.

    None where outputs and targets as they are have it, and where nothing that is known here has.
    """
    form = _matching(loss, outputs, targets, told, _forms(outputs, targets))
    return form if form != LossForm() else None


def usual_form(outputs: Any, targets: Any, told: float | Tensor) -> LossForm | None:
    """The form in which what was told is a usual loss of these outputs and targets; None where it is none.

    Example:
        >>> outputs, targets = torch.randn(8, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
        >>> usual_form(outputs, targets, F.cross_entropy(outputs, targets)).outputs
        'as they are'
        >>> usual_form(outputs, targets, -outputs[torch.arange(8), targets].mean() - 9.0) is None
        True
    """
    plain = [form for form in _forms(outputs, targets) if not form.squashed]
    found = (_matching(loss, outputs, targets, told, plain) for loss in _USUAL)
    return next((each for each in found if each is not None), None)


def _matching(
    loss: Callable[[Any, Any], Tensor], outputs: Any, targets: Any, told: float | Tensor, forms: Iterable[LossForm]
) -> LossForm | None:
    value = float(torch.as_tensor(told).detach().float().mean())
    with torch.no_grad(), drawn_aside(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shapes that broadcast are tried, too
        for form in forms:
            try:
                found = float(torch.as_tensor(loss(form.of_outputs(outputs), form.of_targets(targets))).float().mean())
            except Exception:  # this form is none that the loss takes
                continue
            if abs(found - value) <= _MATCH * abs(value) + 1e-8:
                return form
    return None


def _forms(outputs: Any, targets: Any) -> Iterator[LossForm]:
    """The plainest first."""
    yield LossForm()
    for part, tensor in _parts(outputs):
        few = tensor.numel() > _MOST
        for squashed in _SQUASHED if not few else [""]:
            for name, change in _OUTPUTS.items():
                if (changed := change(tensor)) is not None:
                    for to in _changes(targets, changed):
                        yield LossForm(part, name, squashed, to)


def _parts(outputs: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    if isinstance(outputs, Tensor):
        if outputs.is_floating_point():
            yield place, outputs
        return
    items = outputs.items() if isinstance(outputs, dict) else enumerate(outputs) if isinstance(outputs, (tuple, list)) else ()
    for key, each in items:
        yield from _parts(each, (*place, key))


def _changes(targets: Any, outputs: Tensor) -> Iterator[tuple[Any, ...]]:
    yield ("as they are",)
    if not isinstance(targets, Tensor) or not targets.ndim:
        return
    yield "type", outputs.dtype
    if targets.is_floating_point():
        yield "type", torch.long
    if targets.numel() == outputs.numel() and targets.shape != outputs.shape and len(outputs) == len(targets):
        yield "shape", outputs.dtype, tuple(outputs.shape[1:])
    if targets.ndim == 2 and targets.shape[1] == 1:
        yield "shape", targets.dtype, ()
        yield "shape", torch.long, ()
    if not targets.is_floating_point() and targets.ndim == 1 and outputs.ndim == 2 and 1 < outputs.shape[1] <= _MOST_CLASSES:
        yield "one-hot", outputs.dtype, outputs.shape[1]
    if targets.ndim > 1 and targets.shape[1] > 1:
        yield "later", 1


def _changed(targets: Tensor, change: str, *to: Any) -> Tensor:
    if change == "type":
        return targets.to(to[0])
    if change == "shape":
        return targets.to(to[0]).reshape(len(targets), *to[1])
    if change == "one-hot":
        return F.one_hot(targets.long(), to[1]).to(to[0])
    return targets[:, to[0] :] if change == "later" else targets
