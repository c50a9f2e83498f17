"""What the faults do: functions from a healthy recipe, a strength and a random generator to a faulty recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from recipe import Part, Recipe
from torch import Tensor, nn

Draw = np.random.Generator
Change = Callable[[Recipe, Any, Draw], Recipe]
SPLITS = ("train", "valid", "test")


def settings(**fixed: Any) -> Change:
    """Some things set otherwise, whatever the strength."""
    return lambda recipe, strength, draw: recipe.but(**fixed)


def times(name: str, *, whole: bool = False, least: float = 0.0) -> Change:
    """A setting multiplied by the strength."""

    def change(recipe: Recipe, strength: Any, draw: Draw) -> Recipe:
        value = max(least, getattr(recipe, name) * strength)
        return recipe.but(**{name: int(value) if whole else value})

    return change


def set_to(name: str, **also: Any) -> Change:
    """A setting with the strength as its value."""
    return lambda recipe, strength, draw: recipe.but(**{name: strength, **also})


def on_rows(change: Callable[[Part, Any, Draw, Recipe], Part], splits: tuple[str, ...] = SPLITS) -> Change:
    """Rows changed in some of the splits: in all where the fault is in how the program prepares them."""

    def changed(recipe: Recipe, strength: Any, draw: Draw) -> Recipe:
        parts = {name: change(getattr(recipe.arrays, name), strength, draw, recipe) for name in splits}
        arrays = replace(recipe.arrays, **parts)
        if arrays.task == "reconstruct":  # what goes in is what should come out
            arrays = replace(arrays, **{name: (part[0], part[0]) for name, part in parts.items()})
        return recipe.but(arrays=arrays)

    return changed


def on_weights(change: Callable[[nn.Module, Any], None]) -> Change:
    """The first weights changed."""

    def changed(recipe: Recipe, strength: Any, draw: Draw) -> Recipe:
        return recipe.but(initialize=[*recipe.initialize, lambda model: change(model, strength)])

    return changed


def both(*changes: Change) -> Change:
    """One after another, with the same strength."""

    def changed(recipe: Recipe, strength: Any, draw: Draw) -> Recipe:
        for change in changes:
            recipe = change(recipe, strength, draw)
        return recipe

    return changed


def summed(recipe: Recipe, strength: Any, draw: Draw) -> Recipe:
    """A loss that is not divided by the rows: the gradient is as many times longer as there are rows in a batch."""
    return recipe.but(loss={"cross_entropy": "sum", "mse": "mse sum"}[recipe.loss])


def which(share: float, count: int, draw: Draw) -> Tensor:
    return torch.from_numpy(draw.permutation(count)[: max(2, round(share * count))])


def shuffled_labels(part: Part, share: float, draw: Draw, recipe: Recipe) -> Part:
    x, y = part
    rows, changed = which(share, len(y), draw), y.clone()
    changed[rows] = y[rows[torch.from_numpy(draw.permutation(len(rows)))]]
    return x, changed


def misaligned(part: Part, by: int, draw: Draw, recipe: Recipe) -> Part:
    """The targets of other rows: one list was shuffled or filtered, the other was not."""
    order = torch.from_numpy(draw.permutation(len(part[1])))
    return part[0][order], part[1][order].roll(by, 0)


def scaled(part: Part, factor: float, draw: Draw, recipe: Recipe) -> Part:
    return part[0] * factor, part[1]


def offset(part: Part, by: float, draw: Draw, recipe: Recipe) -> Part:
    return part[0] + by * recipe.arrays.train[0].std(), part[1]


def unscaled_columns(part: Part, decades: float, draw: Draw, recipe: Recipe) -> Part:
    """Every column in a unit of its own: the same for all splits, so the draw is not the caller's."""
    units = np.random.default_rng(3).uniform(-decades / 2, decades / 2, part[0].shape[1])
    return part[0] * torch.from_numpy(10**units).float(), part[1]


def with_gaps(part: Part, share: float, draw: Draw, recipe: Recipe) -> Part:
    x = part[0].clone()
    for row in which(share, len(x), draw):
        x[row].flatten()[int(draw.integers(x[0].numel()))] = float("nan")
    return x, part[1]


def emptied(part: Part, strength: Any, draw: Draw, recipe: Recipe) -> Part:
    """The wrong variable: zeros, or noise that has nothing to do with the rows."""
    x = part[0]
    if not x.is_floating_point():
        return torch.from_numpy(draw.integers(2, 8, tuple(x.shape))), part[1]
    noise = torch.from_numpy(draw.normal(size=tuple(x.shape))).float()
    return (torch.zeros_like(x) if strength == "zeros" else noise), part[1]


