"""Changes of how a copy's steps are taken. Each gives an empty text, or why it does not apply."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from leadline.diagnose.checks.plain_tensors import make_parameters
from leadline.diagnose.checks.task_guess import classes_in
from leadline.diagnose.trials.copied_training import CopiedTraining


def rate(copied: CopiedTraining, factor: Any) -> str:
    copied.rate *= float(factor)
    return ""


def optimizer(copied: CopiedTraining, name: Any) -> str:
    """By name, with a rate that suits most networks: Adam's 10⁻³, or 0.05 with momentum 0.9."""

    def make(groups: list[dict[str, Any]]) -> Optimizer:
        if name == "sgd":
            return SGD(groups, lr=0.05, momentum=0.9)
        fused = all(
            part.is_floating_point() and part.device.type in ("cpu", "cuda") for group in groups for part in group["params"]
        )
        return (AdamW if name == "adamw" else Adam)(groups, lr=1e-3, fused=fused or None)

    if name not in ("adam", "adamw", "sgd"):
        return f"there is no optimizer {name!r} among adam, adamw and sgd"
    copied.optimizer, copied.rate = make, 1.0
    copied.habits = dataclasses.replace(copied.habits, rates=())
    return ""


def clip(copied: CopiedTraining, norm: Any) -> str:
    copied.habits = dataclasses.replace(copied.habits, clip=float(norm))
    return ""


def no_decay(copied: CopiedTraining, argument: Any) -> str:
    groups = [group for optimizer in copied.subject.optimizers for group in optimizer.param_groups]
    if not any(group.get("weight_decay") for group in groups):
        return "its weights do not decay"
    copied.settings["weight_decay"] = 0.0
    return ""


def decay(copied: CopiedTraining, amount: Any) -> str:
    groups = [group for optimizer in copied.subject.optimizers for group in optimizer.param_groups]
    if not all("weight_decay" in group for group in groups):
        return "its optimizer knows no weight decay"
    copied.settings["weight_decay"] = float(amount)
    return ""


def momentum(copied: CopiedTraining, amount: Any) -> str:
    groups = [group for optimizer in copied.subject.optimizers for group in optimizer.param_groups]
    if not all("momentum" in group for group in groups) or all(group["momentum"] == amount for group in groups):
        return "its optimizer has no momentum to change"
    copied.settings["momentum"] = float(amount)
    return ""


def batch(copied: CopiedTraining, rows: Any) -> str:
    """As many rows as before are gone through where the batch is smaller, as many steps where it is larger."""
    rows, before = int(rows), min(copied.habits.batch, len(copied.train))
    if min(rows, len(copied.train)) == before:
        return f"a batch has {before} rows already"
    copied.length *= min(max(before / rows, 1.0), 10.0)
    copied.habits = dataclasses.replace(copied.habits, batch=rows)
    return ""


def shuffle(copied: CopiedTraining, argument: Any) -> str:
    if copied.habits.shuffled:
        return "rows come in a new order each epoch already"
    copied.habits = dataclasses.replace(copied.habits, shuffled=True, by_target=False)
    return ""


def zero_grad(copied: CopiedTraining, argument: Any) -> str:
    if copied.habits.zeroes:
        return "gradients are zeroed already"
    copied.habits = dataclasses.replace(copied.habits, zeroes=True)
    return ""


def connected(copied: CopiedTraining, argument: Any) -> str:
    """The gradient comes from the loss as a copy has it: what cut it off was in the loop, between the two."""
    if copied.habits.learns:
        return "its weights get gradients already"
    rows = copied.train.take(slice(0, 8))
    copied.set_training(copied.habits.training_mode)
    if not copied.loss(copied.answer(rows.inputs), rows.targets).requires_grad:
        return "its loss is cut off from the network in a copy as well"
    copied.habits = dataclasses.replace(copied.habits, learns=True)
    return ""


def training_mode(copied: CopiedTraining, argument: Any) -> str:
    if copied.habits.training_mode:
        return "it trains in training mode already"
    copied.habits = dataclasses.replace(copied.habits, training_mode=True)
    return ""


def constant_rate(copied: CopiedTraining, argument: Any) -> str:
    if not copied.habits.rates:
        return "its learning rate does not change"
    copied.habits = dataclasses.replace(copied.habits, rates=())
    return ""


def cooled(copied: CopiedTraining, argument: Any) -> str:
    """The rate rises for a tenth of the steps and falls to nothing by the end."""
    copied.habits = dataclasses.replace(copied.habits, rates=((0.0, 0.1), (0.1, 1.0), (1.0, 0.0)))
    return ""


def longer(copied: CopiedTraining, factor: Any) -> str:
    copied.length *= float(factor)
    return ""


def everything_trains(copied: CopiedTraining, argument: Any) -> str:
    held = {id(part) for optimizer in copied.subject.optimizers for group in optimizer.param_groups for part in group["params"]}
    plain = copied.readings.hidden.plain if copied.readings is not None else []
    frozen = [part for part in copied.model.parameters() if not part.requires_grad]
    make_parameters(copied.model, plain)
    if not frozen and not plain and all(id(part) in held for part in copied.subject.model.parameters()):
        return "all its parameters are trained already"
    for part in frozen:
        part.requires_grad_(part.is_floating_point())
    copied.everything = True
    if not any(id(part) in held for part in copied.subject.model.parameters()):
        # It zeroed the gradients of what it held; whether it zeroes any cannot be seen where it held none of these.
        copied.habits = dataclasses.replace(copied.habits, zeroes=True)
    return ""


def turn_sign(copied: CopiedTraining, argument: Any) -> str:
    before = copied.loss
    copied.loss = lambda outputs, targets: -before(outputs, targets)
    return ""


def mean_loss(copied: CopiedTraining, argument: Any) -> str:
    """The loss over the number of rows, where it is a sum over them."""
    before = copied.loss

    def mean(outputs: Any, targets: Any) -> Tensor:
        loss = before(outputs, targets)
        return (loss.mean() if loss.ndim else loss) / (1 if loss.ndim else len(targets))

    copied.loss = mean
    return ""


def balanced(copied: CopiedTraining, argument: Any) -> str:
    """Each class is drawn as often as any other, and counts as much when it is judged."""
    if copied.subject.task != "classes":
        return "it has no classes"
    train, held = classes_in(copied.train.targets), classes_in(copied.held.targets)
    known = int(max(train.max(), held.max())) + 1
    counts, judged = torch.bincount(train, minlength=known).float(), torch.bincount(held, minlength=known).float()
    copied.row_weights = (1 / counts.clamp(min=1))[train].cpu()
    copied.judging = (len(held) / (judged.clamp(min=1) * (judged > 0).sum()))[held]
    return ""
