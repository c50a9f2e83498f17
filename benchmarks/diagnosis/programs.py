"""The hand-written loop that runs a recipe: plainly, under `leadline.diagnose.watch`, or with the peers' signals taken."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from judging import loss_of, score, shown
from recipe import Part, Recipe
from torch import Tensor, nn

# Called (epoch, model) before the first epoch, as −1, and at the end of each, outside of the time that is measured.
Observer = Callable[[int, nn.Module], None]


@dataclass
class Trained:
    """What a training left: the network, what the person saw epoch by epoch, how long it took, how good it really is."""

    model: nn.Module
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    clean: float = 0.0
    promised: float = 0.0  # the held-out score at the end
    crashed: str = ""
    probe: Any = None


def optimizer_of(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    everything = list(model.parameters())
    trainable = [each for each in everything if each.requires_grad]
    held = {
        "all": trainable,
        "head": trainable[-2:],
        "not first": trainable[2:],
        "last bias": trainable[-1:],
        "a copy": [each for each in copy.deepcopy(model).parameters() if each.requires_grad],
    }[recipe.held]
    rate, decay = recipe.rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(held, rate, momentum=recipe.momentum, weight_decay=decay)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
    return kinds[recipe.optimizer](held, rate, weight_decay=decay)


def schedule_of(recipe: Recipe, optimizer: torch.optim.Optimizer, steps: int) -> Any:
    """The rate's factor by step: cosine to 0; a warm-up over a tenth, then cosine; three cycles."""
    factors: dict[str, Callable[[int], float]] = {
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)),
        "warm-up": lambda step: min(step / (steps / 10), 0.5 * (1 + math.cos(math.pi * step / steps))) + 1e-4,
        "cycles": lambda step: 0.02 + 0.98 * 0.5 * (1 + math.cos(2 * math.pi * (step / steps * 3 % 1) / 2)),
    }
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factors[recipe.schedule]) if recipe.schedule else None


def build(recipe: Recipe, seed: int) -> nn.Module:
    """The network with its first weights."""
    torch.manual_seed(seed)
    model = recipe.net(recipe)
    with torch.no_grad():
        for change in recipe.initialize:
            change(model)
    return model


def outputs_of(model: nn.Module, part: Part) -> Tensor:
    with torch.no_grad():
        return model(part[0])


def train(
    recipe: Recipe,
    seed: int,
    *,
    watch: Callable[..., Any] | None = None,
    observer: Observer | None = None,
    prepared: Callable[[nn.Module, torch.optim.Optimizer], None] | None = None,
) -> Trained:
    """Run the program. `watch` is `leadline.diagnose.watch`: its probe is in `probe`, its findings yet to be asked for."""
    model = build(recipe, seed)
    criterion, optimizer = loss_of(recipe), optimizer_of(recipe, model)
    loss_function = criterion if recipe.sign == 1 else lambda outputs, targets: recipe.sign * criterion(outputs, targets)
    count = len(recipe.arrays.train[0])
    batch = recipe.batch or count
    steps = recipe.epochs * math.ceil(count / batch)
    schedule = schedule_of(recipe, optimizer, steps)
    result, order = Trained(model), torch.Generator().manual_seed(seed)
    if prepared:
        prepared(model, optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of some of the faults; a person has not read it
        try:
            if watch:
                with watch(model, optimizer, loss=loss_function, valid=recipe.arrays.valid) as probe:
                    result.probe = probe
                    loop(recipe, result, loss_function, optimizer, schedule, order, batch, probe, observer)
            else:
                loop(recipe, result, loss_function, optimizer, schedule, order, batch, None, observer)
        except (RuntimeError, ValueError, IndexError) as error:
            result.crashed = f"{type(error).__name__}: {error}"[:200]
        judge(recipe, result)
    return result


def loop(
    recipe: Recipe,
    result: Trained,
    loss_function: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: Any,
    order: torch.Generator,
    batch: int,
    probe: Any,
    observer: Observer | None,
) -> None:
    """What a person writes."""
    model, (x, y) = result.model, recipe.arrays.train
    if observer:
        observer(-1, model)
    for epoch in range(recipe.epochs):
        started = time.process_time()
        model.eval() if recipe.mode == "eval" else model.train()
        rows = torch.randperm(len(x), generator=order) if recipe.shuffle else torch.arange(len(x))
        total, seen, right = 0.0, 0, 0.0
        if recipe.zero_grad == "epoch":
            optimizer.zero_grad()
        for which in rows.split(batch):
            inputs, targets = x[which], y[which]
            if recipe.zero_grad == "first":
                optimizer.zero_grad()
            outputs = model(inputs)
            loss = loss_function(outputs, targets)
            if recipe.backward == "value":
                loss = torch.tensor(loss.item(), requires_grad=True)
            loss.backward()
            if recipe.clip:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            if probe is not None and recipe.probe == "before":
                probe.step(loss, inputs, targets)
            optimizer.step()
            if schedule:
                schedule.step()
            if probe is not None and recipe.probe == "after":
                probe.step(loss, inputs, targets)
            if recipe.zero_grad == "last":
                optimizer.zero_grad()
            value = loss.item()
            result.losses.append(value)
            total, seen = total + value * len(which), seen + len(which)
            right += score(outputs.detach(), targets, recipe) * len(which)
        if recipe.mode != "train":
            model.eval()
        outputs = outputs_of(model, recipe.arrays.valid)
        valid = float(loss_function(outputs, recipe.arrays.valid[1]))
        held_out = score(outputs, recipe.arrays.valid[1], recipe)
        epoch_record = {"loss": total / seen, "score": right / seen, "valid_loss": valid, "valid_score": held_out}
        result.history.append({name: shown(each) for name, each in epoch_record.items()})
        result.seconds += time.process_time() - started
        if observer:
            observer(epoch, model)


def judge(recipe: Recipe, result: Trained) -> None:
    """The score on the clean test set, with the network in the mode in which the program would answer.

    A copy answers: in training mode batch norm would go on learning from the rows that it is asked about.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            result.clean, result.promised = (
                score(outputs_of(copy.deepcopy(result.model).train(recipe.mode == "train"), part), part[1], recipe)
                for part in (recipe.arrays.test, recipe.arrays.valid)
            )
        except (RuntimeError, ValueError, IndexError) as error:
            result.crashed = result.crashed or f"{type(error).__name__}: {error}"[:200]


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks are the same to the bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a.view(torch.uint8) if a.ndim else a[None].view(torch.uint8),
                           b.view(torch.uint8) if b.ndim else b[None].view(torch.uint8)) for a, b in pairs)  # fmt: skip
