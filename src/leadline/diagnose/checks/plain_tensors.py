"""Tensors in plain attributes that outputs are made with, that look as if they were drawn, and that nothing can train."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from leadline.diagnose.checks.foreign_weights import leaves_of_graph
from leadline.diagnose.checks.input_columns import named_tensors
from leadline.diagnose.subject import Rows, Subject

_TOLD, _UNLIKE, _CHANCE = 32, 0.9, 4.0  # numbers; share of different ones; standard errors of a correlation
_EVEN = 0.3  # of the likeness of random rows, that those of a tensor must have: made bases are at right angles


def read_plain(subject: Subject, rows: Rows) -> tuple[list[str], float]:
    """Their paths in the network, and their share of all weights.

    What a pass in training mode changes, such as a carried state, is left out, and so is what has an order in it, such as
    positions, grids and masks.

    Args:
        subject: whose network it is.
        rows: a few.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject(steps=0)
        >>> read_plain(subject, subject.train.take(slice(0, 4)))
        ([], 0.0)
    """
    copied = subject.trained().train()
    before = dict(unregistered(copied))
    if not before or not subject.optimizers:
        return [], 0.0
    values = {path: each.clone() for path, each in before.items()}
    with torch.no_grad():
        subject.call(copied, rows.inputs)
    after = dict(unregistered(copied))
    staying = {path: each for path, each in before.items() if after.get(path) is each and torch.equal(each, values[path])}
    drawn = {path: each.requires_grad_() for path, each in staying.items() if looks_random(each)}
    if not drawn:
        return [], 0.0
    with torch.enable_grad():
        outputs = subject.call(copied.eval(), rows.inputs)
    reached = {id(leaf) for leaf in leaves_of_graph([each for _, each in named_tensors(outputs)])}
    used = {path: each for path, each in drawn.items() if id(each) in reached}
    size = sum(each.numel() for each in used.values())
    return sorted(used), size / max(size + sum(each.numel() for each in copied.parameters()), 1)


def unregistered(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Matrices of numbers that are attributes of modules, and neither parameters nor buffers, by their path.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> layer.keys = torch.randn(3, 2)
        >>> [path for path, _ in unregistered(nn.Sequential(layer))]
        ['0.keys']
    """
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            if isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 1 and not value.requires_grad:
                yield f"{name}.{attribute}".lstrip("."), value


def make_parameters(model: nn.Module, paths: list[str]) -> None:
    """Register plain tensors as parameters.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> layer.keys = torch.randn(3, 2)
        >>> make_parameters(layer, ["keys"])
        >>> [name for name, _ in layer.named_parameters()]
        ['weight', 'bias', 'keys']
    """
    for path in paths:
        holder, _, attribute = path.rpartition(".")
        module = model.get_submodule(holder)
        module.register_parameter(attribute, nn.Parameter(vars(module).pop(attribute)))


def looks_random(values: Tensor) -> bool:
    """Whether numbers are all different and say nothing of their neighbours, as those that are drawn.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> [looks_random(each) for each in (torch.randn(16, 4), torch.eye(8), torch.arange(64.0).sin().view(8, 8))]
        [True, False, False]
    """
    flat = values.detach().double().reshape(len(values), -1)
    count = flat.numel()
    if count < _TOLD or len(torch.unique(flat)) < _UNLIKE * count or not bool(torch.isfinite(flat).all()):
        return False
    centred = flat - flat.mean()
    pairs = [(centred[1:], centred[:-1]), (centred[:, 1:], centred[:, :-1])]
    for one, other in pairs:
        if one.numel() and abs(float((one * other).mean() / centred.square().mean())) > _CHANCE / one.numel() ** 0.5:
            return False
    if min(flat.shape) < 2:
        return True
    rows = centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-12)
    likeness = (rows @ rows.T).fill_diagonal_(0).square().sum() / (len(rows) * (len(rows) - 1))
    return bool(likeness.sqrt() > _EVEN / flat.shape[1] ** 0.5)
