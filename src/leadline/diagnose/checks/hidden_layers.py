"""Weights that work in a network and are none of its parameters: layers in plain lists, or made anew in every pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from leadline.diagnose.check_readings import Hidden
from leadline.diagnose.checks.first_look import as_drawn
from leadline.diagnose.checks.foreign_weights import leaves_of_graph
from leadline.diagnose.checks.input_columns import named_tensors
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Rows, Subject

_DEEP = 4  # lists in lists
_CONTAINERS = (list, tuple, dict)
_OWN = frozenset(vars(nn.Module()))


def read_hidden(subject: Subject, rows: Rows) -> Hidden:
    """Looks for weights that the outputs are made with, and that neither the network nor an optimizer holds.

    It is by copies, in evaluation mode, where no augmentation draws weights of its own. Inputs that require gradients, weights
    that another network makes, and what enters the loss alone are no such weights.

    Args:
        subject: whose network it is.
        rows: a few.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject(steps=0)
        >>> read_hidden(subject, subject.train.take(slice(0, 2))).names
        []
    """
    if not subject.optimizers:
        return Hidden()  # what an optimizer will hold is not known
    held = {id(each) for optimizer in subject.optimizers for group in optimizer.param_groups for each in group["params"]}
    told = {name for name, each in _kept_aside(subject.model) if id(each) in held}
    copied = subject.trained().eval()
    kept = list(_kept_aside(copied))  # while they are kept no other tensor takes their place in memory
    aside = {id(each): name for name, each in kept if name not in told}
    held |= {id(each) for name, each in kept if name in told}
    known = {id(each) for each in copied.parameters()} | held
    first = _leaves(subject, copied, rows)
    found = {id(leaf): leaf for leaf in first if id(leaf) not in known and (id(leaf) in aside or _is_weight(leaf))}
    if not found:
        return Hidden()
    again = {id(leaf) for leaf in _leaves(subject, copied, rows)}
    drawn = [leaf for at, leaf in found.items() if at not in again and at not in aside]
    staying = [leaf for at, leaf in found.items() if at in again]
    # A copy holds copies of what lies in the network's lists; what lies elsewhere is the program's own.
    names = [aside.get(id(leaf), "") for leaf in staying]
    size = sum(leaf.numel() for leaf in staying)
    total = size + sum(each.numel() for each in copied.parameters())
    matrices = [leaf for leaf in staying if leaf.ndim > 1]
    container, attribute, holder = _place_of(copied, next((name for name in names if name), ""))
    return Hidden(
        names=sorted({name for name in names if name}),
        container=container,
        attribute=attribute,
        holder=holder,
        share=size / max(total, 1),
        as_drawn=any(as_drawn(leaf.detach().float(), leaf[0].numel()) for leaf in matrices),
        elsewhere=sum(not name for name in names),
        made_anew=sum(leaf.ndim > 1 for leaf in drawn) if _differ(subject, copied, rows) else 0,
    )


def _kept_aside(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Weights in plain attributes, by their path: in lists, tuples and dicts of modules or tensors, or bare."""
    own = {id(each) for each in model.parameters()}
    inner = {id(each) for each in model.modules()}
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            for path, each in _weights_in(value, attribute, inner, _DEEP) if attribute not in _OWN else ():
                if id(each) not in own:
                    yield f"{name}.{path}".lstrip("."), each


def _weights_in(value: Any, path: str, inner: set[int], deep: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, nn.Module):
        if id(value) not in inner:
            yield from ((f"{path}.{name}", each) for name, each in value.named_parameters() if each.requires_grad)
    elif isinstance(value, Tensor):
        if value.is_leaf and value.requires_grad:
            yield path, value
    elif deep and isinstance(value, _CONTAINERS):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _weights_in(part, f"{path}.{key}", inner, deep - 1)


def _place_of(model: nn.Module, path: str) -> tuple[str, str, str]:
    """In what a weight lies (list, tuple, dict, or nothing), as which attribute, and what would hold it better."""
    at: Any = model
    parts = path.split(".")
    for before, part in zip(["", *parts], parts, strict=False):
        if isinstance(at, _CONTAINERS):
            items = list(at.values()) if isinstance(at, dict) else list(at)
            what = "Parameter" if all(isinstance(each, Tensor) for each in items) else "Module"
            kind = next(kind.__name__ for kind in _CONTAINERS if isinstance(at, kind))
            return kind, before, f"nn.{what}{'Dict' if kind == 'dict' else 'List'}"
        at = getattr(at, part, None)
    return "", parts[-1], "nn.Parameter" if path else ""


def _is_weight(leaf: Tensor) -> bool:
    return isinstance(leaf, nn.Parameter) and leaf.ndim > 1


def _leaves(subject: Subject, model: nn.Module, rows: Rows) -> list[Tensor]:
    """All tensors that require gradients and from which the outputs are made."""
    with torch.enable_grad():
        outputs = subject.call(model, rows.inputs)
    return leaves_of_graph(_tensors(outputs))


def _differ(subject: Subject, model: nn.Module, rows: Rows) -> bool:
    """Whether the same rows get other answers each time: a first state of zeros, made anew, changes nothing."""
    with torch.no_grad():
        first, again = (_tensors(subject.call(model, rows.inputs)) for _ in range(2))
    return any(bool((one != other).any()) for one, other in zip(first, again, strict=False) if one.shape == other.shape)


def _tensors(outputs: Any) -> list[Tensor]:
    found = [each for _, each in named_tensors(outputs)]
    answers = answer_tensor(outputs)
    return found or ([answers] if answers is not None else [])