def sorted_rows(part: Part, strength: Any, draw: Draw, recipe: Recipe) -> Part:
    order = part[1].flatten().argsort(stable=True) if part[1].numel() == len(part[1]) else part[1].sum(1).argsort()
    return part[0][order], part[1][order]


def fewer_of_some_classes(part: Part, share: float, draw: Draw, recipe: Recipe) -> Part:
    """Every other class with so small a share of its rows."""
    y = part[1].flatten().long()
    keep = torch.from_numpy(draw.uniform(size=len(y)) < share) | (y % 2 == 0)
    keep[torch.stack([(y == each).nonzero()[0, 0] for each in y.unique()])] = True
    return part[0][keep], part[1][keep]


def fewer_rows(part: Part, share: float, draw: Draw, recipe: Recipe) -> Part:
    rows = which(share, len(part[1]), draw)
    return part[0][rows], part[1][rows]


def copied_rows(recipe: Recipe, share: float, draw: Draw) -> Recipe:
    """Training rows among the held-out ones."""
    (x, y), (held_x, held_y) = recipe.arrays.train, recipe.arrays.valid
    into, source = which(share, len(held_y), draw), torch.from_numpy(draw.permutation(len(y)))
    held_x, held_y = held_x.clone(), held_y.clone()
    chosen = source[torch.arange(len(into)) % len(source)]
    held_x[into], held_y[into] = x[chosen], y[chosen]
    return recipe.but(arrays=replace(recipe.arrays, valid=(held_x, held_y)))


def label_in_column(recipe: Recipe, noise: float, draw: Draw) -> Recipe:
    """A column that is only known because the answer is: at test time it says nothing."""

    def told(part: Part, known: bool) -> Part:
        x, y = part[0].clone(), part[1].float().reshape(len(part[1]), -1)[:, 0]
        value = (y - y.mean()) / y.std() + noise * torch.from_numpy(draw.normal(size=len(y))).float()
        x[:, 0] = value if known else value[torch.from_numpy(draw.permutation(len(y)))]
        return x, part[1]

    arrays = recipe.arrays
    return recipe.but(arrays=replace(arrays, train=told(arrays.train, True), valid=told(arrays.valid, True),
                                     test=told(arrays.test, False)))  # fmt: skip


def unlike_splits(part: Part, strength: float, draw: Draw, recipe: Recipe) -> Part:
    """What is held out, prepared in another way: with other means and scales than the training rows."""
    spread = recipe.arrays.train[0].std()
    return part[0] * (1 + strength) + 1.5 * strength * spread, part[1]


def split_by_class(recipe: Recipe, share: float, draw: Draw) -> Recipe:
    """A file sorted by class, its end held out: the last classes are hardly trained on."""
    arrays = recipe.arrays
    x, y = (torch.cat([a, b]) for a, b in zip(arrays.train, arrays.valid, strict=True))
    order = y.flatten().argsort(stable=True)
    held = len(arrays.valid[1])
    mixed = which(1 - share, len(order), draw)
    order[mixed.sort().values] = order[mixed]
    x, y = x[order], y[order]
    return recipe.but(arrays=replace(arrays, train=(x[:-held], y[:-held]), valid=(x[-held:], y[-held:])))


def weights_of(model: nn.Module) -> list[nn.Parameter]:
    return [each for each in model.parameters() if each.ndim > 1 and each.requires_grad]


def set_weights(model: nn.Module, value: Any) -> None:
    """All weights the same number; the biases zero."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.Embedding, nn.RNNBase)):
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.requires_grad:
                    parameter.fill_(0.0 if "bias" in name else value)


def scale_weights(model: nn.Module, factor: float) -> None:
    for parameter in weights_of(model):
        parameter.mul_(factor)


def scale_recurrent(model: nn.Module, factor: float) -> None:
    for name, parameter in model.named_parameters():
        if "weight_hh" in name:
            parameter.mul_(factor)


def sink_biases(model: nn.Module, by: float) -> None:
    """Biases of the hidden layers so far below zero that a rectifier passes hardly anything."""
    hidden = [each for each in model.modules() if isinstance(each, (nn.Linear, nn.Conv2d)) and each.bias is not None]
    for module in hidden[:-1]:
        if module.bias.requires_grad:
            module.bias.sub_(by)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.bias.sub_(by)


def freeze(model: nn.Module, share: float) -> None:
    """The first layers are not to be trained; their weights are random."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    for parameter in parameters[: max(1, min(len(parameters) - 1, round(share * len(parameters))))]:
        parameter.requires_grad = False


def slow_statistics(model: nn.Module, momentum: float) -> None:
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = momentum
