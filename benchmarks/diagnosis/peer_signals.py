"""What the published rules look at, taken at the ends of epochs from a copy of the network on the program's first batch.

The tools are made for Keras, whose layers know their activations. Here every call of an activation is caught, whether it is a
module or a function, so that no rule is blind only because a program is written in PyTorch.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from judging import loss_of, shown
from recipe import Recipe
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

CHECKS = 24  # epochs at most that are looked at, spread evenly; and the time before the first
ACTIVATIONS = {"relu", "relu_", "sigmoid", "tanh", "leaky_relu", "gelu"}
# Pre-activations beyond which SageMaker Debugger calls a unit saturated, and those of DeepDiagnosis.
EXTREME = {"tanh": (-9.4999, 9.4999), "sigmoid": (-23.0, 16.99999)}
BEYOND = 5.0


class Calls(TorchFunctionMode):
    """Remembers what went into and came out of every activation."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, Tensor, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        before = args[0].detach().clone() if name in ACTIVATIONS else None
        result = func(*args, **(kwargs or {}))
        if before is not None:
            self.seen.append((name.rstrip("_"), before, result.detach()))
        return result


class Signals:
    """An observer for `programs.train`; `record` is plain values."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.loss = recipe, loss_of(recipe)
        x, y = recipe.arrays.train
        batch = min(recipe.batch or len(x), len(x))
        self.batch = x[:batch], y[:batch]
        self.every = max(1, recipe.epochs // CHECKS)
        self.before: dict[str, Tensor] = {}
        flat = x.float()
        self.record: dict[str, Any] = {
            "rate": recipe.rate,
            "input": [shown(float(flat.min())), shown(float(flat.max())), shown(float(flat.mean()))],
            "input_floats": x.is_floating_point(),
            "task": recipe.arrays.task,
            "activation": recipe.activation,
            "hidden": recipe.depth if recipe.family not in ("logistic", "lstm", "gru") else 0,
            "head": recipe.head,
            "loss": recipe.loss,
            "target": [shown(float(y.float().min())), shown(float(y.float().max()))],
            "counts": torch.bincount(y).tolist() if recipe.arrays.task == "classes" else [],
            "checks": [],
        }

    def __call__(self, epoch: int, model: nn.Module) -> None:
        if epoch >= 0 and epoch % self.every and epoch != self.recipe.epochs - 1:
            return
        with torch.random.fork_rng(devices=[]):
            try:
                check = self.look(copy.deepcopy(model))
            except (RuntimeError, ValueError, IndexError) as error:
                check = {"failed": str(error)[:100]}
        self.record["checks"].append({"epoch": epoch, **check})

    def look(self, model: nn.Module) -> dict[str, Any]:
        model.zero_grad()
        model.train(self.recipe.mode != "eval")
        means: list[float] = []
        hooks = [
            leaf.register_forward_hook(lambda module, given, out: means.append(mean_of(out)))
            for leaf in model.modules()
            if not list(leaf.children())
        ]
        calls = Calls()
        with calls:
            outputs = model(self.batch[0])
        for hook in hooks:
            hook.remove()
        loss = self.recipe.sign * self.loss(outputs, self.batch[1])
        if loss.requires_grad and self.recipe.backward == "loss":
            loss.backward()
        weights = {name: each.detach() for name, each in model.named_parameters() if each.ndim > 1 and each.requires_grad}
        gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
        of_weights = [gradients[name] for name in weights if name in gradients]
        count = sum(each.numel() for each in gradients.values())
        result = {
            "loss": shown(float(loss.detach())),
            "gradient_norm": [shown(float(each.norm())) for each in of_weights],
            "gradient_mean": [shown(float(each.mean())) for each in of_weights],
            "gradient_size": [shown(float(each.abs().mean())) for each in of_weights],
            "gradient_spread": [shown(spread(each)) for each in of_weights],
            "gradient_zero": shown(sum(int((each == 0).sum()) for each in gradients.values()) / max(count, 1)),
            "weight_mean": [shown(float(each.mean())) for each in weights.values()],
            "weight_variance": [shown(float(each.var())) for each in weights.values()],
            "update_ratio": [shown(self.moved(name, each)) for name, each in weights.items()],
            "layer_mean": means,
            "activations": [of_activation(*each) for each in calls.seen],
            "output": [shown(float(outputs.detach().min())), shown(float(outputs.detach().max()))],
        }
        self.before = {name: each.clone() for name, each in weights.items()}
        return result

    def moved(self, name: str, weight: Tensor) -> float:
        """Mean |Δw| / mean |w| since the last look."""
        before = self.before.get(name)
        return -1.0 if before is None else float((weight - before).abs().mean() / (before.abs().mean() + 1e-9))


def mean_of(out: Any) -> float:
    value = out[0] if isinstance(out, tuple) else out
    return shown(float(value.detach().float().mean()))


def spread(values: Tensor) -> float:
    """Between the 5th and the 95th percentile."""
    flat = values.flatten()
    if not bool(torch.isfinite(flat).all()):
        return float("nan")
    low, high = torch.quantile(flat[: 1 << 20], torch.tensor([0.05, 0.95]))
    return float(high - low)


def of_activation(name: str, before: Tensor, after: Tensor) -> dict[str, Any]:
    """One activation: the share of values that are not positive, of units that are hardly active, of saturated ones."""
    units = after.movedim(1, -1).reshape(-1, after.shape[1]) if after.ndim > 1 else after[:, None]
    entries = before.movedim(1, -1).reshape(-1, before.shape[1]) if before.ndim > 1 else before[:, None]
    low, high = EXTREME.get(name, (-float("inf"), float("inf")))
    return {
        "name": name,
        "not_positive": shown(float((after <= 0).float().mean())),
        "inactive": shown(float(((units > 0).float().mean(0) < 0.01).float().mean())),
        "beyond": shown(float((before.abs() >= BEYOND).float().mean())),
        "extreme": shown(float(((((entries > low) & (entries < high)).float().mean(0)) < 0.01).float().mean())),
        "variance": shown(float(before.var())) if before.numel() > 1 else 0.0,
    }
